//! Taking an instance that exists for the one that is asked for, or saying in which fields it differs.

use super::offer::{Wish, usd};
use super::widen::{Fallback, Reach, Site};
use crate::catalog::Catalog;
use crate::cloud::{
    Error, ErrorKind, Fingerprint, Instance, InstanceName, InstanceSpec, Result, SshKey, format_duration,
};

/// Takes the existing instance for the asked one if it was made from the same spec. What may go elsewhere may be there.
pub(super) fn adopt(instance: Instance, wish: &Wish, name: &InstanceName, reach: &Reach<'_>) -> Result<Instance> {
    let mut spec = wish.spec.clone();
    if wish.budget.is_some() {
        // The time that a budget comes to follows from the price of that moment.
        spec.ttl = instance.ttl;
    }
    if instance
        .spec_fingerprint
        .as_deref()
        .is_some_and(|existing| !Fingerprint::is_known(existing))
    {
        let reference = &instance.reference;
        let message = format!(
            "{name} exists as {reference}, made by another version of cloudctl, so that its spec cannot be compared with \
             what is asked for"
        );
        return Err(Error::new(ErrorKind::AlreadyExists, message)
            .with_remedy(format!(
                "use that version or a newer one, or another name, or terminate it first: cloudctl terminate {reference}"
            ))
            .with_leftover(reference));
    }
    let mut differences = Vec::new();
    if let Some(zone) = asked_zone(&instance, reach) {
        differences.push(difference("zone", instance.zone.as_deref(), Some(zone)));
    }
    // Tags can lag behind the instance; an id that the cloud just returned for our own token is trusted.
    if let Some(existing) = &instance.spec_fingerprint {
        let fields = Fingerprint::of(&spec).differing_fields(existing);
        differences.extend(
            fields
                .into_iter()
                .map(|field| describe_difference(field, &instance, &spec)),
        );
    }
    if differences.is_empty() {
        return Ok(instance);
    }
    let is_ttl_alone = differences.len() == 1 && differences[0].starts_with("ttl ");
    let reference = instance.reference;
    let remedy = if is_ttl_alone {
        format!("ask for the same TTL, or give it more time: cloudctl extend {reference} --ttl DURATION")
    } else {
        format!("use another name, or terminate it first: cloudctl terminate {reference}")
    };
    Err(Error::new(
        ErrorKind::AlreadyExists,
        format!(
            "{name} exists as {reference} with another spec: {}",
            differences.join("; ")
        ),
    )
    .with_remedy(remedy)
    .with_leftover(&reference))
}

/// Refuses an instance that is there and is beyond the limits of this run: dearer than the price, or living longer than
/// the budget lasts. What it costs is what is known of it.
pub(super) fn check_limits(instance: &Instance, wish: &Wish, name: &InstanceName, catalog: &Catalog) -> Result<()> {
    let machine = || catalog.machine_type(instance.provider, instance.machine_type.as_deref()?);
    let known = || {
        let price = catalog.price(instance.provider, &instance.region, &machine()?, instance.spot)?;
        Some(price.usd_per_hour)
    };
    if wish.max_price.is_none() && wish.budget.is_none() {
        return Ok(());
    }
    let price = instance.price_usd_per_hour.or_else(known);
    let reference = &instance.reference;
    let beyond = |why: String| {
        let message = format!("{name} exists as {reference}, and {why}");
        Err(Error::new(ErrorKind::AlreadyExists, message)
            .with_remedy(format!(
                "raise the limit, use another name, or terminate it first: cloudctl terminate {reference}"
            ))
            .with_leftover(reference))
    };
    match (wish.max_price, price) {
        (Some(most), Some(price)) if price > most => {
            return beyond(format!("costs {} USD an hour, not {} or less", usd(price), usd(most)));
        }
        _ => {}
    }
    match (wish.budget, instance.ttl, price) {
        (Some(_), None, _) => beyond("it has no TTL, so that no budget holds".to_owned()),
        // A minute is what a budget is rounded to.
        (Some(budget), Some(ttl), Some(price)) if price * ttl.as_secs_f64() / 3_600.0 > budget + price / 60.0 => {
            beyond(format!(
                "costs {} USD in its {}, not {} or less",
                usd(price * ttl.as_secs_f64() / 3_600.0),
                format_duration(ttl),
                usd(budget)
            ))
        }
        _ => Ok(()),
    }
}

/// The zone that was asked for, if the instance is in another one and may not be.
fn asked_zone(instance: &Instance, reach: &Reach<'_>) -> Option<String> {
    if reach.allows(Fallback::Zone) {
        return None;
    }
    let in_region = |(provider, place): &&Site| provider.kind() == instance.provider && place.region == instance.region;
    let (_, place) = reach.asked.iter().find(in_region)?;
    let own = instance.zone.as_ref()?;
    place.zone.clone().filter(|zone| zone != own)
}

/// What differs in one field, with both values where they can be known and are not secret.
fn describe_difference(field: &str, existing: &Instance, spec: &InstanceSpec) -> String {
    let list = |values: &[String]| (!values.is_empty()).then(|| values.join(","));
    let yes = |set: bool| set.then(|| "yes".to_owned());
    let (has, asked) = match field {
        "type" if spec.machine_type.is_some() && existing.machine_type == spec.machine_type => {
            return "type was not asked for then".to_owned();
        }
        "type" => (existing.machine_type.as_deref(), spec.machine_type.clone()),
        // Its id says nothing of the alias that was asked for.
        "image" => (None, spec.image.clone()),
        "disk" => (None, spec.disk_gib.map(|size| format!("{size} GiB"))),
        "disk-type" => (None, spec.disk_type.clone()),
        "ssh-key" if has_another_key(existing, spec) => return "ssh-key was another public key then".to_owned(),
        "ssh-key" => (
            None,
            spec.ssh_key.as_ref().map(|key| match key {
                SshKey::Name(name) => name.clone(),
                SshKey::PublicKey(_) => "a public key".to_owned(),
            }),
        ),
        "user-data" => (None, spec.user_data.as_ref().map(|_| "other data".to_owned())),
        "network" => (None, spec.network.clone()),
        "subnet" => (None, spec.subnet.clone()),
        "firewall" => (None, list(&spec.firewalls)),
        "no-public-ip" => (None, yes(!spec.public_ip)),
        "identity" => (None, spec.identity.clone()),
        "label" => {
            let labels: Vec<_> = spec
                .labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            let existing: Vec<_> = existing
                .labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            return difference(field, list(&existing).as_deref(), list(&labels));
        }
        "cpus" => (None, spec.need.cpus.map(|cpus| cpus.to_string())),
        "memory" => (None, spec.need.memory_gib.map(|memory| format!("{memory} GiB"))),
        "arch" => (
            None,
            spec.need.architecture.map(|architecture| architecture.to_string()),
        ),
        "gpu" => (None, spec.need.gpu.as_ref().map(ToString::to_string)),
        "open" => {
            let openings: Vec<_> = spec.openings.iter().map(ToString::to_string).collect();
            (None, list(&openings))
        }
        "spot" => (Some(if existing.spot { "yes" } else { "no" }), yes(spec.spot)),
        "protect" => (None, yes(spec.protected)),
        "ttl" => {
            let existing = existing.ttl.map_or_else(|| "never".to_owned(), format_duration);
            return difference(field, Some(&existing), spec.ttl.map(format_duration));
        }
        _ => (None, None),
    };
    difference(field, has, asked)
}

fn has_another_key(existing: &Instance, spec: &InstanceSpec) -> bool {
    let fingerprint = existing.spec_fingerprint.as_deref();
    matches!(spec.ssh_key, Some(SshKey::PublicKey(_)))
        && fingerprint.is_some_and(|fingerprint| Fingerprint::is_set(fingerprint, "ssh-key"))
}

fn difference(field: &str, existing: Option<&str>, asked: Option<String>) -> String {
    match (existing, asked) {
        (Some(existing), Some(asked)) => format!("{field} is {existing}, not {asked}"),
        (Some(existing), None) => format!("{field} is {existing}, and was asked for then but not now"),
        (None, Some(asked)) => format!("{field} was not asked for as {asked} then"),
        (None, None) => format!("{field} differs"),
    }
}
