//! The `--native key=value` options of EC2: reads and checks them.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::VolumeType;
use serde::Deserialize;
use serde_json::Value;

use crate::cloud::{Error, ProviderKind, Result};
use crate::providers::common::native_options::{read_flag, read_options, read_whole_number};

/// The options that only EC2 has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Options {
    /// Whether the boot disk is encrypted; `true` by default.
    /// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption.html>
    #[serde(deserialize_with = "read_flag")]
    pub(super) encrypted: Option<bool>,
    /// The key that encrypts the boot disk: id, ARN or `alias/…`; by default the account's own.
    /// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption.html>
    pub(super) kms_key: Option<String>,
    /// I/O operations per second of the boot disk. io1 and io2 need it.
    /// <https://docs.aws.amazon.com/ebs/latest/userguide/provisioned-iops.html>
    #[serde(deserialize_with = "read_whole_number")]
    pub(super) iops: Option<i32>,
    /// Throughput of a gp3 boot disk in MiB/s.
    /// <https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html>
    #[serde(deserialize_with = "read_whole_number")]
    pub(super) throughput: Option<i32>,
    /// `required` (the default: IMDSv2 only) or `optional`.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html>
    pub(super) http_tokens: Option<HttpTokens>,
    /// The name of a placement group.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-groups.html>
    pub(super) placement_group: Option<String>,
    /// `default`, `dedicated` or `host`.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/dedicated-instance.html>
    pub(super) tenancy: Option<Tenancy>,
    /// `standard` or `unlimited`, for burstable types.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances-unlimited-mode.html>
    pub(super) cpu_credits: Option<CpuCredits>,
    /// Whether EBS optimization is turned on, for types that do not always have it.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ebs-optimized.html>
    #[serde(deserialize_with = "read_flag")]
    pub(super) ebs_optimized: Option<bool>,
    /// Whether metrics come each minute instead of every five minutes.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/manage-detailed-monitoring.html>
    #[serde(deserialize_with = "read_flag")]
    pub(super) monitoring: Option<bool>,
    /// Whether the instance can be hibernated.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Hibernate.html>
    #[serde(deserialize_with = "read_flag")]
    pub(super) hibernation: Option<bool>,
}

/// Whether the metadata service needs a session token.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum HttpTokens {
    #[default]
    Required,
    Optional,
}

/// Which other instances may run on the same hardware.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tenancy {
    Default,
    Dedicated,
    Host,
}

/// What a burstable type does when its credits are spent.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum CpuCredits {
    Standard,
    Unlimited,
}

impl Tenancy {
    /// EC2's word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Dedicated => "dedicated",
            Self::Host => "host",
        }
    }
}

impl CpuCredits {
    /// EC2's word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Unlimited => "unlimited",
        }
    }
}

impl Options {
    /// Reads the options. Refuses unknown keys, invalid values and combinations that exclude each other.
    pub(super) fn read(native: &BTreeMap<String, Value>, disk_type: &VolumeType) -> Result<Self> {
        let options: Self = read_options(ProviderKind::Aws, native)?;
        options.check(disk_type)?;
        Ok(options)
    }

    /// Whether the boot disk is encrypted.
    pub(super) fn encrypted(&self) -> bool {
        self.encrypted.unwrap_or(true)
    }

    fn check(&self, disk_type: &VolumeType) -> Result<()> {
        let disk = disk_type.as_str();
        let has_iops = matches!(disk_type, VolumeType::Gp3 | VolumeType::Io1 | VolumeType::Io2);
        if self.iops.is_some() && !has_iops {
            return Err(
                Error::invalid(format!("native option iops: disk type {disk} does not take it"))
                    .with_hint("use --disk-type gp3, io1 or io2"),
            );
        }
        if self.iops.is_none() && matches!(disk_type, VolumeType::Io1 | VolumeType::Io2) {
            return Err(Error::invalid(format!(
                "disk type {disk} requires a number of I/O operations per second"
            ))
            .with_hint("add --native iops=3000"));
        }
        if self.throughput.is_some() && *disk_type != VolumeType::Gp3 {
            return Err(
                Error::invalid(format!("native option throughput: disk type {disk} does not take it"))
                    .with_hint("use --disk-type gp3"),
            );
        }
        for (key, set) in [
            ("kms_key", self.kms_key.is_some()),
            ("hibernation", self.hibernation == Some(true)),
        ] {
            if set && !self.encrypted() {
                return Err(Error::invalid(format!(
                    "native option {key} needs an encrypted boot disk, but encrypted=false was given"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(native: Value, disk: VolumeType) -> Result<Options> {
        Options::read(&serde_json::from_value(native).unwrap(), &disk)
    }

    #[test]
    fn options_are_read_by_their_names() {
        let native = json!({ "encrypted": "false", "iops": "4000", "tenancy": "dedicated", "http_tokens": "optional" });
        let options = read(native, VolumeType::Gp3).unwrap();
        assert!(!options.encrypted());
        assert_eq!(options.iops, Some(4000));
        assert_eq!(options.tenancy, Some(Tenancy::Dedicated));
        assert_eq!(options.http_tokens, Some(HttpTokens::Optional));
        assert!(read(json!({}), VolumeType::Gp3).unwrap().encrypted());
    }

    #[test]
    fn contradicting_options_are_refused() {
        for (native, disk, words) in [
            (
                json!({ "tenancy": "alone" }),
                VolumeType::Gp3,
                "expected one of `default`, `dedicated`, `host`",
            ),
            (
                json!({ "iops": 3000 }),
                VolumeType::Gp2,
                "disk type gp2 does not take it",
            ),
            (json!({}), VolumeType::Io2, "requires a number of I/O operations"),
            (json!({ "throughput": 125, "iops": 100 }), VolumeType::Io1, "throughput"),
            (
                json!({ "kms_key": "alias/x", "encrypted": false }),
                VolumeType::Gp3,
                "kms_key needs an encrypted",
            ),
        ] {
            let error = read(native, disk).unwrap_err();
            assert!(error.message().contains(words), "{}", error.message());
        }
    }
}
