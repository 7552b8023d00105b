//! The RunInstances call of a resolved request.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, CreditSpecificationRequest, EbsBlockDevice, HibernationOptionsRequest, HttpTokensState,
    IamInstanceProfileSpecification, InstanceInterruptionBehavior, InstanceMarketOptionsRequest,
    InstanceMetadataOptionsRequest, InstanceMetadataTagsState, InstanceType, MarketType, Placement, ResourceType,
    RunInstancesMonitoringEnabled, ShutdownBehavior, SpotInstanceType, SpotMarketOptions, TagSpecification,
};
use aws_smithy_types::base64;

use super::key_pair;
use super::request::Request;
use crate::cloud::{InstanceSpec, Members};
use crate::providers::aws::native_options::{HttpTokens, Tenancy};
use crate::providers::aws::tags::{ec2_tags, fit_metadata, tags};

impl Request {
    /// The call that makes it, but for its token and an imported key. `groups` are the security groups.
    pub(crate) fn call(
        &self,
        client: &Client,
        spec: &InstanceSpec,
        groups: &[String],
        generation: u32,
    ) -> RunInstancesFluentBuilder {
        let count = spec.members.as_ref().map_or(1, Members::count);
        let count = i32::try_from(count).unwrap_or(i32::MAX);
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
            // All of them or none.
            .min_count(count)
            .max_count(count)
            .image_id(&self.image.id)
            .instance_type(InstanceType::from(self.machine.name.as_str()))
            .block_device_mappings(self.boot_disk(spec))
            .metadata_options(self.metadata_options(shows_tags))
            .set_placement(self.placement(spec))
            .tag_specifications(tagged(ResourceType::Instance))
            .tag_specifications(tagged(ResourceType::Volume))
            .set_ebs_optimized(self.options.ebs_optimized);
        call = match self.network.interface(groups) {
            // With an interface, subnet and groups must stand there and nowhere else.
            Some(interface) => call.network_interfaces(interface),
            None => call.set_security_group_ids((!groups.is_empty()).then(|| groups.to_vec())),
        };
        call = call.set_key_name(key_pair::named(spec));
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
