//! The settings of the clouds' own tools, and what cloudctl does with each. The drivers have tables of them: the
//! documentation is generated from these tables, and the tests try every row.

use super::SourcedValue;
use crate::cloud::{Error, Result};

/// One setting of a cloud's own tools.
#[derive(Clone, Copy, Debug)]
pub struct CloudToolSetting {
    /// Its topic.
    pub topic: Topic,
    /// Where it is set.
    pub place: SettingPlace,
    /// Its name: `AWS_PROFILE`, `role_arn`, `auth/impersonate_service_account`.
    pub name: &'static str,
    /// What cloudctl does with it.
    pub treatment: Treatment,
}

impl CloudToolSetting {
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

/// Writes a table of settings: for each topic its settings, one after the other.
macro_rules! cloud_tool_settings {
    ($($topic:ident { $($kind:ident $name:literal $treatment:ident $text:tt)* })*) => {
        &[$($($crate::settings::CloudToolSetting::$kind(
            $crate::settings::Topic::$topic,
            $name,
            $crate::settings::Treatment::$treatment($text),
        ),)*)*]
    };
}
pub(crate) use cloud_tool_settings;

/// The topic of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Credentials.
    Credentials,
    /// The account or project that calls go to, and that pays for them.
    Account,
    /// Region and zone.
    Location,
    /// Addresses of APIs, and the universe domain.
    Endpoint,
    /// Certificates and proxies.
    Network,
    /// Retries and time limits.
    Retries,
}

/// Where a setting is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingPlace {
    /// An environment variable.
    Variable,
    /// A key of a profile, in AWS's shared configuration and credentials files.
    AwsProfile,
    /// A property of gcloud: `section/key` in its configuration, and its variable `CLOUDSDK_SECTION_KEY`.
    GcloudProperty,
}

/// What cloudctl does with a setting. It ignores none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It works, with this effect.
    Honoured(&'static str),
    /// It ends cloudctl with exit code 2 before any call. The text says what to do instead.
    Refused(&'static str),
}

/// The value of a cloud's setting in this run, as `context show` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedSetting {
    /// The name of the setting: `aws.profile`, `gcp.project`.
    pub name: &'static str,
    /// The value; `None` if it is not set. Never a secret: for credentials it is their kind.
    pub value: Option<String>,
    /// Where it is set: `variable AWS_PROFILE`, `~/.aws/config:12, [profile work]`, `default`.
    pub source: String,
}

impl ResolvedSetting {
    /// Creates a setting from its value; without one it is `not set`.
    pub fn or_not_set(name: &'static str, sourced: Option<SourcedValue>) -> Self {
        Self::new(name, sourced, "not set")
    }

    /// Creates a setting that has a source also without a value.
    pub fn with_source(name: &'static str, value: Option<String>, source: impl Into<String>) -> Self {
        let source = source.into();
        Self { name, value, source }
    }

    /// Creates a setting from its value; `source_if_unset` is the source without a value.
    pub fn new(name: &'static str, sourced: Option<SourcedValue>, source_if_unset: &str) -> Self {
        let (value, source) = match sourced {
            Some(sourced) => (Some(sourced.value), sourced.source),
            None => (None, source_if_unset.to_owned()),
        };
        Self { name, value, source }
    }
}

/// Refuses settings that cloudctl does not support. `source_of` gives the source of a setting that is set.
///
/// # Errors
/// `InvalidSpec` that names the first such setting, where it is set, and what to do instead.
pub fn refuse_unsupported(
    settings: &[CloudToolSetting],
    source_of: impl Fn(&CloudToolSetting) -> Option<String>,
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
