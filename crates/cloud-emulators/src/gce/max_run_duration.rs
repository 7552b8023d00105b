//! The runs of a VM, and the limit that ends one.

use std::time::Duration;

use serde_json::Value;

use super::instance_record::Status;
use super::state::{Key, State};
use super::state_changes::Event;

impl State {
    /// The VM runs, and its run limit begins to count.
    pub fn boot(&mut self, key: &Key) {
        let now = self.now();
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        instance.status = Status::Running;
        instance.started = Some(now);
        instance.boots += 1;
        self.start_guest(key);
        self.limit_run(key);
    }

    /// Sets when the present run ends, by the limit that the VM has now and counted from the start of that run.
    pub fn limit_run(&mut self, key: &Key) {
        let now = self.now();
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let limit = instance.body().get("scheduling").and_then(run_limit);
        let (id, boots) = (instance.id, instance.boots);
        instance.expires = limit.zip(instance.started).map(|(limit, started)| started + limit);
        if let Some(expires) = instance.expires {
            let left = Duration::try_from(expires.duration_since(now)).unwrap_or_default();
            self.schedule_after(left, Event::Expire(key.clone(), id, boots));
        }
    }

    pub fn expire(&mut self, key: &Key, id: u64, boot: u32) {
        let Some(instance) = self
            .instances
            .get(key)
            .filter(|instance| instance.id == id && instance.boots == boot && instance.status == Status::Running)
            // The limit may have been moved, so that another event is to come.
            .filter(|instance| instance.expires.is_some_and(|expires| expires <= self.now()))
        else {
            return;
        };
        let delete = instance
            .body()
            .get("scheduling")
            .is_some_and(|scheduling| scheduling["instanceTerminationAction"] == "DELETE");
        if delete {
            self.start_deleting(key, id, None);
        } else {
            self.start_stopping(key, id, None);
        }
    }
}

/// `maxRunDuration` of a scheduling, if it has one.
pub fn run_limit(scheduling: &Value) -> Option<Duration> {
    let seconds = scheduling["maxRunDuration"]["seconds"].as_str()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
