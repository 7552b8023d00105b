//! The settings of the clouds' own tools: what cloudctl does with each. The documentation is made from the drivers'
//! tables of them, and the tests try every row.

use super::Located;
use crate::cloud::{Error, Result};

/// One setting of a vendor's own tools.
#[derive(Clone, Copy, Debug)]
pub struct VendorSetting {
    /// What it is about.
    pub topic: Topic,
    /// Where it is written.
    pub place: SettingPlace,
    /// Its name there: `AWS_PROFILE`, `role_arn`, `auth/impersonate_service_account`.
    pub name: &'static str,
    /// What cloudctl does with it.
    pub treatment: Treatment,
}

impl VendorSetting {
    /// An environment variable.
    pub const fn variable(topic: Topic, name: &'static str, treatment: Treatment) -> Self {
        Self {
            topic,
            place: SettingPlace::Variable,
            name,
            treatment,
        }
    }

    /// A key of a profile of AWS.
    pub const fn key(topic: Topic, name: &'static str, treatment: Treatment) -> Self {
        Self {
            place: SettingPlace::AwsProfile,
            ..Self::variable(topic, name, treatment)
        }
    }

    /// A property of gcloud: `section/key`.
    pub const fn property(topic: Topic, name: &'static str, treatment: Treatment) -> Self {
        Self {
            place: SettingPlace::GcloudProperty,
            ..Self::variable(topic, name, treatment)
        }
    }
}

/// What a setting is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Who signs.
    Credentials,
    /// The account or project that calls go to, and who pays for them.
    Account,
    /// Region and zone.
    Location,
    /// Addresses of APIs, and the universe they are in.
    Endpoint,
    /// Certificates and proxies.
    Network,
    /// Retries and time limits.
    Retries,
}

/// Where a setting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingPlace {
    /// An environment variable.
    Variable,
    /// A key of a profile, in AWS's shared configuration and credentials files.
    AwsProfile,
    /// A property of gcloud: `section/key` in its configuration, and its variable `CLOUDSDK_SECTION_KEY`.
    GcloudProperty,
}

/// What cloudctl does with a setting. There is no third way: none is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It has this effect.
    Honoured(&'static str),
    /// With it cloudctl ends with exit code 2 before any call; this is what to do instead.
    Refused(&'static str),
}

/// A value of a vendor's setting that holds in this run, as `context show` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedSetting {
    /// What it sets: `aws.profile`, `gcp.project`.
    pub name: &'static str,
    /// The value; `None` if nothing sets it. Never a secret: of credentials only their kind is named.
    pub value: Option<String>,
    /// Where it came from: `variable AWS_PROFILE`, `~/.aws/config:12, [profile work]`, `default`.
    pub source: String,
}

impl ResolvedSetting {
    /// The setting with this value; `otherwise` is the source where there is none.
    pub fn from_located(name: &'static str, located: Option<Located>, otherwise: &str) -> Self {
        match located {
            Some(Located { value, source }) => Self {
                name,
                value: Some(value),
                source,
            },
            None => Self {
                name,
                value: None,
                source: otherwise.to_owned(),
            },
        }
    }
}

/// Refuses settings that cannot be honoured. `source_of` says where a setting is set, if it is.
///
/// # Errors
/// `InvalidSpec` that names the first such setting, where it is set, and what to do instead.
pub fn refuse_unsupported(
    settings: &[VendorSetting],
    source_of: impl Fn(&VendorSetting) -> Option<String>,
) -> Result<()> {
    for setting in settings {
        let Treatment::Refused(instead) = setting.treatment else {
            continue;
        };
        if let Some(source) = source_of(setting) {
            return Err(Error::invalid(format!("{source} is set, which cloudctl does not support")).with_hint(instead));
        }
    }
    Ok(())
}
