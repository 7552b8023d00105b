//! The machine types of one place that fit what is asked for, with their prices.
//! Offers: which machine types fit what is asked for in a place, and what they cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use crate::catalog::{Catalog, DEFAULT_IMAGE, has_license_fee, image_alias};
use crate::cloud::{
    Architecture, Error, ErrorKind, ErrorLocation, InstanceSpec, Location, MachineRequirements, MachineType, Provider,
    ProviderKind, Result, quoted,
};

/// As many of the known types that fit are looked up in the cloud, the cheapest first.
const MOST_LOOKED_UP: usize = 40;
/// As many machine types are tried in one place where others than the first may be.
const MOST_TYPES: usize = 6;
/// Another type in place of the asked one costs so many times as much at most, unless a price is set.
const MAX_ALTERNATIVE_PRICE_FACTOR: f64 = 2.0;
/// The offers of one place, the best first: current generations before older ones, and of those the cheapest. One
/// alone, unless `several` may be tried. What was asked for by name comes first.
///
/// # Errors
/// `InvalidSpec` if nothing there fits, with what comes nearest; `Refused` if nothing that fits is known to cost little
/// enough, with the cheapest; those of any call.
pub(crate) async fn offers_in(
    provider: &Arc<dyn Provider>,
    place: &Location,
    wish: &CreateRequest,
    several: bool,
    is_compared: bool,
    catalog: &Catalog,
) -> Result<Vec<Offer>> {
    let market = OfferSearch {
        provider,
        place,
        wish,
        catalog,
        is_warned: AtomicBool::new(false),
    };
    let (mut offers, most) = match &wish.spec.machine_type {
        None if !wish.spec.requirements.is_empty() => (
            market.matching_offers(&wish.need()).await?,
            if several { MOST_TYPES } else { 1 },
        ),
        asked => {
            if !several && !is_compared && !wish.is_priced() {
                return Ok(vec![market.default_offer()]);
            }
            let first = market.offer_for_type(asked.as_deref()).await?;
            let others = if several {
                market.substitutes(&first).await?
            } else {
                Vec::new()
            };
            let most = 1 + if several { MOST_TYPES } else { 0 };
            (std::iter::once(first).chain(others).collect(), most)
        }
    };
    if wish.has_other_charges() {
        // The order by the machines' own prices stands; what it comes to is not known.
        offers.iter_mut().for_each(|offer| offer.usd_per_hour = None);
    }
    if let Some(most) = wish.max_price {
        offers = within_max_price(offers, most)?;
    }
    offers.truncate(most);
    Ok(offers)
}

/// One place, and what is looked for there.
struct OfferSearch<'a> {
    provider: &'a Arc<dyn Provider>,
    place: &'a Location,
    wish: &'a CreateRequest,
    catalog: &'a Catalog,
    /// Whether it was said that prices could not be looked up.
    is_warned: AtomicBool,
}

impl OfferSearch<'_> {
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
    fn default_offer(&self) -> Offer {
        self.offer(None, Ok(None))
    }

    /// Whether the machine's architecture is known without asking the cloud: an image by its id has its own.
    fn is_architecture_known(&self, spec: &InstanceSpec) -> bool {
        spec.requirements.architecture.is_some()
            || image_alias(spec.image.as_deref().unwrap_or(DEFAULT_IMAGE)).is_some()
    }

    /// The type that was asked for by name, or else the cloud's default.
    async fn offer_for_type(&self, asked: Option<&str>) -> Result<Offer> {
        let name = match asked {
            Some(name) => name.to_owned(),
            None => {
                let spec = self.default_offer().spec(&CreateRequest {
                    budget: None,
                    ..self.wish.clone()
                })?;
                // One member stands for all of a group, which may be more than one call makes.
                let one = InstanceSpec { members: None, ..spec };
                match self.provider.preview(&one).await {
                    // Whether there is room is for the call that makes it: only the name is asked for here.
                    Err(error) if error.kind() == ErrorKind::Capacity && self.is_architecture_known(&one) => {
                        let architecture = one.requirements.architecture.unwrap_or(Architecture::X86_64);
                        (self.provider.info().default_machine_type)(architecture).to_owned()
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
            return Err(Error::invalid(message).with_hint(format!(
                "`cloudctl type list -p {} -r {}` lists those that are there",
                self.provider.kind(),
                self.place.region
            )));
        };
        self.attach_gpu(&mut machine, &self.wish.spec.requirements);
        let price = self.price(&machine).await;
        Ok(self.offer(Some(machine), price))
    }

    /// The types that have at least as much as the first, without the first.
    async fn substitutes(&self, first: &Offer) -> Result<Vec<Offer>> {
        let Some(machine) = &first.machine else {
            return Ok(Vec::new());
        };
        let need = MachineRequirements {
            cpus: Some(machine.cpus),
            memory_gib: Some(machine.memory_gib),
            architecture: Some(machine.architecture),
            gpu: machine.gpu.clone(),
        };
        let dearest = first.usd_per_hour.map(|price| price * MAX_ALTERNATIVE_PRICE_FACTOR);
        let mut others = self.matching_offers(&need).await?;
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
    async fn matching_offers(&self, need: &MachineRequirements) -> Result<Vec<Offer>> {
        let (kind, region) = (self.provider.kind(), self.place.region.as_str());
        let known = self.matching_types(self.catalog.machine_types(kind, region), need);
        let names: Vec<_> = known
            .iter()
            .take(MOST_LOOKED_UP)
            .map(|machine| machine.name.clone())
            .collect();
        let mut all = None;
        let mut machines = Vec::new();
        if !names.is_empty() {
            machines = match self.provider.machine_types(region, &names).await {
                Ok(live) => self.matching_types(live, need),
                // Who may make instances but not look types up still has what cloudctl knows by itself.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => known,
                Err(error) => return Err(error),
            };
        }
        if machines.is_empty() {
            let live = self.provider.machine_types(region, &[]).await?;
            machines = self.matching_types(live.clone(), need);
            all = Some(live);
        }
        if machines.is_empty() {
            return Err(self.no_match_error(need, &all.unwrap_or_default()));
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
        offers.sort_by(compare_offers);
        Ok(offers)
    }

    fn matching_types(&self, machines: Vec<MachineType>, need: &MachineRequirements) -> Vec<MachineType> {
        let mut machines = machines;
        for machine in &mut machines {
            self.attach_gpu(machine, need);
        }
        let spot = self.wish.spec.spot;
        machines.retain(|machine| need.are_met_by(machine) && (machine.has_spot || !spot));
        machines
    }

    /// Adds the accelerators that are needed to a machine that takes them.
    fn attach_gpu(&self, machine: &mut MachineType, need: &MachineRequirements) {
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
            false => Ok(self.provider.fixed_price(&machine.name)),
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
    fn no_match_error(&self, need: &MachineRequirements, all: &[MachineType]) -> Error {
        let location = ErrorLocation::new(self.provider.kind(), &self.place.region);
        let error = Error::invalid(format!("no machine type has {need}")).at(location);
        let nearest = all
            .iter()
            .min_by(|one, other| mismatch(need, one).total_cmp(&mismatch(need, other)));
        match nearest {
            Some(nearest) => error.with_hint(format!("ask for less: the nearest is {}", describe(nearest))),
            None => error.with_hint("use another --region"),
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
fn mismatch(need: &MachineRequirements, machine: &MachineType) -> f64 {
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

/// The shortest life that a budget may come to.
const SHORTEST_LIFE: Duration = Duration::from_secs(60);
/// The longest life that every cloud can be told: a shorter one keeps a budget, too.
/// <https://cloud.google.com/compute/docs/instances/limit-vm-runtime>
const LONGEST_LIFE: Duration = Duration::from_secs(120 * 24 * 3600);

/// What is asked for, wherever it goes.
#[derive(Clone, Debug)]
pub struct CreateRequest {
    /// The spec, but for its place.
    pub spec: InstanceSpec,
    /// The most that it may cost in USD per hour.
    pub max_price: Option<f64>,
    /// The most that one instance may cost in all, in USD; the time it may live follows from it.
    pub budget: Option<f64>,
}

impl CreateRequest {
    /// Whether prices decide over anything.
    pub(crate) fn is_priced(&self) -> bool {
        self.max_price.is_some() || self.budget.is_some()
    }

    /// Whether it costs more than its machine: what the prices are for is Linux that is free, on shared hosts.
    pub fn has_other_charges(&self) -> bool {
        let is_shared = |value: &serde_json::Value| value == "default";
        self.spec.image.as_deref().is_some_and(has_license_fee)
            || self
                .spec
                .native
                .get("tenancy")
                .is_some_and(|tenancy| !is_shared(tenancy))
    }

    /// The need with what is understood by itself: a program for one instruction set does not run on another, so
    /// nobody gets Arm who did not ask for it.
    pub(crate) fn need(&self) -> MachineRequirements {
        let mut need = self.spec.requirements.clone();
        need.architecture.get_or_insert(Architecture::X86_64);
        need
    }
}

/// A machine type in a place.
#[derive(Clone)]
pub struct Offer {
    /// The cloud.
    pub provider: Arc<dyn Provider>,
    /// Where.
    pub place: Location,
    /// The machine type, where one was looked up; else it is the asked one, or the cloud's default.
    pub machine: Option<MachineType>,
    /// USD per hour; `None` is unknown, never free.
    pub usd_per_hour: Option<f64>,
    /// Why the price could not be looked up, if it could not.
    pub unpriced: Option<Error>,
    /// Whether another machine type comes before it in its region.
    pub is_substitute: bool,
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Offer")
            .field("place", &self.location())
            .field("machine", &self.machine)
            .field("usd_per_hour", &self.usd_per_hour)
            .finish_non_exhaustive()
    }
}

impl Offer {
    /// The place in full, such as `aws/us-east-1`.
    pub fn location(&self) -> String {
        format!("{}/{}", self.provider.kind(), self.place)
    }

    /// The spec of an instance that takes the offer.
    pub fn spec(&self, wish: &CreateRequest) -> Result<InstanceSpec> {
        let ttl = match wish.budget {
            Some(budget) => Some(self.lifetime_for_budget(budget)?),
            None => wish.spec.ttl,
        };
        Ok(InstanceSpec {
            location: self.place.clone(),
            selected_machine_type: self.machine.as_ref().map(|machine| machine.name.clone()),
            is_alternative: self.is_substitute,
            ttl,
            ..wish.spec.clone()
        })
    }

    /// Why the price could not be looked up, as the end of a message.
    fn why_unpriced(&self) -> String {
        let why = self.unpriced.as_ref().map(|error| format!(": {error}"));
        why.unwrap_or_default()
    }

    /// How long a budget lasts, in whole minutes.
    fn lifetime_for_budget(&self, budget: f64) -> Result<Duration> {
        let name = self
            .machine
            .as_ref()
            .map_or("the machine type", |machine| &machine.name);
        let Some(price) = self.usd_per_hour else {
            let message = format!(
                "the price of {name} in {} is not known, so a budget cannot be kept{}",
                self.location(),
                self.why_unpriced()
            );
            return Err(
                Error::new(ErrorKind::Refused, message).with_hint("use --ttl, or a machine type with a known price")
            );
        };
        let minutes = Duration::try_from_secs_f64((budget / price * 60.0).floor() * 60.0).unwrap_or(LONGEST_LIFE);
        let minutes = minutes.min(LONGEST_LIFE);
        if minutes < SHORTEST_LIFE {
            let message = format!("{budget} USD buy less than a minute of {name} in {}", self.location());
            return Err(Error::new(ErrorKind::Refused, message).with_hint("raise the budget, or ask for less"));
        }
        Ok(minutes)
    }
}

/// By generation, then by price, the unknown one last; then the smaller one, so that every process finds the same order.
pub(crate) fn compare_offers(one: &Offer, other: &Offer) -> std::cmp::Ordering {
    let price = |offer: &Offer| offer.usd_per_hour.unwrap_or(f64::INFINITY);
    let size = |offer: &Offer| {
        offer
            .machine
            .as_ref()
            .map_or((0, 0.0), |machine| (machine.cpus, machine.memory_gib))
    };
    let name = |offer: &Offer| offer.machine.as_ref().map(|machine| machine.name.clone());
    price(one)
        .total_cmp(&price(other))
        .then(size(one).0.cmp(&size(other).0))
        .then(size(one).1.total_cmp(&size(other).1))
        .then(name(one).cmp(&name(other)))
}

/// Puts the offers of several places into one order.
pub(crate) fn sort_offers(offers: &mut [Offer]) {
    offers.sort_by(|one, other| compare_offers(one, other).then(one.location().cmp(&other.location())));
}

/// The offers that are known to cost no more.
pub(crate) fn within_max_price(offers: Vec<Offer>, most: f64) -> Result<Vec<Offer>> {
    let (cheap, dear): (Vec<_>, Vec<_>) = offers
        .into_iter()
        .partition(|offer| offer.usd_per_hour.is_some_and(|price| price <= most));
    if !cheap.is_empty() {
        return Ok(cheap);
    }
    let cheapest = dear
        .iter()
        .filter(|offer| offer.usd_per_hour.is_some())
        .min_by(|one, other| compare_offers(one, other));
    let name = |offer: &Offer| {
        offer
            .machine
            .as_ref()
            .map(|machine| machine.name.clone())
            .unwrap_or_default()
    };
    let message = match (cheapest, dear.first()) {
        (Some(cheapest), _) => format!(
            "nothing that fits costs {most} USD an hour or less; the cheapest is {} in {} for {}",
            name(cheapest),
            cheapest.location(),
            usd(cheapest.usd_per_hour.unwrap_or_default())
        ),
        (None, Some(unknown)) => format!(
            "the price of {} in {} is not known, so it may be above {most} USD an hour{}",
            name(unknown),
            unknown.location(),
            unknown.why_unpriced()
        ),
        (None, None) => format!("nothing that fits is known to cost {most} USD an hour or less"),
    };
    Err(Error::new(ErrorKind::Refused, message).with_hint("raise --max-price, or ask for less"))
}

/// An amount of USD, as short as it can be said: four decimals at most.
pub fn usd(amount: f64) -> String {
    let text = format!("{amount:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

/// Says of each offer whether another one comes before it in its region.
pub(crate) fn mark_alternatives(offers: &mut [Offer]) {
    let mut seen: Vec<(ProviderKind, String)> = Vec::new();
    for offer in offers {
        let region = (offer.provider.kind(), offer.place.region.clone());
        offer.is_substitute = seen.contains(&region);
        seen.push(region);
    }
}
