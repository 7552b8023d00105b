//! Creating: names, specs, groups, fallback, offers.

mod fallback;
mod group;
mod group_ec2;
mod group_failures_gce;
mod group_gce;
mod idempotency;
mod offers;
mod round_trips;
mod throughput;

use crate::Case;

pub fn cases() -> Vec<Case> {
    let all = [
        fallback::cases(),
        group::cases(),
        group_ec2::cases(),
        group_failures_gce::cases(),
        group_gce::cases(),
        idempotency::cases(),
        offers::cases(),
        round_trips::cases(),
        throughput::cases(),
    ];
    all.into_iter().flatten().collect()
}
