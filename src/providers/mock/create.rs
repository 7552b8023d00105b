//! Creates instances: resolves a spec, checks its limits, and stores the instance once per token and name.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::catalog::{Image, MachineType};
use super::faults::{FaultSite, Faults};
use super::instance_phase::{BOOT, EndReason, Phase};
use super::state_model::{State, StoredInstance, private_address, public_address};
use super::{catalog, regions};
use crate::catalog::{ImageAlias, image_alias};
use crate::cloud::{
    CreateOutcome, Error, ErrorKind, ErrorLocation, IdempotencyToken, Instance, InstanceSpec, LabelChanges, Labels,
    LaunchPreview, Location, ProviderKind, Result, SshKey, UserDataReader, check_label_key, find_user_data_problem,
    management_labels, quoted,
};
use crate::providers::common::native_options::{read_number, read_options};
use crate::providers::common::spec_limits;
use crate::providers::common::spec_limits::{
    check_count, check_label_count, check_label_lengths, check_size, split_public_key,
};

pub(super) const NETWORK: &str = "default";
/// As on EC2. <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html>
const MAX_USER_DATA_BYTES: usize = 16 * 1024;
/// As on EC2, and cloudctl's own labels count. <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html>
const MAX_LABELS: usize = 50;
/// Characters of a label's key at most.
const MAX_LABEL_KEY_LENGTH: usize = 128;
/// Characters of a label's value at most.
const MAX_LABEL_VALUE_LENGTH: usize = 256;
/// As on Compute Engine. <https://cloud.google.com/compute/docs/instances/limit-vm-runtime>
const MAX_TTL: Duration = Duration::from_secs(120 * 24 * 3600);

/// Creates the instance of the spec, or all members of its group or none.
///
/// # Errors
/// `Capacity` and `Quota` if the faults say so; `AlreadyExists` if an instance that cloudctl did not create has the
/// name.
pub(super) fn create(
    state: &mut State,
    spec: &InstanceSpec,
    resolved: &ResolvedSpec,
    generation: u32,
    faults: &Faults,
    now: Timestamp,
) -> Result<CreateOutcome> {
    let count_before = state.instances.len();
    let mut created = Vec::new();
    for name in spec.instance_names()? {
        let single_spec = InstanceSpec {
            name,
            members: None,
            ..spec.clone()
        };
        match create_one(state, &single_spec, resolved, generation, faults, now) {
            Ok(outcome) => created.extend(outcome.into_instances()),
            Err(error) => {
                state.instances.truncate(count_before);
                return Err(error);
            }
        }
    }
    if created.is_empty() {
        return Ok(CreateOutcome::TokenAlreadyUsed);
    }
    Ok(CreateOutcome::Created(created))
}

/// Creates one instance, unless its token or its name exists already.
fn create_one(
    state: &mut State,
    spec: &InstanceSpec,
    resolved: &ResolvedSpec,
    generation: u32,
    faults: &Faults,
    now: Timestamp,
) -> Result<CreateOutcome> {
    let token = IdempotencyToken::derive(ProviderKind::Mock, resolved.region, spec, generation).to_hex();
    if let Some(first) = state.instances.iter().find(|stored| stored.token == token) {
        return Ok(if first.phase_at(now).state(now).is_gone() {
            CreateOutcome::TokenAlreadyUsed
        } else {
            CreateOutcome::Created(vec![first.to_instance(now)])
        });
    }
    // A name means one living instance in its region, as on Compute Engine, also in another generation.
    let namesake = state.instances.iter().find(|stored| {
        stored.region == resolved.region
            && stored.name == spec.name.as_str()
            && !stored.phase_at(now).state(now).is_gone()
    });
    if let Some(namesake) = namesake {
        return if namesake.is_managed() {
            Ok(CreateOutcome::Created(vec![namesake.to_instance(now)]))
        } else {
            let message = format!(
                "the name {} is taken by {}, which was not made by cloudctl",
                spec.name,
                namesake.reference()
            );
            Err(Error::new(ErrorKind::AlreadyExists, message)
                .with_code("AlreadyExists")
                .at(ErrorLocation::new(ProviderKind::Mock, resolved.region)))
        };
    }
    if let Some(error) = faults.capacity_or_quota_error(FaultSite::zone(resolved.region, resolved.zone)) {
        return Err(error);
    }
    let mut stored = new_stored_instance(state, spec, resolved, generation, token, faults, now);
    if let Some(ttl) = spec.ttl {
        stored.set_ttl(ttl)?;
    }
    let created = stored.to_instance(now);
    state.instances.push(stored);
    Ok(CreateOutcome::Created(vec![created]))
}

fn new_stored_instance(
    state: &mut State,
    spec: &InstanceSpec,
    resolved: &ResolvedSpec,
    generation: u32,
    token: String,
    faults: &Faults,
    now: Timestamp,
) -> StoredInstance {
    let site = FaultSite::zone(resolved.region, resolved.zone);
    let boot = faults.slow_boot(site).or(resolved.options.boot()).unwrap_or(BOOT);
    let address = state.take_address_number();
    StoredInstance {
        id: state.new_id(),
        name: spec.name.to_string(),
        token,
        region: resolved.region.to_owned(),
        zone: resolved.zone.to_owned(),
        machine_type: resolved.machine.name.to_owned(),
        image: resolved.image.id.clone(),
        disk_gib: resolved.disk_gib,
        disk_type: resolved.disk_type.to_owned(),
        network: NETWORK.to_owned(),
        subnet: resolved.subnet.clone(),
        firewalls: spec.firewalls.clone(),
        ingress_rules: spec.ingress_rules.iter().map(ToString::to_string).collect(),
        identity: spec.identity.clone(),
        ssh_key: resolved.ssh_key.clone(),
        user_data_bytes: spec.user_data.as_ref().map(|data| data.expose().len()),
        spot: spec.spot,
        protected: spec.protected,
        labels: build_labels(spec, generation),
        public_ip: spec.public_ip.then(|| public_address(address)),
        private_ip: private_address(address),
        created_at: now,
        booted_at: now,
        ends_at: None,
        phase: Phase::start_at(
            now,
            boot,
            planned_end(faults.has_boot_failure(site), boot, spec, resolved),
        ),
    }
}

/// Returns how the instance will end by itself, if it will.
fn planned_end(fails_to_boot: bool, boot: Duration, spec: &InstanceSpec, resolved: &ResolvedSpec) -> Option<EndReason> {
    if fails_to_boot {
        return Some(EndReason::new(boot, "Server.InternalError"));
    }
    let reason = if spec.spot {
        "Server.SpotInstanceTermination"
    } else {
        "Server.InternalError"
    };
    Some(EndReason::new(resolved.options.fail_after()?, reason))
}

/// A spec with every name looked up, every default filled in and every limit checked.
#[derive(Debug)]
pub(super) struct ResolvedSpec {
    pub(super) region: &'static str,
    /// The zone, chosen if none was given.
    pub(super) zone: &'static str,
    pub(super) machine: &'static MachineType,
    pub(super) image: Image,
    pub(super) disk_gib: u32,
    pub(super) disk_type: &'static str,
    pub(super) subnet: String,
    /// The key to log in with: a name, or a public key.
    pub(super) ssh_key: Option<String>,
    /// The mock's own options.
    pub(super) options: Options,
}

impl ResolvedSpec {
    /// Resolves a spec.
    pub(super) fn resolve(spec: &InstanceSpec) -> Result<Self> {
        let (region, zone) = select_region_and_zone(spec)?;
        let machine = catalog::select_machine_type(spec.machine_type_to_use(), &spec.requirements)?;
        let image = catalog::select_image(spec.image.as_deref(), machine)?;
        let disk_gib = catalog::select_disk_gib(spec.disk_gib, &image)?;
        let disk_type = catalog::select_disk_type(spec.disk_type.as_deref())?;
        if let Some(network) = &spec.network
            && network != NETWORK
        {
            return Err(
                Error::invalid(format!("the mock cloud has no network {}", quoted(network)))
                    .with_hint(format!("use {NETWORK}, the only one")),
            );
        }
        check_words("firewall", &spec.firewalls)?;
        check_words("identity", spec.identity.as_slice())?;
        check_user_data(spec, image.alias)?;
        if let Some(ttl) = spec.ttl {
            check_ttl(ttl)?;
        }
        check_labels(&spec.labels)?;
        Ok(Self {
            region,
            zone,
            machine,
            image,
            disk_gib,
            disk_type,
            subnet: subnet_name(zone),
            ssh_key: select_ssh_key(spec)?,
            options: read_options(ProviderKind::Mock, &spec.native)?,
        })
    }

    /// Returns the zones for the spec, the selected one first and the others after it, in order.
    pub(super) fn candidate_zones(&self, spec: &InstanceSpec) -> Vec<Location> {
        let all = regions::find_region(self.region).map_or(&[][..], |region| region.zones);
        let is_bound = spec.location.zone.is_some() || spec.subnet.is_some();
        let first = all.iter().position(|zone| *zone == self.zone).unwrap_or_default();
        let zones = all
            .iter()
            .cycle()
            .skip(first)
            .take(if is_bound { 1 } else { all.len() });
        let to_location = |zone: &&str| Location::in_zone(self.region, *zone);
        zones.map(to_location).collect()
    }

    pub(super) fn into_preview(self, spec: &InstanceSpec) -> LaunchPreview {
        LaunchPreview {
            provider: ProviderKind::Mock,
            name: spec.name.clone(),
            location: Location::in_zone(self.region, self.zone),
            machine_type: self.machine.name.to_owned(),
            cpus: Some(self.machine.cpus),
            memory_gib: Some(self.machine.memory_gib),
            gpu: self.machine.to_machine_type().gpu,
            architecture: Some(self.machine.architecture),
            image_name: Some(self.image.alias.to_owned()),
            image: self.image.id,
            disk_gib: Some(self.disk_gib),
            disk_type: self.disk_type.to_owned(),
            spot: spec.spot,
            price_usd_per_hour: Some(self.machine.price(spec.spot)),
            ttl: spec.ttl,
        }
    }
}

/// Builds the labels of a new instance: the user's and the management labels.
pub(super) fn build_labels(spec: &InstanceSpec, generation: u32) -> Labels {
    let mut labels = spec.labels.clone();
    labels.extend(management_labels(spec, generation));
    labels
}

/// The most management labels that cloudctl adds, with a TTL and without a group.
const MAX_MANAGEMENT_LABELS: usize = 5;

fn subnet_name(zone: &str) -> String {
    format!("{NETWORK}-{zone}")
}

/// Selects the region and the zone: the zone in the spec, that of the subnet, or one by the name.
fn select_region_and_zone(spec: &InstanceSpec) -> Result<(&'static str, &'static str)> {
    let location = regions::resolve_location(Some(&spec.location.region), spec.location.zone.as_deref())?;
    let region = regions::find_region(&location.region)?;
    let mut candidates = region.zones.to_vec();
    if let Some(requested) = &location.zone {
        candidates.retain(|zone| zone == requested);
    }
    let Some(subnet) = &spec.subnet else {
        return Ok(match candidates.as_slice() {
            [only] => (region.name, only),
            _ => (region.name, regions::zone_for_name(&spec.name, region)),
        });
    };
    match candidates.iter().find(|zone| subnet_name(zone) == *subnet) {
        Some(zone) => Ok((region.name, zone)),
        None => {
            let subnets: Vec<_> = candidates.iter().map(|zone| subnet_name(zone)).collect();
            let message = format!("there is no subnet {} in {}", quoted(subnet), spec.location);
            Err(Error::invalid(message).with_hint(format!("use one of {}", subnets.join(", "))))
        }
    }
}

fn check_words(field: &str, words: &[String]) -> Result<()> {
    for word in words {
        if word.trim().is_empty() || word.chars().any(char::is_control) {
            return Err(Error::invalid(format!("invalid {field} {}", quoted(word))));
        }
    }
    Ok(())
}

fn check_user_data(spec: &InstanceSpec, alias: &str) -> Result<()> {
    let Some(data) = &spec.user_data else {
        return Ok(());
    };
    check_size(
        ProviderKind::Mock,
        "user data",
        data.expose().len(),
        MAX_USER_DATA_BYTES,
    )?;
    let reader = match image_alias(alias).is_none_or(ImageAlias::has_key_login) {
        true => UserDataReader::CloudInit,
        false => UserDataReader::Ec2Launch,
    };
    if let Some(problem) = find_user_data_problem(data.expose(), reader) {
        tracing::warn!("{problem}");
    }
    Ok(())
}

/// Refuses a TTL that is too long for this cloud.
pub(super) fn check_ttl(ttl: Duration) -> Result<()> {
    spec_limits::check_ttl(ProviderKind::Mock, ttl, Duration::ZERO..=MAX_TTL)
}

fn check_labels(labels: &Labels) -> Result<()> {
    check_label_texts(labels)?;
    check_count(
        ProviderKind::Mock,
        "labels",
        labels.len(),
        MAX_MANAGEMENT_LABELS,
        MAX_LABELS,
    )
}

fn check_label_texts(labels: &Labels) -> Result<()> {
    labels.keys().try_for_each(|key| check_label_key(key))?;
    check_label_lengths(ProviderKind::Mock, labels, MAX_LABEL_KEY_LENGTH, MAX_LABEL_VALUE_LENGTH)
}

/// Checks label changes, and how many labels each target would have.
pub(super) fn check_label_changes(changes: &LabelChanges, targets: &[Instance]) -> Result<()> {
    check_label_texts(&changes.to_set)?;
    for target in targets {
        let mut labels = target.labels.clone();
        changes.apply_to(&mut labels);
        check_label_count(target, &labels, MAX_LABELS)?;
    }
    Ok(())
}

/// Selects the SSH key to store. Errors do not show text that is not a public key: it may be a private one.
fn select_ssh_key(spec: &InstanceSpec) -> Result<Option<String>> {
    let key = match &spec.ssh_key {
        None => return Ok(spec.default_ssh_key.clone()),
        Some(SshKey::Name(name)) => {
            check_words("ssh-key", std::slice::from_ref(name))?;
            name
        }
        Some(SshKey::PublicKey(key)) => {
            split_public_key(key)?;
            key.trim_end()
        }
    };
    Ok(Some(key.to_owned()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Options {
    /// Seconds that the instance is pending before it runs, from 0 to 86400, fractions allowed; default 1.
    #[serde(deserialize_with = "read_seconds")]
    pub(super) boot_seconds: Option<f64>,
    /// Seconds after which the instance ends by itself, as a preempted spot instance does.
    #[serde(deserialize_with = "read_seconds")]
    pub(super) fail_after_seconds: Option<f64>,
}

const DAY_SECONDS: f64 = 86_400.0;

impl Options {
    /// Returns how long the instance is pending, if the options say so.
    pub(super) fn boot(&self) -> Option<Duration> {
        self.boot_seconds.map(Duration::from_secs_f64)
    }

    /// Returns after how long the instance ends by itself, if the options say so.
    pub(super) fn fail_after(&self) -> Option<Duration> {
        self.fail_after_seconds.map(Duration::from_secs_f64)
    }
}

fn read_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let seconds = read_number(deserializer)?;
    match seconds.is_none_or(|seconds| (0.0..=DAY_SECONDS).contains(&seconds)) {
        true => Ok(seconds),
        false => Err(D::Error::custom(format!("it is a number from 0 to {DAY_SECONDS}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(key: &str, value: Value) -> Result<Options> {
        read_options(ProviderKind::Mock, &[(key.to_owned(), value)].into())
    }

    #[test]
    fn options_are_seconds_of_a_day() {
        let boot = read("boot_seconds", json!("0.5")).unwrap().boot();
        assert_eq!(boot, Some(Duration::from_millis(500)));
        let fail_after = read("fail_after_seconds", json!(3)).unwrap().fail_after();
        assert_eq!(fail_after, Some(Duration::from_secs(3)));
        for (key, value) in [("boot_seconds", json!(-1)), ("fail_after_seconds", json!(1e9))] {
            assert!(read(key, value).unwrap_err().message().contains(key));
        }
    }
}
