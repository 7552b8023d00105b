//! What instances write to their consoles.

use jiff::Timestamp;

use super::catalog;
use super::state::Record;
use crate::cloud::InstanceState;

impl Record {
    /// What it wrote to its console since it last booted.
    pub(super) fn console(&self, now: Timestamp) -> String {
        let state = self.phase_at(now).state(now);
        if state == InstanceState::Pending {
            return String::new();
        }
        let cpus = catalog::known_machine_type(&self.machine_type).map_or(1, |machine| machine.cpus);
        let mut lines = vec![
            format!("[    0.000000] Linux version 6.8.0-mock ({}) #1 SMP", self.image),
            format!("[    0.012345] smp: Brought up 1 node, {cpus} CPUs"),
            format!("[    0.345678] sda: {} GiB disk ({})", self.disk_gib, self.disk_type),
        ];
        if self.phase.fails_to_boot() {
            lines.push("[    0.400000] Kernel panic - not syncing: No working init found".to_owned());
        } else {
            lines.push(format!("[    0.456789] eth0: {} in {}", self.private_ip, self.subnet));
            lines.push(format!(
                "[    0.500000] cloud-init: instance {} is {}",
                self.id, self.name
            ));
            if let Some(bytes) = self.user_data_bytes {
                lines.push(format!("[    0.600000] cloud-init: user data of {bytes} bytes ran"));
            }
            lines.push(format!(
                "[    0.987654] cloud-init: finished, booted at {}",
                self.booted_at
            ));
            lines.push(format!("{} login:", self.name));
        }
        if matches!(state, InstanceState::Stopped | InstanceState::Terminated) {
            lines.push("reboot: Power down".to_owned());
        }
        lines.join("\n") + "\n"
    }
}
