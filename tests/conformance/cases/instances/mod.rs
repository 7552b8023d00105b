//! What is done with instances: list, power, terminate, TTL.

mod expiry;
mod expiry_ec2;
mod expiry_gce;
mod list;
mod power;
mod terminate;
mod watch;

use crate::Case;

pub fn cases() -> Vec<Case> {
    let all = [
        expiry::cases(),
        expiry_ec2::cases(),
        expiry_gce::cases(),
        list::cases(),
        power::cases(),
        terminate::cases(),
        watch::cases(),
    ];
    all.into_iter().flatten().collect()
}
