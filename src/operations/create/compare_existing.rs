//! Decides whether an existing instance is what a create requests, and says in which fields it differs.

use super::offers::{CreateRequest, format_usd};
use super::placement_search::{Fallback, PlacementScope};
use crate::catalog::{Catalog, DEFAULT_IMAGE, image_alias};
use crate::cloud::{
    Architecture, Error, ErrorKind, Fingerprint, Gpu, Instance, InstanceName, InstanceRef, InstanceSpec, InstanceState,
    Labels, MachineType, Provider, Result, SshKey, format_duration,
};

/// Accepts the existing instance if it is what the create would make: it has the fingerprint of the same spec, or has the
/// requested value of every field that differs, as far as the instance itself tells. If a fallback allows other
/// locations, the instance may be in one of them.
///
/// A field without a requested value means its default: an instance that was created with another value differs,
/// whether it is the type, the TTL or the user data. A requirement such as `--cpus 2` is met by a larger machine that was
/// created without one; an instance that was created with another requirement differs.
///
/// # Errors
/// `AlreadyExists` if it is another instance.
pub(super) fn reconcile(
    instance: Instance,
    request: &CreateRequest,
    name: &InstanceName,
    placement: &PlacementScope<'_>,
) -> Result<Instance> {
    let reference = &instance.reference;
    let fingerprint = instance.spec_fingerprint.as_deref();
    if fingerprint.is_some_and(|fingerprint| !Fingerprint::is_known(fingerprint)) {
        return Err(exists_error(
            reference,
            format!(
                "{name} exists as {reference}, made by another version of cloudctl: the two specs cannot be compared"
            ),
            format!(
                "use that version or a newer one, or another name, or terminate it first: cloudctl terminate {reference}"
            ),
        ));
    }
    let differences = find_differences(&instance, request, placement);
    if differences.is_empty() {
        return Ok(instance);
    }
    let texts: Vec<_> = differences.iter().map(|difference| difference.text.as_str()).collect();
    Err(exists_error(
        reference,
        format!("{name} exists as {reference} with another spec: {}", texts.join("; ")),
        match differences.as_slice() {
            [Difference { field: "ttl", .. }] => {
                format!("ask for the same TTL, or give it more time: cloudctl extend {reference} --ttl DURATION")
            }
            _ => format!("use another name, or terminate it first: cloudctl terminate {reference}"),
        },
    ))
}

/// Refuses an existing instance that costs more than the maximum price, or lives longer than the budget lasts. Without a
/// known price there is no refusal.
///
/// # Errors
/// `AlreadyExists` if it is beyond a limit.
pub(super) fn check_limits(
    instance: &Instance,
    request: &CreateRequest,
    name: &InstanceName,
    catalog: &Catalog,
) -> Result<()> {
    let Some(reason) = find_exceeded_limit(instance, request, catalog) else {
        return Ok(());
    };
    let reference = &instance.reference;
    Err(exists_error(
        reference,
        format!("{name} exists as {reference}, and {reason}"),
        format!("raise the limit, use another name, or terminate it first: cloudctl terminate {reference}"),
    ))
}

fn exists_error(reference: &InstanceRef, message: String, hint: String) -> Error {
    Error::new(ErrorKind::AlreadyExists, message)
        .with_hint(hint)
        .naming(reference)
        .with_leftover(reference)
}

fn find_exceeded_limit(instance: &Instance, request: &CreateRequest, catalog: &Catalog) -> Option<String> {
    let catalog_price = || {
        let machine = look_up_machine_type(instance, catalog)?;
        let price = catalog.price(instance.provider, &instance.region, &machine, instance.spot)?;
        Some(price.usd_per_hour)
    };
    let price = instance.price_usd_per_hour.or_else(catalog_price);
    if let Some(price) = price
        && let Some(max_price) = request.max_price
        && price > max_price
    {
        let (price, max_price) = (format_usd(price), format_usd(max_price));
        return Some(format!("costs {price} USD an hour, not {max_price} or less"));
    }
    let budget = request.budget?;
    let Some(ttl) = instance.ttl else {
        return Some("it has no TTL, so that no budget holds".to_owned());
    };
    let price = price?;
    let cost = price * ttl.as_secs_f64() / 3_600.0;
    // The TTL that a budget buys is rounded to a minute.
    if cost <= budget + price / 60.0 {
        return None;
    }
    let (cost, ttl, budget) = (format_usd(cost), format_duration(ttl), format_usd(budget));
    Some(format!("costs {cost} USD in its {ttl}, not {budget} or less"))
}

fn look_up_machine_type(instance: &Instance, catalog: &Catalog) -> Option<MachineType> {
    catalog.machine_type(instance.provider, instance.machine_type.as_deref()?)
}

/// A field in which an instance differs from the request.
struct Difference {
    /// The name of its flag.
    field: &'static str,
    /// The difference for a message: `type is t3.small, not t3.large`.
    text: String,
}

fn find_differences(instance: &Instance, request: &CreateRequest, placement: &PlacementScope<'_>) -> Vec<Difference> {
    let mut spec = request.spec.clone();
    if request.budget.is_some() {
        // The TTL that a budget buys depends on the price when the instance was created.
        spec.ttl = instance.ttl;
    }
    let mut differences = Vec::new();
    if let Some(zone) = find_other_requested_zone(instance, placement) {
        differences.push(Difference {
            field: "zone",
            text: format_difference("zone", instance.zone.as_deref(), &zone),
        });
    }
    // Tags can be listed later than the instance. An id that the cloud returned for our own token needs no tag.
    if let Some(fingerprint) = &instance.spec_fingerprint {
        let requested = Fingerprint::of(&spec);
        let comparison = Comparison {
            existing: instance,
            fingerprint,
            spec: &spec,
            provider: placement.provider(instance.provider).map(AsRef::as_ref),
            catalog: placement.catalog,
        };
        for field in requested.differing_fields(fingerprint) {
            let text = if field == "spec" {
                Some("the spec differs".to_owned())
            } else if Fingerprint::is_set(requested.as_str(), field) {
                comparison.compare_with_request(field)
            } else {
                comparison.compare_with_default(field)
            };
            differences.extend(text.map(|text| Difference { field, text }));
        }
    }
    differences
}

/// The requested zone, if the instance is in another one and no fallback allows that.
fn find_other_requested_zone(instance: &Instance, placement: &PlacementScope<'_>) -> Option<String> {
    if placement.allows(Fallback::Zone) {
        return None;
    }
    let mut requested = placement.requested.iter();
    let (_, location) = requested
        .find(|(provider, location)| provider.kind() == instance.provider && location.region == instance.region)?;
    let zone = instance.zone.as_ref()?;
    location.zone.clone().filter(|requested| requested != zone)
}

/// Compares an existing instance with a spec that it was not created from.
struct Comparison<'a> {
    existing: &'a Instance,
    /// The fingerprint of the spec that the instance was created from.
    fingerprint: &'a str,
    spec: &'a InstanceSpec,
    /// The cloud of the instance.
    provider: Option<&'a dyn Provider>,
    catalog: &'a Catalog,
}

impl Comparison<'_> {
    /// The difference in a field that is requested; `None` if the instance has the requested value.
    fn compare_with_request(&self, field: &str) -> Option<String> {
        let (existing, spec) = (self.existing, self.spec);
        match field {
            "type" => compare_value(field, existing.machine_type.as_deref(), spec.machine_type.as_deref()),
            "image" => {
                let default = (!self.was_set(field)).then_some(DEFAULT_IMAGE);
                if default == spec.image.as_deref() || existing.image == spec.image {
                    return None;
                }
                compare_value(field, default.or(existing.image.as_deref()), spec.image.as_deref())
            }
            "label" => {
                let has_label = |(key, value): (&String, &String)| existing.labels.get(key) == Some(value);
                let has_no_others = !self.was_set(field) || spec.labels.len() == existing.labels.len();
                if spec.labels.iter().all(has_label) && has_no_others {
                    return None;
                }
                let labels = format_labels(&existing.labels);
                Some(format_difference(field, Some(&labels), &format_labels(&spec.labels)))
            }
            "spot" => (!existing.spot).then(|| format_difference(field, Some("no"), "yes")),
            "protect" => match existing.protected {
                Some(true) => None,
                Some(false) => Some(format_difference(field, Some("no"), "yes")),
                None => Some(format_difference(field, None, "yes")),
            },
            "no-public-ip" => match &existing.public_ip {
                Some(_) => Some(format_difference(field, Some("no"), "yes")),
                None if existing.state == InstanceState::Running => None,
                None => Some(format_difference(field, None, "yes")),
            },
            "ttl" => {
                let requested = spec.ttl.filter(|ttl| existing.ttl != Some(*ttl))?;
                let ttl = existing.ttl.map_or_else(|| "never".to_owned(), format_duration);
                Some(format_difference(field, Some(&ttl), &format_duration(requested)))
            }
            "cpus" | "memory" | "arch" | "gpu" => self.compare_requirement(field),
            "ssh-key" => match spec.ssh_key.as_ref()? {
                SshKey::Name(name) => self.compare_setup(field, std::slice::from_ref(name)),
                SshKey::PublicKey(key) => match self.key_label(key) {
                    Some(label) => self.compare_setup(field, &[label]),
                    None => Some(format!("{field} differs")),
                },
            },
            "disk" => {
                let size = spec.disk_gib.map(|size| format!("{size} GiB"));
                self.compare_setup(field, size.as_slice())
            }
            "disk-type" => self.compare_setup(field, spec.disk_type.as_slice()),
            "network" => self.compare_setup(field, spec.network.as_slice()),
            "subnet" => self.compare_setup(field, spec.subnet.as_slice()),
            "identity" => self.compare_setup(field, spec.identity.as_slice()),
            "firewall" => self.compare_setup(field, &spec.firewalls),
            "open" => {
                let rules: Vec<_> = spec.ingress_rules.iter().map(ToString::to_string).collect();
                let none = (!self.was_set(field)).then_some("none");
                Some(format_difference(field, none, &rules.join(",")))
            }
            // User data and native options are not shown.
            _ => Some(format!("{field} differs")),
        }
    }

    /// The difference in a field that was set then and is not set now, so that its default is requested; `None` if the
    /// instance has the default.
    fn compare_with_default(&self, field: &str) -> Option<String> {
        let existing = self.existing;
        let machine = || look_up_machine_type(existing, self.catalog);
        let (value, default) = match field {
            "type" | "cpus" | "memory" | "arch" | "gpu" if self.has_default_type() => return None,
            // The requirements are compared by themselves.
            "type" if !self.spec.requirements.is_empty() => return None,
            "type" => (existing.machine_type.clone(), self.default_type().map(str::to_owned)),
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
                let mut with_default = self.spec.clone();
                with_default.image = Some(DEFAULT_IMAGE.to_owned());
                if !self.differs_in(&with_default, field) {
                    return None;
                }
                (existing.image.clone(), Some(DEFAULT_IMAGE.to_owned()))
            }
            "ssh-key" => {
                let value = self.setup_text(field);
                let Some(default_key) = &self.spec.default_ssh_key else {
                    let none = "none".to_owned();
                    return (value.as_ref() != Some(&none))
                        .then(|| format_default_difference(field, value, Some(none)));
                };
                let mut with_default = self.spec.clone();
                with_default.ssh_key = Some(SshKey::PublicKey(default_key.clone()));
                if !self.differs_in(&with_default, field) {
                    return None;
                }
                let default = self.key_label(default_key);
                if default.is_some() && default == value {
                    return None;
                }
                (value, default)
            }
            "spot" if !existing.spot => return None,
            "protect" if existing.protected == Some(false) => return None,
            "no-public-ip" if existing.public_ip.is_some() => return None,
            "spot" | "protect" | "no-public-ip" => (Some("yes".to_owned()), Some("no".to_owned())),
            "label" if existing.labels.is_empty() => return None,
            "label" => (Some(format_labels(&existing.labels)), Some("none".to_owned())),
            "ttl" => (Some(format_duration(existing.ttl?)), Some("never".to_owned())),
            // User data and native options are not shown.
            "user-data" | "native" => (None, None),
            _ => (self.setup_text(field), None),
        };
        Some(format_default_difference(field, value, default))
    }

    /// Whether the instance has the default machine type, and that is what is requested.
    fn has_default_type(&self) -> bool {
        let default_type = self.default_type();
        let has_default = default_type.is_some() && self.existing.machine_type.as_deref() == default_type;
        has_default && self.spec.machine_type_to_use().is_none()
    }

    /// The machine type that the cloud takes if none is requested. Without a required architecture it follows from the
    /// image: an image id has one architecture, an alias has several.
    fn default_type(&self) -> Option<&'static str> {
        let is_alias = image_alias(self.spec.image.as_deref().unwrap_or(DEFAULT_IMAGE)).is_some();
        let image_architecture = self.existing.architecture.filter(|_| !is_alias);
        let architecture = self.spec.requirements.architecture.or(image_architecture);
        Some((self.provider?.info().default_machine_type)(
            architecture.unwrap_or(Architecture::X86_64),
        ))
    }

    /// How the instance's cloud shows a public key.
    fn key_label(&self, key: &str) -> Option<String> {
        (self.provider?.info().key_label)(key)
    }

    /// Whether the instance was created from a spec with another value of the field.
    fn differs_in(&self, spec: &InstanceSpec, field: &str) -> bool {
        Fingerprint::of(spec)
            .differing_fields(self.fingerprint)
            .contains(&field)
    }

    /// Whether the field was set when the instance was created.
    fn was_set(&self, field: &str) -> bool {
        Fingerprint::is_set(self.fingerprint, field)
    }

    /// Compares a field that the driver lists in [`Instance::setup`]: a list of values, each in several spellings.
    fn compare_setup(&self, field: &str, requested: &[String]) -> Option<String> {
        let is_same = |values: &Vec<Vec<String>>| {
            let has_value = |word: &String| values.iter().any(|spellings| spellings.contains(word));
            let is_requested = |spellings: &Vec<String>| spellings.iter().any(|word| requested.contains(word));
            requested.iter().all(has_value) && values.iter().all(is_requested)
        };
        if self.existing.setup.get(field).is_some_and(is_same) {
            return None;
        }
        let requested = requested.join(",");
        Some(match self.setup_text(field) {
            Some(value) => format_difference(field, Some(&value), &requested),
            // Every listing has the keys.
            None if field == "ssh-key" => format_difference(field, Some("none"), &requested),
            None if !self.was_set(field) => {
                format!("{field} was left to the default, and {requested} is asked for now")
            }
            None => format_difference(field, None, &requested),
        })
    }

    /// The values of such a field for a message, each in its first spelling.
    fn setup_text(&self, field: &str) -> Option<String> {
        let values = self.existing.setup.get(field)?.iter();
        let words: Vec<&str> = values
            .filter_map(|spellings| spellings.first())
            .map(String::as_str)
            .collect();
        (!words.is_empty()).then(|| words.join(","))
    }

    fn compare_requirement(&self, field: &str) -> Option<String> {
        let (existing, requirements) = (self.existing, &self.spec.requirements);
        let machine = look_up_machine_type(existing, self.catalog);
        let machine = machine.as_ref();
        match field {
            "cpus" => {
                let cpus = existing.cpus.or(machine.map(|machine| machine.cpus));
                self.compare_required(field, cpus, requirements.cpus?, u32::ge, u32::to_string)
            }
            "memory" => {
                let memory = existing.memory_gib.or(machine.map(|machine| machine.memory_gib));
                let format = |memory: &f64| format!("{memory} GiB");
                self.compare_required(field, memory, requirements.memory_gib?, f64::ge, format)
            }
            "arch" => {
                let architecture = existing.architecture.or(machine.map(|machine| machine.architecture));
                let required = requirements.architecture?;
                self.compare_required(field, architecture, required, Architecture::eq, Architecture::to_string)
            }
            _ => {
                let attached = existing.attached_gpu.as_ref();
                let gpu = attached.or(machine.and_then(|machine| machine.gpu.as_ref()));
                let is_known = gpu.is_some() || machine.is_some();
                let required = requirements.gpu.as_ref()?;
                let is_enough = |gpu: &Option<&Gpu>, _: &Option<&Gpu>| {
                    gpu.is_some_and(|gpu| gpu.kind == required.kind && gpu.count >= required.count)
                };
                let format = |gpu: &Option<&Gpu>| gpu.map_or_else(|| "none".to_owned(), Gpu::to_string);
                self.compare_required(field, is_known.then_some(gpu), Some(required), is_enough, format)
            }
        }
    }

    /// Compares what the instance has, if that is known, with a requirement. A machine that was created without the
    /// requirement meets it if it has enough.
    fn compare_required<T>(
        &self,
        field: &str,
        existing: Option<T>,
        required: T,
        is_enough: impl Fn(&T, &T) -> bool,
        format: impl Fn(&T) -> String,
    ) -> Option<String> {
        let is_met = existing.as_ref().is_some_and(|existing| is_enough(existing, &required));
        if is_met && !self.was_set(field) {
            return None;
        }
        let required = format(&required);
        Some(match existing.as_ref().map(format) {
            Some(existing) if is_met => {
                format!("{field} is {existing}, but it was made with another --{field} than {required}")
            }
            existing => format_difference(field, existing.as_deref(), &required),
        })
    }
}

/// Compares a field with one value, which the instance itself has.
fn compare_value(field: &str, existing: Option<&str>, requested: Option<&str>) -> Option<String> {
    let requested = requested.filter(|requested| existing != Some(*requested))?;
    Some(format_difference(field, existing, requested))
}

fn format_difference(field: &str, existing: Option<&str>, requested: &str) -> String {
    match existing {
        Some(existing) => format!("{field} is {existing}, not {requested}"),
        None => format!("{field} was another one, and {requested} is asked for now"),
    }
}

fn format_default_difference(field: &str, existing: Option<String>, default: Option<String>) -> String {
    let Some(existing) = existing else {
        return format!("{field} was given then, and is not given now");
    };
    match default {
        Some(default) => format!("{field} is {existing}, not {default}"),
        None => format!("{field} is {existing}, and is now left to the default"),
    }
}

fn format_labels(labels: &Labels) -> String {
    if labels.is_empty() {
        return "none".to_owned();
    }
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    labels.join(",")
}
