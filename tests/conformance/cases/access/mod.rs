//! Logging in to VMs, and copying files: with a real OpenSSH server in the place of the VM's own.

mod cp;
mod ssh;

use crate::Case;

pub fn cases() -> Vec<Case> {
    let mut cases = ssh::cases();
    cases.extend(cp::cases());
    cases
}
