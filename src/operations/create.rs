//! Creating once: the name is the idempotency key, whoever asks and however often.

use crate::cloud::{
    Created, Error, ErrorKind, Fingerprint, Instance, InstanceSpec, ListFilter, Provider, Result, SshKey,
};

/// A name that was created and terminated more often than this within the clouds' memory is a loop somewhere.
const MOST_GENERATIONS: u32 = 1_000;

/// An instance of the asked name and spec.
#[derive(Debug)]
pub struct Creation {
    /// The instance.
    pub instance: Instance,
    /// Whether it was there before this run.
    pub adopted: bool,
}

/// Gives the one instance of the spec's name in its region, making it if it is not there.
///
/// # Errors
/// `AlreadyExists` if the name is taken by another spec or by what is not ours; the message says what differs.
/// `Ambiguous` if the name is there twice. Those of [`Provider::create`]. A look-up that is incomplete is an error
/// too: what cannot be seen may be there.
pub async fn create_once(provider: &dyn Provider, spec: &InstanceSpec) -> Result<Creation> {
    let listing = provider
        .list(
            &spec.place.region_location(),
            &ListFilter::managed_name(spec.name.as_str()),
        )
        .await?;
    if let Some(gap) = listing.gaps.into_iter().next() {
        return Err(gap.context(format_args!("cannot tell whether {} exists", spec.name)));
    }
    let (gone, living): (Vec<_>, Vec<_>) = listing
        .instances
        .into_iter()
        .partition(|instance| instance.state.is_gone());
    match living.as_slice() {
        [] => {}
        [_] => {
            let existing = living.into_iter().next();
            return existing.ok_or_else(internal).and_then(|instance| adopt(instance, spec));
        }
        several => {
            let all: Vec<_> = several.iter().map(|instance| instance.reference.to_string()).collect();
            return Err(Error::new(
                ErrorKind::Ambiguous,
                format!("{} is there {} times: {}", spec.name, all.len(), all.join(", ")),
            )
            .with_remedy("terminate all but one of them by their full references"));
        }
    }

    // A token outlives its instance: go on after the last life that can still be seen. A process that cannot see it
    // starts earlier, is told "spent" for each, and arrives at the same generation.
    let first = gone
        .iter()
        .filter_map(|instance| instance.generation)
        .max()
        .map_or(0, |last| last.saturating_add(1));
    for generation in first..first.saturating_add(MOST_GENERATIONS) {
        match provider.create(spec, generation).await? {
            Created::TokenSpent => tracing::debug!(%generation, "token spent"),
            Created::Instance(instance) => {
                let creation = adopt(*instance, spec)?;
                return Ok(Creation {
                    adopted: false,
                    ..creation
                });
            }
        }
    }
    Err(internal())
}

fn internal() -> Error {
    Error::new(ErrorKind::Internal, "the cloud refuses every token for this name")
        .with_remedy("use another name for an hour")
}

/// Takes the existing instance for the asked one if it was made from the same spec.
fn adopt(instance: Instance, spec: &InstanceSpec) -> Result<Creation> {
    let mut differences = Vec::new();
    if let Some(zone) = spec
        .place
        .zone
        .as_ref()
        .filter(|zone| instance.zone.as_ref().is_some_and(|own| own != *zone))
    {
        differences.push(difference("zone", instance.zone.as_deref(), Some(zone.clone())));
    }
    // Tags can lag behind the instance; an id that the cloud just returned for our own token is trusted.
    if let Some(existing) = &instance.spec_fingerprint {
        let fields = Fingerprint::of(spec).differing_fields(existing);
        differences.extend(
            fields
                .into_iter()
                .map(|field| describe_difference(field, &instance, spec)),
        );
    }
    if differences.is_empty() {
        return Ok(Creation {
            instance,
            adopted: true,
        });
    }
    let reference = instance.reference;
    Err(Error::new(
        ErrorKind::AlreadyExists,
        format!(
            "{} exists as {reference} with another spec: {}",
            spec.name,
            differences.join("; ")
        ),
    )
    .with_remedy(format!(
        "use another name, or terminate it first: cloudctl terminate {reference}"
    ))
    .with_leftover(reference))
}

/// What differs in one field, with both values where they can be known and are not secret.
fn describe_difference(field: &str, existing: &Instance, spec: &InstanceSpec) -> String {
    let list = |values: &[String]| (!values.is_empty()).then(|| values.join(","));
    let yes = |set: bool| set.then(|| "yes".to_owned());
    let (has, asked) = match field {
        "type" => (existing.machine_type.as_deref(), spec.machine_type.clone()),
        "image" => (existing.image.as_deref(), spec.image.clone()),
        "disk" => (None, spec.disk_gib.map(|size| format!("{size} GiB"))),
        "disk-type" => (None, spec.disk_type.clone()),
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
        "spot" => (Some(if existing.spot { "yes" } else { "no" }), yes(spec.spot)),
        "protect" => (None, yes(spec.protected)),
        _ => (None, None),
    };
    difference(field, has, asked)
}

fn difference(field: &str, existing: Option<&str>, asked: Option<String>) -> String {
    match (existing, asked) {
        (Some(existing), Some(asked)) => format!("{field} is {existing}, not {asked}"),
        (Some(existing), None) => format!("{field} is {existing}, and was asked for then but not now"),
        (None, Some(asked)) => format!("{field} differs from {asked}"),
        (None, None) => format!("{field} differs"),
    }
}
