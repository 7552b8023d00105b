//! From a request to its answer: who may call, whether the call fits the API, and who answers it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::discovery_check::Discovery;
use super::errors::{ApiError, reply};
use super::operations::once;
use super::rate_limit::Rate;
use super::routing::Call;
use super::state::{Key, State};
use super::{
    bulk_insert, disks, firewalls, guest_attributes, images, insert, instances, machine_types, networks, operations,
    partial_response, scheduling, state_change_calls, zones,
};
use crate::http;
use crate::recorded_call::{Operation, Reply, Request};

/// The emulated service: its state, and the discovery document if there is one.
pub struct Service {
    state: Mutex<State>,
    discovery: Option<Arc<Discovery>>,
}

/// What a call is answered from.
pub struct Context<'s> {
    pub state: &'s mut State,
    pub discovery: Option<&'s Discovery>,
}

impl Context<'_> {
    /// The zones that an aggregated list has to leave out; an error for a client that did not say that
    /// it takes a part of the list.
    pub fn unreachable(&self, call: &Call) -> Result<Vec<String>, ApiError> {
        let zones: Vec<String> = self.state.controls.unreachable_zones.iter().cloned().collect();
        match zones.first() {
            Some(zone) if !call.query.is_true("returnPartialSuccess") => {
                Err(ApiError::unreachable(&format!("zones/{zone}")))
            }
            _ => Ok(zones),
        }
    }
}

/// Projects that everybody may read images from.
const IMAGE_PROJECTS: &[&str] = &[
    "ubuntu-os-cloud",
    "debian-cloud",
    "rocky-linux-cloud",
    "rhel-cloud",
    "centos-cloud",
    "fedora-cloud",
    "suse-cloud",
    "cos-cloud",
    "windows-cloud",
];

impl Service {
    /// A cloud with no VMs; with a discovery document it checks each call against that.
    pub fn new(discovery: Option<Arc<Discovery>>) -> Self {
        Self {
            state: Mutex::default(),
            discovery,
        }
    }

    /// The state, with everything happened that is due. A test that panicked elsewhere does no harm here.
    pub fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.apply_due_events();
        state
    }

    /// How much longer the server should hold a call back before it answers: `operations.wait` blocks until
    /// the operation is done, at most two minutes. Asked again after each part of that time.
    pub fn remaining_wait(&self, request: &Request, waited: Duration) -> Option<Duration> {
        const LONGEST: Duration = Duration::from_secs(120);
        const STEP: Duration = Duration::from_millis(20);
        let call = Call::of(request).filter(|call| call.name().ends_with("Operations.wait"))?;
        let state = self.state();
        let key = Key::new(call.project(), call.zone(), call.parameter("operation"));
        let over = state.controls.wait_returns_early || state.is_done(&key) || waited >= LONGEST;
        (!over).then(|| state.next_event_in().unwrap_or(STEP).min(STEP))
    }

    fn respond(&self, state: &mut State, request: &Request) -> Result<Value, ApiError> {
        if !state.controls.rate.as_mut().is_none_or(Rate::admits) {
            return Err(ApiError::rate_limited());
        }
        authenticate(state, request)?;
        let Some(mut call) = Call::of(request) else {
            return Err(self.no_route(state, request));
        };
        if let Err(error) = call.read_body(request).and_then(|()| self.check(&call)) {
            state
                .violations
                .push(format!("{} {}: {}", request.method, request.path, error.message));
            return Err(error);
        }
        replace_first(state, &call);
        let mut context = Context {
            state,
            discovery: self.discovery.as_deref(),
        };
        authorize(&context, &call)?;
        zones::check_location(&call)?;
        let answer = answer(&mut context, &call)?;
        if let Some(discovery) = context.discovery
            && let Err(flaw) = discovery.check_answer(call.name(), &answer)
        {
            context
                .state
                .violations
                .push(format!("the emulator's own answer: {flaw}"));
        }
        match call.query.get("fields").or_else(|| call.query.get("$fields")) {
            Some(mask) => partial_response::cut(&answer, mask),
            None => Ok(answer),
        }
    }

    fn check(&self, call: &Call) -> Result<(), ApiError> {
        self.discovery
            .as_ref()
            .map_or(Ok(()), |discovery| discovery.check_call(call))
    }

    fn no_route(&self, state: &mut State, request: &Request) -> ApiError {
        let asked = format!("{} {}", request.method, request.path);
        let method = self
            .discovery
            .as_ref()
            .and_then(|discovery| discovery.method_of(request));
        let error = match method {
            Some(method) => ApiError::new(501, "notImplemented", format!("The emulator does not have {method}.")),
            None => ApiError::new(404, "notFound", format!("There is no method {asked}.")),
        };
        state.violations.push(format!("{asked}: {}", error.message));
        error
    }
}

impl http::Service for Service {
    fn operation(&self, request: &Request) -> Operation {
        match Call::of(request) {
            Some(call) => Operation {
                name: call.name().to_owned(),
                location: call.location().to_owned(),
            },
            None => Operation::default(),
        }
    }

    fn answer(&self, request: &Request) -> Reply {
        let mut state = self.state();
        let mut reply = match self.respond(&mut state, request) {
            Ok(Value::Null) => Reply {
                status: 204,
                headers: Vec::new(),
                body: Vec::new(),
            },
            Ok(body) => reply(200, &body),
            Err(error) => error.reply(),
        };
        // The emulator's own time, which may not be the client's.
        let date = state.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        reply.headers.push(("date".to_owned(), date));
        reply
    }

    fn hold(&self, request: &Request, waited: Duration) -> Option<Duration> {
        self.remaining_wait(request, waited)
    }

    fn advance(&self, by: Duration) {
        self.state().advance(by);
    }

    fn error(&self, status: u16, code: &str, message: &str) -> Reply {
        ApiError::injected(status, code, message).reply()
    }
}

fn authenticate(state: &State, request: &Request) -> Result<(), ApiError> {
    let header = request.headers.get("authorization").map_or("", String::as_str);
    let token = header.strip_prefix("Bearer ").unwrap_or_default().trim();
    if token.is_empty() || state.controls.token_expired {
        return Err(ApiError::unauthenticated(!token.is_empty()));
    }
    Ok(())
}

/// Another VM takes a name just before a change of it, where a test asked for that.
fn replace_first(state: &mut State, call: &Call) {
    let named = ["instance", "resource"].map(|parameter| call.parameter(parameter));
    let name = named.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    if call.route.method == "POST" && state.controls.replace_before_change.remove(name) {
        state.replace(&Key::new(call.project(), call.zone(), name));
    }
}

/// What the caller may do, and whether the project and the zone are there to do it in.
fn authorize(context: &Context, call: &Call) -> Result<(), ApiError> {
    let controls = &context.state.controls;
    let project = call.project();
    let images = call.name().starts_with("images.") && IMAGE_PROJECTS.contains(&project);
    if controls.projects.as_ref().is_some_and(|known| !known.contains(project)) && !images {
        return Err(ApiError::not_found(&format!("projects/{project}")));
    }
    if controls.api_disabled {
        return Err(ApiError::api_disabled(zones::project_number(project)));
    }
    if let Some(permission) = permissions(call).find(|permission| controls.denied.contains(*permission)) {
        return Err(ApiError::forbidden(permission, &call.resource()));
    }
    if controls.unreachable_zones.contains(call.zone()) {
        return Err(ApiError::unreachable(&format!("zones/{}", call.zone())));
    }
    Ok(())
}

/// What IAM wants of a call. An insert needs more with everything that the new VM is to have.
fn permissions(call: &Call) -> impl Iterator<Item = &'static str> {
    let bulk = call.name() == "instances.bulkInsert";
    let body = if bulk {
        &call.body["instanceProperties"]
    } else {
        &call.body
    };
    let has = |field: &str| !body[field].is_null();
    let insert = bulk || call.name() == "instances.insert";
    let rule = matches!(call.name(), "firewalls.insert" | "firewalls.delete");
    let external = body["networkInterfaces"]
        .as_array()
        .is_some_and(|interfaces| interfaces.iter().any(|interface| !interface["accessConfigs"].is_null()));
    let extra = [
        ("compute.networks.updatePolicy", rule),
        ("compute.disks.create", insert),
        ("compute.subnetworks.use", insert),
        ("compute.subnetworks.useExternalIp", insert && external),
        ("compute.instances.setMetadata", insert && has("metadata")),
        ("compute.instances.setTags", insert && has("tags")),
        ("compute.instances.setLabels", insert && has("labels")),
        ("compute.instances.setServiceAccount", insert && has("serviceAccounts")),
        ("iam.serviceAccounts.actAs", insert && has("serviceAccounts")),
    ];
    let extra = extra
        .into_iter()
        .filter(|(_, needed)| *needed)
        .map(|(permission, _)| permission);
    std::iter::once(call.route.permission).chain(extra)
}

fn answer(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    match call.name() {
        "instances.insert" => once(context, call, insert::insert),
        "instances.bulkInsert" => once(context, call, bulk_insert::insert),
        "instances.get" => instances::get(context, call),
        "instances.list" => instances::list(context, call),
        "instances.aggregatedList" => instances::aggregated_list(context, call),
        "instances.delete" => once(context, call, state_change_calls::delete),
        "instances.start" => once(context, call, state_change_calls::start),
        "instances.stop" => once(context, call, state_change_calls::stop),
        "instances.reset" => once(context, call, state_change_calls::reset),
        "instances.setLabels" => once(context, call, instances::set_labels),
        "instances.setScheduling" => once(context, call, scheduling::set),
        "instances.setMetadata" => once(context, call, instances::set_metadata),
        "instances.setDeletionProtection" => once(context, call, instances::set_deletion_protection),
        "instances.setDiskAutoDelete" => once(context, call, instances::set_disk_auto_delete),
        "instances.getSerialPortOutput" => instances::serial_port_output(context, call),
        "instances.getGuestAttributes" => guest_attributes::get(context, call),
        "disks.get" => disks::get(context, call),
        "disks.list" => disks::list(context, call),
        "disks.aggregatedList" => disks::aggregated_list(context, call),
        "disks.delete" => once(context, call, disks::delete),
        "zoneOperations.list" => operations::list(context, call),
        "zoneOperations.get" | "globalOperations.get" => operations::get(context, call),
        "zoneOperations.wait" | "globalOperations.wait" => operations::wait(context, call),
        "zoneOperations.delete" => operations::delete(context, call),
        "zones.get" => zones::get_zone(context, call),
        "zones.list" => zones::list_zones(context, call),
        "regions.get" => zones::get_region(context, call),
        "regions.list" => zones::list_regions(context, call),
        "machineTypes.get" => machine_types::get(context, call),
        "machineTypes.list" => machine_types::list(context, call),
        "machineTypes.aggregatedList" => machine_types::aggregated_list(context, call),
        "images.get" => images::get(context, call),
        "images.list" => images::list(context, call),
        "images.getFromFamily" => images::get_from_family(context, call),
        "networks.get" => networks::get(context, call),
        "networks.list" => networks::list(context, call),
        "subnetworks.get" => networks::get_subnetwork(context, call),
        "subnetworks.list" => networks::list_subnetworks(context, call),
        "firewalls.insert" => once(context, call, firewalls::insert),
        "firewalls.get" => firewalls::get(context, call),
        "firewalls.list" => firewalls::list(context, call),
        "firewalls.delete" => once(context, call, firewalls::delete),
        "projects.get" => zones::get_project(context, call),
        other => Err(ApiError::new(
            501,
            "notImplemented",
            format!("The emulator does not have {other}."),
        )),
    }
}
