//! What is done with instances: list, power, labels, terminate, TTL.

mod expiry;
mod expiry_ec2;
mod expiry_gce;
mod labels;
mod labels_ec2;
mod labels_gce;
mod list;
mod power;
mod selection;
mod terminate;
mod watch;

use crate::Case;

pub fn cases() -> Vec<Case> {
    let all = [
        expiry::cases(),
        expiry_ec2::cases(),
        expiry_gce::cases(),
        labels::cases(),
        labels_ec2::cases(),
        labels_gce::cases(),
        list::cases(),
        power::cases(),
        selection::cases(),
        terminate::cases(),
        watch::cases(),
    ];
    all.into_iter().flatten().collect()
}
