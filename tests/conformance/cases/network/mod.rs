//! Opened ports: security groups on EC2, firewall rules on Compute Engine.

mod firewall_rule;
mod security_group;

use crate::Case;

pub fn cases() -> Vec<Case> {
    let all = [firewall_rule::cases(), security_group::cases()];
    all.into_iter().flatten().collect()
}
