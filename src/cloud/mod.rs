//! The contract: what a cloud is to cloudctl, in values and one trait.
//!
//! Nothing here does I/O, knows an SDK, or names a flag. The drivers under `providers` implement
//! [`Provider`]; everything above it speaks only the types of this module.

mod area;
mod course;
mod disk;
mod duration;
mod error;
mod field;
mod fingerprint;
mod image;
mod instance;
mod label_text;
mod labels;
mod listing;
mod location;
mod machine;
mod members;
mod name;
mod nearness;
mod opening;
mod ownership;
mod plan;
mod provider;
mod provider_kind;
mod public_key;
mod reference;
mod secret;
mod shown;
mod spec;
mod token;
mod user_data;

pub use area::Area;
pub use course::Course;
pub use disk::{Disk, SurvivingDisk};
pub use duration::{format_duration, parse_duration};
pub use error::{Error, ErrorKind, Result};
pub use field::{Field, FieldKind};
pub use fingerprint::{Fingerprint, SPEC_FIELDS};
pub use image::Image;
pub use instance::{Architecture, ExpiryEnforcer, Instance, InstanceState};
pub use label_text::{
    Requirement, TypedLabel, check_selectable, label_text, parse_label, parse_quoted, parse_requirements,
};
pub use labels::{
    LABEL_GENERATION, LABEL_MANAGED, LABEL_MEMBERS, LABEL_NAME, LABEL_SPEC, LABEL_TTL, Labels, RESERVED_PREFIX,
    check_label_key,
};
pub use listing::{ListFilter, Listing, Pages};
pub use location::{Location, Place, region_for_zone, zone_for_region};
pub use machine::{Gpu, MachineNeed, MachineType, plain_gpu_kind};
pub use members::Members;
pub use name::InstanceName;
pub use nearness::{likely, nearest};
pub use opening::Opening;
pub use ownership::{NativeName, Ownership, own_labels};
pub use plan::Plan;
pub use provider::{Clock, Created, Identity, Outcome, Provider, PublishedPrice};
pub use provider_kind::ProviderKind;
pub use public_key::{key_fingerprint, key_without_comment};
pub use reference::{InstanceRef, Reference};
pub use secret::Secret;
pub use shown::{is_content, is_plain_key, may_be_secret, parser_message, path_text, plain, quoted};
pub use spec::{InstanceSpec, SshKey};
pub use token::IdempotencyToken;
pub use user_data::{UserDataReader, ignored_user_data, is_gzip};
