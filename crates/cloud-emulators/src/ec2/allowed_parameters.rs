//! Which parameters each action takes. `N` stands for a list's number, `=int` and `=bool` for a type.
//!
//! The names are those that botocore's service model of API version 2016-11-15 sends. `REAL_ONLY` holds
//! what the real service takes and the emulator does not do; it is refused as such, never ignored.

use std::collections::HashSet;

use super::errors::{Answer, Refusal};
use super::query_protocol::Pairs;

pub const ACTIONS: &[(&str, &str)] = &[
    (
        "RunInstances",
        "ImageId InstanceType MinCount=int MaxCount=int KeyName SecurityGroupId.N SecurityGroup.N SubnetId UserData \
         ClientToken Placement.AvailabilityZone Placement.Tenancy Monitoring.Enabled=bool EbsOptimized=bool \
         DisableApiTermination=bool DisableApiStop=bool InstanceInitiatedShutdownBehavior \
         BlockDeviceMapping.N.DeviceName BlockDeviceMapping.N.NoDevice BlockDeviceMapping.N.Ebs.VolumeSize=int \
         BlockDeviceMapping.N.Ebs.VolumeType BlockDeviceMapping.N.Ebs.Iops=int BlockDeviceMapping.N.Ebs.Throughput=int \
         BlockDeviceMapping.N.Ebs.Encrypted=bool BlockDeviceMapping.N.Ebs.KmsKeyId BlockDeviceMapping.N.Ebs.SnapshotId \
         BlockDeviceMapping.N.Ebs.DeleteOnTermination=bool NetworkInterface.N.DeviceIndex=int \
         NetworkInterface.N.SubnetId NetworkInterface.N.AssociatePublicIpAddress=bool \
         NetworkInterface.N.SecurityGroupId.N NetworkInterface.N.DeleteOnTermination=bool \
         NetworkInterface.N.Description IamInstanceProfile.Arn IamInstanceProfile.Name \
         InstanceMarketOptions.MarketType InstanceMarketOptions.SpotOptions.MaxPrice \
         InstanceMarketOptions.SpotOptions.SpotInstanceType \
         InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior CreditSpecification.CpuCredits \
         MetadataOptions.HttpTokens MetadataOptions.HttpPutResponseHopLimit=int MetadataOptions.HttpEndpoint \
         MetadataOptions.HttpProtocolIpv6 MetadataOptions.InstanceMetadataTags \
         TagSpecification.N.ResourceType TagSpecification.N.Tag.N.Key TagSpecification.N.Tag.N.Value",
    ),
    (
        "DescribeInstances",
        "InstanceId.N Filter.N.Name Filter.N.Value.N NextToken MaxResults=int",
    ),
    ("TerminateInstances", "InstanceId.N Force=bool SkipOsShutdown=bool"),
    ("StartInstances", "InstanceId.N AdditionalInfo"),
    (
        "StopInstances",
        "InstanceId.N Hibernate=bool SkipOsShutdown=bool Force=bool",
    ),
    ("RebootInstances", "InstanceId.N"),
    ("GetConsoleOutput", "InstanceId Latest=bool"),
    (
        "DescribeRegions",
        "RegionName.N AllRegions=bool Filter.N.Name Filter.N.Value.N",
    ),
    (
        "DescribeAvailabilityZones",
        "ZoneName.N ZoneId.N AllAvailabilityZones=bool Filter.N.Name Filter.N.Value.N",
    ),
    (
        "DescribeImages",
        "ExecutableBy.N ImageId.N Owner.N IncludeDeprecated=bool IncludeDisabled=bool MaxResults=int NextToken \
         Filter.N.Name Filter.N.Value.N",
    ),
    (
        "DescribeInstanceTypes",
        "InstanceType.N Filter.N.Name Filter.N.Value.N MaxResults=int NextToken",
    ),
    (
        "DescribeInstanceTypeOfferings",
        "LocationType Filter.N.Name Filter.N.Value.N MaxResults=int NextToken",
    ),
    (
        "DescribeSpotPriceHistory",
        "InstanceType.N ProductDescription.N StartTime EndTime AvailabilityZone Filter.N.Name Filter.N.Value.N \
         MaxResults=int NextToken",
    ),
    ("CreateTags", "ResourceId.N Tag.N.Key Tag.N.Value"),
    ("DeleteTags", "ResourceId.N Tag.N.Key Tag.N.Value"),
    (
        "DescribeTags",
        "Filter.N.Name Filter.N.Value.N MaxResults=int NextToken",
    ),
    (
        "DescribeVolumes",
        "VolumeId.N Filter.N.Name Filter.N.Value.N NextToken MaxResults=int",
    ),
    (
        "DescribeKeyPairs",
        "KeyName.N KeyPairId.N IncludePublicKey=bool Filter.N.Name Filter.N.Value.N",
    ),
    (
        "ImportKeyPair",
        "KeyName PublicKeyMaterial TagSpecification.N.ResourceType TagSpecification.N.Tag.N.Key \
         TagSpecification.N.Tag.N.Value",
    ),
    ("DeleteKeyPair", "KeyName KeyPairId"),
    (
        "DescribeVpcs",
        "Filter.N.Name Filter.N.Value.N VpcId.N NextToken MaxResults=int",
    ),
    (
        "DescribeSubnets",
        "Filter.N.Name Filter.N.Value.N SubnetId.N NextToken MaxResults=int",
    ),
    (
        "DescribeSecurityGroups",
        "GroupId.N GroupName.N NextToken MaxResults=int Filter.N.Name Filter.N.Value.N",
    ),
    (
        "CreateSecurityGroup",
        "GroupDescription GroupName VpcId TagSpecification.N.ResourceType TagSpecification.N.Tag.N.Key \
         TagSpecification.N.Tag.N.Value",
    ),
    (
        "AuthorizeSecurityGroupIngress",
        "CidrIp FromPort=int ToPort=int IpProtocol GroupId GroupName IpPermissions.N.IpProtocol \
         IpPermissions.N.FromPort=int IpPermissions.N.ToPort=int IpPermissions.N.IpRanges.N.CidrIp \
         IpPermissions.N.IpRanges.N.Description IpPermissions.N.Ipv6Ranges.N.CidrIpv6 \
         IpPermissions.N.Ipv6Ranges.N.Description",
    ),
    ("DeleteSecurityGroup", "GroupId GroupName"),
    ("DescribeInstanceAttribute", "InstanceId Attribute"),
    (
        "ModifyInstanceAttribute",
        "InstanceId Attribute Value DisableApiTermination.Value=bool DisableApiStop.Value=bool InstanceType.Value \
         InstanceInitiatedShutdownBehavior.Value UserData.Value SourceDestCheck.Value=bool EbsOptimized.Value=bool \
         GroupId.N BlockDeviceMapping.N.DeviceName BlockDeviceMapping.N.Ebs.DeleteOnTermination=bool \
         BlockDeviceMapping.N.Ebs.VolumeId",
    ),
    (
        "ModifyInstanceMetadataOptions",
        "InstanceId HttpTokens HttpPutResponseHopLimit=int HttpEndpoint HttpProtocolIpv6 InstanceMetadataTags",
    ),
    (
        "DescribeInstanceStatus",
        "InstanceId.N MaxResults=int NextToken Filter.N.Name Filter.N.Value.N IncludeAllInstances=bool",
    ),
    ("DescribeAccountAttributes", "AttributeName.N"),
];

/// Beginnings of names that the real service knows.
const REAL_ONLY: &[(&str, &str)] = &[
    (
        "RunInstances",
        "Ipv6AddressCount Ipv6Address. KernelId RamdiskId Placement. ElasticGpuSpecification. \
         ElasticInferenceAccelerator. LaunchTemplate. InstanceMarketOptions.SpotOptions. CpuOptions. \
         CapacityReservationSpecification. HibernationOptions. LicenseSpecification. EnclaveOptions. \
         PrivateDnsNameOptions. MaintenanceOptions. EnablePrimaryIpv6 NetworkPerformanceOptions. Operator. \
         SecondaryInterface. PrivateIpAddress AdditionalInfo NetworkInterface. BlockDeviceMapping.",
    ),
    ("DescribeInstances", "IncludeManagedResources"),
    ("DescribeInstanceStatus", "IncludeManagedResources"),
    ("DescribeVolumes", "IncludeManagedResources"),
    ("DescribeInstanceTypes", "IncludeUnsupportedInRegion"),
    ("DescribeSpotPriceHistory", "AvailabilityZoneId"),
    (
        "AuthorizeSecurityGroupIngress",
        "IpPermissions. SourceSecurityGroup TagSpecification.",
    ),
    (
        "ModifyInstanceAttribute",
        "Kernel. Ramdisk. SriovNetSupport. EnaSupport. BlockDeviceMapping.",
    ),
];

/// Refuses unknown actions, unknown parameters, repeated ones and values of the wrong type.
pub fn check(action: &str, pairs: &Pairs) -> Answer<()> {
    let Some((_, known)) = ACTIONS.iter().find(|(name, _)| *name == action) else {
        return Err(Refusal::new(
            "InvalidAction",
            format!("The action {action} is not valid for this web service."),
        ));
    };
    let mut seen = HashSet::new();
    for (name, value) in pairs {
        if !seen.insert(name) {
            return Err(Refusal::new(
                "MalformedQueryString",
                format!("The parameter {name} appears more than once"),
            ));
        }
        let pattern = pattern_of(name);
        let found = ["Action", "Version", "DryRun=bool"]
            .into_iter()
            .chain(known.split_whitespace())
            .map(|entry| entry.split_once('=').unwrap_or((entry, "")))
            // An empty list may be sent as its bare name.
            .find(|(known, _)| *known == pattern || (value.is_empty() && known.strip_suffix(".N") == Some(&pattern)));
        match found {
            None => return Err(unknown(action, name)),
            Some((_, "int")) if value.parse::<i32>().is_err() => {
                return Err(Refusal::value(format!(
                    "Value ({value}) for parameter {name} is invalid. Expecting an integer"
                )));
            }
            Some((_, "bool")) if !is_boolean(value) => {
                return Err(Refusal::value(format!(
                    "Value ({value}) for parameter {name} is invalid. Expecting a boolean"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn is_boolean(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
}

fn unknown(action: &str, name: &str) -> Refusal {
    let real = REAL_ONLY
        .iter()
        .filter(|(known, _)| *known == action)
        .flat_map(|(_, names)| names.split_whitespace())
        .any(|beginning| name.starts_with(beginning));
    if real {
        return Refusal::not_emulated(&format!("the parameter {name} of {action}"));
    }
    Refusal::new("UnknownParameter", format!("The parameter {name} is not recognized"))
}

/// `Filter.12.Name` as `Filter.N.Name`.
fn pattern_of(name: &str) -> String {
    name.split('.')
        .map(|part| {
            let number = part.parse::<u32>().is_ok_and(|number| number > 0);
            if number && !part.starts_with('+') { "N" } else { part }
        })
        .collect::<Vec<_>>()
        .join(".")
}
