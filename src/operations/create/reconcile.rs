//! Taking an instance that exists for the one that is asked for, or saying in which fields it differs.

use super::offers::{CreateRequest, usd};
use super::placement::{Fallback, PlacementScope, ProviderLocation};
use crate::catalog::{Catalog, DEFAULT_IMAGE, image_alias};
use crate::cloud::{
    Architecture, Error, ErrorKind, Fingerprint, Instance, InstanceName, InstanceSpec, InstanceState, Labels, Provider,
    Result, SshKey, format_duration,
};

/// Takes the existing instance for the asked one if it is what would be made now: made from the same spec, or the same in
/// every field in which the specs differ, by what the instance itself tells. What may go elsewhere may be there.
///
/// A field of which nothing is said now means the default, then as now: an instance that was made with another value is
/// another one, whether it was the type, the TTL or the user data. A need, such as `--cpus 2`, is met by a bigger machine
/// that was made without one; but another need than the one then is another spec.
pub(crate) fn reconcile(
    instance: Instance,
    wish: &CreateRequest,
    name: &InstanceName,
    reach: &PlacementScope<'_>,
) -> Result<Instance> {
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
            .with_hint(format!(
                "use that version or a newer one, or another name, or terminate it first: cloudctl terminate {reference}"
            ))
            .naming(reference).with_leftover(reference));
    }
    let mut differences = Vec::new();
    if let Some(zone) = asked_zone(&instance, reach) {
        differences.push(shown("zone", instance.zone.as_deref(), &zone));
    }
    // Tags can lag behind the instance; an id that the cloud just returned for our own token is trusted.
    if let Some(existing) = &instance.spec_fingerprint {
        let asked = Fingerprint::of(&spec);
        let comparison = Comparison {
            existing: &instance,
            made_from: existing,
            spec: &spec,
            provider: reach.provider(instance.provider).map(AsRef::as_ref),
            catalog: reach.catalog,
        };
        for field in asked.differing_fields(existing) {
            if field == "spec" {
                differences.push("the spec differs".to_owned());
            } else if Fingerprint::is_set(asked.as_str(), field) {
                differences.extend(comparison.difference(field));
            } else {
                differences.extend(comparison.difference_to_default(field));
            }
        }
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
    .with_hint(remedy)
    .naming(&reference)
    .with_leftover(&reference))
}

/// Refuses an instance that is there and is beyond the limits of this run: dearer than the price, or living longer than
/// the budget lasts. What it costs is what is known of it.
pub(crate) fn check_limits(
    instance: &Instance,
    wish: &CreateRequest,
    name: &InstanceName,
    catalog: &Catalog,
) -> Result<()> {
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
            .with_hint(format!(
                "raise the limit, use another name, or terminate it first: cloudctl terminate {reference}"
            ))
            .naming(reference)
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
fn asked_zone(instance: &Instance, reach: &PlacementScope<'_>) -> Option<String> {
    if reach.allows(Fallback::Zone) {
        return None;
    }
    let in_region =
        |(provider, place): &&ProviderLocation| provider.kind() == instance.provider && place.region == instance.region;
    let (_, place) = reach.requested.iter().find(in_region)?;
    let own = instance.zone.as_ref()?;
    place.zone.clone().filter(|zone| zone != own)
}

/// The architecture of the machine type that is taken where none is asked for. An image by its id has one; an alias is
/// there for several.
fn default_architecture(spec: &InstanceSpec, existing: &Instance) -> Architecture {
    let is_alias = image_alias(spec.image.as_deref().unwrap_or(DEFAULT_IMAGE)).is_some();
    let of_image = existing.architecture.filter(|_| !is_alias);
    spec.requirements
        .architecture
        .or(of_image)
        .unwrap_or(Architecture::X86_64)
}

/// An instance that is there beside a spec that it was not made from.
struct Comparison<'a> {
    existing: &'a Instance,
    /// The fingerprint of the spec that it was made from.
    made_from: &'a str,
    spec: &'a InstanceSpec,
    /// The cloud that it is on.
    provider: Option<&'a dyn Provider>,
    catalog: &'a Catalog,
}

impl Comparison<'_> {
    /// What differs in one field that is asked for, by its flag's name; nothing if the instance is what is asked for.
    fn difference(&self, field: &str) -> Option<String> {
        let (existing, spec) = (self.existing, self.spec);
        match field {
            "type" => self.of_word(field, existing.machine_type.as_deref(), spec.machine_type.as_deref()),
            "image" => {
                let default = (!self.was_asked_for(field)).then_some(DEFAULT_IMAGE);
                if default == spec.image.as_deref() || existing.image == spec.image {
                    return None;
                }
                self.of_word(field, default.or(existing.image.as_deref()), spec.image.as_deref())
            }
            "label" => {
                let is_there = |(key, value): (&String, &String)| existing.labels.get(key) == Some(value);
                let has_no_others = !self.was_asked_for(field) || spec.labels.len() == existing.labels.len();
                if spec.labels.iter().all(is_there) && has_no_others {
                    return None;
                }
                let has = label_list(&existing.labels);
                Some(shown(
                    field,
                    Some(has.as_deref().unwrap_or("none")),
                    &label_list(&spec.labels).unwrap_or_default(),
                ))
            }
            "spot" => (!existing.spot).then(|| shown(field, Some("no"), "yes")),
            "protect" => match existing.protected {
                Some(true) => None,
                known => Some(shown(field, known.map(|_| "no"), "yes")),
            },
            "no-public-ip" => match (&existing.public_ip, existing.state) {
                (None, InstanceState::Running) => None,
                (known, _) => Some(shown(field, known.as_ref().map(|_| "no"), "yes")),
            },
            "ttl" => {
                let has = existing.ttl.map_or_else(|| "never".to_owned(), format_duration);
                let asked = spec.ttl.filter(|ttl| existing.ttl != Some(*ttl))?;
                Some(shown(field, Some(&has), &format_duration(asked)))
            }
            "cpus" | "memory" | "arch" | "gpu" => self.of_need(field),
            "ssh-key" => match &spec.ssh_key {
                Some(SshKey::Name(name)) => self.of_setup(field, std::slice::from_ref(name)),
                Some(SshKey::PublicKey(key)) => match self.key_word(key) {
                    Some(word) => self.of_setup(field, &[word]),
                    None => Some(format!("{field} differs")),
                },
                None => None,
            },
            "disk" => self.of_setup(
                field,
                &spec
                    .disk_gib
                    .map(|size| format!("{size} GiB"))
                    .into_iter()
                    .collect::<Vec<_>>(),
            ),
            "disk-type" => self.of_setup(field, spec.disk_type.as_slice()),
            "network" => self.of_setup(field, spec.network.as_slice()),
            "subnet" => self.of_setup(field, spec.subnet.as_slice()),
            "identity" => self.of_setup(field, spec.identity.as_slice()),
            "firewall" => self.of_setup(field, &spec.firewalls),
            "open" => {
                let asked = spec.ingress_rules.iter().map(ToString::to_string).collect::<Vec<_>>();
                let none = (!self.was_asked_for(field)).then_some("none");
                Some(shown(field, none, &asked.join(",")))
            }
            // What is in them is not shown.
            _ => Some(format!("{field} differs")),
        }
    }

    /// What differs in a field that was asked for then and is not now, so that the default is wanted; nothing if the
    /// instance has it.
    fn difference_to_default(&self, field: &str) -> Option<String> {
        let existing = self.existing;
        let default_type = self.default_type();
        let is_default_type = default_type.is_some() && existing.machine_type.as_deref() == default_type;
        let machine = || {
            self.catalog
                .machine_type(existing.provider, existing.machine_type.as_deref()?)
        };
        let setup = || self.setup_text(field);
        let (has, default) = match field {
            "type" | "cpus" | "memory" | "arch" | "gpu"
                if is_default_type && self.spec.machine_type_to_use().is_none() =>
            {
                return None;
            }
            // What its machine must have is compared by itself.
            "type" if !self.spec.requirements.is_empty() => return None,
            "type" => (existing.machine_type.clone(), default_type.map(str::to_owned)),
            "cpus" => {
                let cpus = existing.cpus.or_else(|| Some(machine()?.cpus));
                (cpus.map(|cpus| cpus.to_string()), None)
            }
            "memory" => {
                let memory = existing.memory_gib.or_else(|| Some(machine()?.memory_gib));
                (memory.map(|memory| format!("{memory} GiB")), None)
            }
            "arch" => (existing.architecture.map(|architecture| architecture.to_string()), None),
            "image" => {
                let default = InstanceSpec {
                    image: Some(DEFAULT_IMAGE.to_owned()),
                    ..self.spec.clone()
                };
                if !self.differs(&default, field) {
                    return None;
                }
                (existing.image.clone(), Some(DEFAULT_IMAGE.to_owned()))
            }
            "ssh-key" => {
                let own = self.spec.default_ssh_key.as_ref();
                let default = InstanceSpec {
                    ssh_key: own.cloned().map(SshKey::PublicKey),
                    ..self.spec.clone()
                };
                if own.is_some() && !self.differs(&default, field) {
                    return None;
                }
                let default = own.map_or_else(|| Some("none".to_owned()), |own| self.key_word(own));
                if default.is_some() && default == setup() {
                    return None;
                }
                (setup(), default)
            }
            "spot" if !existing.spot => return None,
            "protect" if existing.protected == Some(false) => return None,
            "no-public-ip" if existing.public_ip.is_some() => return None,
            "spot" | "protect" | "no-public-ip" => (Some("yes".to_owned()), Some("no".to_owned())),
            "label" if existing.labels.is_empty() => return None,
            "label" => (label_list(&existing.labels), Some("none".to_owned())),
            "ttl" => (Some(existing.ttl.map(format_duration)?), Some("never".to_owned())),
            // What is in them is not shown.
            "user-data" | "native" => (None, None),
            _ => (setup(), None),
        };
        Some(match (has, default) {
            (Some(has), Some(default)) => format!("{field} is {has}, not {default}"),
            (Some(has), None) => format!("{field} is {has}, and is now left to the default"),
            (None, _) => format!("{field} was given then, and is not given now"),
        })
    }

    /// The machine type that is taken where none is asked for.
    fn default_type(&self) -> Option<&'static str> {
        let architecture = default_architecture(self.spec, self.existing);
        Some((self.provider?.info().default_machine_type)(architecture))
    }

    /// What stands for a public key on the instance's cloud.
    fn key_word(&self, key: &str) -> Option<String> {
        (self.provider?.info().key_label)(key)
    }

    /// Whether the instance was made from a spec with another value of a field.
    fn differs(&self, spec: &InstanceSpec, field: &str) -> bool {
        Fingerprint::of(spec).differing_fields(self.made_from).contains(&field)
    }

    fn was_asked_for(&self, field: &str) -> bool {
        Fingerprint::is_set(self.made_from, field)
    }

    /// Of a field with one value, which the instance itself tells.
    fn of_word(&self, field: &str, has: Option<&str>, asked: Option<&str>) -> Option<String> {
        let asked = asked.filter(|asked| has != Some(*asked))?;
        Some(shown(field, has, asked))
    }

    /// Of a field of which the listing tells more or less.
    fn of_setup(&self, field: &str, asked: &[String]) -> Option<String> {
        let is_same = |values: &Vec<Vec<String>>| {
            let is_there = |word: &String| values.iter().any(|words| words.contains(word));
            let is_asked_for = |words: &Vec<String>| words.iter().any(|word| asked.contains(word));
            asked.iter().all(is_there) && values.iter().all(is_asked_for)
        };
        if self.existing.setup.get(field).is_some_and(is_same) {
            return None;
        }
        let asked = asked.join(",");
        Some(match self.setup_text(field) {
            Some(has) => shown(field, Some(&has), &asked),
            // Every listing tells the keys.
            None if field == "ssh-key" => shown(field, Some("none"), &asked),
            None if !self.was_asked_for(field) => {
                format!("{field} was left to the default, and {asked} is asked for now")
            }
            None => shown(field, None, &asked),
        })
    }

    /// The values of such a field, as they are shown.
    fn setup_text(&self, field: &str) -> Option<String> {
        let values = self.existing.setup.get(field)?.iter();
        let shown: Vec<&str> = values.filter_map(|words| words.first()).map(String::as_str).collect();
        (!shown.is_empty()).then(|| shown.join(","))
    }

    /// Of what its machine must have. It is met by a machine that was made without such a need and has it; another need
    /// than the one then is another spec.
    fn of_need(&self, field: &str) -> Option<String> {
        let (existing, need) = (self.existing, &self.spec.requirements);
        let machine = || {
            self.catalog
                .machine_type(existing.provider, existing.machine_type.as_deref()?)
        };
        let gibibytes = |memory: f64| format!("{memory} GiB");
        let gpu = || existing.attached_gpu.clone().or_else(|| machine()?.gpu);
        let is_known = existing.attached_gpu.is_some() || machine().is_some();
        let (has, asked, is_met) = match field {
            "cpus" => {
                let (has, asked) = (existing.cpus.or_else(|| Some(machine()?.cpus)), need.cpus?);
                (
                    has.map(|cpus| cpus.to_string()),
                    asked.to_string(),
                    has.is_some_and(|has| has >= asked),
                )
            }
            "memory" => {
                let (has, asked) = (
                    existing.memory_gib.or_else(|| Some(machine()?.memory_gib)),
                    need.memory_gib?,
                );
                (
                    has.map(gibibytes),
                    gibibytes(asked),
                    has.is_some_and(|has| has >= asked),
                )
            }
            "arch" => {
                let has = existing.architecture.or_else(|| Some(machine()?.architecture));
                let asked = need.architecture?;
                (has.map(|has| has.to_string()), asked.to_string(), has == Some(asked))
            }
            _ => {
                let (has, asked) = (gpu(), need.gpu.clone()?);
                let is_met = has
                    .as_ref()
                    .is_some_and(|has| has.kind == asked.kind && has.count >= asked.count);
                let has = has
                    .map(|gpu| gpu.to_string())
                    .or_else(|| is_known.then(|| "none".to_owned()));
                (has, asked.to_string(), is_met)
            }
        };
        match (is_met, self.was_asked_for(field), has) {
            (true, false, _) => None,
            (true, true, Some(has)) => Some(format!(
                "{field} is {has}, but it was made with another --{field} than {asked}"
            )),
            (_, _, has) => Some(shown(field, has.as_deref(), &asked)),
        }
    }
}

/// A difference, with both values where they are known.
fn shown(field: &str, existing: Option<&str>, asked: &str) -> String {
    match existing {
        Some(existing) => format!("{field} is {existing}, not {asked}"),
        None => format!("{field} was another one, and {asked} is asked for now"),
    }
}

fn label_list(labels: &Labels) -> Option<String> {
    let all = labels.iter().map(|(key, value)| format!("{key}={value}"));
    let all = all.collect::<Vec<_>>();
    (!all.is_empty()).then(|| all.join(","))
}
