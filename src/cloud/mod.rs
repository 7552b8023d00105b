//! The contract between cloudctl and a cloud: plain data types, and the families of traits that a driver implements.
//!
//! This room does no I/O, uses no SDK and names no flag. The drivers in `providers` implement [`Provider`]; all other rooms
//! use only the types of this room.

mod batch_tracker;
mod cloud_info;
mod did_you_mean;
mod error;
mod format_for_messages;
mod glob;
mod host_names;
mod idempotency;
mod ingress_rule;
mod instance;
mod instance_action;
mod instance_name;
mod instance_ref;
mod instance_spec;
mod label_changes;
mod label_syntax;
mod labels;
mod location;
mod machine_type;
mod management_labels;
mod memory_size;
mod numbered_names;
mod partial_listing;
mod provider;
mod provider_kind;
mod public_key;
mod shell_quoting;
mod ssh_access;
mod time;
mod user_data_check;
mod whole_number;
mod word_enum;
mod world_area;

pub use batch_tracker::{BatchTracker, TargetOutcome};
pub use cloud_info::{CloudInfo, CloudInfos, ImageUser, SettingKey, SettingVariable, TokenScope};
pub use did_you_mean::{closest, did_you_mean};
pub use error::{Error, ErrorKind, ErrorLocation, Gap, Leftover, Result, SkippedCloud, Subject};
pub use format_for_messages::{
    is_content, is_safe_key, may_be_secret, path_text, quoted, redact_parser_message, redact_value,
};
pub use glob::Glob;
pub use host_names::{HostName, host_names, is_plain_word};
pub use idempotency::IdempotencyToken;
pub use idempotency::{Fingerprint, SPEC_FIELDS};
pub use ingress_rule::IngressRule;
pub use instance::{
    Disk, ExpiryEnforcer, FIELD_WORDS, FieldKind, Instance, InstanceField, InstanceQuery, InstanceSetup, InstanceState,
    OrphanedDisk, QueriedName, SetupValue, normalize_field_word,
};
pub use instance_action::InstanceAction;
pub use instance_name::InstanceName;
pub use instance_ref::InstanceRef;
pub use instance_spec::{InstanceSpec, LaunchPreview, Secret, SshKey, cost_for};
pub use label_changes::LabelChanges;
pub use label_syntax::{
    Requirement, TypedLabel, format_label, format_removed_label, parse_label, parse_quoted, parse_removed_label,
    parse_requirements,
};
pub use labels::{
    LABEL_GENERATION, LABEL_MANAGED, LABEL_MEMBERS, LABEL_NAME, LABEL_RUN, LABEL_SPEC, LABEL_TTL, Labels,
    RESERVED_PREFIX, check_label_key, check_selectable,
};
pub use location::{ListScope, Location, region_given_as_zone_error, zone_given_as_region_error};
pub use machine_type::{Architecture, Gpu, Image, MachineRequirements, MachineType, normalize_gpu_kind};
pub use management_labels::{NativeName, Ownership, management_labels};
pub use memory_size::{parse_gib, strip_gib_unit};
pub use numbered_names::GroupMembers;
pub use partial_listing::{InstanceSink, ListFilter, Listing};
pub use provider::{
    Access, CatalogSource, Cleanup, CreateOutcome, Identity, Instances, Locations, Provider, PublishedPrice,
};
pub use provider_kind::{ProviderKind, UnknownProvider, format_account, join_with_and, join_with_or};
pub use public_key::{key_fingerprint, remove_key_comment};
pub use shell_quoting::{always_quote_for_shell, quote_for_shell};
pub use ssh_access::{CloudSettings, HostKey, LoginUser, PretendShell, Tunnel, find_console_host_keys};
pub use time::{Clock, format_duration, parse_duration};
pub use user_data_check::{UserDataReader, find_user_data_problem, is_gzip};
pub use whole_number::parse_whole_number;
pub(crate) use word_enum::word_enum;
pub use world_area::{Area, explain_region_word};
