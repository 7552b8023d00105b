//! The console of an instance: what its guest printed, and how much of that EC2 shows.

use std::time::Duration;

use super::encoding::{base64, time};
use super::errors::{Answer, Refusal};
use super::instance::{Instance, Phase};
use super::state::{Context, Controls, State};
use super::test_controls::Emulator;
use super::xml_writer::Xml;
use crate::boot_console;

/// EC2 keeps the most recent 64 KiB.
const KEPT: usize = 64 * 1024;

/// What stands on an instance's console.
#[derive(Clone, Debug, Default)]
pub struct Console {
    /// What a test put there, in place of all that the guest printed.
    set: Option<String>,
    /// What the guest printed in this run, if that is more than a plain boot.
    printed: Option<String>,
    /// What a test made the answer without `Latest`, which may be nothing.
    snapshot: Option<Option<String>>,
    /// Whether the guest has booted before.
    has_booted: bool,
}

impl Instance {
    /// The present text: nothing before the guest has booted, and `delay` after its launch.
    fn console_text(&self, now: jiff::Timestamp, delay: Duration) -> Option<String> {
        let plain = || {
            let id = &self.id;
            format!("[    0.000000] Linux version 6.14.0-aws ({id})\r\ncloud-init: finished\r\n{id} login: ")
        };
        let booted = self.running_since.is_some_and(|since| since + delay <= now);
        match &self.console.set {
            Some(text) => Some(text.clone()),
            None => booted.then(|| self.console.printed.clone().unwrap_or_else(plain)),
        }
    }

    /// What is read without `Latest`: what EC2 posted some time after the launch.
    fn console_snapshot(&self, now: jiff::Timestamp, controls: &Controls) -> Option<String> {
        if let Some(snapshot) = &self.console.snapshot {
            return snapshot.clone();
        }
        let posted = self.launched + controls.console_delay + controls.console_snapshot_delay;
        let is_posted = controls.console_snapshot_delay.is_zero() || posted <= now;
        is_posted
            .then(|| self.console_text(now, controls.console_delay))
            .flatten()
    }
}

impl State {
    /// Prints the boot of an instance that has just started. cloud-init prints the host keys of an instance once.
    pub fn print_boot(&mut self, region: &str, serial: u64) {
        let keys = self.controls.boot_host_keys.clone();
        let Some(instance) = self.region(region).instances.get_mut(&serial) else {
            return;
        };
        if instance.phase != Phase::Running {
            return;
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let is_first = !std::mem::replace(&mut instance.console.has_booted, true);
        instance.console.printed = (is_first && !keys.is_empty()).then(|| boot_console(&instance.id, &keys));
    }
}

pub fn get_console_output(context: &mut Context) -> Answer<Xml> {
    let id = context.query.need("InstanceId")?;
    let latest = context.query.flag("Latest") == Some(true);
    let now = context.state.now();
    context.region().find(&[id])?;
    let (region, controls) = (&context.state.regions[context.region], &context.state.controls);
    let instance = region.instance(id).expect("found before");
    if latest && instance.kind.is_xen() {
        return Err(Refusal::new(
            "UnsupportedOperation",
            "This instance type does not support retrieving the latest console logs.",
        ));
    }
    let text = if latest {
        instance.console_text(now, controls.console_delay)
    } else {
        instance.console_snapshot(now, controls)
    };
    let mut xml = Xml::default();
    xml.text("instanceId", id);
    xml.text("timestamp", time(instance.launched));
    // Before the first boot there is no output element at all.
    xml.maybe("output", text.map(|text| base64(tail(text.as_bytes()))));
    Ok(xml)
}

fn tail(text: &[u8]) -> &[u8] {
    &text[text.len().saturating_sub(KEPT)..]
}

/// Consoles.
impl Emulator {
    /// Sets what GetConsoleOutput returns, with `Latest` and without, for an instance by its id or its name.
    pub fn set_console_output(&self, id_or_name: &str, text: &str) {
        self.each(&self.id_of(id_or_name), |instance| {
            instance.console.set = Some(text.to_owned());
            instance.console.snapshot = None;
        });
    }

    /// Sets what GetConsoleOutput returns without `Latest`: text of an earlier time, or nothing yet (`None`).
    pub fn set_console_snapshot(&self, id_or_name: &str, text: Option<&str>) {
        let text = text.map(str::to_owned);
        self.each(&self.id_of(id_or_name), |instance| {
            instance.console.snapshot = Some(text)
        });
    }

    /// Every instance that first boots from now on has these SSH host keys, and prints them as cloud-init does. A key is a
    /// public line, `ssh-ed25519 AAAA…`. With none, guests print no keys.
    pub fn set_boot_host_keys(&self, keys: &[&str]) {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        self.change_controls(|controls| controls.boot_host_keys = keys);
    }

    /// Nothing is on the console of an instance until this long after its launch.
    pub fn set_console_delay(&self, delay: Duration) {
        self.change_controls(|controls| controls.console_delay = delay);
    }

    /// Without `Latest` the console is read this much later. On EC2 that takes minutes.
    pub fn set_console_snapshot_delay(&self, delay: Duration) {
        self.change_controls(|controls| controls.console_snapshot_delay = delay);
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_requests::{ask, x86_image};
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";

    /// The answer of the API to a client of the emulator.
    fn console(emulator: &Emulator, id: &str, latest: bool) -> Result<Option<String>, String> {
        let query = [("InstanceId", id), ("Latest", if latest { "true" } else { "false" })];
        let answer = ask(emulator, "us-east-1", "GetConsoleOutput", &query)?;
        let output = answer
            .split_once("<output>")
            .and_then(|(_, rest)| rest.split_once("</output>"));
        Ok(output.map(|(text, _)| {
            let bytes = super::super::encoding::from_base64(text).expect("base64");
            String::from_utf8(bytes).expect("UTF-8")
        }))
    }

    fn seeded() -> (Emulator, String) {
        let emulator = Emulator::start();
        let id = emulator.seed_instances("us-east-1", 1).remove(0);
        (emulator, id)
    }

    #[test]
    fn console_is_set_by_id_and_by_name() {
        let (emulator, id) = seeded();
        emulator.set_console_output(&id, "by id");
        assert_eq!(console(&emulator, &id, true), Ok(Some("by id".to_owned())));
        emulator.set_console_output("seed-0", "by name");
        assert_eq!(console(&emulator, &id, false), Ok(Some("by name".to_owned())));
    }

    #[test]
    fn console_without_latest_may_be_old_or_not_there() {
        let (emulator, id) = seeded();
        emulator.set_console_output("seed-0", "new");
        emulator.set_console_snapshot("seed-0", Some("old"));
        assert_eq!(console(&emulator, &id, false), Ok(Some("old".to_owned())));
        emulator.set_console_snapshot("seed-0", None);
        assert_eq!(console(&emulator, &id, false), Ok(None));
        assert_eq!(console(&emulator, &id, true), Ok(Some("new".to_owned())));
    }

    #[test]
    fn console_comes_late_and_later_without_latest() {
        let emulator = Emulator::start();
        emulator.set_boot_host_keys(&[KEY]);
        emulator.set_console_delay(Duration::from_secs(30));
        emulator.set_console_snapshot_delay(Duration::from_secs(240));
        let id = emulator.seed_instances("us-east-1", 1).remove(0);
        assert_eq!(console(&emulator, &id, true), Ok(None));
        emulator.advance(Duration::from_secs(31));
        let text = console(&emulator, &id, true).expect("an answer").expect("a text");
        assert!(text.contains(KEY), "{text}");
        assert_eq!(console(&emulator, &id, false), Ok(None));
        emulator.advance(Duration::from_secs(240));
        assert_eq!(console(&emulator, &id, false), Ok(Some(text)));
    }

    #[test]
    fn console_of_a_second_boot_has_no_host_keys() {
        let emulator = Emulator::start();
        emulator.set_boot_host_keys(&[KEY]);
        let id = emulator.seed_instances("us-east-1", 1).remove(0);
        for action in ["StopInstances", "StartInstances"] {
            ask(&emulator, "us-east-1", action, &[("InstanceId.1", &id)]).expect("a change");
            emulator.finish_transitions();
        }
        let text = console(&emulator, &id, true).expect("an answer").expect("a text");
        assert!(!text.contains("HOST KEY"), "{text}");
    }

    #[test]
    fn console_keeps_its_last_64_kib() {
        let (emulator, id) = seeded();
        emulator.set_console_output(&id, &format!("first{}", "x".repeat(KEPT)));
        assert_eq!(console(&emulator, &id, true), Ok(Some("x".repeat(KEPT))));
    }

    #[test]
    fn console_of_an_old_type_has_no_latest() {
        let emulator = Emulator::start();
        let image = x86_image(&emulator);
        let launch = [
            ("ImageId", image.as_str()),
            ("InstanceType", "t2.micro"),
            ("MinCount", "1"),
            ("MaxCount", "1"),
        ];
        ask(&emulator, "us-east-1", "RunInstances", &launch).expect("a launch");
        emulator.finish_transitions();
        let id = emulator.instances().remove(0).id;
        let refusal = console(&emulator, &id, true).expect_err("it is refused");
        assert!(refusal.contains("UnsupportedOperation"), "{refusal}");
        let text = console(&emulator, &id, false).expect("an answer");
        assert!(text.is_some_and(|text| text.contains("login: ")));
    }
}
