//! Logging in to VMs: with a real OpenSSH server in the place of the VM's own.

mod ssh;

use crate::Case;

pub fn cases() -> Vec<Case> {
    ssh::cases()
}
