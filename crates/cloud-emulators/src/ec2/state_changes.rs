//! Terminate, start, stop and reboot.

use std::collections::BTreeSet;

use super::errors::{Answer, Refusal};
use super::instance::{Instance, Phase, Reason};
use super::instance_xml;
use super::state::Context;
use super::xml_writer::Xml;

/// The instances named, all of which exist.
fn named(context: &mut Context) -> Answer<Vec<u64>> {
    let ids = context.query.values("InstanceId");
    if ids.is_empty() {
        return Err(Refusal::combination("No instances specified"));
    }
    if ids.len() > 1000 {
        return Err(Refusal::value("At most 1000 instances can be named in one request"));
    }
    context.region().find(&ids)
}

/// What a user's call leaves behind as the reason of a state.
fn by_user(context: &Context) -> Reason {
    let now = context.state.now().strftime("%Y-%m-%d %H:%M:%S GMT").to_string();
    Reason {
        code: "Client.UserInitiatedShutdown".to_owned(),
        message: "Client.UserInitiatedShutdown: User initiated shutdown".to_owned(),
        transition: format!("User initiated ({now})"),
    }
}

/// An instance's id, and its phase before and after.
type Change = (String, Phase, Phase);

fn changes(changes: &[Change]) -> Xml {
    let mut xml = Xml::default();
    xml.set("instancesSet", changes, |xml, (id, before, after)| {
        xml.text("instanceId", id);
        instance_xml::state(xml, "currentState", *after);
        instance_xml::state(xml, "previousState", *before);
    });
    xml
}

impl Context<'_> {
    fn at(&mut self, serial: u64) -> &mut Instance {
        self.region().instances.get_mut(&serial).expect("found before")
    }

    /// Puts an instance into a passing phase that leads to a lasting one.
    fn pass(&mut self, serial: u64, passing: Phase, lasting: Phase, reason: Option<Reason>) -> Change {
        let instance = self.at(serial);
        let before = instance.phase;
        instance.begin(passing, reason);
        let id = instance.id.clone();
        let region = self.region;
        self.state.schedule(region, serial, lasting);
        (id, before, passing)
    }

    fn keep(&mut self, serial: u64) -> Change {
        let instance = self.at(serial);
        (instance.id.clone(), instance.phase, instance.phase)
    }
}

pub fn terminate_instances(context: &mut Context) -> Answer<Xml> {
    let serials = named(context)?;
    let region = context.region();
    let alive = |serial: &&u64| !region.instances[*serial].phase.is_over();
    let guarded: Vec<&Instance> = serials
        .iter()
        .filter(alive)
        .map(|serial| &region.instances[serial])
        .filter(|instance| instance.protected)
        .collect();
    // One protected instance saves all that are named with it in its zone; the other zones' go.
    let saved: BTreeSet<String> = guarded.iter().map(|instance| instance.zone.clone()).collect();
    let refusal = guarded.first().map(|instance| {
        Refusal::new(
            "OperationNotPermitted",
            format!(
                "The instance '{}' may not be terminated. Modify its 'disableApiTermination' instance attribute and \
                 try again.",
                instance.id
            ),
        )
    });
    let reason = by_user(context);
    let mut done = Vec::new();
    for serial in serials {
        let instance = context.at(serial);
        if saved.contains(&instance.zone) {
            continue;
        }
        done.push(if instance.phase.is_over() {
            context.keep(serial)
        } else {
            context.pass(serial, Phase::ShuttingDown, Phase::Terminated, Some(reason.clone()))
        });
    }
    match refusal {
        Some(refusal) => Err(refusal),
        None => Ok(changes(&done)),
    }
}

fn incorrect_state(id: &str, verb: &str) -> Refusal {
    Refusal::new(
        "IncorrectInstanceState",
        format!("The instance '{id}' is not in a state from which it can be {verb}."),
    )
}

pub fn start_instances(context: &mut Context) -> Answer<Xml> {
    let serials = named(context)?;
    for serial in &serials {
        let instance = context.at(*serial);
        let (id, zone, kind) = (instance.id.clone(), instance.zone.clone(), instance.kind.name);
        match instance.phase {
            Phase::Stopped => context.state.take_capacity(&zone, kind, 1, 1).map(drop)?,
            Phase::Pending | Phase::Running => {}
            _ => return Err(incorrect_state(&id, "started")),
        }
    }
    let now = context.state.now();
    let mut done = Vec::new();
    for serial in serials {
        done.push(if context.at(serial).phase == Phase::Stopped {
            context.at(serial).launched = now;
            context.pass(serial, Phase::Pending, Phase::Running, None)
        } else {
            context.keep(serial)
        });
    }
    Ok(changes(&done))
}

pub fn stop_instances(context: &mut Context) -> Answer<Xml> {
    if context.query.flag("Hibernate") == Some(true) {
        return Err(Refusal::new(
            "UnsupportedHibernationConfiguration",
            "The instance is not configured for hibernation",
        ));
    }
    let serials = named(context)?;
    for serial in &serials {
        let instance = context.at(*serial);
        let id = &instance.id;
        if instance.stop_protected {
            return Err(Refusal::new(
                "OperationNotPermitted",
                format!(
                    "The instance '{id}' may not be stopped. Modify its 'disableApiStop' instance attribute and try again."
                ),
            ));
        }
        if instance.spot.as_ref().is_some_and(|spot| !spot.persistent) {
            return Err(Refusal::new(
                "UnsupportedOperation",
                format!(
                    "You can't stop the Spot Instance '{id}' because it is associated with a one-time Spot Instance \
                     request. You can only stop Spot Instances associated with persistent Spot Instance requests."
                ),
            ));
        }
        if instance.phase == Phase::Pending || instance.phase.is_over() {
            return Err(incorrect_state(id, "stopped"));
        }
    }
    let reason = by_user(context);
    let mut done = Vec::new();
    for serial in serials {
        done.push(if context.at(serial).phase == Phase::Running {
            context.pass(serial, Phase::Stopping, Phase::Stopped, Some(reason.clone()))
        } else {
            context.keep(serial)
        });
    }
    Ok(changes(&done))
}

pub fn reboot_instances(context: &mut Context) -> Answer<Xml> {
    for serial in named(context)? {
        let instance = context.at(serial);
        if instance.phase != Phase::Running {
            return Err(incorrect_state(&instance.id, "rebooted"));
        }
    }
    Ok(super::tags::done())
}
