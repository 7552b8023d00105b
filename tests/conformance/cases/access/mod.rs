//! Logging in to VMs: with a real OpenSSH server in the place of the VM's own.

mod ssh;
mod ssh_config;

use crate::Case;

pub fn cases() -> Vec<Case> {
    let mut cases = ssh::cases();
    cases.extend(ssh_config::cases());
    cases
}
