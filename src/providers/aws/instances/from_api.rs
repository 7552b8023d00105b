//! Converts an instance of EC2 to [`Instance`], and says why one is gone.

use aws_sdk_ec2::types::{
    self as ec2, ArchitectureValues, InstanceLifecycleType, InstanceMetadataTagsState, InstanceStateName,
    PlatformValues,
};
use jiff::Timestamp;
use serde_json::json;

use crate::cloud::{
    Architecture, Disk, ErrorKind, ExpiryEnforcer, Instance, InstanceRef, InstanceSetup, InstanceState, LABEL_MEMBERS,
    LABEL_NAME, Labels, NativeName, Ownership, ProviderKind, RESERVED_PREFIX, SetupValue,
};
use crate::providers::aws::api::error::kind_of_code;
use crate::providers::aws::tags::{GROUP_NAME_PREFIX, TAG_NAME};

/// Converts an instance of `region`, owned by `account`; `None` if it has no id.
pub(crate) fn from_ec2(instance: &ec2::Instance, region: &str, account: Option<&str>) -> Option<Instance> {
    let id = instance.instance_id()?;
    let tags = read_tags(instance);
    let ownership = Ownership::from_labels(&tags, NativeName::Tag(launch_index(instance)));
    // Until a member has its own name tag, the tag has the group's name.
    let is_managed_member = ownership.managed && tags.contains_key(LABEL_MEMBERS);
    let group = if is_managed_member {
        tags.get(LABEL_NAME).map(String::as_str)
    } else {
        None
    };
    let name = ownership.name.clone().or_else(|| tags.get(TAG_NAME).cloned());
    let state = instance.state().and_then(|state| state.name());
    let is_gone = state.map(state_of).is_some_and(InstanceState::is_gone);
    let state_reason = instance.state_reason().and_then(|reason| reason.code());
    let primary = instance
        .network_interfaces()
        .iter()
        .filter_map(|interface| interface.attachment())
        .find(|attachment| attachment.device_index() == Some(0));
    // A start resets the launch time, but the primary interface stays attached.
    let attached_at = primary.and_then(|attachment| attachment.attach_time());
    let created_at = attached_at.or(instance.launch_time()).and_then(to_timestamp);
    let expires_at = ownership.expires_at(created_at);
    let zone = instance.placement().and_then(|placement| placement.availability_zone());
    Some(Instance {
        provider: ProviderKind::Aws,
        account: account.map(str::to_owned),
        region: region.to_owned(),
        zone: zone.map(str::to_owned),
        reference: InstanceRef {
            zone: zone.map(str::to_owned),
            ..instance_ref(region, id)
        },
        state: state.map_or(InstanceState::Unknown, state_of),
        native_state: state.map_or("unknown", |state| state.as_str()).to_owned(),
        machine_type: instance.instance_type().map(|machine| machine.as_str().to_owned()),
        cpus: read_cpus(instance),
        memory_gib: None,
        architecture: instance.architecture().and_then(architecture_of),
        image: instance.image_id().map(str::to_owned),
        spot: instance.instance_lifecycle() == Some(&InstanceLifecycleType::Spot),
        public_ip: instance.public_ip_address().map(str::to_owned),
        private_ip: instance.private_ip_address().map(str::to_owned),
        created_at,
        expires_at,
        expiry_enforcer: expires_at.map(|_| match has_timer(instance, &ownership) {
            true => ExpiryEnforcer::Guest,
            false => ExpiryEnforcer::Tag,
        }),
        managed: ownership.managed,
        protected: None,
        price_usd_per_hour: None,
        spec_fingerprint: ownership.spec_fingerprint,
        ttl: ownership.ttl,
        label_problem: ownership.label_problem,
        disks: read_disks(instance),
        ingress_rules: ingress_groups(instance),
        attached_gpu: None,
        has_other_price: has_other_price(instance),
        setup: read_setup(instance),
        generation: ownership.generation,
        run_id: ownership.run_id,
        state_reason: state_reason.filter(|code| !code.is_empty()).map(str::to_owned),
        failure: if is_gone {
            state_reason.and_then(failure_kind)
        } else {
            None
        },
        native: native_fields(instance),
        labels: user_labels(&tags, &[name.as_deref(), group]),
        management_label_count: tags.keys().filter(|key| key.starts_with(RESERVED_PREFIX)).count(),
        guest_reads_labels: can_read_tags(instance),
        name,
        // <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html>
        name_label: Some(TAG_NAME),
    })
}

pub(crate) fn instance_ref(region: &str, id: &str) -> InstanceRef {
    InstanceRef {
        provider: ProviderKind::Aws,
        scope: region.to_owned(),
        id: id.to_owned(),
        zone: None,
        native_name: None,
    }
}

/// The index of an instance, from 0, among those of one RunInstances call.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html>
pub(crate) fn launch_index(instance: &ec2::Instance) -> Option<usize> {
    instance
        .ami_launch_index()
        .and_then(|index| usize::try_from(index).ok())
}

/// The state for EC2's name of one.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html>
pub(crate) fn state_of(name: &InstanceStateName) -> InstanceState {
    match name {
        InstanceStateName::Pending => InstanceState::Pending,
        InstanceStateName::Running => InstanceState::Running,
        InstanceStateName::Stopping => InstanceState::Stopping,
        InstanceStateName::Stopped => InstanceState::Stopped,
        InstanceStateName::ShuttingDown => InstanceState::Terminating,
        InstanceStateName::Terminated => InstanceState::Terminated,
        _ => InstanceState::Unknown,
    }
}

/// The architecture of an image or instance; `None` for 32-bit x86.
pub(crate) fn architecture_of(value: &ArchitectureValues) -> Option<Architecture> {
    match value {
        ArchitectureValues::X8664 | ArchitectureValues::X8664Mac => Some(Architecture::X86_64),
        ArchitectureValues::Arm64 | ArchitectureValues::Arm64Mac => Some(Architecture::Arm64),
        _ => None,
    }
}

/// Whether a timer in the instance ends it: it was created with a TTL, and it is not Windows, which does not run the
/// timer.
pub(crate) fn has_timer(instance: &ec2::Instance, ownership: &Ownership) -> bool {
    // EC2 writes it in lower case, the SDK does not.
    let is_windows = |platform: &PlatformValues| platform.as_str().eq_ignore_ascii_case("windows");
    ownership.created_with_ttl && !instance.platform().is_some_and(is_windows)
}

/// Whether the instance can read its tags in its metadata.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html>
pub(crate) fn can_read_tags(instance: &ec2::Instance) -> bool {
    let options = instance.metadata_options();
    options.is_some_and(|options| options.instance_metadata_tags() == Some(&InstanceMetadataTagsState::Enabled))
}

/// All tags of an instance, including cloudctl's own.
pub(crate) fn read_tags(instance: &ec2::Instance) -> Labels {
    let tags = instance.tags().iter();
    tags.filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
        .collect()
}

/// The kind and code of a state reason that means the launch failed; `None` for an instance that a user ended, or
/// whose spot capacity was reclaimed.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html>
pub(crate) fn launch_failure(reason: &str) -> Option<(ErrorKind, &str)> {
    let code = reason.split_once('.').map_or(reason, |(_, code)| code);
    let kind = match reason {
        "Client.UserInitiatedShutdown"
        | "Client.InstanceInitiatedShutdown"
        | "Client.UserInitiatedHibernate"
        | "Server.ScheduledStop"
        | "Server.SpotInstanceShutdown"
        | "Server.SpotInstanceTermination" => return None,
        // Usually an encrypted disk whose key the caller may not use.
        "Client.InternalError" => ErrorKind::PermissionDenied,
        "Server.InternalError" => ErrorKind::Capacity,
        _ => kind_of_code(code).unwrap_or(ErrorKind::Internal),
    };
    Some((kind, code))
}

/// Whether a state reason means that the instance shut itself down.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html>
pub(crate) fn was_shut_down_inside(reason: &str) -> bool {
    reason.starts_with("Client.InstanceInitiatedShutdown")
}

/// The kind and code of a state reason that means EC2 reclaimed spot capacity. For a new instance this means there
/// was no capacity; an instance of an earlier generation had run.
pub(crate) fn spot_reclaim(reason: &str) -> Option<(ErrorKind, &str)> {
    match reason.split_once('.') {
        Some(("Server", code @ ("SpotInstanceShutdown" | "SpotInstanceTermination"))) => {
            Some((ErrorKind::Capacity, code))
        }
        _ => None,
    }
}

fn failure_kind(reason: &str) -> Option<ErrorKind> {
    let (kind, _code) = launch_failure(reason).or_else(|| spot_reclaim(reason))?;
    Some(kind)
}

/// The names of the security groups that cloudctl created for ingress rules.
fn ingress_groups(instance: &ec2::Instance) -> Vec<String> {
    let ingress_groups = instance.security_groups().iter().filter(|group| opens_ports(group));
    let names = ingress_groups.filter_map(|group| group.group_name());
    names.map(str::to_owned).collect()
}

fn read_disks(instance: &ec2::Instance) -> Vec<Disk> {
    let mappings = instance.block_device_mappings().iter();
    let volumes = mappings.filter_map(|mapping| mapping.ebs());
    let disk = |volume: &ec2::EbsInstanceBlockDevice| {
        Some(Disk {
            id: volume.volume_id()?.to_owned(),
            deleted_with_instance: volume.delete_on_termination().unwrap_or_default(),
        })
    };
    volumes.filter_map(disk).collect()
}

/// The user's own tags: without cloudctl's, and without the name, which has a field.
fn user_labels(tags: &Labels, names: &[Option<&str>]) -> Labels {
    tags.iter()
        .filter(|(key, value)| {
            let is_name = *key == TAG_NAME && names.contains(&Some(value.as_str()));
            !is_name && !key.starts_with(RESERVED_PREFIX)
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn read_cpus(instance: &ec2::Instance) -> Option<u32> {
    let options = instance.cpu_options()?;
    u32::try_from(options.core_count()?.checked_mul(options.threads_per_core()?)?).ok()
}

fn to_timestamp(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

/// Whether an instance has another price than plain Linux on shared hosts.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/billing-info-fields.html>
fn has_other_price(instance: &ec2::Instance) -> bool {
    let is_licensed = instance
        .platform_details()
        .is_some_and(|details| details != "Linux/UNIX");
    let tenancy = instance.placement().and_then(|placement| placement.tenancy());
    is_licensed || tenancy.is_some_and(|tenancy| *tenancy != ec2::Tenancy::Default)
}

/// The settings that an instance was created with, by the flags of `create`.
fn read_setup(instance: &ec2::Instance) -> InstanceSetup {
    // Groups for ingress rules belong to `--open`.
    let firewall_groups = instance.security_groups().iter().filter(|group| !opens_ports(group));
    // An instance profile can be given by its ARN or by its name, which is the ARN's last part.
    let profile_arn = instance.iam_instance_profile().and_then(|profile| profile.arn());
    let profile_name = profile_arn.map(|arn| arn.rsplit('/').next().unwrap_or(arn));
    let mut setup = InstanceSetup::from([
        ("network", vec![SetupValue::from_known([instance.vpc_id()])]),
        ("subnet", vec![SetupValue::from_known([instance.subnet_id()])]),
        (
            "firewall",
            firewall_groups
                .map(|group| SetupValue::from_known([group.group_name(), group.group_id()]))
                .collect(),
        ),
        ("ssh-key", vec![SetupValue::from_known([instance.key_name()])]),
        ("identity", vec![SetupValue::from_known([profile_name, profile_arn])]),
    ]);
    setup.retain(|_, values| values.iter().any(|value| !value.spellings.is_empty()));
    setup
}

/// Whether cloudctl created a security group for ingress rules.
fn opens_ports(group: &ec2::GroupIdentifier) -> bool {
    group
        .group_name()
        .is_some_and(|name| name.starts_with(GROUP_NAME_PREFIX))
}

fn native_fields(instance: &ec2::Instance) -> serde_json::Value {
    let groups: Vec<_> = instance
        .security_groups()
        .iter()
        .map(|group| json!({ "id": group.group_id(), "name": group.group_name() }))
        .collect();
    let volumes: Vec<_> = instance
        .block_device_mappings()
        .iter()
        .filter_map(|mapping| mapping.ebs()?.volume_id())
        .collect();
    let placement = instance.placement();
    json!({
        "vpc_id": instance.vpc_id(),
        "subnet_id": instance.subnet_id(),
        "security_groups": groups,
        "key_name": instance.key_name(),
        "iam_instance_profile": instance.iam_instance_profile().and_then(|profile| profile.arn()),
        "launch_time": instance.launch_time().and_then(to_timestamp).map(|time| time.to_string()),
        "platform": instance.platform_details(),
        "root_device": instance.root_device_name(),
        "volumes": volumes,
        "http_tokens": instance.metadata_options().and_then(|options| options.http_tokens()).map(|tokens| tokens.as_str()),
        "tenancy": placement.and_then(|placement| placement.tenancy()).map(|tenancy| tenancy.as_str()),
        "placement_group": placement.and_then(|placement| placement.group_name()).filter(|name| !name.is_empty()),
        "public_dns": instance.public_dns_name().filter(|name| !name.is_empty()),
        "private_dns": instance.private_dns_name().filter(|name| !name.is_empty()),
        "ipv6": instance.ipv6_address(),
        "spot_request": instance.spot_instance_request_id(),
        "state_transition_reason": instance.state_transition_reason().filter(|reason| !reason.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;

    use super::*;

    fn tag(key: &str, value: &str) -> ec2::Tag {
        ec2::Tag::builder().key(key).value(value).build()
    }

    fn with_tags(tags: Vec<ec2::Tag>) -> Instance {
        let instance = ec2::Instance::builder().instance_id("i-1").set_tags(Some(tags)).build();
        from_ec2(&instance, "us-east-1", Some("123456789012")).unwrap()
    }

    #[test]
    fn management_tags_become_fields() {
        let instance = with_tags(vec![
            tag("Name", "web-1"),
            tag("cloudctl-managed", "true"),
            tag("cloudctl-name", "web-1"),
            tag("cloudctl-spec", "fkd1cbac3mvztyb5"),
            tag("cloudctl-generation", "2"),
            tag("env", "ci"),
        ]);
        assert!(instance.managed);
        assert_eq!(instance.name.as_deref(), Some("web-1"));
        assert_eq!(instance.spec_fingerprint.as_deref(), Some("fkd1cbac3mvztyb5"));
        assert_eq!(instance.generation, Some(2));
        assert_eq!(instance.labels, Labels::from([("env".into(), "ci".into())]));
        assert_eq!(instance.reference.to_string(), "aws/us-east-1/i-1");
    }

    #[test]
    fn name_tag_stays_label_and_forged_mark_is_unmanaged() {
        let renamed = with_tags(vec![tag("Name", "front"), tag("cloudctl-name", "web-1")]);
        assert_eq!(renamed.labels.get("Name").map(String::as_str), Some("front"));
        assert!(!renamed.managed);
        assert!(!with_tags(vec![tag("cloudctl-managed", "true")]).managed);
        let foreign = with_tags(vec![tag("Name", "db")]);
        assert_eq!(foreign.name.as_deref(), Some("db"));
        assert!(foreign.labels.is_empty());
    }

    #[test]
    fn start_keeps_creation_time() {
        let attachment = ec2::InstanceNetworkInterfaceAttachment::builder()
            .device_index(0)
            .attach_time(DateTime::from_secs(1_000))
            .build();
        let instance = ec2::Instance::builder()
            .instance_id("i-1")
            .launch_time(DateTime::from_secs(2_000))
            .network_interfaces(ec2::InstanceNetworkInterface::builder().attachment(attachment).build())
            .build();
        let created = from_ec2(&instance, "us-east-1", None).unwrap().created_at;
        assert_eq!(created, Timestamp::new(1_000, 0).ok());
    }

    #[test]
    fn native_state_is_converted() {
        for (native, state) in [
            ("pending", InstanceState::Pending),
            ("shutting-down", InstanceState::Terminating),
            ("terminated", InstanceState::Terminated),
            ("stopped", InstanceState::Stopped),
            ("hovering", InstanceState::Unknown),
        ] {
            assert_eq!(state_of(&InstanceStateName::from(native)), state, "{native}");
        }
    }

    #[test]
    fn ended_instance_is_no_failed_launch() {
        for reason in [
            "Client.UserInitiatedShutdown",
            "Client.InstanceInitiatedShutdown",
            "Server.SpotInstanceTermination",
        ] {
            assert_eq!(launch_failure(reason), None, "{reason}");
        }
        for (reason, kind) in [
            ("Server.InsufficientInstanceCapacity", ErrorKind::Capacity),
            ("Client.VolumeLimitExceeded", ErrorKind::Quota),
            ("Client.InvalidSnapshot.NotFound", ErrorKind::InvalidSpec),
            ("Client.InternalError", ErrorKind::PermissionDenied),
            ("Server.Unheard", ErrorKind::Internal),
        ] {
            assert_eq!(launch_failure(reason).unwrap().0, kind, "{reason}");
        }
    }
}
