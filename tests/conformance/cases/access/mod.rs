//! Logging in to VMs, copying files and running commands: with a real OpenSSH server in the place of the VM's own.

mod cp;
mod run;
mod ssh;
mod ssh_config;

use crate::Case;

pub fn cases() -> Vec<Case> {
    let mut cases = ssh::cases();
    cases.extend(cp::cases());
    cases.extend(run::cases());
    cases.extend(ssh_config::cases());
    cases
}
