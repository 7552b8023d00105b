//! Arguments and checks that `price` and `type` share: requirements for machine types, clouds and regions.

use clap::Args;

use super::create::{parse_cpus, parse_memory};
use super::price_list::PriceList;
use crate::cloud::{
    Architecture, Area, CloudInfo, Error, Gpu, MachineRequirements, ProviderKind, Result, explain_region_word, quoted,
};
use crate::command_context::Context;
use crate::settings::one_of;

/// What a machine must have at least.
#[derive(Args, Clone, Debug)]
pub(super) struct MachineArgs {
    /// Minimum number of virtual CPUs
    #[arg(long, value_name = "N", value_parser = parse_cpus, help_heading = "What")]
    cpus: Option<u32>,
    /// Minimum memory in GiB
    #[arg(long, value_name = "GIB", value_parser = parse_memory, help_heading = "What")]
    memory: Option<f64>,
    /// Instruction set: x86_64 or arm64
    #[arg(
        long,
        value_name = "ARCH",
        value_parser = one_of::<Architecture>(&["x86_64", "arm64"]),
        help_heading = "What"
    )]
    arch: Option<Architecture>,
    /// GPUs, such as t4 or l4:2
    #[arg(long, value_name = "KIND[:N]", help_heading = "What")]
    gpu: Option<Gpu>,
}

impl MachineArgs {
    /// The requirements that the arguments set.
    pub(super) fn requirements(&self) -> MachineRequirements {
        MachineRequirements {
            cpus: self.cpus,
            memory_gib: self.memory,
            architecture: self.arch,
            gpu: self.gpu.clone(),
        }
    }
}

/// The named clouds, or else those that publish prices.
pub(super) fn priced_providers(context: &Context) -> Vec<ProviderKind> {
    let mut kinds = match &context.settings.providers.value {
        Some(named) => named.clone(),
        None => {
            let priced = context.infos().iter().filter(|info| info.price_source.is_some());
            priced.map(|info| info.kind).collect()
        }
    };
    kinds.sort();
    kinds.dedup();
    kinds
}

/// Refuses the flag `-z`: machine types and prices are by region.
///
/// # Errors
/// `InvalidSpec` if the flag is set.
pub(super) fn reject_zone(context: &Context) -> Result<()> {
    let setting = &context.settings.zone;
    match &setting.value {
        Some(zone) if setting.source.is_flag() => Err(zone_error(zone).with_hint("pass -r REGION instead of -z")),
        _ => Ok(()),
    }
}

fn zone_error(zone: &str) -> Error {
    Error::invalid(format!("{zone} is a zone, and machine types and prices are by region"))
}

/// The named regions and areas. Checks that at least one of these clouds has each of them.
///
/// # Errors
/// `InvalidSpec` for a region that none of them is known to have, or a zone.
pub(super) fn checked_region_words(price_lists: &[PriceList], context: &Context) -> Result<Vec<String>> {
    reject_zone(context)?;
    let words = context.settings.regions.value.clone().unwrap_or_default();
    for word in &words {
        let has_region = |prices: &PriceList| {
            !matching_regions(prices.cloud, std::slice::from_ref(word), &prices.regions).is_empty()
        };
        if !price_lists.iter().any(has_region) {
            return Err(unknown_region_error(word, price_lists));
        }
    }
    Ok(words)
}

/// Creates the error for a word that is no region or area of these clouds. It may be a zone of one.
fn unknown_region_error(word: &str, price_lists: &[PriceList]) -> Error {
    for region in price_lists.iter().flat_map(|prices| &prices.regions) {
        // The letter of a zone comes after its region: `us-east-1a`, `europe-west1-b`.
        let rest = word.strip_prefix(region).unwrap_or_default();
        if rest
            .trim_start_matches('-')
            .starts_with(|letter: char| letter.is_ascii_lowercase())
        {
            return zone_error(word).with_hint(format!("give its region: -r {region}"));
        }
    }
    let clouds: Vec<_> = price_lists.iter().map(|prices| prices.cloud.kind.as_str()).collect();
    let areas = Area::ALL.map(Area::as_str).join(", ");
    let example = price_lists
        .first()
        .map_or("us-east-1", |prices| prices.cloud.example_region);
    Error::invalid(format!(
        "no region {} of {} is known",
        quoted(word),
        clouds.join(" or ")
    ))
    .with_hint(match explain_region_word(word) {
        Some(hint) => hint,
        None => format!("name a region such as {example}, or an area: {areas}"),
    })
}

/// The regions of a cloud that `words` mean: names of regions and areas.
pub(super) fn matching_regions(cloud: &CloudInfo, words: &[String], known: &[String]) -> Vec<String> {
    let is_named = |region: &&String| {
        words.iter().any(|word| match word.parse::<Area>() {
            Ok(area) => (cloud.area_of)(region) == Some(area),
            Err(_) => word == *region,
        })
    };
    known.iter().filter(is_named).cloned().collect()
}
