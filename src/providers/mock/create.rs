//! Making an instance once, however often it is asked for.

use std::time::Duration;

use jiff::Timestamp;

use super::faults::{FaultSite, Faults};
use super::phase::{BOOT, EndReason, Phase};
use super::request::{self, NETWORK, ResolvedSpec};
use super::state::{State, StoredInstance, private_address, public_address};
use crate::cloud::{CreateOutcome, Error, ErrorKind, IdempotencyToken, Instance, InstanceSpec, ProviderKind, Result};

/// Makes the instance, unless its token or its name is there already.
///
/// # Errors
/// `Capacity` and `Quota` if the faults ask for them; `AlreadyExists` if the name is somebody else's.
pub(super) fn create(
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
            CreateOutcome::Instance(Box::new(first.to_instance(now)))
        });
    }
    // A name means one living instance in its region, as on Compute Engine; also for one of another generation.
    let namesake = state.instances.iter().find(|stored| {
        stored.region == resolved.region
            && stored.name == spec.name.as_str()
            && !stored.phase_at(now).state(now).is_gone()
    });
    if let Some(namesake) = namesake {
        return if namesake.is_managed() {
            Ok(CreateOutcome::Instance(Box::new(namesake.to_instance(now))))
        } else {
            let message = format!(
                "the name {} belongs to {}, which cloudctl did not make",
                spec.name,
                namesake.reference()
            );
            Err(Error::new(ErrorKind::AlreadyExists, message)
                .with_code("AlreadyExists")
                .at(format!("mock/{}", resolved.region)))
        };
    }
    if let Some(error) = faults.capacity_fault(FaultSite::zone(resolved.region, resolved.zone)) {
        return Err(error);
    }
    let mut stored = new_stored_instance(state, spec, resolved, generation, token, faults, now);
    if let Some(ttl) = spec.ttl {
        stored.set_ttl(ttl)?;
    }
    let made = stored.to_instance(now);
    state.instances.push(stored);
    Ok(CreateOutcome::Instance(Box::new(made)))
}

/// Makes the members of a group, all of them or none, each as one of its name.
///
/// # Errors
/// As [`create`].
pub(super) fn create_members(
    state: &mut State,
    spec: &InstanceSpec,
    resolved: &ResolvedSpec,
    generation: u32,
    faults: &Faults,
    now: Timestamp,
) -> Result<Vec<Instance>> {
    let before = state.instances.len();
    let mut made = Vec::new();
    for name in spec.instance_names()? {
        let member = InstanceSpec {
            name,
            members: None,
            ..spec.clone()
        };
        match create(state, &member, resolved, generation, faults, now) {
            Ok(CreateOutcome::Instance(instance)) => made.push(*instance),
            Ok(CreateOutcome::TokenAlreadyUsed) => {}
            Err(error) => {
                state.instances.truncate(before);
                return Err(error);
            }
        }
    }
    Ok(made)
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
        openings: spec.ingress_rules.iter().map(ToString::to_string).collect(),
        identity: spec.identity.clone(),
        ssh_key: resolved.ssh_key.clone(),
        user_data_bytes: spec.user_data.as_ref().map(|data| data.expose().len()),
        spot: spec.spot,
        protected: spec.protected,
        labels: request::build_labels(spec, generation),
        public_ip: spec.public_ip.then(|| public_address(address)),
        private_ip: private_address(address),
        created_at: now,
        booted_at: now,
        ends_at: None,
        phase: Phase::started(now, boot, planned_end(faults.boot_failure(site), boot, spec, resolved)),
    }
}

/// How the instance shall die by itself, if it shall.
fn planned_end(boot_failure: bool, boot: Duration, spec: &InstanceSpec, resolved: &ResolvedSpec) -> Option<EndReason> {
    if boot_failure {
        return Some(EndReason::after(boot, "Server.InternalError"));
    }
    let reason = if spec.spot {
        "Server.SpotInstanceTermination"
    } else {
        "Server.InternalError"
    };
    Some(EndReason::after(resolved.options.fail_after()?, reason))
}
