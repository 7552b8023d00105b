//! How VMs move from state to state: what starts a move, and the events that end it.

use serde_json::Value;

use super::bulk_insert::BulkInsert;
use super::instance_record::Status;
use super::operation_failures::Failure;
use super::operations::{Progress, Target};
use super::routing::Call;
use super::state::{Key, State};
use super::zones;

/// What the schedule holds. An instance stands with its id, since its name may have a new owner by then.
pub enum Event {
    /// An operation leaves the queue.
    Begin(Key),
    /// An operation that moves no VM is done.
    End(Key),
    Fail(Key, Failure),
    Stage(Key, u64),
    Run(Key, u64, Key),
    /// A VM that was to start does not come up. One that is new vanishes, disks and all.
    Fall {
        instance: Key,
        id: u64,
        operation: Key,
        failure: Failure,
        new: bool,
    },
    Stop(Key, u64, Key),
    Vanish(Key, u64, Key),
    DropDisk {
        disk: Key,
        id: u64,
        operation: Key,
    },
    /// All VMs of a bulk insert have come up or failed.
    EndBulk(BulkInsert),
    /// A run reaches its limit; the number says which run.
    Expire(Key, u64, u32),
    /// The guest of a run has booted.
    GuestBoots(Key, u64, u32),
}

impl State {
    pub fn apply_event(&mut self, event: Event) {
        match event {
            Event::Begin(operation) => self.run(&operation),
            Event::End(operation) => self.end(&operation, None),
            Event::Fail(operation, failure) => self.end(&operation, Some(failure)),
            Event::Stage(key, id) => {
                if self.status_of(&key, id) == Some(Status::Provisioning) {
                    self.set_status(&key, Status::Staging);
                }
            }
            Event::Run(key, id, operation) => {
                if self.is_at_work(&key, id, &operation) {
                    self.boot(&key);
                    self.end(&operation, None);
                }
            }
            Event::Fall {
                instance,
                id,
                operation,
                failure,
                new,
            } => {
                if self.is_at_work(&instance, id, &operation) {
                    if new {
                        self.remove(&instance, true);
                    } else {
                        self.set_status(&instance, Status::Terminated);
                    }
                    self.end(&operation, Some(failure));
                }
            }
            Event::Stop(key, id, operation) => {
                if self.is_at_work(&key, id, &operation) {
                    self.set_status(&key, Status::Terminated);
                    self.end(&operation, None);
                }
            }
            Event::Vanish(key, id, operation) => {
                if self.status_of(&key, id).is_some() {
                    self.remove(&key, false);
                }
                self.end(&operation, None);
            }
            Event::DropDisk { disk, id, operation } => {
                if self.disks.get(&disk).is_some_and(|found| found.id == id) {
                    self.disks.remove(&disk);
                }
                self.end(&operation, None);
            }
            Event::EndBulk(bulk) => self.end_bulk(&bulk),
            Event::Expire(key, id, boot) => self.expire(&key, id, boot),
            Event::GuestBoots(key, id, boot) => self.guest_boots(&key, id, boot),
        }
    }

    fn status_of(&self, key: &Key, id: u64) -> Option<Status> {
        let instance = self.instances.get(key).filter(|instance| instance.id == id)?;
        Some(instance.status)
    }

    fn is_at_work(&self, key: &Key, id: u64, operation: &Key) -> bool {
        let instance = self.instances.get(key).filter(|instance| instance.id == id);
        instance.is_some_and(|instance| instance.work.as_ref() == Some(operation))
    }

    fn set_status(&mut self, key: &Key, status: Status) {
        let now = self.now();
        if let Some(instance) = self.instances.get_mut(key) {
            instance.status = status;
            if status == Status::Terminated {
                instance.stopped = Some(now);
                // A limit on the run time ends with the run; the next start begins a new one.
                instance.expires = None;
            }
        }
    }

    /// Takes a VM away, and the disks that go with it: all of them (`new`), or those with autoDelete.
    pub fn remove(&mut self, key: &Key, new: bool) {
        let Some(instance) = self.instances.remove(key) else {
            return;
        };
        let kept = self.controls.left_disks.remove(&key.name);
        for attached in instance
            .body()
            .get("disks")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let Some(name) = attached["source"].as_str().and_then(|source| source.rsplit('/').next()) else {
                continue;
            };
            let disk_key = Key::new(&key.project, &key.zone, name);
            let Some(disk) = self
                .disks
                .get_mut(&disk_key)
                .filter(|disk| disk.user.as_ref() == Some(key))
            else {
                continue;
            };
            let made_with_it = disk.created == instance.created;
            let goes = if new {
                made_with_it && !kept
            } else {
                attached["autoDelete"] == true && !kept
            };
            if goes {
                self.disks.remove(&disk_key);
            } else {
                disk.user = None;
            }
        }
    }

    pub fn start_deleting(&mut self, key: &Key, id: u64, call: Option<&Call>) -> Key {
        let operation = self.begin("delete", &target(key, id), call);
        if let Some(instance) = self.instances.get_mut(key) {
            instance.status = Status::Stopping;
            instance.deleting = true;
            if let Some(cancelled) = instance.work.replace(operation.clone()) {
                self.end(&cancelled, Some(Failure::cancelled()));
            }
        }
        let delay = self.controls.delays.delete;
        self.schedule_after(delay, Event::Vanish(key.clone(), id, operation.clone()));
        operation
    }

    pub fn start_stopping(&mut self, key: &Key, id: u64, call: Option<&Call>) -> Key {
        let operation = self.begin("stop", &target(key, id), call);
        if let Some(instance) = self.instances.get_mut(key) {
            instance.status = Status::Stopping;
            instance.work = Some(operation.clone());
        }
        let delay = self.controls.delays.stop;
        self.schedule_after(delay, Event::Stop(key.clone(), id, operation.clone()));
        operation
    }

    /// Sends a VM on its way from PROVISIONING to RUNNING, or to the failure that awaits it.
    pub fn bring_up(&mut self, key: &Key, id: u64, operation: &Key, failure: Option<Failure>, new: bool) {
        self.assign_addresses(key, new);
        if let Some(instance) = self.instances.get_mut(key) {
            instance.status = Status::Provisioning;
            instance.work = Some(operation.clone());
        }
        let delays = self.controls.delays;
        if let Some(failure) = failure {
            let event = Event::Fall {
                instance: key.clone(),
                id,
                operation: operation.clone(),
                failure,
                new,
            };
            self.schedule_after(delays.provision, event);
            return;
        }
        self.schedule_after(delays.provision, Event::Stage(key.clone(), id));
        let both = delays.provision + delays.stage;
        self.schedule_after(both, Event::Run(key.clone(), id, operation.clone()));
    }

    /// What stands in the way of a VM of this type in this zone.
    pub fn obstacle(&self, key: &Key, machine_type: &str) -> Option<Failure> {
        let region = zones::region_of(&key.zone);
        if self.controls.quota_exceeded {
            return Some(Failure::quota(region));
        }
        let exhausted = |zone: &String| self.controls.exhausted_zones.contains(zone);
        if !exhausted(&key.zone) {
            return None;
        }
        let elsewhere: Vec<String> = zones::in_region(region).filter(|zone| !exhausted(zone)).collect();
        Some(Failure::exhausted(&key.project, &key.zone, machine_type, &elsewhere))
    }

    /// Takes one of the places that are left in a zone where they are counted; a failure where none is.
    pub fn take_room(&mut self, key: &Key, machine_type: &str) -> Option<Failure> {
        let left = self.controls.room.get_mut(&key.zone)?;
        match left.checked_sub(1) {
            Some(rest) => {
                *left = rest;
                None
            }
            None => Some(Failure::exhausted(&key.project, &key.zone, machine_type, &[])),
        }
    }

    /// An operation that fails after a moment, and changes nothing.
    pub fn start_failing_change(&mut self, kind: &'static str, key: &Key, id: u64, call: &Call) -> Key {
        let operation = self.begin(kind, &target(key, id), Some(call));
        let failure = Failure::not_ready(&key.path("instances"));
        let delay = self.controls.delays.change;
        self.schedule_after(delay, Event::Fail(operation.clone(), failure));
        operation
    }

    /// An operation that changes no state of a VM, and is done after a moment.
    pub fn brief(&mut self, kind: &'static str, key: &Key, id: u64, call: &Call) -> Key {
        let operation = self.begin(kind, &target(key, id), Some(call));
        let delay = self.controls.delays.change;
        self.schedule_after(delay, Event::End(operation.clone()));
        operation
    }
}

pub fn target(key: &Key, id: u64) -> Target<'_> {
    Target {
        key,
        collection: "instances",
        id,
    }
}

impl State {
    /// Whether nothing is left to wait for on an operation.
    pub fn is_done(&self, key: &Key) -> bool {
        let operation = self.operations.get(key);
        operation.is_none_or(|operation| operation.progress == Progress::Done)
    }
}
