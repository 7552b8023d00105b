//! Resolves a spec to a RunInstances call. Everything is checked, and nothing is changed.

use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, CreditSpecificationRequest, EbsBlockDevice, HibernationOptionsRequest, HttpTokensState,
    IamInstanceProfileSpecification, InstanceInterruptionBehavior, InstanceMarketOptionsRequest,
    InstanceMetadataOptionsRequest, InstanceMetadataTagsState, InstanceType, KeyType, MarketType, Placement,
    ResourceType, RunInstancesMonitoringEnabled, ShutdownBehavior, SpotInstanceType, SpotMarketOptions,
    TagSpecification, VolumeType,
};
use aws_smithy_types::base64;
use futures_util::future;

use super::key_pair;
use super::key_pair::PublicKey;
use super::user_data::{MAX_USER_DATA_BYTES, merge_timer};
use crate::cloud::{
    Error, GroupMembers, IdempotencyToken, InstanceSpec, LaunchPreview, ProviderKind, Result, Secret, SshKey,
    UserDataReader, find_user_data_problem, quoted,
};
use crate::providers::aws::catalog::images;
use crate::providers::aws::catalog::images::{CatalogLookups, ResolvedImage};
use crate::providers::aws::catalog::machine_types::{Machine, check_requirements};
use crate::providers::aws::native_options::{HttpTokens, Options};
use crate::providers::aws::network::{Network, NetworkLookups};
use crate::providers::aws::regions::check_zone;
use crate::providers::aws::tags::{are_valid_in_metadata, build_tags, check_tags, to_ec2_tags};
use crate::providers::common::lookup_cache::LookupCache;
use crate::providers::common::spec_limits::{check_disk_gib, check_size, check_ttl};

/// The timer of an instance checks the time once a minute.
const MIN_TTL: Duration = Duration::from_secs(60);
/// The maximum number of instances that one call creates.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html>
pub(crate) const MAX_INSTANCES_PER_CALL: usize = 100;
/// The volume types that an instance can boot from.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html>
const BOOT_DISK_TYPES: [VolumeType; 5] = [
    VolumeType::Gp3,
    VolumeType::Gp2,
    VolumeType::Io1,
    VolumeType::Io2,
    VolumeType::Standard,
];

/// What create calls look up. Each answer is kept while the command runs.
#[derive(Default)]
pub(crate) struct CreateLookups {
    pub(crate) catalog: CatalogLookups,
    networks: NetworkLookups,
    zones: LookupCache<(String, String), ()>,
    key_pairs: LookupCache<(String, String), KeyType>,
}

/// A resolved spec.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) machine: Machine,
    pub(crate) image: ResolvedImage,
    pub(crate) network: Network,
    pub(crate) disk_type: VolumeType,
    pub(crate) options: Options,
    pub(crate) user_data: Option<Secret<Vec<u8>>>,
    pub(crate) has_timer: bool,
}

impl Request {
    /// Checks the spec, then looks up what it names. An invalid spec sends no call.
    pub(crate) async fn resolve(client: &Client, lookups: &CreateLookups, spec: &InstanceSpec) -> Result<Self> {
        let disk_type = parse_disk_type(spec.disk_type.as_deref())?;
        let options = Options::read(&spec.native, &disk_type)?;
        check_spec(spec)?;
        let region = &spec.location.region;
        let machine_type = images::choose_machine_type(client, &lookups.catalog, region, spec).await?;
        let ((machine, image), network, (), key_type) = future::try_join4(
            images::resolve_machine_and_image(client, &lookups.catalog, region, machine_type, spec.image.as_deref()),
            lookups.networks.resolve(client, spec, machine_type),
            lookups.check_requested_zone(client, spec),
            lookups.check_requested_key_pair(client, spec),
        )
        .await?;
        check_requirements(&machine, &spec.requirements)?;
        check_windows_key(spec, &image, key_type)?;
        check_disk_gib(spec.disk_gib, image.name.as_ref().unwrap_or(&image.id), image.disk_gib)?;
        // Windows does not run the timer.
        let timer_ttl = if image.is_windows { None } else { spec.ttl };
        let user_data = match (timer_ttl, &spec.user_data) {
            (None, data) => data.clone(),
            (Some(ttl), None) => Some(Secret::new(merge_timer(ttl, &[])?)),
            (Some(ttl), Some(data)) => Some(Secret::new(merge_timer(ttl, data.expose())?)),
        };
        Ok(Self {
            machine,
            image,
            network,
            disk_type,
            options,
            user_data,
            has_timer: timer_ttl.is_some(),
        })
    }

    /// Tells the user if the image does not run the user data.
    pub(crate) fn warn_about_user_data(&self, spec: &InstanceSpec) {
        let reader = match self.image.is_windows {
            true => UserDataReader::Ec2Launch,
            false => UserDataReader::CloudInit,
        };
        let data = spec.user_data.as_ref();
        if let Some(why) = data.and_then(|data| find_user_data_problem(data.expose(), reader)) {
            tracing::warn!("{why}");
        }
    }

    /// Previews the instance that the request would create.
    pub(crate) fn preview(&self, spec: &InstanceSpec) -> LaunchPreview {
        LaunchPreview {
            provider: ProviderKind::Aws,
            name: spec.name.clone(),
            location: spec.location.clone(),
            machine_type: self.machine.name.clone(),
            cpus: self.machine.cpus,
            memory_gib: self.machine.memory_gib,
            gpu: self.machine.gpu.clone(),
            architecture: Some(self.machine.architecture),
            image: self.image.id.clone(),
            image_name: self.image.name.clone(),
            disk_gib: spec.disk_gib.or(self.image.disk_gib),
            disk_type: self.disk_type.as_str().to_owned(),
            spot: spec.spot,
            price_usd_per_hour: None,
            ttl: spec.ttl,
        }
    }

    /// Builds the call without its token and without an imported key. `groups` are the security groups.
    pub(crate) fn build_call(
        &self,
        client: &Client,
        spec: &InstanceSpec,
        groups: &[String],
        generation: u32,
    ) -> RunInstancesFluentBuilder {
        let member_count = spec.members.as_ref().map_or(1, GroupMembers::len);
        let count = i32::try_from(member_count).unwrap_or(i32::MAX);
        let tags = build_tags(spec, generation);
        let sdk_tags = Some(to_ec2_tags(&tags));
        let tag_specification = |resource| {
            TagSpecification::builder()
                .resource_type(resource)
                .set_tags(sdk_tags.clone())
                .build()
        };
        // The timer reads a new TTL from the tags. If a tag is invalid in the metadata, the timer keeps the first
        // TTL; showing tags is then turned off, because an account whose default is to show them would fail the
        // launch.
        let shown_tags = match (self.has_timer, are_valid_in_metadata(&tags)) {
            (false, _) => None,
            (true, true) => Some(InstanceMetadataTagsState::Enabled),
            (true, false) => Some(InstanceMetadataTagsState::Disabled),
        };
        let mut call = client
            .run_instances()
            // EC2 launches all of them or none.
            .min_count(count)
            .max_count(count)
            .image_id(&self.image.id)
            .instance_type(InstanceType::from(self.machine.name.as_str()))
            .block_device_mappings(self.boot_disk(spec))
            .metadata_options(self.metadata_options(shown_tags))
            .set_placement(self.placement(spec))
            .tag_specifications(tag_specification(ResourceType::Instance))
            .tag_specifications(tag_specification(ResourceType::Volume))
            .set_ebs_optimized(self.options.ebs_optimized);
        call = match self.network.build_interface(groups) {
            // With an interface, EC2 takes subnet and groups only there.
            Some(interface) => call.network_interfaces(interface),
            None => call.set_security_group_ids((!groups.is_empty()).then(|| groups.to_vec())),
        };
        call = call.set_key_name(key_pair::key_pair_name(spec));
        if let Some(data) = &self.user_data {
            call = call.user_data(base64::encode(data.expose()));
        }
        if self.has_timer {
            call = call.instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate);
        }
        if let Some(identity) = &spec.identity {
            let builder = IamInstanceProfileSpecification::builder();
            let is_arn = identity.starts_with("arn:");
            let profile = if is_arn {
                builder.arn(identity)
            } else {
                builder.name(identity)
            };
            call = call.iam_instance_profile(profile.build());
        }
        if spec.protected {
            call = call.disable_api_termination(true);
        }
        if spec.spot {
            call = call.instance_market_options(spot_options());
        }
        if let Some(credits) = self.options.cpu_credits {
            call = call.credit_specification(
                CreditSpecificationRequest::builder()
                    .cpu_credits(credits.as_str())
                    .build(),
            );
        }
        if let Some(enabled) = self.options.monitoring {
            call = call.monitoring(RunInstancesMonitoringEnabled::builder().enabled(enabled).build());
        }
        if let Some(configured) = self.options.hibernation {
            call = call.hibernation_options(HibernationOptionsRequest::builder().configured(configured).build());
        }
        call
    }

    fn boot_disk(&self, spec: &InstanceSpec) -> BlockDeviceMapping {
        let size = spec.disk_gib.or(self.image.disk_gib);
        let disk = EbsBlockDevice::builder()
            .volume_type(self.disk_type.clone())
            .set_volume_size(size.and_then(|gib| i32::try_from(gib).ok()))
            .encrypted(self.options.encrypted())
            .set_kms_key_id(self.options.kms_key.clone())
            .set_iops(self.options.iops)
            .set_throughput(self.options.throughput)
            .delete_on_termination(true);
        BlockDeviceMapping::builder()
            .device_name(&self.image.root_device)
            .ebs(disk.build())
            .build()
    }

    fn metadata_options(&self, shown_tags: Option<InstanceMetadataTagsState>) -> InstanceMetadataOptionsRequest {
        let tokens = match self.options.http_tokens.unwrap_or_default() {
            HttpTokens::Required => HttpTokensState::Required,
            HttpTokens::Optional => HttpTokensState::Optional,
        };
        InstanceMetadataOptionsRequest::builder()
            .http_tokens(tokens)
            .set_instance_metadata_tags(shown_tags)
            .build()
    }

    fn placement(&self, spec: &InstanceSpec) -> Option<Placement> {
        // A subnet is in one zone and decides it.
        let zone = match self.network.subnet {
            Some(_) => None,
            None => spec.location.zone.clone(),
        };
        let (group, tenancy) = (self.options.placement_group.clone(), self.options.tenancy);
        if zone.is_none() && group.is_none() && tenancy.is_none() {
            return None;
        }
        let placement = Placement::builder()
            .set_availability_zone(zone)
            .set_group_name(group)
            .set_tenancy(tenancy.map(|tenancy| tenancy.as_str().into()));
        Some(placement.build())
    }
}

impl CreateLookups {
    async fn check_requested_zone(&self, client: &Client, spec: &InstanceSpec) -> Result<()> {
        let region = &spec.location.region;
        let Some(zone) = &spec.location.zone else { return Ok(()) };
        let key = (region.clone(), zone.clone());
        self.zones.get_or_look_up(key, check_zone(client, region, zone)).await
    }

    /// The type of the requested key pair; `None` if no key pair is requested by its name.
    async fn check_requested_key_pair(&self, client: &Client, spec: &InstanceSpec) -> Result<Option<KeyType>> {
        let Some(SshKey::Name(name)) = &spec.ssh_key else {
            return Ok(None);
        };
        let region = &spec.location.region;
        let look_up = key_pair::check_key_pair(client, region, name);
        let key_type = self.key_pairs.get_or_look_up((region.clone(), name.clone()), look_up);
        key_type.await.map(Some)
    }
}

/// Refuses a requested key that Windows does not support: the key encrypts the password, which takes RSA.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-key-pairs.html>
fn check_windows_key(spec: &InstanceSpec, image: &ResolvedImage, key_pair: Option<KeyType>) -> Result<()> {
    let is_no_rsa_key = match &spec.ssh_key {
        Some(SshKey::PublicKey(key)) => !key.trim_start().starts_with("ssh-rsa "),
        Some(SshKey::Name(_)) => key_pair == Some(KeyType::Ed25519),
        None => false,
    };
    if image.is_windows && is_no_rsa_key {
        return Err(Error::invalid(
            "ec2 takes only RSA keys for Windows, which encrypt the password, and this key is not an RSA key",
        )
        .with_hint("make one with `ssh-keygen -t rsa -m PEM`, and pass its .pub file with --ssh-key"));
    }
    Ok(())
}

/// The idempotency token of one generation of a name. It is the same in the whole region. EC2 keeps it apart for each
/// zone if the call names a zone or subnet, so it does not keep two zones from having one instance each.
///
/// <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html>
pub(crate) fn idempotency_token(spec: &InstanceSpec, generation: u32) -> String {
    IdempotencyToken::derive(ProviderKind::Aws, &spec.location.region, spec, generation).to_hex()
}

/// Checks a spec without a call.
fn check_spec(spec: &InstanceSpec) -> Result<()> {
    if let Some(members) = &spec.members
        && members.len() > MAX_INSTANCES_PER_CALL
    {
        return Err(Error::invalid(format!(
            "{} members are too many for one call: ec2 makes at most {MAX_INSTANCES_PER_CALL}",
            members.len()
        )));
    }
    spec.instance_names()?;
    if let Some(data) = &spec.user_data {
        check_size(ProviderKind::Aws, "user data", data.expose().len(), MAX_USER_DATA_BYTES)
            .map_err(|error| error.with_hint("compress it with gzip, or let a short script fetch the rest"))?;
    }
    if let Some(ttl) = spec.ttl {
        check_ttl(ProviderKind::Aws, ttl, MIN_TTL..=Duration::MAX)?;
    }
    if spec.spot && spec.protected {
        // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html
        return Err(
            Error::unsupported("a spot instance on ec2 cannot be protected against termination")
                .with_hint("leave out --spot or --protect"),
        );
    }
    if let Some(gib) = spec.disk_gib
        && (gib == 0 || i32::try_from(gib).is_err())
    {
        return Err(Error::invalid(format!("a disk of {gib} GiB cannot be made")));
    }
    if let Some(identity) = &spec.identity
        && (identity.is_empty() || (identity.starts_with("arn:") && !identity.contains(":instance-profile/")))
    {
        return Err(
            Error::invalid(format!("identity {} is not an instance profile", quoted(identity))).with_hint(
                "pass the name or ARN of an instance profile; to use a role, add it to an instance profile first",
            ),
        );
    }
    if let Some(SshKey::PublicKey(key)) = &spec.ssh_key {
        PublicKey::parse(key)?;
    }
    check_tags(spec)
}

fn parse_disk_type(name: Option<&str>) -> Result<VolumeType> {
    let Some(name) = name else {
        return Ok(VolumeType::Gp3);
    };
    let known = BOOT_DISK_TYPES.into_iter().find(|known| known.as_str() == name);
    known.ok_or_else(|| {
        let all = BOOT_DISK_TYPES.each_ref().map(VolumeType::as_str).join(", ");
        Error::invalid(format!("ec2 cannot boot from a disk of type {}", quoted(name)))
            .with_hint(format!("use one of {all}"))
    })
}

/// Options of a spot instance: one-time, and terminated when the capacity is reclaimed, because a stopped instance
/// would keep its name.
fn spot_options() -> InstanceMarketOptionsRequest {
    let options = SpotMarketOptions::builder()
        .spot_instance_type(SpotInstanceType::OneTime)
        .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate);
    InstanceMarketOptionsRequest::builder()
        .market_type(MarketType::Spot)
        .spot_options(options.build())
        .build()
}

#[cfg(test)]
mod tests {
    use crate::cloud::{ErrorKind, Location, Secret};

    use super::*;

    fn spec() -> InstanceSpec {
        InstanceSpec::new("web-1".parse().unwrap(), Location::in_region("us-east-1"))
    }

    fn refusal(change: impl FnOnce(&mut InstanceSpec)) -> Error {
        let mut spec = spec();
        change(&mut spec);
        check_spec(&spec).unwrap_err()
    }

    #[test]
    fn invalid_spec_is_refused_without_a_call() {
        check_spec(&spec()).unwrap();
        let long = refusal(|spec| spec.user_data = Some(Secret::new(vec![b'x'; MAX_USER_DATA_BYTES + 1])));
        assert!(long.message().contains("16385 bytes"));
        let both = refusal(|spec| (spec.spot, spec.protected) = (true, true));
        assert_eq!(both.kind(), ErrorKind::Unsupported);
        let short = refusal(|spec| spec.ttl = Some(Duration::from_secs(59)));
        assert!(short.message().contains("at least 1m"), "{}", short.message());
        refusal(|spec| spec.disk_gib = Some(0));
        refusal(|spec| spec.identity = Some("arn:aws:iam::123456789012:role/web".into()));
        refusal(|spec| drop(spec.labels.insert("k".repeat(129), "v".into())));
        refusal(|spec| drop(spec.labels.insert("k".into(), "v".repeat(257))));
        refusal(|spec| drop(spec.labels.insert("aws:x".into(), "v".into())));
        refusal(|spec| spec.labels = (0..46).map(|number| (format!("k{number}"), String::new())).collect());
        refusal(|spec| spec.ssh_key = Some(SshKey::PublicKey("ecdsa-sha2-nistp256 AAAA me@here".into())));
    }

    #[test]
    fn only_boot_disk_types_are_accepted() {
        assert_eq!(parse_disk_type(None).unwrap(), VolumeType::Gp3);
        assert_eq!(parse_disk_type(Some("io2")).unwrap(), VolumeType::Io2);
        for wrong in ["st1", "pd-ssd", ""] {
            assert!(parse_disk_type(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
