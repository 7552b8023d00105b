//! From a request to its answer: who calls, what for, and which handler does it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::encoding::{hash, http_date};
use super::errors::{self, Answer, Refusal};
use super::query_protocol::{self, Node, Pairs, peek};
use super::state::{Context, State};
use super::xml_writer::Xml;
use super::{
    account, allowed_parameters, auth, console, describe_instances, images, instance_attributes,
    instance_type_offerings, instance_types, key_pairs, launch, network, regions, security_group_rules,
    security_groups, spot_prices, state_changes, tags, volumes,
};
use crate::http;
use crate::recorded_call::{Operation, Reply, Request};

const EC2_VERSION: &str = "2016-11-15";
const STS_VERSION: &str = "2011-06-15";

/// The emulated EC2 and STS behind the HTTP server.
pub struct Service {
    state: Mutex<State>,
}

impl Default for Service {
    /// An account with no instances.
    fn default() -> Self {
        Self {
            state: Mutex::new(State::new()),
        }
    }
}

impl Service {
    /// The state, brought up to now.
    pub fn state(&self) -> MutexGuard<'_, State> {
        // A handler that panicked failed its own request; the tests that follow say what they miss.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.apply_due_events();
        state
    }

    fn request_id(state: &mut State) -> String {
        let serial = state.request_serial();
        let (high, low) = (hash((serial, "request, high")), hash((serial, "request, low")));
        Uuid::from_u64_pair(high, low).to_string()
    }

    /// The action's name and its result, which `answer` wraps.
    fn carry_out(state: &mut State, request: &Request) -> Answer<(String, Xml)> {
        let caller = auth::check(state, request)?;
        let pairs = pairs(request)?;
        let action = peek(&pairs, "Action")
            .filter(|action| !action.is_empty())
            .ok_or_else(|| Refusal::new("MissingAction", "The request is missing an action"))?;
        let version = peek(&pairs, "Version").unwrap_or_default();
        let sts = caller.service == "sts";
        if version != if sts { STS_VERSION } else { EC2_VERSION } {
            return Err(Refusal::new(
                "NoSuchVersion",
                format!(
                    "The requested version ({version}) of service {} does not exist",
                    caller.service
                ),
            ));
        }
        if sts {
            let result = account::answer_sts(state, &action, &pairs)?;
            return Ok((action, result));
        }
        allowed_parameters::check(&action, &pairs)?;
        account::check_permission(state, &caller.region, &action)?;
        let query = Node::tree(&pairs);
        if query.flag("DryRun") == Some(true) {
            return Err(Refusal::new(
                "DryRunOperation",
                "Request would have succeeded, but DryRun flag is set.",
            ));
        }
        let mut context = Context {
            state,
            action: &action,
            region: &caller.region,
            query: &query,
        };
        let result = handle(&mut context)?;
        Ok((action, result))
    }
}

fn pairs(request: &Request) -> Answer<Pairs> {
    if request.path != "/" {
        return Err(Refusal::new("InvalidAction", "There is nothing at this path"));
    }
    match request.method.as_str() {
        "POST" => query_protocol::decode(&request.body),
        "GET" => query_protocol::decode(request.query.as_bytes()),
        _ => Err(Refusal::new("InvalidAction", "The HTTP method is not supported")),
    }
}

fn handle(context: &mut Context) -> Answer<Xml> {
    match context.action {
        "AuthorizeSecurityGroupIngress" => security_group_rules::authorize_security_group_ingress(context),
        "CreateSecurityGroup" => security_groups::create_security_group(context),
        "CreateTags" => tags::create_tags(context),
        "DeleteKeyPair" => key_pairs::delete_key_pair(context),
        "DeleteSecurityGroup" => security_groups::delete_security_group(context),
        "DeleteTags" => tags::delete_tags(context),
        "DescribeAccountAttributes" => account::describe_account_attributes(context),
        "DescribeAvailabilityZones" => regions::describe_availability_zones(context),
        "DescribeImages" => images::describe_images(context),
        "DescribeInstanceAttribute" => instance_attributes::describe_instance_attribute(context),
        "DescribeInstances" => describe_instances::describe_instances(context),
        "DescribeInstanceStatus" => describe_instances::describe_instance_status(context),
        "DescribeInstanceTypeOfferings" => instance_type_offerings::describe_instance_type_offerings(context),
        "DescribeInstanceTypes" => instance_types::describe_instance_types(context),
        "DescribeKeyPairs" => key_pairs::describe_key_pairs(context),
        "DescribeRegions" => regions::describe_regions(context),
        "DescribeSecurityGroups" => security_groups::describe_security_groups(context),
        "DescribeSpotPriceHistory" => spot_prices::describe_spot_price_history(context),
        "DescribeSubnets" => network::describe_subnets(context),
        "DescribeTags" => tags::describe_tags(context),
        "DescribeVolumes" => volumes::describe_volumes(context),
        "DescribeVpcs" => network::describe_vpcs(context),
        "GetConsoleOutput" => console::get_console_output(context),
        "ImportKeyPair" => key_pairs::import_key_pair(context),
        "ModifyInstanceAttribute" => instance_attributes::modify_instance_attribute(context),
        "ModifyInstanceMetadataOptions" => instance_attributes::modify_instance_metadata_options(context),
        "RebootInstances" => state_changes::reboot_instances(context),
        "RunInstances" => launch::run_instances(context),
        "StartInstances" => state_changes::start_instances(context),
        "StopInstances" => state_changes::stop_instances(context),
        "TerminateInstances" => state_changes::terminate_instances(context),
        other => Err(Refusal::not_emulated(other)),
    }
}

fn is_sts(request: &Request) -> bool {
    if let Some(caller) = auth::Caller::of(request) {
        return caller.service == "sts";
    }
    let version = pairs(request).ok().and_then(|pairs| peek(&pairs, "Version"));
    version.as_deref() == Some(STS_VERSION)
}

impl http::Service for Service {
    fn operation(&self, request: &Request) -> Operation {
        let action = pairs(request).ok().and_then(|pairs| peek(&pairs, "Action"));
        Operation {
            name: action.unwrap_or_default(),
            location: auth::Caller::of(request).unwrap_or_default().region,
        }
    }

    fn answer(&self, request: &Request) -> Reply {
        let mut state = self.state();
        let id = Self::request_id(&mut state);
        let outcome = Self::carry_out(&mut state, request);
        let mut reply = match (outcome, is_sts(request)) {
            (Ok((action, result)), false) => ec2_document(&action, &id, result),
            (Ok((action, result)), true) => sts_document(&action, &id, result),
            (Err(refusal), false) => errors::ec2_reply(&refusal, &id),
            (Err(refusal), true) => errors::sts_reply(&refusal, &id),
        };
        reply.headers.push(("date".to_owned(), http_date(state.date())));
        reply.headers.push(("x-amzn-requestid".to_owned(), id));
        for (placeholder, value) in &state.controls.raw_values {
            reply.body = replaced(&reply.body, placeholder.as_bytes(), value);
        }
        reply
    }

    fn advance(&self, by: Duration) {
        self.state().advance(by);
    }

    fn error(&self, status: u16, code: &str, message: &str) -> Reply {
        let mut state = self.state();
        let refusal = Refusal {
            status,
            ..Refusal::new(code, message)
        };
        let id = Self::request_id(&mut state);
        let mut reply = errors::ec2_reply(&refusal, &id);
        reply.headers.push(("date".to_owned(), http_date(state.date())));
        reply
    }
}

fn ec2_document(action: &str, request_id: &str, result: Xml) -> Reply {
    let mut xml = Xml::document();
    let namespace = format!("xmlns=\"http://ec2.amazonaws.com/doc/{EC2_VERSION}/\"");
    xml.tagged(&format!("{action}Response"), &namespace, |xml| {
        xml.text("requestId", request_id);
        xml.append(result);
    });
    errors::reply(200, xml)
}

fn sts_document(action: &str, request_id: &str, result: Xml) -> Reply {
    let mut xml = Xml::document();
    let namespace = format!("xmlns=\"https://sts.amazonaws.com/doc/{STS_VERSION}/\"");
    xml.tagged(&format!("{action}Response"), &namespace, |xml| {
        xml.inside(&format!("{action}Result"), |xml| xml.append(result));
        xml.inside("ResponseMetadata", |xml| xml.text("RequestId", request_id));
    });
    errors::reply(200, xml)
}

fn replaced(text: &[u8], word: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(word.len()).position(|window| window == word) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by);
        rest = &rest[at + word.len()..];
    }
    out.extend_from_slice(rest);
    out
}
