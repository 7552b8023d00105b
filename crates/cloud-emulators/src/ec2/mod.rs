//! An EC2 in the test process: stateful, strict, and with faults on demand.
//!
//! It speaks the query protocol of API version 2016-11-15, and STS on the same URL. One emulator serves
//! every region; the region of a request is that of its credential scope. What the real service refuses is
//! refused with the real code. What the real service does and the emulator does not is refused too, with
//! `UnsupportedOperation`, so that no test rests on a parameter that was dropped.
//!
//! [`Emulator`] is the way in. It dereferences to the HTTP server that both emulators share, which has the
//! URL, the log of calls and the faults of the network.
//!
//! The files: `service` takes requests in; `parameters`, `query`, `auth` check their form; `state` is the memory and the
//! clock; `controls` are the settings, `incidents` what other people and guests do; the others are the nouns of the API.

mod account;
mod addresses;
mod allowed_parameters;
mod auth;
mod bulk_instances;
mod client_tokens;
mod console;
mod describe_instances;
mod dispatch;
mod encoding;
mod errors;
mod external_changes;
mod filters;
mod image_publishers;
mod images;
mod instance;
mod instance_attributes;
mod instance_type_offerings;
mod instance_types;
mod instance_xml;
mod key_pairs;
mod launch;
mod launch_disks;
mod launch_placement;
mod launch_request;
mod network;
mod paging;
mod query_protocol;
mod region_state;
mod regions;
mod security_group_rules;
mod security_groups;
mod spot_prices;
mod state;
mod state_changes;
mod tags;
mod test_controls;
#[cfg(test)]
mod test_requests;
mod test_views;
mod volumes;
mod xml_writer;

pub use dispatch::Service;
pub use region_state::OptIn;
pub use test_controls::Emulator;
pub use test_views::{InstanceView, VolumeView};

/// The account that every emulator belongs to.
pub const ACCOUNT: &str = state::ACCOUNT;

/// Every operation that the emulator has, such as `RunInstances`. A fault names one of them.
pub fn operations() -> impl Iterator<Item = &'static str> {
    let ec2 = allowed_parameters::ACTIONS.iter().map(|(name, _)| *name);
    ec2.chain(["GetCallerIdentity"])
}

/// The regions of the emulated cloud.
pub fn regions() -> impl Iterator<Item = &'static str> {
    regions::REGIONS.iter().map(|region| region.name)
}

/// The availability zones of the emulated cloud.
pub fn zones() -> impl Iterator<Item = String> {
    let zones = regions::REGIONS.iter().flat_map(|region| region.zones());
    zones.map(|zone| zone.name)
}
