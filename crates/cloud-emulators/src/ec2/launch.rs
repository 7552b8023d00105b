//! RunInstances: capacity, quotas, and the making of instances.

use super::client_tokens::{self, Replay};
use super::console::Console;
use super::errors::{Answer, Refusal};
use super::instance::{Disk, Instance, Interface, Phase, Reason, Spot};
use super::instance_xml;
use super::launch_disks::DiskSpec;
use super::launch_placement::subnet_id;
use super::launch_request::Request;
use super::state::{Context, State};
use super::volumes::{Attachment, Volume};
use super::xml_writer::Xml;

pub fn run_instances(context: &mut Context) -> Answer<Xml> {
    let scope = scope(context)?;
    if let Some(scope) = &scope
        && let Replay::Old(ids) = client_tokens::replay(context, scope)?
    {
        return Ok(answer(context, &ids));
    }
    context.remove_groups_before_launch();
    let request = match Request::read(context) {
        Ok(request) => request,
        Err(refusal) => {
            if let Some(scope) = scope.filter(|_| context.state.controls.refusals_use_up_tokens) {
                client_tokens::remember(context, scope, Vec::new());
            }
            return Err(refusal);
        }
    };
    let granted = place(context, &request);
    let ids = match granted {
        Ok((subnet, count)) => launch(context, &request, &subnet, count),
        Err(refusal) => {
            // A token is spent by a launch that found no room: another type under it is a mismatch.
            if let Some(scope) = scope {
                client_tokens::remember(context, scope, Vec::new());
            }
            return Err(refusal);
        }
    };
    if let Some(scope) = scope {
        client_tokens::remember(context, scope, ids.clone());
    }
    Ok(answer(context, &ids))
}

/// The token of a request, if it has one, and the zone to which it is bound.
fn scope(context: &mut Context) -> Answer<Option<client_tokens::Scope>> {
    let query = context.query;
    let Some(token) = query.get("ClientToken").filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    if context.state.controls.forget_client_tokens {
        return Ok(None);
    }
    let subnet = subnet_id(query).and_then(|id| context.region().subnets.get(id));
    let zone = query
        .get("Placement.AvailabilityZone")
        .or(subnet.map(|subnet| subnet.zone.as_str()));
    Ok(Some((zone.map(str::to_owned), token.to_owned())))
}

fn answer(context: &mut Context, ids: &[String]) -> Xml {
    let now = context.state.now();
    let region = context.region();
    let listed: Vec<_> = ids
        .iter()
        .filter_map(|id| region.instance(id))
        .map(|instance| super::describe_instances::Listed {
            instance,
            region,
            // The launch's own answer has its tags, however long they take to show elsewhere.
            now: now + std::time::Duration::from_secs(86_400),
        })
        .collect();
    let mut xml = Xml::default();
    let reservation = listed.first().map(|listed| listed.instance.reservation.clone());
    instance_xml::reservation(&mut xml, &reservation.unwrap_or_default(), &listed);
    xml
}

impl State {
    /// Takes room for at least `minimum` and at most `maximum` in a zone.
    pub fn take_capacity(&mut self, zone: &str, kind: &str, minimum: usize, maximum: usize) -> Answer<usize> {
        let pools = [zone.to_owned(), kind.to_owned(), format!("{zone}/{kind}")];
        let room = pools
            .iter()
            .filter_map(|pool| self.controls.capacity.get(pool))
            .min()
            .copied();
        let granted = room.map_or(maximum, |room| room.min(maximum));
        if granted < minimum {
            return Err(Refusal::new(
                "InsufficientInstanceCapacity",
                format!(
                    "We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}). \
                     Our system will be working on provisioning additional capacity."
                ),
            ));
        }
        for pool in pools {
            if let Some(room) = self.controls.capacity.get_mut(&pool) {
                *room -= granted;
            }
        }
        Ok(granted)
    }
}

/// How many the quota allows of those asked for.
fn within_quota(context: &mut Context, request: &Request) -> Answer<usize> {
    let Some(limit) = context.state.controls.vcpu_limit.filter(|_| request.spot.is_none()) else {
        return Ok(request.maximum);
    };
    let counted =
        |instance: &&Instance| instance.spot.is_none() && matches!(instance.phase, Phase::Pending | Phase::Running);
    let used: u32 = context
        .region()
        .instances
        .values()
        .filter(counted)
        .map(|instance| instance.kind.vcpus)
        .sum();
    let allowed = (limit.saturating_sub(used) / request.kind.vcpus) as usize;
    if allowed < request.minimum {
        return Err(Refusal::new(
            "VcpuLimitExceeded",
            format!(
                "You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance \
                 bucket that the specified instance type belongs to."
            ),
        ));
    }
    Ok(allowed.min(request.maximum))
}

/// Finds a subnet with room, and says for how many.
fn place(context: &mut Context, request: &Request) -> Answer<(String, usize)> {
    let allowed = within_quota(context, request)?;
    let mut refusal = None;
    // The first zone is another one each time, as it may be on AWS.
    let start = usize::try_from(context.state.serial()).unwrap_or(0) % request.subnets.len();
    let order = request.subnets.iter().cycle().skip(start).take(request.subnets.len());
    for id in order {
        let subnet = &context.region().subnets[id];
        let (zone, free) = (subnet.zone.clone(), subnet.free as usize);
        if free < request.minimum {
            refusal = Some(Refusal::new(
                "InsufficientFreeAddressesInSubnet",
                format!(
                    "There are not enough free addresses in subnet '{id}' to satisfy the requested number of instances."
                ),
            ));
            continue;
        }
        match context
            .state
            .take_capacity(&zone, request.kind.name, request.minimum, allowed.min(free))
        {
            Ok(granted) => return Ok((id.clone(), granted)),
            Err(full) => refusal = Some(full),
        }
    }
    Err(refusal.expect("there is at least one subnet"))
}

fn launch(context: &mut Context, request: &Request, subnet: &str, count: usize) -> Vec<String> {
    let reservation = context.state.new_identifier("r");
    let spot = request.spot.map(|persistent| Spot {
        request: context.state.new_identifier("sir").replace("sir-0", "sir-")[..12].to_owned(),
        persistent,
    });
    if let Some(spot) = &spot {
        tag(context, request, "spot-instances-request", &spot.request);
    }
    (0..count)
        .map(|index| launch_one(context, request, subnet, &reservation, index, spot.clone()))
        .collect()
}

fn tag(context: &mut Context, request: &Request, kind: &str, id: &str) {
    if let Some(tags) = request.tags.get(kind) {
        context
            .state
            .change_tags(context.region, id, |all| all.extend(tags.clone()));
    }
}

fn launch_one(
    context: &mut Context,
    request: &Request,
    subnet: &str,
    reservation: &str,
    launch_index: usize,
    spot: Option<Spot>,
) -> String {
    let now = context.state.now();
    let serial = context.state.serial();
    let id = context.state.new_identifier("i");
    let interface_id = context.state.new_identifier("eni");
    let region = context.region();
    let private_address = region.private_address.clone();
    let subnet = region.subnets.get_mut(subnet).expect("chosen before");
    let address = subnet.take_address();
    let zone = subnet.zone.clone();
    let interface = Interface {
        id: interface_id.clone(),
        subnet: subnet.id.clone(),
        vpc: subnet.vpc.clone(),
        description: request.description.clone(),
        private_ip: private_address.unwrap_or(address),
        wants_public_ip: request.wants_public_ip,
        public_ip: None,
        fixed_public_ip: None,
        delete_on_termination: request.interface_goes,
        attached: now,
    };
    tag(context, request, "instance", &id);
    tag(context, request, "network-interface", &interface_id);
    let mut disks = Vec::new();
    for spec in &request.disks {
        let volume = context.state.new_identifier("vol");
        tag(context, request, "volume", &volume);
        disks.push(Disk {
            device: spec.device.clone(),
            volume: volume.clone(),
            delete_on_termination: spec.delete_on_termination,
            attached: now,
        });
        let volume = make_volume(spec, volume, &zone, &id, now);
        context.region().volumes.insert(volume.id.clone(), volume);
    }
    let instance = Instance {
        serial,
        id: id.clone(),
        reservation: reservation.to_owned(),
        launch_index,
        zone,
        kind: request.kind,
        image: request.image.clone(),
        key_name: request.key_name.clone(),
        groups: request.groups.clone(),
        user_data: request.user_data.clone(),
        profile: request.profile.clone(),
        metadata: request.metadata.clone(),
        on_shutdown: request.on_shutdown.clone(),
        protected: request.protected,
        stop_protected: request.stop_protected,
        source_dest_check: true,
        ebs_optimized: request.ebs_optimized,
        monitored: request.monitored,
        spot,
        client_token: context.query.get("ClientToken").map(str::to_owned),
        interface: Some(interface),
        disks,
        phase: Phase::Pending,
        reason: Some(Reason {
            code: "pending".to_owned(),
            message: "pending".to_owned(),
            transition: String::new(),
        }),
        created: now,
        launched: now,
        epoch: 0,
        keeps_shutting_down: false,
        launch_failure: context.state.controls.take_launch_failure(),
        console: Console::default(),
        running_since: None,
    };
    let place = context.region;
    let region = context.region();
    region.serials.insert(id.clone(), serial);
    region.instances.insert(serial, instance);
    context.state.schedule(place, serial, Phase::Running);
    id
}

fn make_volume(spec: &DiskSpec, id: String, zone: &str, instance: &str, now: jiff::Timestamp) -> Volume {
    Volume {
        id,
        zone: zone.to_owned(),
        size_gib: spec.size_gib,
        kind: spec.kind.clone(),
        iops: spec.iops,
        throughput: spec.throughput,
        encrypted: spec.encrypted,
        key: spec.key.clone(),
        snapshot: spec.snapshot.clone(),
        created: now,
        attachment: Some(Attachment {
            instance: instance.to_owned(),
            device: spec.device.clone(),
            delete_on_termination: spec.delete_on_termination,
            attached: now,
        }),
    }
}
