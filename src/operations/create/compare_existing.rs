//! Decides whether an existing instance is what a create requests, and says in which fields it differs.

use super::fallback::Fallback;
use super::offers::CreateRequest;
use super::placement_search::PlacementRules;
use crate::catalog::{Catalog, DEFAULT_IMAGE, image_alias};
use crate::cloud::{
    Architecture, Error, ErrorKind, Fingerprint, Gpu, Instance, InstanceName, InstanceRef, InstanceSpec, InstanceState,
    LabelChanges, Labels, MachineType, Provider, Result, SetupValue, SshKey, format_duration, join_with_and,
};

/// Checks that the existing instance is what the create would make: it has the fingerprint of the same spec, or has the
/// requested value of every field that differs, as far as the instance itself tells. If a fallback allows other
/// locations, the instance may be in one of them.
///
/// A field without a requested value means its default: an instance that was created with another value differs,
/// whether it is the type, the TTL or the user data. A requirement such as `--cpus 2` is met by a larger machine that was
/// created without one; an instance that was created with another requirement differs.
///
/// # Errors
/// `AlreadyExists` if it is another instance.
pub(super) fn check_same_spec(
    instance: &Instance,
    request: &CreateRequest,
    name: &InstanceName,
    placement: &PlacementRules<'_>,
) -> Result<()> {
    let reference = &instance.reference;
    if let Some(fingerprint) = &instance.spec_fingerprint
        && !Fingerprint::is_comparable(fingerprint)
    {
        return Err(exists_error(
            reference,
            format!(
                "{name} exists as {reference}, made by another version of cloudctl: the two specs cannot be compared"
            ),
            format!(
                "use the version that created it or a newer one, choose another name, or terminate the VM first: cloudctl terminate {reference}"
            ),
        ));
    }
    if let Some(problem) = find_other_run(instance, request) {
        let message = format!("{name} exists as {reference}, {problem}");
        let hint = format!("use another name, or terminate it first: cloudctl terminate {reference}");
        return Err(exists_error(reference, message, hint));
    }
    let differences = find_differences(instance, request, placement);
    if differences.is_empty() {
        return Ok(());
    }
    let texts: Vec<_> = differences.iter().map(|difference| difference.text.as_str()).collect();
    Err(exists_error(
        reference,
        format!("{name} exists as {reference} with another spec: {}", texts.join("; ")),
        match format_hints(&differences) {
            Some(hints) => hints,
            None => format!("use another name, or terminate it first: cloudctl terminate {reference}"),
        },
    ))
}

/// What an instance is for, if that is another command than the new one's.
fn find_other_run(instance: &Instance, request: &CreateRequest) -> Option<&'static str> {
    // Labels can be listed later than the instance.
    instance.spec_fingerprint.as_ref()?;
    match (&instance.run_id, &request.spec.run_id) {
        (None, None) => None,
        (Some(existing), Some(requested)) if existing == requested => None,
        (Some(_), Some(_)) => Some("which runs another command"),
        (Some(_), None) => Some("which `cloudctl run` created for a command"),
        (None, Some(_)) => Some("which was not created to run this command"),
    }
}

/// The hints for all differences; `None` if one of them cannot be changed.
fn format_hints(differences: &[Difference]) -> Option<String> {
    let hints: Option<Vec<&str>> = differences
        .iter()
        .map(|difference| difference.hint.as_deref())
        .collect();
    Some(hints?.join("; "))
}

pub(super) fn exists_error(reference: &InstanceRef, message: String, hint: String) -> Error {
    Error::new(ErrorKind::AlreadyExists, message)
        .with_hint(hint)
        .naming(reference)
        .with_leftover(reference)
}

pub(super) fn look_up_machine_type(instance: &Instance, catalog: &Catalog) -> Option<MachineType> {
    catalog.machine_type(instance.provider, instance.machine_type.as_deref()?)
}

/// A difference between an instance and the request.
struct Difference {
    /// The difference for a message: `type is t3.small, not t3.large`.
    text: String,
    /// How to change it in the existing instance, with the command; `None` if it cannot be changed.
    hint: Option<String>,
}

fn find_differences(instance: &Instance, request: &CreateRequest, placement: &PlacementRules<'_>) -> Vec<Difference> {
    let mut spec = request.spec.clone();
    if request.budget.is_some() {
        // The TTL that a budget buys depends on the price when the instance was created.
        spec.ttl = instance.ttl;
    }
    let mut differences = Vec::new();
    if let Some(zone) = find_other_requested_zone(instance, placement) {
        differences.push(Difference {
            text: format_difference("zone", instance.zone.as_deref(), &zone),
            hint: None,
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
            let difference = if field == "spec" {
                Some("the spec differs".to_owned())
            } else if Fingerprint::is_set(requested.as_str(), field) {
                comparison.describe_difference(field)
            } else {
                comparison.describe_difference_from_default(field)
            };
            if let Some(text) = difference {
                let hint = comparison.hint_for_field(field);
                differences.push(Difference { text, hint });
            }
        }
    }
    differences
}

/// The requested zone, if the instance is in another one and no fallback allows that.
fn find_other_requested_zone(instance: &Instance, placement: &PlacementRules<'_>) -> Option<String> {
    if placement.allows(Fallback::Zone) {
        return None;
    }
    let mut locations = placement.requested.iter();
    let (_, location) = locations
        .find(|(provider, location)| provider.kind() == instance.provider && location.region == instance.region)?;
    let (zone, requested_zone) = (instance.zone.as_ref()?, location.zone.as_ref()?);
    (zone != requested_zone).then(|| requested_zone.clone())
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
    fn describe_difference(&self, field: &str) -> Option<String> {
        let (existing, spec) = (self.existing, self.spec);
        match field {
            "type" => {
                let requested = spec.machine_type.as_deref()?;
                let machine_type = existing.machine_type.as_deref();
                (machine_type != Some(requested)).then(|| format_difference(field, machine_type, requested))
            }
            "image" => self.describe_image_difference(spec.image.as_deref()?),
            "label" => self.describe_label_difference(),
            "spot" => describe_switch_difference(field, Some(existing.spot)),
            "protect" => describe_switch_difference(field, existing.protected),
            "no-public-ip" => describe_switch_difference(field, lacks_public_ip(existing)),
            "ttl" => {
                let requested = spec.ttl?;
                if existing.ttl == Some(requested) {
                    return None;
                }
                let ttl = existing.ttl.map_or_else(|| "never".to_owned(), format_duration);
                Some(format_difference(field, Some(&ttl), &format_duration(requested)))
            }
            "cpus" | "memory" | "arch" | "gpu" => self.describe_requirement_difference(field),
            "ssh-key" => self.describe_ssh_key_difference(spec.ssh_key.as_ref()?),
            "disk" => {
                let size = spec.disk_gib.map(|size| format!("{size} GiB"));
                self.describe_setup_difference(field, size.as_slice())
            }
            "disk-type" => self.describe_setup_difference(field, spec.disk_type.as_slice()),
            "network" => self.describe_setup_difference(field, spec.network.as_slice()),
            "subnet" => self.describe_setup_difference(field, spec.subnet.as_slice()),
            "identity" => self.describe_setup_difference(field, spec.identity.as_slice()),
            "firewall" => self.describe_setup_difference(field, &spec.firewalls),
            "open" => Some(self.describe_ingress_rule_difference()),
            // User data and native options are not shown.
            _ => Some(format!("{field} differs")),
        }
    }

    fn describe_image_difference(&self, requested: &str) -> Option<String> {
        let image = self.existing.image.as_deref();
        let image_at_creation = match self.was_created_with("image") {
            true => image,
            false => Some(DEFAULT_IMAGE),
        };
        if image == Some(requested) || image_at_creation == Some(requested) {
            return None;
        }
        Some(format_difference("image", image_at_creation, requested))
    }

    fn describe_label_difference(&self) -> Option<String> {
        if self.find_label_changes().is_empty() {
            return None;
        }
        let labels = format_labels(&self.existing.labels);
        let requested_labels = format_labels(&self.spec.labels);
        Some(format_difference("label", Some(&labels), &requested_labels))
    }

    fn describe_ssh_key_difference(&self, requested: &SshKey) -> Option<String> {
        match requested {
            SshKey::Name(name) => self.describe_setup_difference("ssh-key", std::slice::from_ref(name)),
            SshKey::PublicKey(key) => match self.key_label(key) {
                Some(label) => self.describe_setup_difference("ssh-key", &[label]),
                None => Some("ssh-key differs".to_owned()),
            },
        }
    }

    fn describe_ingress_rule_difference(&self) -> String {
        let requested_rules: Vec<_> = self.spec.ingress_rules.iter().map(ToString::to_string).collect();
        // The listing does not have the rules.
        let rules_at_creation = match self.was_created_with("open") {
            true => None,
            false => Some("none"),
        };
        format_difference("open", rules_at_creation, &requested_rules.join(","))
    }

    /// The difference in a field that was set then and is not set now, so that its default is requested; `None` if the
    /// instance has the default.
    fn describe_difference_from_default(&self, field: &str) -> Option<String> {
        if self.has_default(field) {
            return None;
        }
        let existing = self.existing;
        let (existing_text, default_text) = match field {
            "type" => (existing.machine_type.clone(), self.default_type().map(str::to_owned)),
            "cpus" => (self.cpus().map(|cpus| cpus.to_string()), None),
            "memory" => (self.memory_gib().map(|memory| format!("{memory} GiB")), None),
            "arch" => (existing.architecture.map(|architecture| architecture.to_string()), None),
            "image" => (existing.image.clone(), Some(DEFAULT_IMAGE.to_owned())),
            "ssh-key" => {
                let default_text = match &self.spec.default_ssh_key {
                    Some(default_key) => self.key_label(default_key),
                    None => Some("none".to_owned()),
                };
                (self.setup_text(field), default_text)
            }
            "spot" | "protect" | "no-public-ip" => (Some("yes".to_owned()), Some("no".to_owned())),
            "label" => (Some(format_labels(&existing.labels)), Some("none".to_owned())),
            "ttl" => (existing.ttl.map(format_duration), Some("never".to_owned())),
            // User data and native options are not shown.
            "user-data" | "native" => (None, None),
            _ => (self.setup_text(field), None),
        };
        Some(format_default_difference(field, existing_text, default_text))
    }

    /// Whether the instance is known to have the default of a field.
    fn has_default(&self, field: &str) -> bool {
        let existing = self.existing;
        match field {
            // The requirements are compared by themselves.
            "type" => self.has_default_type() || !self.spec.requirements.is_empty(),
            "cpus" | "memory" | "arch" | "gpu" => self.has_default_type(),
            "image" => {
                let mut spec_with_default = self.spec.clone();
                spec_with_default.image = Some(DEFAULT_IMAGE.to_owned());
                !self.differs_in(&spec_with_default, field)
            }
            "ssh-key" => self.has_default_ssh_key(),
            "spot" => !existing.spot,
            "protect" => existing.protected == Some(false),
            "no-public-ip" => existing.public_ip.is_some(),
            "label" => existing.labels.is_empty(),
            "ttl" => existing.ttl.is_none(),
            _ => false,
        }
    }

    fn has_default_ssh_key(&self) -> bool {
        let Some(default_key) = &self.spec.default_ssh_key else {
            return false;
        };
        let mut spec_with_default = self.spec.clone();
        spec_with_default.ssh_key = Some(SshKey::PublicKey(default_key.clone()));
        let default_label = self.key_label(default_key);
        let shows_default = default_label.is_some() && default_label == self.setup_text("ssh-key");
        shows_default || !self.differs_in(&spec_with_default, "ssh-key")
    }

    /// The changes that give the instance the requested labels. An instance that was created without labels may have
    /// others, which somebody else set.
    fn find_label_changes(&self) -> LabelChanges {
        let (existing, requested) = (self.existing, &self.spec.labels);
        let mut changes = LabelChanges::default();
        for (key, value) in requested {
            if existing.label(key) != Some(value) {
                changes.to_set.insert(key.clone(), value.clone());
            }
        }
        if self.was_created_with("label") {
            let others = existing.labels.keys().filter(|key| !requested.contains_key(*key));
            changes.to_remove.extend(others.cloned());
        }
        changes
    }

    /// How to change a field of the existing instance to what is requested; `None` if that cannot be done.
    fn hint_for_field(&self, field: &str) -> Option<String> {
        let reference = &self.existing.reference;
        match field {
            "label" => {
                let changes = self.find_label_changes();
                // Somebody else may have set the labels to remove.
                let warning = match changes.to_remove.is_empty() {
                    true => String::new(),
                    false => format!(", and remove {}", join_with_and(&changes.to_remove)),
                };
                let arguments = changes.format_as_arguments();
                Some(format!(
                    "change its labels{warning}: cloudctl label {reference} {arguments}"
                ))
            }
            "protect" if self.spec.protected => Some(format!("protect it: cloudctl protect {reference}")),
            "protect" => Some(format!("remove its protection: cloudctl unprotect {reference}")),
            "ttl" => match (self.spec.ttl, self.existing.ttl) {
                (Some(requested), Some(ttl)) if requested > ttl => Some(format!(
                    "to extend it: cloudctl extend {reference} --ttl {}; then run create with the TTL it was created with",
                    format_duration(requested)
                )),
                (_, Some(_)) => Some(format!(
                    "pass the TTL that it was created with; cloudctl extend {reference} gives it more time"
                )),
                (Some(requested), None) => Some(format!(
                    "to give it one: cloudctl extend {reference} --ttl {}; then run create without a TTL",
                    format_duration(requested)
                )),
                (None, None) => None,
            },
            _ => None,
        }
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
        let architecture = match self.spec.requirements.architecture {
            Some(required) => required,
            None if is_alias => Architecture::X86_64,
            None => self.existing.architecture.unwrap_or(Architecture::X86_64),
        };
        Some((self.provider?.info().default_machine_type)(architecture))
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

    /// Whether the spec that the instance was created from has a value of the field.
    fn was_created_with(&self, field: &str) -> bool {
        Fingerprint::is_set(self.fingerprint, field)
    }

    /// Compares a field that the driver lists in [`Instance::setup`]: a list of values, each in several spellings.
    fn describe_setup_difference(&self, field: &str, requested: &[String]) -> Option<String> {
        if let Some(values) = self.existing.setup.get(field)
            && are_same_values(values, requested)
        {
            return None;
        }
        let requested_text = requested.join(",");
        Some(match self.setup_text(field) {
            Some(value) => format_difference(field, Some(&value), &requested_text),
            // Every listing has the keys.
            None if field == "ssh-key" => format_difference(field, Some("none"), &requested_text),
            None if !self.was_created_with(field) => {
                format!("{field} was the default at creation, and {requested_text} is requested now")
            }
            None => format_difference(field, None, &requested_text),
        })
    }

    /// The values of such a field for a message, each in its first spelling.
    fn setup_text(&self, field: &str) -> Option<String> {
        let values = self.existing.setup.get(field)?.iter();
        let first_spellings: Vec<&str> = values
            .filter_map(|value| value.spellings.first())
            .map(String::as_str)
            .collect();
        (!first_spellings.is_empty()).then(|| first_spellings.join(","))
    }

    fn cpus(&self) -> Option<u32> {
        match self.existing.cpus {
            Some(cpus) => Some(cpus),
            None => Some(self.machine_type()?.cpus),
        }
    }

    fn memory_gib(&self) -> Option<f64> {
        match self.existing.memory_gib {
            Some(memory) => Some(memory),
            None => Some(self.machine_type()?.memory_gib),
        }
    }

    fn architecture(&self) -> Option<Architecture> {
        match self.existing.architecture {
            Some(architecture) => Some(architecture),
            None => Some(self.machine_type()?.architecture),
        }
    }

    fn machine_type(&self) -> Option<MachineType> {
        look_up_machine_type(self.existing, self.catalog)
    }

    /// The difference between what the instance has, as far as that is known, and a requirement.
    fn describe_requirement_difference(&self, field: &str) -> Option<String> {
        let comparison = self.compare_requirement(field)?;
        let required_text = comparison.required_text;
        match comparison.existing_text {
            // A machine that was created without the requirement meets it if it has enough.
            Some(_) if comparison.is_met && !self.was_created_with(field) => None,
            Some(existing) if comparison.is_met => Some(format!(
                "{field} is {existing}, which satisfies {required_text}, but the VM was created with a different --{field}"
            )),
            existing => Some(format_difference(field, existing.as_deref(), &required_text)),
        }
    }

    /// Compares the instance with a requirement; `None` if there is no such requirement.
    fn compare_requirement(&self, field: &str) -> Option<RequirementComparison> {
        let requirements = &self.spec.requirements;
        Some(match field {
            "cpus" => {
                let (cpus, required) = (self.cpus(), requirements.cpus?);
                RequirementComparison {
                    is_met: cpus.is_some_and(|cpus| cpus >= required),
                    existing_text: cpus.map(|cpus| cpus.to_string()),
                    required_text: required.to_string(),
                }
            }
            "memory" => {
                let (memory, required) = (self.memory_gib(), requirements.memory_gib?);
                RequirementComparison {
                    is_met: memory.is_some_and(|memory| memory >= required),
                    existing_text: memory.map(|memory| format!("{memory} GiB")),
                    required_text: format!("{required} GiB"),
                }
            }
            "arch" => {
                let (architecture, required) = (self.architecture(), requirements.architecture?);
                RequirementComparison {
                    is_met: architecture == Some(required),
                    existing_text: architecture.map(|architecture| architecture.to_string()),
                    required_text: required.to_string(),
                }
            }
            _ => self.compare_gpu(requirements.gpu.as_ref()?),
        })
    }

    fn compare_gpu(&self, required: &Gpu) -> RequirementComparison {
        let machine_type = self.machine_type();
        let attached_gpu = &self.existing.attached_gpu;
        let is_known = attached_gpu.is_some() || machine_type.is_some();
        let gpu_of_type = machine_type.and_then(|machine_type| machine_type.gpu);
        let gpu = attached_gpu.clone().or(gpu_of_type);
        let has_enough = |gpu: &Gpu| gpu.kind == required.kind && gpu.count >= required.count;
        let is_met = gpu.as_ref().is_some_and(has_enough);
        let gpu_text = gpu.map_or_else(|| "none".to_owned(), |gpu| gpu.to_string());
        RequirementComparison {
            is_met,
            existing_text: is_known.then_some(gpu_text),
            required_text: required.to_string(),
        }
    }
}

struct RequirementComparison {
    is_met: bool,
    /// What the instance has, if that is known.
    existing_text: Option<String>,
    required_text: String,
}

/// The difference in a requested field that is on or off, or unknown.
fn describe_switch_difference(field: &str, is_on: Option<bool>) -> Option<String> {
    match is_on {
        Some(true) => None,
        Some(false) => Some(format_difference(field, Some("no"), "yes")),
        None => Some(format_difference(field, None, "yes")),
    }
}

/// Whether the instance was created without a public address. One that does not run has none in any case.
fn lacks_public_ip(instance: &Instance) -> Option<bool> {
    match &instance.public_ip {
        Some(_) => Some(false),
        None if instance.state == InstanceState::Running => Some(true),
        None => None,
    }
}

/// Whether an instance has all requested values and no others.
fn are_same_values(existing: &[SetupValue], requested: &[String]) -> bool {
    let exists = |word: &String| existing.iter().any(|value| value.spellings.contains(word));
    let is_requested = |value: &SetupValue| value.spellings.iter().any(|word| requested.contains(word));
    requested.iter().all(exists) && existing.iter().all(is_requested)
}

fn format_difference(field: &str, existing: Option<&str>, requested: &str) -> String {
    match existing {
        Some(existing) => format!("{field} is {existing}, not {requested}"),
        None => format!("{field} had another value at creation, and {requested} is requested now"),
    }
}

fn format_default_difference(field: &str, existing: Option<String>, default: Option<String>) -> String {
    let Some(existing) = existing else {
        return format!("{field} was set at creation, and is not set now");
    };
    match default {
        Some(default) => format!("{field} is {existing}, not {default}"),
        None => format!("{field} is {existing}, and the default is requested now"),
    }
}

fn format_labels(labels: &Labels) -> String {
    if labels.is_empty() {
        return "none".to_owned();
    }
    let texts: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    texts.join(",")
}
