//! From a spec to the request that makes it: everything is checked and resolved, nothing is changed.

use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, CreditSpecificationRequest, EbsBlockDevice, HibernationOptionsRequest, HttpTokensState,
    IamInstanceProfileSpecification, InstanceInterruptionBehavior, InstanceMarketOptionsRequest,
    InstanceMetadataOptionsRequest, InstanceMetadataTagsState, InstanceType, MarketType, Placement, ResourceType,
    RunInstancesMonitoringEnabled, ShutdownBehavior, SpotInstanceType, SpotMarketOptions, TagSpecification, VolumeType,
};
use aws_smithy_types::base64;
use futures_util::future;

use super::image::{self, Image};
use super::key_pair::{self, PublicKey};
use super::machine::Machine;
use super::network::{self, Network};
use super::options::{HttpTokens, Options, Tenancy};
use super::tags::{check_tags, ec2_tags, fit_metadata, tags};
use super::user_data::{USER_DATA_BYTES, with_timer};
use super::zones::check_zone;
use crate::cloud::{
    Error, IdempotencyToken, InstanceSpec, Plan, ProviderKind, Result, Secret, SshKey, format_duration,
};

/// The timer of an instance looks once a minute whether its time is over.
const SHORTEST_TTL: Duration = Duration::from_secs(60);
/// The volume types that can be booted from.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html>
const BOOT_DISK_TYPES: [VolumeType; 5] = [
    VolumeType::Gp3,
    VolumeType::Gp2,
    VolumeType::Io1,
    VolumeType::Io2,
    VolumeType::Standard,
];

/// A spec, resolved.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) machine: Machine,
    image: Image,
    network: Network,
    disk_type: VolumeType,
    options: Options,
    user_data: Option<Secret<Vec<u8>>>,
    /// Whether a timer in the instance ends it.
    timed: bool,
}

impl Request {
    /// Checks the spec by itself, then looks up what it names; makes no call before the spec makes sense.
    pub(super) async fn resolve(client: &Client, spec: &InstanceSpec) -> Result<Self> {
        let disk_type = disk_type(spec.disk_type.as_deref())?;
        let options = Options::read(&spec.native, &disk_type)?;
        check(spec)?;
        let region = &spec.place.region;
        let image = spec.image.as_deref();
        let machine_type = image::machine_type(client, region, spec.effective_type(), image).await?;
        let zone = async {
            match &spec.place.zone {
                Some(zone) => check_zone(client, region, zone).await,
                None => Ok(()),
            }
        };
        let key = async {
            match &spec.ssh_key {
                Some(SshKey::Name(name)) => key_pair::check(client, region, name).await,
                _ => Ok(()),
            }
        };
        let ((machine, image), network, (), ()) = future::try_join4(
            image::resolve(client, region, machine_type, image),
            network::resolve(client, spec, machine_type),
            zone,
            key,
        )
        .await?;
        if let (Some(asked), Some(least)) = (spec.disk_gib, image.disk_gib)
            && asked < least
        {
            return Err(Error::invalid(format!(
                "a disk of {asked} GiB is too small for image {}, which needs {least} GiB",
                image.name.as_ref().unwrap_or(&image.id)
            ))
            .with_remedy(format!("use --disk {least} or more, or leave it out")));
        }
        // On Windows nothing would run the timer.
        let ttl = spec.ttl.filter(|_| !image.is_windows);
        let own = spec.user_data.as_ref();
        Ok(Self {
            machine,
            image,
            network,
            disk_type,
            options,
            user_data: match ttl {
                Some(ttl) => Some(Secret::new(with_timer(ttl, own.map(|data| data.expose().as_slice()))?)),
                None => own.cloned(),
            },
            timed: ttl.is_some(),
        })
    }

    /// What creating it would make.
    pub(super) fn plan(&self, spec: &InstanceSpec) -> Plan {
        Plan {
            provider: ProviderKind::Aws,
            name: spec.name.clone(),
            place: spec.place.clone(),
            machine_type: self.machine.name.clone(),
            cpus: self.machine.cpus,
            memory_gib: self.machine.memory_gib,
            gpu: None,
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

    /// The call that makes it, but for its token and an imported key.
    pub(super) fn call(&self, client: &Client, spec: &InstanceSpec, generation: u32) -> RunInstancesFluentBuilder {
        let tags = tags(spec, generation);
        let sdk_tags = Some(ec2_tags(&tags));
        let tagged = |what| {
            TagSpecification::builder()
                .resource_type(what)
                .set_tags(sdk_tags.clone())
                .build()
        };
        // So that the timer sees when it is given more time. Where the tags do not fit, it goes by what it was born with,
        // and an account whose default is to show them must not spoil the launch.
        let shows_tags = self.timed.then(|| match fit_metadata(&tags) {
            true => InstanceMetadataTagsState::Enabled,
            false => InstanceMetadataTagsState::Disabled,
        });
        let mut call = client
            .run_instances()
            .min_count(1)
            .max_count(1)
            .image_id(&self.image.id)
            .instance_type(InstanceType::from(self.machine.name.as_str()))
            .block_device_mappings(self.boot_disk(spec))
            .metadata_options(self.metadata_options(shows_tags))
            .set_placement(self.placement(spec))
            .tag_specifications(tagged(ResourceType::Instance))
            .tag_specifications(tagged(ResourceType::Volume))
            .set_ebs_optimized(self.options.ebs_optimized);
        call = match self.network.interface() {
            // With an interface, subnet and groups must stand there and nowhere else.
            Some(interface) => call.network_interfaces(interface),
            None => call.set_security_group_ids((!self.network.groups.is_empty()).then(|| self.network.groups.clone())),
        };
        if let Some(SshKey::Name(name)) = &spec.ssh_key {
            call = call.key_name(name);
        }
        if let Some(data) = &self.user_data {
            call = call.user_data(base64::encode(data.expose()));
        }
        if self.timed {
            call = call.instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate);
        }
        if let Some(identity) = &spec.identity {
            let profile = IamInstanceProfileSpecification::builder();
            let profile = match identity.starts_with("arn:") {
                true => profile.arn(identity),
                false => profile.name(identity),
            };
            call = call.iam_instance_profile(profile.build());
        }
        if spec.protected {
            call = call.disable_api_termination(true);
        }
        if spec.spot {
            call = call.instance_market_options(spot());
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

    fn metadata_options(&self, shows_tags: Option<InstanceMetadataTagsState>) -> InstanceMetadataOptionsRequest {
        let tokens = match self.options.http_tokens.unwrap_or_default() {
            HttpTokens::Required => HttpTokensState::Required,
            HttpTokens::Optional => HttpTokensState::Optional,
        };
        InstanceMetadataOptionsRequest::builder()
            .http_tokens(tokens)
            .set_instance_metadata_tags(shows_tags)
            .build()
    }

    fn placement(&self, spec: &InstanceSpec) -> Option<Placement> {
        // A subnet is in one zone and decides it.
        let zone = spec.place.zone.clone().filter(|_| self.network.subnet.is_none());
        let (group, tenancy) = (self.options.placement_group.clone(), self.options.tenancy);
        (zone.is_some() || group.is_some() || tenancy.is_some()).then(|| {
            Placement::builder()
                .set_availability_zone(zone)
                .set_group_name(group)
                .set_tenancy(tenancy.map(Tenancy::as_str).map(Into::into))
                .build()
        })
    }
}

/// The token of one life of a name. It stands for the region: EC2 remembers it there, but apart for each zone when
/// the call names a zone or subnet, so that there it does not keep two zones from having one instance each.
///
/// <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html>
pub(super) fn token(spec: &InstanceSpec, generation: u32) -> String {
    IdempotencyToken::derive(ProviderKind::Aws, &spec.place.region, &spec.name, generation).to_hex()
}

/// What can be said of a spec without asking anyone.
fn check(spec: &InstanceSpec) -> Result<()> {
    if let Some(data) = &spec.user_data
        && data.expose().len() > USER_DATA_BYTES
    {
        let bytes = data.expose().len();
        return Err(Error::invalid(format!(
            "the user data has {bytes} bytes, and ec2 takes at most {USER_DATA_BYTES}"
        ))
        .with_remedy("compress it with gzip, or let a short script fetch the rest"));
    }
    if let Some(ttl) = spec.ttl.filter(|ttl| *ttl < SHORTEST_TTL) {
        let (asked, shortest) = (format_duration(ttl), format_duration(SHORTEST_TTL));
        return Err(Error::invalid(format!(
            "a TTL of {asked} is too short: on ec2 it is at least {shortest}"
        ))
        .with_remedy(format!("use --ttl {shortest} or more")));
    }
    if spec.spot && spec.protected {
        // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html
        return Err(
            Error::unsupported("a spot instance on ec2 cannot be protected against termination")
                .with_remedy("leave out --spot or --protect"),
        );
    }
    if spec.disk_gib == Some(0) || spec.disk_gib.is_some_and(|gib| i32::try_from(gib).is_err()) {
        let gib = spec.disk_gib.unwrap_or_default();
        return Err(Error::invalid(format!("a disk of {gib} GiB cannot be made")));
    }
    if let Some(identity) = &spec.identity
        && (identity.is_empty() || (identity.starts_with("arn:") && !identity.contains(":instance-profile/")))
    {
        return Err(
            Error::invalid(format!("identity {identity:?} is not an instance profile"))
                .with_remedy("give the name or ARN of an instance profile; a role is put into one first"),
        );
    }
    if let Some(SshKey::PublicKey(key)) = &spec.ssh_key {
        PublicKey::parse(key)?;
    }
    check_tags(spec)
}

fn disk_type(asked: Option<&str>) -> Result<VolumeType> {
    let Some(asked) = asked else {
        return Ok(VolumeType::Gp3);
    };
    let known = BOOT_DISK_TYPES.into_iter().find(|known| known.as_str() == asked);
    known.ok_or_else(|| {
        let all = BOOT_DISK_TYPES.each_ref().map(VolumeType::as_str).join(", ");
        Error::invalid(format!("ec2 cannot boot from a disk of type {asked:?}"))
            .with_remedy(format!("use one of {all}"))
    })
}

/// One-time, and ended when the capacity is taken back: what is stopped instead would keep its name.
fn spot() -> InstanceMarketOptionsRequest {
    let options = SpotMarketOptions::builder()
        .spot_instance_type(SpotInstanceType::OneTime)
        .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate);
    InstanceMarketOptionsRequest::builder()
        .market_type(MarketType::Spot)
        .spot_options(options.build())
        .build()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
