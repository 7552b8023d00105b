//! What a test does behind the client's back: what people do, and what guests do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Emulator;
use super::disks::Disk;
use super::instance_record::{Instance, Status};
use super::state::{Key, State};

/// Things and people.
impl Emulator {
    /// The disks of this VM survive its delete, autoDelete or not, and its failure to come up.
    pub fn leave_disk(&self, instance: &str) {
        self.state().controls.left_disks.insert(instance.to_owned());
    }

    /// Somebody else deletes every VM of this name; it is gone at once.
    pub fn delete_from_outside(&self, name: &str) {
        let mut state = self.state();
        for key in state.keys_named(name) {
            state.remove(&key, false);
        }
    }

    /// Somebody else makes a running e2-micro.
    pub fn create_from_outside(&self, zone: &str, name: &str, labels: &[(&str, &str)]) {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        self.state().seed(zone, name, labels);
    }

    /// Somebody else makes a disk, used by a VM of that name or by none.
    pub fn create_disk_from_outside(&self, zone: &str, name: &str, user: Option<&str>) {
        let mut state = self.state();
        let id = state.fresh_id();
        let key = Key::new(super::PROJECT, zone, name);
        let user = user.map(|user| Key::new(super::PROJECT, zone, user));
        let disk = Disk::empty(key.clone(), id, state.now(), user);
        state.disks.insert(key, disk);
    }

    /// Somebody else deletes a disk that no VM has.
    pub fn delete_disk_from_outside(&self, name: &str) {
        self.state().disks.retain(|key, _| key.name != name);
    }

    /// Just before the next delete of this name takes effect, somebody replaces the VM by one of their own.
    pub fn replace_before_delete(&self, name: &str) {
        self.state().controls.replace_before_delete.insert(name.to_owned());
    }

    /// The same before the next change of another kind: labels, scheduling, protection, power.
    pub fn replace_before_change(&self, name: &str) {
        self.state().controls.replace_before_change.insert(name.to_owned());
    }

    /// Somebody else protects the VMs of this name, or ends their protection.
    pub fn set_deletion_protection(&self, name: &str, protect: bool) {
        let mut state = self.state();
        for key in state.keys_named(name) {
            if let Some(instance) = state.instances.get_mut(&key) {
                instance
                    .body_mut()
                    .insert("deletionProtection".to_owned(), protect.into());
            }
        }
    }

    /// The guest shuts itself down: the VM is stopped, at once.
    pub fn shut_down_from_inside(&self, name: &str) {
        let mut state = self.state();
        let now = state.now();
        for key in state.keys_named(name) {
            if let Some(instance) = state.instances.get_mut(&key) {
                instance.status = Status::Terminated;
                instance.stopped = Some(now);
                instance.expires = None;
            }
        }
    }

    /// Running VMs `seed-000000` and on, with no disks of their own in [`Emulator::disks`].
    pub fn seed_instances(&self, zone: &str, count: usize) {
        self.seed_instances_with(zone, count, |_| Vec::new());
    }

    /// The same with labels, made from each VM's number.
    pub fn seed_instances_with(&self, zone: &str, count: usize, labels: impl Fn(usize) -> Vec<(String, String)>) {
        let mut state = self.state();
        for number in 0..count {
            state.seed(zone, &format!("seed-{number:06}"), labels(number).into_iter().collect());
        }
    }

    /// Somebody sets metadata for all VMs of the project.
    pub fn set_common_metadata(&self, key: &str, value: &str) {
        let mut state = self.state();
        let own = state.common_metadata.entry(super::PROJECT.to_owned()).or_default();
        own.insert(key.to_owned(), value.to_owned());
    }

    /// Somebody makes, or replaces, a firewall rule as the API has it.
    pub fn put_firewall_rule(&self, name: &str, body: Value) {
        self.state().put_firewall(super::PROJECT, name, body);
    }

    /// Somebody deletes a firewall rule.
    pub fn delete_firewall_rule(&self, name: &str) {
        self.state().firewalls.retain(|key, _| key.name != name);
    }

    /// Somebody else deletes the network `default`.
    pub fn remove_default_network(&self) {
        self.state().networks.remove("default");
    }

    /// A network in custom mode, with subnetworks given as region and name.
    pub fn add_network(&self, name: &str, subnetworks: &[(&str, &str)]) {
        self.state().networks.add(name, subnetworks);
    }
}

impl State {
    /// Every VM of a name, in whatever project and zone.
    pub fn keys_named(&self, name: &str) -> Vec<Key> {
        self.instances.keys().filter(|key| key.name == name).cloned().collect()
    }

    fn seed(&mut self, zone: &str, name: &str, labels: BTreeMap<String, String>) {
        let id = self.fresh_id();
        let key = Key::new(super::PROJECT, zone, name);
        let instance = Instance::seeded(key.clone(), id, self.now(), labels);
        self.instances.insert(key.clone(), instance);
        self.boot_at_once(&key);
    }

    /// A VM that never was on its way up gets what a test set for new ones.
    fn boot_at_once(&mut self, key: &Key) {
        self.assign_addresses(key, true);
        if !self.controls.boot_host_keys.is_empty() {
            self.start_guest(key);
        }
    }

    /// Puts another incarnation in a VM's place: another id, and none of its labels.
    pub fn replace(&mut self, key: &Key) {
        let Some(old) = self.instances.get(key) else {
            return;
        };
        let body = old.body().into_owned();
        let id = self.fresh_id();
        let mut instance = Instance::new(key.clone(), id, self.now(), body);
        instance.status = Status::Running;
        instance.boots = 1;
        instance.started = Some(instance.created);
        instance.set_labels(&json!({}));
        self.instances.insert(key.clone(), instance);
        self.boot_at_once(key);
    }
}

impl Emulator {
    /// Somebody attaches a data disk that is to outlive the VM.
    pub fn attach_lasting_disk(&self, instance: &str, disk: &str) {
        let mut state = self.state();
        for key in state.keys_named(instance) {
            let disk_key = Key::new(&key.project, &key.zone, disk);
            let boot = state
                .disks
                .values()
                .find(|known| known.user.as_ref() == Some(&key))
                .cloned();
            let data = Disk {
                key: disk_key.clone(),
                id: state.fresh_id(),
                image: None,
                ..boot.expect("a boot disk")
            };
            state.disks.insert(disk_key.clone(), data);
            let body = state.instances.get_mut(&key).expect("just found").body_mut();
            let attached = body.get_mut("disks").and_then(Value::as_array_mut).expect("its disks");
            attached.push(json!({
                "kind": "compute#attachedDisk",
                "type": "PERSISTENT",
                "mode": "READ_WRITE",
                "source": disk_key.link("disks"),
                "deviceName": disk,
                "index": attached.len(),
                "boot": false,
                "autoDelete": false,
                "interface": "SCSI",
                "diskSizeGb": "10",
            }));
        }
    }
}
