//! The memory of one region.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::client_tokens::{Launch, Scope};
use super::encoding::is_identifier;
use super::errors::{Answer, Refusal};
use super::images::{self, Image};
use super::instance::Instance;
use super::key_pairs::KeyPair;
use super::network::{Group, Subnet, Vpc};
use super::regions::RegionInfo;
use super::tags::TagSet;
use super::volumes::Volume;

/// Whether an account has to opt in to a region, and whether it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptIn {
    /// Every account can use the region.
    NotRequired,
    /// The account has opted in.
    OptedIn,
    /// The account has not opted in, so the region refuses it.
    NotOptedIn,
}

impl OptIn {
    /// EC2's own word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotRequired => "opt-in-not-required",
            Self::OptedIn => "opted-in",
            Self::NotOptedIn => "not-opted-in",
        }
    }
}

pub struct Region {
    pub info: &'static RegionInfo,
    pub opt_in: OptIn,
    /// Whether DescribeRegions leaves it out, although it answers.
    pub is_unlisted: bool,
    /// In order of launch.
    pub instances: BTreeMap<u64, Instance>,
    pub serials: HashMap<String, u64>,
    pub volumes: BTreeMap<String, Volume>,
    pub vpcs: BTreeMap<String, Vpc>,
    pub subnets: BTreeMap<String, Subnet>,
    pub groups: BTreeMap<String, Group>,
    pub keys: BTreeMap<String, KeyPair>,
    pub images: Vec<Arc<Image>>,
    /// The tags of every resource, by its id.
    pub tags: HashMap<String, TagSet>,
    pub launches: HashMap<Scope, Launch>,
    /// The public address of every new instance, in place of one of its own.
    pub public_address: Option<String>,
    /// The same of its private address.
    pub private_address: Option<String>,
}

impl Region {
    pub fn new(info: &'static RegionInfo) -> Self {
        let mut region = Self {
            info,
            is_unlisted: false,
            opt_in: if info.default {
                OptIn::NotRequired
            } else {
                OptIn::NotOptedIn
            },
            instances: BTreeMap::new(),
            serials: HashMap::new(),
            volumes: BTreeMap::new(),
            vpcs: BTreeMap::new(),
            subnets: BTreeMap::new(),
            groups: BTreeMap::new(),
            keys: BTreeMap::new(),
            images: images::catalogue(info.name),
            tags: HashMap::new(),
            launches: HashMap::new(),
            public_address: None,
            private_address: None,
        };
        region.add_vpc("default", true);
        region
    }

    pub fn instance(&self, id: &str) -> Option<&Instance> {
        self.instances.get(self.serials.get(id)?)
    }

    pub fn instance_mut(&mut self, id: &str) -> Option<&mut Instance> {
        self.instances.get_mut(self.serials.get(id)?)
    }

    /// The serials of the instances with these ids, or EC2's refusal of the first bad one.
    pub fn find(&self, ids: &[&str]) -> Answer<Vec<u64>> {
        for id in ids {
            if !is_identifier("i", id) {
                return Err(Refusal::new(
                    "InvalidInstanceID.Malformed",
                    format!("Invalid id: \"{id}\""),
                ));
            }
        }
        let unknown: Vec<&str> = ids
            .iter()
            .copied()
            .filter(|id| !self.serials.contains_key(*id))
            .collect();
        match unknown.as_slice() {
            [] => {}
            [one] => {
                return Err(Refusal::new(
                    "InvalidInstanceID.NotFound",
                    format!("The instance ID '{one}' does not exist"),
                ));
            }
            several => {
                return Err(Refusal::new(
                    "InvalidInstanceID.NotFound",
                    format!("The instance IDs '{}' do not exist", several.join(", ")),
                ));
            }
        }
        let mut serials: Vec<u64> = Vec::with_capacity(ids.len());
        for id in ids {
            let serial = self.serials[*id];
            // The same id twice counts once.
            if !serials.contains(&serial) {
                serials.push(serial);
            }
        }
        Ok(serials)
    }

    /// The tags of a resource that can be seen at a time.
    pub fn visible_tags(&self, id: &str, now: Timestamp) -> Vec<(&str, &str)> {
        self.tags.get(id).map(|tags| tags.visible(now)).unwrap_or_default()
    }
}
