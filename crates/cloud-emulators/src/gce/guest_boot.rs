//! What the guest of a VM says as it boots, on its serial port and in its guest attributes.

use std::time::Duration;

use super::Emulator;
use super::state::{Key, State};
use super::state_changes::Event;
use crate::boot_console;

impl State {
    /// Called when an instance starts: its guest prints now, or after the delay that a test set.
    pub fn start_guest(&mut self, key: &Key) {
        let Some(instance) = self.instances.get(key) else {
            return;
        };
        let (id, boots) = (instance.id, instance.boots);
        let delay = self.controls.console_delay;
        if delay.is_zero() {
            self.guest_boots(key, id, boots);
        } else {
            self.schedule_after(delay, Event::GuestBoots(key.clone(), id, boots));
        }
    }

    /// The guest of this run prints its boot. cloud-init prints host keys once in the life of a VM.
    pub fn guest_boots(&mut self, key: &Key, id: u64, boots: u32) {
        let keys = self.controls.boot_host_keys.clone();
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        if instance.id != id || instance.boots != boots {
            return;
        }
        let name = &key.name;
        let is_first = boots == 1 && !keys.is_empty();
        if is_first {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            instance.console.push_str(&boot_console(name, &keys));
            instance.console.push_str("\r\n");
        }
        instance.console.push_str(&format!(
            "[    0.000000] Linux version 6.8.0-1014-gcp\r\n{name} login: (boot {boots})\r\n"
        ));
        if is_first {
            self.publish_host_keys(key, &keys);
        }
    }
}

/// Consoles.
impl Emulator {
    /// Sets what the first serial port of every VM of this name has said so far.
    pub fn set_console_output(&self, name: &str, text: &str) {
        let mut state = self.state();
        for key in state.keys_named(name) {
            if let Some(instance) = state.instances.get_mut(&key) {
                text.clone_into(&mut instance.console);
            }
        }
    }

    /// Every VM that first boots from now on has these SSH host keys: it prints them as cloud-init does, and publishes them
    /// if its guest attributes are on. A key is a public line, `ssh-ed25519 AAAA…`. With none, guests tell no keys.
    pub fn set_boot_host_keys(&self, keys: &[&str]) {
        self.state().controls.boot_host_keys = keys.iter().map(|key| (*key).to_owned()).collect();
    }

    /// Nothing of a boot is on the serial port, nor in the guest attributes, until this long after the VM runs. Holds for
    /// boots from now on.
    pub fn set_console_delay(&self, delay: Duration) {
        self.state().controls.console_delay = delay;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::test_requests::{ask, insert, metadata};
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";

    fn console(emulator: &Emulator) -> String {
        let (status, answer) = ask(
            emulator,
            "GET",
            "zones/us-east1-b/instances/web-1/serialPort",
            &Value::Null,
        );
        assert_eq!(status, 200, "{answer}");
        answer["contents"].as_str().unwrap_or_default().to_owned()
    }

    fn published(emulator: &Emulator) -> u16 {
        let path = "zones/us-east1-b/instances/web-1/getGuestAttributes?queryPath=hostkeys/";
        ask(emulator, "GET", path, &Value::Null).0
    }

    #[test]
    fn boot_tells_host_keys_on_both_ways() {
        let emulator = Emulator::start();
        emulator.set_boot_host_keys(&[KEY]);
        insert(&emulator, "web-1", &metadata("enable-guest-attributes", "TRUE"));
        assert!(console(&emulator).contains(KEY));
        assert_eq!(published(&emulator), 200);
    }

    #[test]
    fn boot_is_late_where_a_delay_is_set() {
        let emulator = Emulator::start();
        emulator.set_boot_host_keys(&[KEY]);
        emulator.set_console_delay(Duration::from_secs(30));
        insert(&emulator, "web-1", &metadata("enable-guest-attributes", "TRUE"));
        assert_eq!((console(&emulator).as_str(), published(&emulator)), ("", 404));
        emulator.advance(Duration::from_secs(31));
        assert!(console(&emulator).contains(KEY));
        assert_eq!(published(&emulator), 200);
    }

    #[test]
    fn console_is_set_by_name() {
        let emulator = Emulator::start();
        insert(&emulator, "web-1", &Value::Null);
        emulator.set_console_output("web-1", "hello");
        assert_eq!(console(&emulator), "hello");
    }

    #[test]
    fn second_boot_prints_no_host_keys() {
        let emulator = Emulator::start();
        emulator.set_boot_host_keys(&[KEY]);
        insert(&emulator, "web-1", &Value::Null);
        emulator.set_console_output("web-1", "");
        for change in ["stop", "start"] {
            let path = format!("zones/us-east1-b/instances/web-1/{change}");
            assert_eq!(ask(&emulator, "POST", &path, &Value::Null).0, 200);
            emulator.advance(Duration::from_secs(1));
        }
        let text = console(&emulator);
        assert!(text.contains("(boot 2)") && !text.contains("HOST KEY"), "{text}");
    }
}
