//! Finds the machine types of a location that meet a request, with their prices.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use super::closest_machine_type::suggest_closest_type;
use super::fallback::{EmptyFallback, Fallback};
use crate::catalog::{Catalog, DEFAULT_IMAGE, has_license_fee, image_alias};
use crate::cloud::{
    Architecture, Error, ErrorKind, ErrorLocation, InstanceSpec, Location, MachineRequirements, MachineType, Provider,
    ProviderKind, Result, quoted,
};

/// How many of the catalog's matching types are looked up in the cloud, the cheapest first.
const MAX_LOOKED_UP_TYPES: usize = 40;
/// How many of the matching types get a spot price: each is a call of its own.
const MAX_SPOT_PRICE_LOOKUPS: usize = 12;
/// How many of the types that meet the requirements are tried whatever they cost, if alternatives are allowed.
const TYPES_AT_ANY_PRICE: usize = 6;
/// Every other alternative costs at most so many times as much as the first type, unless a maximum price is set.
const MAX_ALTERNATIVE_PRICE_FACTOR: f64 = 2.0;
/// The shortest lifetime that a budget may buy.
const MIN_LIFETIME: Duration = Duration::from_secs(60);
/// The longest lifetime that every cloud accepts. A longer one is shortened, which keeps within the budget.
/// <https://cloud.google.com/compute/docs/instances/limit-vm-runtime>
const MAX_LIFETIME: Duration = Duration::from_secs(120 * 24 * 3600);

/// What to create, whatever the location.
#[derive(Clone, Debug)]
pub struct CreateRequest {
    /// The spec, without a location.
    pub spec: InstanceSpec,
    /// The maximum price in USD per hour.
    pub max_price: Option<f64>,
    /// The most that one instance may cost in all, in USD. Its TTL follows from it.
    pub budget: Option<f64>,
    /// Whether an instance that was created to run the same command, and is gone, may be created again.
    pub repeats_ended_run: bool,
}

impl CreateRequest {
    /// Whether a price or a budget limits the choice.
    fn has_cost_limit(&self) -> bool {
        self.max_price.is_some() || self.budget.is_some()
    }

    /// Whether the VM costs more than its machine type: known prices are for free Linux images on shared hosts.
    pub fn has_other_charges(&self) -> bool {
        let has_fee = self.spec.image.as_deref().is_some_and(has_license_fee);
        let tenancy = self.spec.native.get("tenancy");
        has_fee || tenancy.is_some_and(|tenancy| tenancy != "default")
    }

    /// The requirements, with x86-64 as the default architecture: a program for one architecture does not run on another.
    fn requirements_with_defaults(&self) -> MachineRequirements {
        let mut requirements = self.spec.requirements.clone();
        requirements.architecture.get_or_insert(Architecture::X86_64);
        requirements
    }
}

/// A machine type in a location, with its price.
#[derive(Clone)]
pub struct Offer {
    /// The cloud.
    pub provider: Arc<dyn Provider>,
    /// The location.
    pub location: Location,
    /// The machine type; `None` if it was not looked up, and is the requested one or the cloud's default.
    pub machine: Option<MachineType>,
    /// USD per hour; `None` is unknown, never free.
    pub usd_per_hour: Option<f64>,
    /// Why the price could not be looked up.
    price_error: Option<Error>,
    /// Whether another machine type comes before it in its region.
    is_alternative: bool,
}

impl fmt::Debug for Offer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Offer")
            .field("location", &self.error_location())
            .field("machine", &self.machine)
            .field("usd_per_hour", &self.usd_per_hour)
            .finish_non_exhaustive()
    }
}

impl Offer {
    /// The location in full: `aws/us-east-1`.
    pub fn error_location(&self) -> ErrorLocation {
        ErrorLocation::new(self.provider.kind(), &self.location)
    }

    /// The spec of an instance that takes the offer.
    ///
    /// # Errors
    /// `Refused` if the price is not known and there is a budget, or the budget is too small.
    pub(super) fn build_spec(&self, request: &CreateRequest) -> Result<InstanceSpec> {
        let ttl = match request.budget {
            Some(budget) => Some(self.lifetime_for_budget(budget)?),
            None => request.spec.ttl,
        };
        Ok(InstanceSpec {
            location: self.location.clone(),
            selected_machine_type: self.machine.as_ref().map(|machine| machine.name.clone()),
            is_alternative: self.is_alternative,
            ttl,
            ..request.spec.clone()
        })
    }

    fn machine_name(&self) -> Option<&str> {
        self.machine.as_ref().map(|machine| machine.name.as_str())
    }

    /// Whether the price is known and no higher.
    fn costs_at_most(&self, max_price: f64) -> bool {
        self.usd_per_hour.is_some_and(|price| price <= max_price)
    }

    /// How long a budget lasts, in whole minutes.
    fn lifetime_for_budget(&self, budget: f64) -> Result<Duration> {
        let name = self.machine_name().unwrap_or("the machine type");
        let location = self.error_location();
        let Some(price) = self.usd_per_hour else {
            let cause = self.format_price_error();
            let message =
                format!("the price of {name} in {location} is not known, so the budget cannot be enforced{cause}");
            return Err(
                Error::new(ErrorKind::Refused, message).with_hint("use --ttl, or a machine type with a known price")
            );
        };
        let minutes = (budget / price * 60.0).floor();
        let lifetime = Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(MAX_LIFETIME);
        if lifetime < MIN_LIFETIME {
            let message = format!("a budget of {budget} USD pays for less than one minute of {name} in {location}");
            return Err(Error::new(ErrorKind::Refused, message).with_hint("raise the budget, or ask for less"));
        }
        Ok(lifetime.min(MAX_LIFETIME))
    }

    /// Why the price is not known, as the end of a message.
    fn format_price_error(&self) -> String {
        match &self.price_error {
            Some(error) => format!(": {error}"),
            None => String::new(),
        }
    }
}

/// Offers, the best first, and the fallbacks that had nothing to offer.
#[derive(Debug, Default)]
pub(super) struct FoundOffers {
    pub(super) offers: Vec<Offer>,
    pub(super) empty_fallbacks: Vec<EmptyFallback>,
}

/// The other types that may be taken instead of the requested one.
#[derive(Default)]
struct Alternatives {
    offers: Vec<Offer>,
    /// The best one that costs too much.
    too_expensive: Option<Offer>,
}

pub(super) struct OfferSearch<'a> {
    provider: &'a Arc<dyn Provider>,
    location: &'a Location,
    request: &'a CreateRequest,
    catalog: &'a Catalog,
    /// Whether the user was told that prices could not be looked up.
    has_warned: AtomicBool,
}

impl<'a> OfferSearch<'a> {
    pub(super) fn new(
        provider: &'a Arc<dyn Provider>,
        location: &'a Location,
        request: &'a CreateRequest,
        catalog: &'a Catalog,
    ) -> Self {
        Self {
            provider,
            location,
            request,
            catalog,
            has_warned: AtomicBool::new(false),
        }
    }

    /// The offers of the location. A requested machine type comes first. The others follow by generation, the current ones
    /// first, and then by price. Gives one offer unless alternatives are allowed, and then all within the price rule. Looks
    /// up the price if the offers are compared with those of other locations.
    ///
    /// # Errors
    /// `InvalidSpec` if nothing matches, with the closest machine type; `Refused` if nothing that matches is known to cost
    /// no more than the maximum, with the cheapest one; those of the calls.
    pub(super) async fn find_offers(self, allows_alternatives: bool, is_compared: bool) -> Result<FoundOffers> {
        let request = self.request;
        let needs_price = is_compared || request.has_cost_limit();
        let mut offers;
        let mut too_expensive = None;
        if request.spec.machine_type.is_none() && !request.spec.requirements.is_empty() {
            offers = self.find_matching_offers(&request.requirements_with_defaults()).await?;
        } else if allows_alternatives {
            let requested = self.find_requested_offer().await?;
            let alternatives = self.find_alternatives(&requested).await?;
            offers = vec![requested];
            offers.extend(alternatives.offers);
            too_expensive = alternatives.too_expensive;
        } else if needs_price {
            offers = vec![self.find_requested_offer().await?];
        } else {
            offers = vec![self.default_offer()];
        }
        if request.has_other_charges() {
            // The prices of the machine types still give the order, but the real prices are not known.
            offers.iter_mut().for_each(|offer| offer.usd_per_hour = None);
        }
        if let Some(max_price) = request.max_price {
            let count_before = offers.len();
            offers = keep_within_max_price(offers, max_price)?;
            if allows_alternatives && offers.len() == 1 && count_before > 1 {
                let reason = format!(
                    "no other type that fits in {} is known to cost {max_price} USD an hour or less",
                    self.error_location()
                );
                return Ok(offers_without_alternative(offers, reason));
            }
        } else if allows_alternatives {
            offers = keep_within_price_factor(offers);
        }
        if !allows_alternatives {
            offers.truncate(1);
        } else if offers.len() == 1 {
            let reason = self.explain_no_alternative(&offers, too_expensive);
            return Ok(offers_without_alternative(offers, reason));
        }
        Ok(FoundOffers {
            offers,
            empty_fallbacks: Vec::new(),
        })
    }

    /// Why no other type is offered beside the only one.
    fn explain_no_alternative(&self, offers: &[Offer], too_expensive: Option<Offer>) -> String {
        let location = self.error_location();
        let Some(next) = too_expensive else {
            return format!("no other type that fits is offered in {location}");
        };
        let next_name = next.machine_name().unwrap_or_default();
        let only = offers.first();
        let only_name = only.and_then(Offer::machine_name).unwrap_or("the requested type");
        match (only.and_then(|offer| offer.usd_per_hour), next.usd_per_hour) {
            (Some(_), Some(price)) => format!(
                "the next type that fits in {location} is {next_name} at {} USD an hour, more than twice the price of \
                 {only_name}; --max-price allows it",
                format_usd(price)
            ),
            (None, _) => format!(
                "the price of {only_name} in {location} is not known, so no other type is known to cost at most twice as \
                 much; --max-price sets a limit"
            ),
            (Some(_), None) => format!("the price of {next_name}, the next type that fits in {location}, is not known"),
        }
    }

    fn error_location(&self) -> ErrorLocation {
        ErrorLocation::new(self.provider.kind(), self.location)
    }

    fn new_offer(&self, machine: Option<MachineType>, price: Result<Option<f64>>) -> Offer {
        let (usd_per_hour, price_error) = match price {
            Ok(price) => (price, None),
            Err(error) => (None, Some(error)),
        };
        Offer {
            provider: Arc::clone(self.provider),
            location: self.location.clone(),
            machine,
            usd_per_hour,
            price_error,
            is_alternative: false,
        }
    }

    /// The requested machine type or the default, without a look-up: the create call does it.
    fn default_offer(&self) -> Offer {
        self.new_offer(None, Ok(None))
    }

    /// The offer of the requested machine type, or else of the cloud's default.
    async fn find_requested_offer(&self) -> Result<Offer> {
        let name = match &self.request.spec.machine_type {
            Some(name) => name.clone(),
            None => self.find_default_type().await?,
        };
        let kind = self.provider.kind();
        let mut known = self.catalog.machine_type(kind, &name);
        if known.is_none() {
            let names = std::slice::from_ref(&name);
            let listed = self.provider.machine_types(&self.location.region, names).await?;
            known = listed.into_iter().find(|machine| machine.name == name);
        }
        let Some(mut machine) = known else {
            let message = format!("unknown machine type {} in {kind}/{}", quoted(&name), self.location);
            return Err(Error::invalid(message).with_hint(format!(
                "list the machine types: cloudctl type list -p {kind} -r {}",
                self.location.region
            )));
        };
        self.attach_gpu(&mut machine, &self.request.spec.requirements);
        let price = self.look_up_price(&machine).await;
        Ok(self.new_offer(Some(machine), price))
    }

    /// The machine type that the cloud takes if none is requested.
    async fn find_default_type(&self) -> Result<String> {
        let spec = InstanceSpec {
            location: self.location.clone(),
            // One instance for all members: a group may be larger than one call allows.
            members: None,
            ..self.request.spec.clone()
        };
        match self.provider.preview(&spec).await {
            // The create call finds out whether there is capacity. Only the name matters here.
            Err(error) if error.kind() == ErrorKind::Capacity && is_architecture_known(&spec) => {
                let architecture = spec.requirements.architecture.unwrap_or(Architecture::X86_64);
                Ok((self.provider.info().default_machine_type)(architecture).to_owned())
            }
            preview => Ok(preview?.machine_type),
        }
    }

    /// The offers of the types that have at least as much as the requested one, without the requested one.
    async fn find_alternatives(&self, requested: &Offer) -> Result<Alternatives> {
        let Some(machine) = &requested.machine else {
            return Ok(Alternatives::default());
        };
        let requirements = MachineRequirements {
            cpus: Some(machine.cpus),
            memory_gib: Some(machine.memory_gib),
            architecture: Some(machine.architecture),
            gpu: machine.gpu.clone(),
        };
        let mut offers = self.find_matching_offers(&requirements).await?;
        offers.retain(|offer| offer.machine_name() != Some(&machine.name));
        if self.request.max_price.is_some() {
            return Ok(Alternatives {
                offers,
                too_expensive: None,
            });
        }
        // Without a known price an alternative may cost more.
        let max_price = requested.usd_per_hour.map(|price| price * MAX_ALTERNATIVE_PRICE_FACTOR);
        let is_within = |offer: &Offer| max_price.is_some_and(|max_price| offer.costs_at_most(max_price));
        let (offers, others): (Vec<_>, Vec<_>) = offers.into_iter().partition(is_within);
        Ok(Alternatives {
            offers,
            too_expensive: others.into_iter().next(),
        })
    }

    /// The offers of the types that meet the requirements, the best first.
    async fn find_matching_offers(&self, requirements: &MachineRequirements) -> Result<Vec<Offer>> {
        let mut machines = self.find_matching_types(requirements).await?;
        if machines.iter().any(|machine| machine.is_current) {
            machines.retain(|machine| machine.is_current);
        }
        // The price of spare capacity changes, and is looked up type by type.
        if self.request.spec.spot {
            machines.sort_by(|one, other| {
                let price = |machine| self.catalog_price(machine, false).unwrap_or(f64::INFINITY);
                price(one).total_cmp(&price(other))
            });
            machines.truncate(MAX_SPOT_PRICE_LOOKUPS);
        }
        let prices = join_all(machines.iter().map(|machine| self.look_up_price(machine))).await;
        let offers = machines.into_iter().zip(prices);
        let mut offers: Vec<_> = offers
            .map(|(machine, price)| self.new_offer(Some(machine), price))
            .collect();
        offers.sort_by(compare_offers);
        Ok(offers)
    }

    /// The types that meet the requirements: those of the catalog that the cloud has, or else all that the cloud has.
    async fn find_matching_types(&self, requirements: &MachineRequirements) -> Result<Vec<MachineType>> {
        let region = self.location.region.as_str();
        let catalog_types = self.catalog.machine_types(self.provider.kind(), region);
        let known = self.filter_matching_types(catalog_types, requirements);
        let names: Vec<_> = known
            .iter()
            .take(MAX_LOOKED_UP_TYPES)
            .map(|machine| machine.name.clone())
            .collect();
        if !names.is_empty() {
            let machines = match self.provider.machine_types(region, &names).await {
                Ok(listed) => self.filter_matching_types(listed, requirements),
                // An account that may create instances but not list types still has the catalog.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => known,
                Err(error) => return Err(error),
            };
            if !machines.is_empty() {
                return Ok(machines);
            }
        }
        let listed = self.provider.machine_types(region, &[]).await?;
        let machines = self.filter_matching_types(listed.clone(), requirements);
        if machines.is_empty() {
            return Err(self.no_match_error(requirements, &listed));
        }
        Ok(machines)
    }

    fn filter_matching_types(
        &self,
        mut machines: Vec<MachineType>,
        requirements: &MachineRequirements,
    ) -> Vec<MachineType> {
        for machine in &mut machines {
            self.attach_gpu(machine, requirements);
        }
        let spot = self.request.spec.spot;
        machines.retain(|machine| requirements.are_met_by(machine) && (machine.has_spot || !spot));
        machines
    }

    /// Adds the required GPUs to a machine that can have them attached.
    fn attach_gpu(&self, machine: &mut MachineType, requirements: &MachineRequirements) {
        self.catalog
            .attach_gpu(self.provider.kind(), machine, requirements.gpu.as_ref());
    }

    /// The price of a machine type here; `None` is unknown.
    ///
    /// # Errors
    /// Why the spot price could not be looked up, which is also logged: no other price can replace it.
    async fn look_up_price(&self, machine: &MachineType) -> Result<Option<f64>> {
        let spot = self.request.spec.spot;
        let price = match spot {
            true => self.provider.spot_price(self.location, &machine.name).await,
            false => Ok(self.provider.fixed_price(&machine.name)),
        };
        if let Err(error) = &price
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            let (kind, region) = (self.provider.kind(), &self.location.region);
            tracing::warn!("spot prices of {kind}/{region} are not known and were not compared: {error}");
        }
        Ok(price?.or_else(|| self.catalog_price(machine, spot)))
    }

    fn catalog_price(&self, machine: &MachineType, spot: bool) -> Option<f64> {
        let price = self
            .catalog
            .price(self.provider.kind(), &self.location.region, machine, spot);
        price.map(|price| price.usd_per_hour)
    }

    /// The error if no machine type meets the requirements.
    fn no_match_error(&self, requirements: &MachineRequirements, machines: &[MachineType]) -> Error {
        let location = ErrorLocation::new(self.provider.kind(), &self.location.region);
        let error = Error::invalid(format!("no machine type has {requirements}")).at(location);
        let hint = suggest_closest_type(requirements, machines);
        error.with_hint(hint.unwrap_or_else(|| "use another --region".to_owned()))
    }
}

/// Whether the architecture of the machine is known without a call: an image id does not tell it.
fn is_architecture_known(spec: &InstanceSpec) -> bool {
    spec.requirements.architecture.is_some() || image_alias(spec.image.as_deref().unwrap_or(DEFAULT_IMAGE)).is_some()
}

/// Orders the offers of one location by price, unknown prices last; then by size and name, so that every run has the same
/// order.
fn compare_offers(one: &Offer, other: &Offer) -> std::cmp::Ordering {
    let price = |offer: &Offer| offer.usd_per_hour.unwrap_or(f64::INFINITY);
    let cpus = |offer: &Offer| offer.machine.as_ref().map_or(0, |machine| machine.cpus);
    let memory = |offer: &Offer| offer.machine.as_ref().map_or(0.0, |machine| machine.memory_gib);
    price(one)
        .total_cmp(&price(other))
        .then(cpus(one).cmp(&cpus(other)))
        .then(memory(one).total_cmp(&memory(other)))
        .then(one.machine_name().cmp(&other.machine_name()))
}

/// Orders the offers of several locations. Equal ones keep the order of the locations, which is the user's.
pub(super) fn sort_offers(offers: &mut [Offer]) {
    offers.sort_by(compare_offers);
}

fn offers_without_alternative(offers: Vec<Offer>, reason: String) -> FoundOffers {
    FoundOffers {
        offers,
        empty_fallbacks: vec![EmptyFallback::new(Fallback::Type, reason)],
    }
}

/// Keeps the first offers whatever they cost, and of the others those that cost at most twice as much as the first one.
fn keep_within_price_factor(offers: Vec<Offer>) -> Vec<Offer> {
    let first_price = offers.first().and_then(|first| first.usd_per_hour);
    let mut kept = Vec::new();
    for (position, offer) in offers.into_iter().enumerate() {
        let is_within = first_price.is_some_and(|price| offer.costs_at_most(price * MAX_ALTERNATIVE_PRICE_FACTOR));
        if is_within || position < TYPES_AT_ANY_PRICE {
            kept.push(offer);
        }
    }
    kept
}

/// The offers that are known to cost no more than the maximum.
fn keep_within_max_price(offers: Vec<Offer>, max_price: f64) -> Result<Vec<Offer>> {
    let (within, others): (Vec<_>, Vec<_>) = offers.into_iter().partition(|offer| offer.costs_at_most(max_price));
    if !within.is_empty() {
        return Ok(within);
    }
    let priced = others.iter().filter_map(|offer| Some((offer, offer.usd_per_hour?)));
    let cheapest = priced.min_by(|(one, _), (other, _)| compare_offers(one, other));
    let message = if let Some((cheapest, price)) = cheapest {
        format!(
            "no suitable machine type costs {max_price} USD an hour or less; the cheapest is {} in {} for {}",
            cheapest.machine_name().unwrap_or_default(),
            cheapest.error_location(),
            format_usd(price)
        )
    } else if let Some(best) = others.first() {
        format!(
            "the price of {} in {} is not known, so it may be above {max_price} USD an hour{}",
            best.machine_name().unwrap_or_default(),
            best.error_location(),
            best.format_price_error()
        )
    } else {
        format!("no suitable machine type is known to cost {max_price} USD an hour or less")
    };
    Err(Error::new(ErrorKind::Refused, message).with_hint("raise --max-price, or ask for less"))
}

/// An amount of USD with at most four decimals, and no zeros at the end.
pub fn format_usd(amount: f64) -> String {
    let text = format!("{amount:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Marks each offer that has another one before it in its region.
pub(super) fn mark_alternatives(offers: &mut [Offer]) {
    let mut regions: Vec<(ProviderKind, String)> = Vec::new();
    for offer in offers {
        let region = (offer.provider.kind(), offer.location.region.clone());
        offer.is_alternative = regions.contains(&region);
        regions.push(region);
    }
}
