//! The machine types of one place that fit what is asked for, with their prices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;

use super::offer::{Offer, Wish, better, cheap_enough};
use crate::catalog::{Catalog, DEFAULT_IMAGE, image_alias};
use crate::cloud::{
    Architecture, Error, ErrorKind, InstanceSpec, MachineNeed, MachineType, Place, Provider, Result, quoted,
};

/// As many of the known types that fit are looked up in the cloud, the cheapest first.
const MOST_LOOKED_UP: usize = 40;
/// As many machine types are tried in one place where others than the first may be.
const MOST_TYPES: usize = 6;
/// Another type in place of the asked one costs so many times as much at most, unless a price is set.
const DEAREST_SUBSTITUTE: f64 = 2.0;
/// The offers of one place, the best first: current generations before older ones, and of those the cheapest. One
/// alone, unless `several` may be tried. What was asked for by name comes first.
///
/// # Errors
/// `InvalidSpec` if nothing there fits, with what comes nearest; `Refused` if nothing that fits is known to cost little
/// enough, with the cheapest; those of any call.
pub(crate) async fn offers_in(
    provider: &Arc<dyn Provider>,
    place: &Place,
    wish: &Wish,
    several: bool,
    is_compared: bool,
    catalog: &Catalog,
) -> Result<Vec<Offer>> {
    let market = Market {
        provider,
        place,
        wish,
        catalog,
        is_warned: AtomicBool::new(false),
    };
    let (mut offers, most) = match &wish.spec.machine_type {
        None if !wish.spec.need.is_empty() => (
            market.fitting(&wish.need()).await?,
            if several { MOST_TYPES } else { 1 },
        ),
        asked => {
            if !several && !is_compared && !wish.is_priced() {
                return Ok(vec![market.unseen()]);
            }
            let first = market.named(asked.as_deref()).await?;
            let others = if several {
                market.substitutes(&first).await?
            } else {
                Vec::new()
            };
            let most = 1 + if several { MOST_TYPES } else { 0 };
            (std::iter::once(first).chain(others).collect(), most)
        }
    };
    if wish.is_charged_otherwise() {
        // The order by the machines' own prices stands; what it comes to is not known.
        offers.iter_mut().for_each(|offer| offer.usd_per_hour = None);
    }
    if let Some(most) = wish.max_price {
        offers = cheap_enough(offers, most)?;
    }
    offers.truncate(most);
    Ok(offers)
}

/// One place, and what is looked for there.
struct Market<'a> {
    provider: &'a Arc<dyn Provider>,
    place: &'a Place,
    wish: &'a Wish,
    catalog: &'a Catalog,
    /// Whether it was said that prices could not be looked up.
    is_warned: AtomicBool,
}

impl Market<'_> {
    fn offer(&self, machine: Option<MachineType>, price: Result<Option<f64>>) -> Offer {
        let (usd_per_hour, unpriced) = match price {
            Ok(price) => (price, None),
            Err(error) => (None, Some(error)),
        };
        Offer {
            provider: Arc::clone(self.provider),
            place: self.place.clone(),
            machine,
            usd_per_hour,
            unpriced,
            is_substitute: false,
        }
    }

    /// What was asked for by name, or the default, without looking at it: the create call does.
    fn unseen(&self) -> Offer {
        self.offer(None, Ok(None))
    }

    /// Whether the machine's architecture is known without asking the cloud: an image by its id has its own.
    fn is_architecture_known(&self, spec: &InstanceSpec) -> bool {
        spec.need.architecture.is_some() || image_alias(spec.image.as_deref().unwrap_or(DEFAULT_IMAGE)).is_some()
    }

    /// The type that was asked for by name, or else the cloud's default.
    async fn named(&self, asked: Option<&str>) -> Result<Offer> {
        let name = match asked {
            Some(name) => name.to_owned(),
            None => {
                let spec = self.unseen().spec(&Wish {
                    budget: None,
                    ..self.wish.clone()
                })?;
                // One member stands for all of a group, which may be more than one call makes.
                let one = InstanceSpec { members: None, ..spec };
                match self.provider.plan(&one).await {
                    // Whether there is room is for the call that makes it: only the name is asked for here.
                    Err(error) if error.kind() == ErrorKind::Capacity && self.is_architecture_known(&one) => {
                        let architecture = one.need.architecture.unwrap_or(Architecture::X86_64);
                        self.provider.default_machine_type(architecture).to_owned()
                    }
                    planned => planned?.machine_type,
                }
            }
        };
        let known = match self.catalog.machine_type(self.provider.kind(), &name) {
            Some(known) => Some(known),
            None => {
                let live = self
                    .provider
                    .machine_types(&self.place.region, std::slice::from_ref(&name))
                    .await?;
                live.into_iter().find(|machine| machine.name == name)
            }
        };
        let Some(mut machine) = known else {
            let message = format!(
                "unknown machine type {} in {}/{}",
                quoted(&name),
                self.provider.kind(),
                self.place
            );
            return Err(Error::invalid(message).with_remedy(format!(
                "`cloudctl type list -p {} -r {}` lists those that are there",
                self.provider.kind(),
                self.place.region
            )));
        };
        self.attach(&mut machine, &self.wish.spec.need);
        let price = self.price(&machine).await;
        Ok(self.offer(Some(machine), price))
    }

    /// The types that have at least as much as the first, without the first.
    async fn substitutes(&self, first: &Offer) -> Result<Vec<Offer>> {
        let Some(machine) = &first.machine else {
            return Ok(Vec::new());
        };
        let need = MachineNeed {
            cpus: Some(machine.cpus),
            memory_gib: Some(machine.memory_gib),
            architecture: Some(machine.architecture),
            gpu: machine.gpu.clone(),
        };
        let dearest = first.usd_per_hour.map(|price| price * DEAREST_SUBSTITUTE);
        let mut others = self.fitting(&need).await?;
        others.retain(|other| {
            let is_other = other.machine.as_ref().is_some_and(|other| other.name != machine.name);
            let is_dear = match (dearest, other.usd_per_hour) {
                (Some(dearest), Some(price)) => price > dearest,
                // What is not known may be dearer.
                (Some(_), None) | (None, _) => true,
            };
            is_other && (self.wish.max_price.is_some() || !is_dear)
        });
        Ok(others)
    }

    /// The types that fit a need, the best first.
    async fn fitting(&self, need: &MachineNeed) -> Result<Vec<Offer>> {
        let (kind, region) = (self.provider.kind(), self.place.region.as_str());
        let known = self.fit(self.catalog.machine_types(kind, region), need);
        let names: Vec<_> = known
            .iter()
            .take(MOST_LOOKED_UP)
            .map(|machine| machine.name.clone())
            .collect();
        let mut all = None;
        let mut machines = Vec::new();
        if !names.is_empty() {
            machines = match self.provider.machine_types(region, &names).await {
                Ok(live) => self.fit(live, need),
                // Who may make instances but not look types up still has what cloudctl knows by itself.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => known,
                Err(error) => return Err(error),
            };
        }
        if machines.is_empty() {
            let live = self.provider.machine_types(region, &[]).await?;
            machines = self.fit(live.clone(), need);
            all = Some(live);
        }
        if machines.is_empty() {
            return Err(self.impossible(need, &all.unwrap_or_default()));
        }
        if machines.iter().any(|machine| machine.is_current) {
            machines.retain(|machine| machine.is_current);
        }
        // Spare capacity has a price of the moment, which is asked for type by type.
        if self.wish.spec.spot {
            let on_demand = |machine: &MachineType| self.catalog.price(kind, region, machine, false);
            machines.sort_by(|one, other| {
                let price = |machine| on_demand(machine).map_or(f64::INFINITY, |price| price.usd_per_hour);
                price(one).total_cmp(&price(other))
            });
            machines.truncate(MOST_TYPES * 2);
        }
        let prices = join_all(machines.iter().map(|machine| self.price(machine))).await;
        let mut offers: Vec<_> = machines
            .into_iter()
            .map(Some)
            .zip(prices)
            .map(|(machine, price)| self.offer(machine, price))
            .collect();
        offers.sort_by(better);
        Ok(offers)
    }

    fn fit(&self, machines: Vec<MachineType>, need: &MachineNeed) -> Vec<MachineType> {
        let mut machines = machines;
        for machine in &mut machines {
            self.attach(machine, need);
        }
        let spot = self.wish.spec.spot;
        machines.retain(|machine| need.is_met_by(machine) && (machine.has_spot || !spot));
        machines
    }

    /// Adds the accelerators that are needed to a machine that takes them.
    fn attach(&self, machine: &mut MachineType, need: &MachineNeed) {
        if let (None, Some(gpu)) = (&machine.gpu, &need.gpu)
            && self.catalog.can_attach(self.provider.kind(), machine, gpu)
        {
            machine.gpu = Some(gpu.clone());
        }
    }

    /// What a machine costs here; `None` is unknown.
    ///
    /// # Errors
    /// Why its price of this moment could not be looked up, which is said: no other price stands in for it.
    async fn price(&self, machine: &MachineType) -> Result<Option<f64>> {
        let (kind, spot) = (self.provider.kind(), self.wish.spec.spot);
        let live = match spot {
            true => self.provider.spot_price(self.place, &machine.name).await,
            false => Ok(self.provider.own_price(&machine.name)),
        };
        if let Err(error) = &live
            && !self.is_warned.swap(true, Ordering::Relaxed)
        {
            let region = &self.place.region;
            tracing::warn!("spot prices of {kind}/{region} are not known, and are left out of the choice: {error}");
        }
        let known = || self.catalog.price(kind, &self.place.region, machine, spot);
        Ok(live?.or_else(|| known().map(|price| price.usd_per_hour)))
    }

    /// The error for a need that nothing there meets.
    fn impossible(&self, need: &MachineNeed, all: &[MachineType]) -> Error {
        let location = format!("{}/{}", self.provider.kind(), self.place.region);
        let error = Error::invalid(format!("no machine type in {location} has {need}")).at(location);
        let nearest = all
            .iter()
            .min_by(|one, other| shortfall(need, one).total_cmp(&shortfall(need, other)));
        match nearest {
            Some(nearest) => error.with_remedy(format!("ask for less: the nearest is {}", describe(nearest))),
            None => error.with_remedy("use another --region"),
        }
    }
}

/// A machine type in words: `r7i.48xlarge with 192 CPUs and 1536 GiB`.
fn describe(machine: &MachineType) -> String {
    let gpu = machine
        .gpu
        .as_ref()
        .map(|gpu| format!(", GPU {gpu}"))
        .unwrap_or_default();
    format!(
        "{} with {} CPUs and {} GiB, {}{gpu}",
        machine.name, machine.cpus, machine.memory_gib, machine.architecture
    )
}

/// How far a machine type is from a need; the wrong architecture or accelerator is farther than any size.
fn shortfall(need: &MachineNeed, machine: &MachineType) -> f64 {
    let lacking = |asked: Option<f64>, has: f64| asked.map_or(0.0, |asked| (asked / has).max(1.0).ln());
    let architecture = need
        .architecture
        .is_some_and(|architecture| architecture != machine.architecture);
    let gpu = match (&need.gpu, &machine.gpu) {
        (None, Some(_)) => 50.0,
        (Some(_), None) => 200.0,
        (Some(need), Some(has)) if need.kind != has.kind => 100.0,
        (Some(need), Some(has)) => lacking(Some(f64::from(need.count)), f64::from(has.count)),
        (None, None) => 0.0,
    };
    lacking(need.cpus.map(f64::from), f64::from(machine.cpus))
        + lacking(need.memory_gib, machine.memory_gib)
        + gpu
        + if architecture { 1_000.0 } else { 0.0 }
}
