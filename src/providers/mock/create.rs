//! Making an instance once, however often it is asked for.

use std::time::Duration;

use jiff::Timestamp;

use super::faults::{FaultSite, Faults};
use super::phase::{BOOT, EndReason, Phase};
use super::request::{self, NETWORK, ResolvedSpec};
use super::state::{State, StoredInstance, private_address, public_address};
use crate::cloud::{CreateOutcome, Error, ErrorKind, IdempotencyToken, InstanceSpec, ProviderKind, Result};

/// Creates the instance of the spec, or all members of its group or none.
///
/// # Errors
/// `Capacity` and `Quota` if the faults ask for them; `AlreadyExists` if an instance that is not ours has the name.
pub(super) fn create(
    state: &mut State,
    spec: &InstanceSpec,
    order: &ResolvedSpec,
    generation: u32,
    faults: &Faults,
    now: Timestamp,
) -> Result<CreateOutcome> {
    let before = state.instances.len();
    let mut created = Vec::new();
    for name in spec.instance_names()? {
        let one = InstanceSpec {
            name,
            members: None,
            ..spec.clone()
        };
        match create_one(state, &one, order, generation, faults, now) {
            Ok(CreateOutcome::Created(instances)) => created.extend(instances),
            Ok(CreateOutcome::TokenAlreadyUsed) => {}
            Err(error) => {
                state.instances.truncate(before);
                return Err(error);
            }
        }
    }
    Ok(match created.is_empty() {
        true => CreateOutcome::TokenAlreadyUsed,
        false => CreateOutcome::Created(created),
    })
}

/// Creates one instance, unless its token or its name exists already.
fn create_one(
    state: &mut State,
    spec: &InstanceSpec,
    order: &ResolvedSpec,
    generation: u32,
    faults: &Faults,
    now: Timestamp,
) -> Result<CreateOutcome> {
    let token = IdempotencyToken::derive(ProviderKind::Mock, order.region, spec, generation).to_hex();
    if let Some(first) = state.instances.iter().find(|record| record.token == token) {
        return Ok(if first.phase_at(now).state(now).is_gone() {
            CreateOutcome::TokenAlreadyUsed
        } else {
            CreateOutcome::Created(vec![first.instance(now)])
        });
    }
    // A name means one living instance in its region, as on Compute Engine; also for one of another generation.
    let namesake = state.instances.iter().find(|record| {
        record.region == order.region && record.name == spec.name.as_str() && !record.phase_at(now).state(now).is_gone()
    });
    if let Some(namesake) = namesake {
        return if namesake.is_managed() {
            Ok(CreateOutcome::Created(vec![namesake.instance(now)]))
        } else {
            let message = format!(
                "the name {} belongs to {}, which cloudctl did not make",
                spec.name,
                namesake.reference()
            );
            Err(Error::new(ErrorKind::AlreadyExists, message)
                .with_code("AlreadyExists")
                .at(format!("mock/{}", order.region)))
        };
    }
    if let Some(error) = faults.shortage(FaultSite::zone(order.region, order.zone)) {
        return Err(error);
    }
    let mut record = record(state, spec, order, generation, token, faults, now);
    if let Some(ttl) = spec.ttl {
        record.set_ttl(ttl)?;
    }
    let made = record.instance(now);
    state.instances.push(record);
    Ok(CreateOutcome::Created(vec![made]))
}

fn record(
    state: &mut State,
    spec: &InstanceSpec,
    order: &ResolvedSpec,
    generation: u32,
    token: String,
    faults: &Faults,
    now: Timestamp,
) -> StoredInstance {
    let site = FaultSite::zone(order.region, order.zone);
    let boot = faults.slow_boot(site).or(order.options.boot()).unwrap_or(BOOT);
    let address = state.next_address();
    StoredInstance {
        id: state.fresh_id(),
        name: spec.name.to_string(),
        token,
        region: order.region.to_owned(),
        zone: order.zone.to_owned(),
        machine_type: order.machine.name.to_owned(),
        image: order.image.id.clone(),
        disk_gib: order.disk_gib,
        disk_type: order.disk_type.to_owned(),
        network: NETWORK.to_owned(),
        subnet: order.subnet.clone(),
        firewalls: spec.firewalls.clone(),
        openings: spec.ingress_rules.iter().map(ToString::to_string).collect(),
        identity: spec.identity.clone(),
        ssh_key: order.ssh_key.clone(),
        user_data_bytes: spec.user_data.as_ref().map(|data| data.expose().len()),
        spot: spec.spot,
        protected: spec.protected,
        labels: request::labels(spec, generation),
        public_ip: spec.public_ip.then(|| public_address(address)),
        private_ip: private_address(address),
        created_at: now,
        booted_at: now,
        ends_at: None,
        phase: Phase::started(now, boot, death(faults.boot_failure(site), boot, spec, order)),
    }
}

/// How the instance shall die by itself, if it shall.
fn death(boot_failure: bool, boot: Duration, spec: &InstanceSpec, order: &ResolvedSpec) -> Option<EndReason> {
    if boot_failure {
        return Some(EndReason::after(boot, "Server.InternalError"));
    }
    let reason = if spec.spot {
        "Server.SpotInstanceTermination"
    } else {
        "Server.InternalError"
    };
    Some(EndReason::after(order.options.fail_after()?, reason))
}
