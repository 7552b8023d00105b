//! What a test makes happen to instances, past the API.

use std::collections::BTreeMap;

use super::instance::{Instance, Phase, Reason};
use super::test_controls::Emulator;

impl Emulator {
    /// The next so many instances go from `pending` to `terminated`, with this state reason; for example
    /// `Server.InsufficientInstanceCapacity` or `Client.VolumeLimitExceeded`.
    pub fn fail_launches(&self, code: &str, message: &str, times: usize) {
        self.change_controls(|controls| controls.launch_failure = Some((code.to_owned(), message.to_owned(), times)));
    }

    /// Somebody terminates it, protected or not.
    pub fn terminate_from_outside(&self, id: &str) {
        self.begin_external_change(
            id,
            Phase::ShuttingDown,
            Phase::Terminated,
            "Client.UserInitiatedShutdown",
        );
    }

    /// The guest shuts down; what follows is the instance's own shutdown behaviour.
    pub fn shut_down_from_inside(&self, id: &str) {
        let terminates = self
            .instance(id)
            .is_some_and(|instance| instance.shutdown_behaviour == "terminate");
        let (passing, lasting) = if terminates {
            (Phase::ShuttingDown, Phase::Terminated)
        } else {
            (Phase::Stopping, Phase::Stopped)
        };
        self.begin_external_change(id, passing, lasting, "Client.InstanceInitiatedShutdown");
    }

    fn begin_external_change(&self, id: &str, passing: Phase, lasting: Phase, code: &str) {
        self.with(|state| {
            let region = state.regions.values().find(|region| region.serials.contains_key(id));
            let region = region.unwrap_or_else(|| panic!("no instance {id}")).info.name;
            let instance = state.region(region).instance_mut(id).expect("just found");
            let serial = instance.serial;
            instance.begin(
                passing,
                Some(Reason {
                    code: code.to_owned(),
                    message: format!("{code}: Instance initiated or requested shutdown"),
                    transition: code.to_owned(),
                }),
            );
            state.schedule(region, serial, lasting);
        });
    }

    /// Once it is shutting down, it never gets any further.
    pub fn keep_shutting_down(&self, id: &str) {
        self.each(id, |instance| instance.keeps_shutting_down = true);
    }

    /// Sets a tag without any of the checks that a request must pass.
    pub fn force_tag(&self, id: &str, key: &str, value: &str) {
        let region = self.instance(id).unwrap_or_else(|| panic!("no instance {id}")).region;
        self.with(|state| {
            state.change_tags(&region, id, |tags| {
                tags.insert(key.to_owned(), value.to_owned());
            });
        });
    }

    /// The same with bytes that go into every answer as they are: no UTF-8, or no XML.
    pub fn force_raw_tag(&self, id: &str, key: &str, value: &[u8]) {
        let mut placeholder = String::new();
        self.change_controls(|controls| {
            // Private characters, so that nothing else looks like it.
            placeholder = format!("\u{f8f0}{}\u{f8f1}", controls.raw_values.len());
            controls.raw_values.push((placeholder.clone(), value.to_vec()));
        });
        self.force_tag(id, key, &placeholder);
    }

    pub(super) fn each(&self, id: &str, change: impl FnOnce(&mut Instance)) {
        self.with(|state| {
            let instance = state.regions.values_mut().find_map(|region| region.instance_mut(id));
            change(instance.unwrap_or_else(|| panic!("no instance {id}")));
        });
    }

    /// Running instances, named `seed-0` and on; gives their ids.
    pub fn seed_instances(&self, region: &str, count: usize) -> Vec<String> {
        self.seed_tagged(region, count, &BTreeMap::new())
    }

    /// The same with these tags on each; a `Name` among them replaces `seed-N`.
    pub fn seed_tagged(&self, region: &str, count: usize, tags: &BTreeMap<String, String>) -> Vec<String> {
        self.seed_instances_with(region, count, |_| tags.clone())
    }

    /// Running instances over all zones of a region, with tags by their number; gives their ids.
    pub fn seed_instances_with(
        &self,
        region: &str,
        count: usize,
        tags: impl Fn(usize) -> BTreeMap<String, String>,
    ) -> Vec<String> {
        self.with(|state| state.seed(region, count, tags))
    }

    /// It is gone, and EC2 knows nothing of it any more.
    pub fn forget(&self, id: &str) {
        let region = self.instance(id).unwrap_or_else(|| panic!("no instance {id}")).region;
        self.with(|state| {
            let region = state.region(&region);
            if let Some(serial) = region.serials.remove(id) {
                region.instances.remove(&serial);
            }
            // Its disks went with it.
            region.volumes.retain(|_, volume| {
                let owner = volume
                    .attachment
                    .as_ref()
                    .map(|attachment| attachment.instance.as_str());
                owner != Some(id)
            });
            region.tags.remove(id);
        });
    }

    /// Somebody protects it against termination.
    pub fn protect_from_outside(&self, id: &str) {
        self.each(id, |instance| instance.protected = true);
    }
}
