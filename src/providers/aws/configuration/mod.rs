//! AWS's own settings of this run: variables, then the profile in the shared files.
//!
//! They are read here and not by the SDK, so that each is checked before any call and named if it is wrong. Compute
//! Engine's settings come from gcloud's configuration and have no regions, proxies or retries of their own.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>

pub(super) mod aws_cli_settings;
pub(super) mod config_file_keys;
pub(super) mod endpoints;
pub(super) mod metadata_service;
pub(super) mod partition;
pub(super) mod profile_files;
pub(super) mod proxy_and_certificates;
pub(super) mod region_name_syntax;

use self::config_file_keys::PROFILE;
use self::profile_files::{ProfileFiles, Section};
use crate::cloud::{Error, ErrorKind, ProviderKind, Result, closest, quoted};
use crate::settings::{Environment, Settings, SourcedValue};

/// The variables that name a profile. The SDKs read the first, the AWS CLI reads both.
const PROFILE_VARIABLES: [&str; 2] = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];
const DEFAULT_PROFILE: &str = "default";

#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) name: String,
    /// What names the profile: `variable AWS_PROFILE`, `context work`, `default`.
    pub(super) source: String,
    /// Whether a context names the profile. Then the keys in the environment are not used.
    pub(super) is_from_context: bool,
}

/// The variables, the files and the profile of this run.
#[derive(Clone, Debug)]
pub(super) struct Configuration {
    pub(super) environment: Environment,
    pub(super) files: ProfileFiles,
    pub(super) profile: Profile,
}

impl Configuration {
    /// Reads the files and finds the profile.
    ///
    /// # Errors
    /// The errors of [`ProfileFiles::read`]; `Unauthenticated` if the named profile does not exist; `InvalidSpec` if
    /// two profiles are named.
    pub(super) fn read(settings: &Settings) -> Result<Self> {
        let environment = settings.environment.clone();
        let of_context = settings.cloud_setting(ProviderKind::Aws, PROFILE);
        let profile = match &of_context.value {
            Some(name) => Profile {
                name: name.clone(),
                source: of_context.source.to_string(),
                is_from_context: true,
            },
            None => find_profile(&environment)?,
        };
        let files = ProfileFiles::read(&environment)?;
        let configuration = Self {
            environment,
            files,
            profile,
        };
        let name = &configuration.profile.name;
        if !configuration.files.profiles.contains_key(name) && name != DEFAULT_PROFILE {
            return Err(configuration.unknown_profile_error(name, &configuration.profile.source));
        }
        Ok(configuration)
    }

    /// The error for a profile that is not in the files; `source` is what names it.
    pub(super) fn unknown_profile_error(&self, name: &str, source: &str) -> Error {
        let looked_in = match self.files.looked_in.is_empty() {
            true => "there is no home folder to look in".to_owned(),
            false => format!("it is neither in {}", self.files.looked_in.join(" nor in ")),
        };
        let shown = quoted(name);
        let message = format!("the AWS profile {shown}, which {source} names, does not exist: {looked_in}");
        let error = Error::new(ErrorKind::Unauthenticated, message);
        let is_meant =
            |(heading, _): &&(String, String)| heading == name || heading.strip_prefix("profile ") == Some(name);
        if let Some((_, place)) = self.files.misnamed.iter().find(is_meant) {
            return error.with_hint(format!("{place}: write the section's name as [profile {shown}]"));
        }
        let known = closest(name, self.files.profiles.keys().map(String::as_str), 4);
        match known.is_empty() {
            true => error.with_hint("make it with `aws configure --profile`, or name another"),
            false => {
                let known: Vec<_> = known.into_iter().map(quoted).collect();
                error.with_hint(format!("the nearest are {}", known.join(", ")))
            }
        }
    }

    /// The keys of the profile of this run.
    pub(super) fn section(&self) -> Option<&Section> {
        self.files.profiles.get(&self.profile.name)
    }

    /// A variable's value, without white space around it.
    pub(super) fn variable(&self, name: &str) -> Option<SourcedValue> {
        SourcedValue::from_variable(&self.environment, name)
    }

    /// A key of the profile of this run.
    pub(super) fn key(&self, name: &str) -> Option<SourcedValue> {
        self.section()?.get(name).map(|setting| {
            SourcedValue::new(
                setting.value.clone(),
                format!("{}, [{}]", setting.source, section_name(&self.profile.name)),
            )
        })
    }

    /// The variable's value; without it the key's.
    pub(super) fn setting(&self, variable: &str, key: &str) -> Option<SourcedValue> {
        self.variable(variable).or_else(|| self.key(key))
    }

    /// A setting whose value is true or false.
    ///
    /// # Errors
    /// `InvalidSpec` for any other value.
    pub(super) fn switch(&self, variable: &str, key: &str) -> Result<Option<(bool, SourcedValue)>> {
        let Some(setting) = self.setting(variable, key) else {
            return Ok(None);
        };
        match setting.value.to_ascii_lowercase().as_str() {
            "true" => Ok(Some((true, setting))),
            "false" => Ok(Some((false, setting))),
            _ => Err(invalid_value_error(&setting, key, "true or false")),
        }
    }

    /// The region that is set, with its source.
    ///
    /// # Errors
    /// `InvalidSpec` if it cannot be part of a host's name.
    pub(super) fn region(&self) -> Result<Option<SourcedValue>> {
        let region = self
            .variable("AWS_REGION")
            .or_else(|| self.variable("AWS_DEFAULT_REGION"))
            .or_else(|| self.key("region"));
        match region {
            Some(region) if !is_host_label(&region.value) => {
                Err(invalid_value_error(&region, "region", "a region such as us-east-1"))
            }
            region => Ok(region),
        }
    }
}

/// The name of a setting for messages: `AWS_REGION`, `~/.aws/config:2, [default]: region`.
pub(super) fn setting_name(setting: &SourcedValue, key: &str) -> String {
    match setting.variable_name() {
        Some(variable) => variable.to_owned(),
        None => format!("{}: {key}", setting.source),
    }
}

pub(super) fn invalid_value_error(setting: &SourcedValue, key: &str, expected: &str) -> Error {
    let name = setting_name(setting, key);
    Error::invalid(format!("{name} is {}, which is not {expected}", quoted(&setting.value)))
        .with_hint("correct it, or unset it")
}

/// Whether a text can be a part of a host name.
/// <https://www.rfc-editor.org/rfc/rfc1123#section-2.1>
pub(super) fn is_host_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A section's name as the configuration file has it.
pub(super) fn section_name(profile: &str) -> String {
    match profile {
        DEFAULT_PROFILE => DEFAULT_PROFILE.to_owned(),
        name if name.contains(char::is_whitespace) => format!("profile {}", quoted(name)),
        name => format!("profile {name}"),
    }
}

/// Finds the profile that the variables name. The AWS CLI reads the second variable first, the SDKs only the first.
/// Where both differ, it is unclear which account is meant.
fn find_profile(environment: &Environment) -> Result<Profile> {
    let named: Vec<(&str, &str)> = PROFILE_VARIABLES
        .into_iter()
        .filter_map(|variable| Some((variable, environment.get(variable)?)))
        .filter(|(_, name)| !name.trim().is_empty())
        .collect();
    match named[..] {
        [(_, one), (_, other)] if one != other => Err(Error::invalid(format!(
            "AWS_PROFILE is {} and AWS_DEFAULT_PROFILE is {}: the AWS SDKs take the first and the AWS CLI the second",
            quoted(one),
            quoted(other)
        ))
        .with_hint("unset one of them")),
        [(variable, name), ..] => Ok(Profile {
            name: name.to_owned(),
            source: format!("variable {variable}"),
            is_from_context: false,
        }),
        [] => Ok(Profile {
            name: DEFAULT_PROFILE.to_owned(),
            source: "default".to_owned(),
            is_from_context: false,
        }),
    }
}
