//! Offers: which machine types fit what is asked for in a place, and what they cost.

use std::sync::Arc;
use std::time::Duration;

use crate::catalog::is_licensed;
use crate::cloud::{
    Architecture, Error, ErrorKind, InstanceSpec, MachineNeed, MachineType, Place, Provider, ProviderKind, Result,
};

/// The shortest life that a budget may come to.
const SHORTEST_LIFE: Duration = Duration::from_secs(60);
/// The longest life that every cloud can be told: a shorter one keeps a budget, too.
/// <https://cloud.google.com/compute/docs/instances/limit-vm-runtime>
const LONGEST_LIFE: Duration = Duration::from_secs(120 * 24 * 3600);

/// What is asked for, wherever it goes.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The spec, but for its place.
    pub spec: InstanceSpec,
    /// The most that it may cost in USD per hour.
    pub max_price: Option<f64>,
    /// The most that one instance may cost in all, in USD; the time it may live follows from it.
    pub budget: Option<f64>,
}

impl Wish {
    /// Whether prices decide over anything.
    pub(crate) fn is_priced(&self) -> bool {
        self.max_price.is_some() || self.budget.is_some()
    }

    /// Whether it costs more than its machine: what the prices are for is Linux that is free, on shared hosts.
    pub fn is_charged_otherwise(&self) -> bool {
        let is_shared = |value: &serde_json::Value| value == "default";
        self.spec.image.as_deref().is_some_and(is_licensed)
            || self
                .spec
                .native
                .get("tenancy")
                .is_some_and(|tenancy| !is_shared(tenancy))
    }

    /// The need with what is understood by itself: a program for one instruction set does not run on another, so
    /// nobody gets Arm who did not ask for it.
    pub(crate) fn need(&self) -> MachineNeed {
        let mut need = self.spec.need.clone();
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
    pub place: Place,
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
    pub fn spec(&self, wish: &Wish) -> Result<InstanceSpec> {
        let ttl = match wish.budget {
            Some(budget) => Some(self.life(budget)?),
            None => wish.spec.ttl,
        };
        Ok(InstanceSpec {
            place: self.place.clone(),
            chosen_type: self.machine.as_ref().map(|machine| machine.name.clone()),
            is_substitute: self.is_substitute,
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
    fn life(&self, budget: f64) -> Result<Duration> {
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
                Error::new(ErrorKind::Refused, message).with_remedy("use --ttl, or a machine type with a known price")
            );
        };
        let minutes = Duration::try_from_secs_f64((budget / price * 60.0).floor() * 60.0).unwrap_or(LONGEST_LIFE);
        let minutes = minutes.min(LONGEST_LIFE);
        if minutes < SHORTEST_LIFE {
            let message = format!("{budget} USD buy less than a minute of {name} in {}", self.location());
            return Err(Error::new(ErrorKind::Refused, message).with_remedy("raise the budget, or ask for less"));
        }
        Ok(minutes)
    }
}

/// By generation, then by price, the unknown one last; then the smaller one, so that every process finds the same order.
pub(crate) fn better(one: &Offer, other: &Offer) -> std::cmp::Ordering {
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
    offers.sort_by(|one, other| better(one, other).then(one.location().cmp(&other.location())));
}

/// The offers that are known to cost no more.
pub(crate) fn cheap_enough(offers: Vec<Offer>, most: f64) -> Result<Vec<Offer>> {
    let (cheap, dear): (Vec<_>, Vec<_>) = offers
        .into_iter()
        .partition(|offer| offer.usd_per_hour.is_some_and(|price| price <= most));
    if !cheap.is_empty() {
        return Ok(cheap);
    }
    let cheapest = dear
        .iter()
        .filter(|offer| offer.usd_per_hour.is_some())
        .min_by(|one, other| better(one, other));
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
    Err(Error::new(ErrorKind::Refused, message).with_remedy("raise --max-price, or ask for less"))
}

/// An amount of USD, as short as it can be said: four decimals at most.
pub fn usd(amount: f64) -> String {
    let text = format!("{amount:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

/// Says of each offer whether another one comes before it in its region.
pub(crate) fn mark_substitutes(offers: &mut [Offer]) {
    let mut seen: Vec<(ProviderKind, String)> = Vec::new();
    for offer in offers {
        let region = (offer.provider.kind(), offer.place.region.clone());
        offer.is_substitute = seen.contains(&region);
        seen.push(region);
    }
}
