//! What a create would make, once every default is filled in and every alias resolved.

use std::time::Duration;

use super::{Architecture, Gpu, InstanceName, Place, ProviderKind};

/// The answer to `create --dry-run`: nothing was made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The cloud.
    pub provider: ProviderKind,
    /// The instance's name.
    pub name: InstanceName,
    /// Where it would go; the zone is `None` where the cloud picks it.
    pub place: Place,
    /// Machine type, in the cloud's own word.
    pub machine_type: String,
    /// Virtual CPUs; `None` where the cloud does not say.
    pub cpus: Option<u32>,
    /// Memory in GiB; `None` where the cloud does not say.
    pub memory_gib: Option<f64>,
    /// Its accelerators, and those attached to it.
    pub gpu: Option<Gpu>,
    /// Its instruction set.
    pub architecture: Option<Architecture>,
    /// The image in the cloud's own word: an id on EC2, a path on Compute Engine.
    pub image: String,
    /// The image's name, if the cloud gave one.
    pub image_name: Option<String>,
    /// Boot disk in GiB; `None` is the image's own size.
    pub disk_gib: Option<u32>,
    /// Type of the boot disk, in the cloud's own word.
    pub disk_type: String,
    /// Whether it would run on spare capacity.
    pub spot: bool,
    /// USD per hour for the machine, without disk and traffic; `None` is unknown, never free.
    pub price_usd_per_hour: Option<f64>,
    /// How long it may live.
    pub ttl: Option<Duration>,
}

impl Plan {
    /// What it would cost in USD until its time is over, without disk and traffic, in hundredths of a cent; `None` without
    /// a TTL or a known price.
    pub fn price_usd_for_ttl(&self) -> Option<f64> {
        let cost = self.price_usd_per_hour? * self.ttl?.as_secs_f64() / 3_600.0;
        Some((cost * 10_000.0).round() / 10_000.0)
    }
}
