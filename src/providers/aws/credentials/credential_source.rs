//! Finds the source of the credentials, in the AWS CLI's order. No call is sent, so that `context show` can show the
//! source.
//!
//! <https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-authentication.html>

use std::fmt;

use http::Uri;

use crate::cloud::{Error, ErrorKind, Result, quoted};
use crate::providers::aws::configuration::endpoints::{check_single_sign_on, find_address_problem};
use crate::providers::aws::configuration::metadata_service::can_ask_metadata_service;
use crate::providers::aws::configuration::profile_files::Section;
use crate::providers::aws::configuration::{Configuration, invalid_value_error, is_host_label, section_name};
use crate::settings::{Settings, SourcedValue};

const NO_KEYS_HINT: &str = "sign in with `aws configure` or `aws sso login`, or set AWS_PROFILE";

#[derive(Clone, Debug)]
pub(crate) enum CredentialSource {
    Environment,
    Keys {
        profile: String,
        section: Section,
    },
    Role(Box<Role>),
    WebIdentity(WebIdentity),
    Sso {
        profile: String,
        account: SourcedValue,
        role: SourcedValue,
        start_url: SourcedValue,
        region: SourcedValue,
        session: Option<String>,
    },
    Process {
        profile: String,
        command: SourcedValue,
    },
    Container,
    InstanceMetadata,
}

/// A role that is assumed with the credentials of another source.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) profile: String,
    pub(crate) arn: SourcedValue,
    pub(crate) external_id: Option<String>,
    pub(crate) session_name: Option<String>,
    pub(crate) seconds: Option<i32>,
    pub(crate) mfa_serial: Option<SourcedValue>,
    pub(crate) source: CredentialSource,
}

/// A role that is assumed with a token in a file.
#[derive(Clone, Debug)]
pub(crate) struct WebIdentity {
    pub(crate) profile: Option<String>,
    pub(crate) arn: SourcedValue,
    pub(crate) token_file: SourcedValue,
    pub(crate) session_name: Option<String>,
}

/// Describes the source without a secret: `environment`, `profile "work": assume role …`.
impl fmt::Display for CredentialSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => formatter.write_str("environment"),
            Self::Keys { profile, .. } => write!(formatter, "profile {}: access key", quoted(profile)),
            Self::Role(role) => write!(
                formatter,
                "profile {}: assume role {} with {}",
                quoted(&role.profile),
                role.arn.value,
                role.source
            ),
            Self::WebIdentity(identity) => match &identity.profile {
                Some(profile) => write!(
                    formatter,
                    "profile {}: assume role {} with a web identity token",
                    quoted(profile),
                    identity.arn.value
                ),
                None => write!(
                    formatter,
                    "environment: assume role {} with a web identity token",
                    identity.arn.value
                ),
            },
            Self::Sso {
                profile, role, account, ..
            } => write!(
                formatter,
                "profile {}: single sign-on as {} in {}",
                quoted(profile),
                role.value,
                account.value
            ),
            Self::Process { profile, .. } => write!(formatter, "profile {}: credential_process", quoted(profile)),
            Self::Container => formatter.write_str("container"),
            Self::InstanceMetadata => formatter.write_str("instance metadata service"),
        }
    }
}

impl CredentialSource {
    /// Where the source is set, for `context show`.
    pub(crate) fn origin(&self, configuration: &Configuration) -> String {
        let key = |setting: &SourcedValue, profile: &str| format!("{}, [{}]", setting.source, section_name(profile));
        match self {
            Self::Environment => "variable AWS_ACCESS_KEY_ID".to_owned(),
            Self::Keys { profile, section } => match section.get("aws_access_key_id") {
                Some(setting) => key(setting, profile),
                None => section_name(profile),
            },
            Self::Role(role) => key(&role.arn, &role.profile),
            Self::WebIdentity(identity) => match &identity.profile {
                Some(profile) => key(&identity.token_file, profile),
                None => identity.token_file.source.clone(),
            },
            Self::Sso { profile, role, .. } => key(role, profile),
            Self::Process { profile, command } => key(command, profile),
            Self::Container => match configuration.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
                Some(setting) => setting.source,
                None => "variable AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(),
            },
            Self::InstanceMetadata => "this machine".to_owned(),
        }
    }

    /// Finds the source of this run.
    ///
    /// # Errors
    /// `Unauthenticated` if there is no source, or one that lacks a part; `InvalidSpec` for invalid values.
    pub(crate) fn from_configuration(configuration: &Configuration) -> Result<Self> {
        if let Some(source) = Self::find_named(configuration)? {
            return Ok(source);
        }
        if has_container(configuration)? {
            return Ok(Self::Container);
        }
        if can_ask_metadata_service(configuration)? {
            return Ok(Self::InstanceMetadata);
        }
        let profile = &configuration.profile;
        let places = &configuration.files.looked_in;
        let files = match places.is_empty() {
            true => String::new(),
            false => format!(" in {}", places.join(" or ")),
        };
        let message = format!(
            "no credentials were found: AWS_ACCESS_KEY_ID is not set, and the profile {} has none{files}",
            quoted(&profile.name)
        );
        Err(Error::new(ErrorKind::Unauthenticated, message).with_hint(NO_KEYS_HINT))
    }

    /// Finds the source that variables or the profile name; `None` if only the machine itself can give credentials.
    pub(crate) fn find_named(configuration: &Configuration) -> Result<Option<Self>> {
        let profile = &configuration.profile;
        if !profile.is_from_context {
            if configuration.variable("AWS_ACCESS_KEY_ID").is_some() {
                return Ok(Some(Self::Environment));
            }
            if configuration.variable("AWS_SECRET_ACCESS_KEY").is_some() && configuration.section().is_none() {
                return Err(Error::new(
                    ErrorKind::Unauthenticated,
                    "AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not",
                )
                .with_hint("set both"));
            }
        }
        // Only a role of the profile has priority over the token that variables name, as in the AWS CLI.
        if !configuration.profile.is_from_context
            && let Some(token_file) = configuration.variable("AWS_WEB_IDENTITY_TOKEN_FILE")
            && !configuration.section().is_some_and(assumes_role)
        {
            return from_environment_token(configuration, token_file).map(Some);
        }
        Self::from_profile(configuration, &profile.name, &mut Vec::new())
    }

    /// Finds the source that a profile names. `seen` are the profiles that led to it.
    fn from_profile(configuration: &Configuration, name: &str, seen: &mut Vec<String>) -> Result<Option<Self>> {
        let Some(section) = configuration.files.profiles.get(name) else {
            return Ok(None);
        };
        let profile = name.to_owned();
        if seen.contains(&profile) {
            // A role can be assumed with the keys in the same profile.
            return match section.get("aws_access_key_id") {
                Some(_) => Ok(Some(Self::from_keys(profile, section)?)),
                None => Err(Error::invalid(format!(
                    "the AWS profiles {} assume each other's roles in a circle",
                    seen.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
                ))
                .with_hint("name a source_profile that has credentials of its own")),
            };
        }
        if let Some(arn) = section.get("role_arn") {
            if let Some(token_file) = section.get("web_identity_token_file") {
                return Ok(Some(Self::WebIdentity(WebIdentity {
                    profile: Some(profile),
                    arn: arn.clone(),
                    token_file: token_file.clone(),
                    session_name: get_text(section, "role_session_name"),
                })));
            }
            seen.push(profile);
            return Self::from_role(configuration, name, section, arn, seen).map(Some);
        }
        const SSO: [&str; 4] = ["sso_session", "sso_start_url", "sso_account_id", "sso_role_name"];
        if section.has_any(&SSO) {
            return from_sso(configuration, name, section).map(Some);
        }
        if section.has_any(&["aws_access_key_id", "aws_secret_access_key"]) {
            return Ok(Some(Self::from_keys(profile, section)?));
        }
        let process = section.get("credential_process").cloned();
        Ok(process.map(|command| Self::Process { profile, command }))
    }

    fn from_keys(profile: String, section: &Section) -> Result<Self> {
        for (key, other) in [
            ("aws_access_key_id", "aws_secret_access_key"),
            ("aws_secret_access_key", "aws_access_key_id"),
        ] {
            if let (Some(setting), None) = (section.get(key), section.get(other)) {
                let message = format!("{}: {key} is set, and {other} is not", setting.source);
                return Err(Error::new(ErrorKind::Unauthenticated, message)
                    .with_hint(format!("add {other} to the profile {}", quoted(&profile))));
            }
        }
        Ok(Self::Keys {
            profile,
            section: section.clone(),
        })
    }

    fn from_role(
        configuration: &Configuration,
        name: &str,
        section: &Section,
        arn: &SourcedValue,
        seen: &mut Vec<String>,
    ) -> Result<Self> {
        Ok(Self::Role(Box::new(Role {
            profile: name.to_owned(),
            arn: arn.clone(),
            external_id: get_text(section, "external_id"),
            session_name: get_text(section, "role_session_name"),
            seconds: read_role_seconds(section)?,
            mfa_serial: section.get("mfa_serial").cloned(),
            source: Self::find_role_source(configuration, name, section, arn, seen)?,
        })))
    }

    /// Finds the source of the credentials that assume the role of a profile.
    fn find_role_source(
        configuration: &Configuration,
        name: &str,
        section: &Section,
        arn: &SourcedValue,
        seen: &mut Vec<String>,
    ) -> Result<Self> {
        match (section.get("source_profile"), section.get("credential_source")) {
            (Some(source), Some(other)) => {
                let message = format!(
                    "{} and {}: both source_profile and credential_source are set",
                    source.source, other.source
                );
                Err(Error::invalid(message).with_hint("remove one of them"))
            }
            (None, None) => {
                let message = format!(
                    "{}: the profile {} has a role, and no source of credentials for it",
                    arn.source,
                    quoted(name)
                );
                Err(Error::new(ErrorKind::Unauthenticated, message)
                    .with_hint("add source_profile, credential_source or web_identity_token_file"))
            }
            (Some(source), None) => {
                if !configuration.files.profiles.contains_key(&source.value) {
                    return Err(configuration
                        .unknown_profile_error(&source.value, &format!("{}, source_profile,", source.source)));
                }
                Self::from_profile(configuration, &source.value, seen)?.ok_or_else(|| {
                    let message = format!(
                        "the AWS profile {}, which {} names as source_profile, has no credentials",
                        quoted(&source.value),
                        source.source
                    );
                    Error::new(ErrorKind::Unauthenticated, message).with_hint(NO_KEYS_HINT)
                })
            }
            (None, Some(source)) => match source.value.to_ascii_lowercase().as_str() {
                "environment" => Ok(Self::Environment),
                "ec2instancemetadata" => Ok(Self::InstanceMetadata),
                "ecscontainer" => Ok(Self::Container),
                _ => {
                    let sources = "one of Environment, Ec2InstanceMetadata and EcsContainer";
                    Err(invalid_value_error(source, "credential_source", sources))
                }
            },
        }
    }
}

/// Whether credentials are found where AWS's tools keep them; sends no call. Invalid settings count as found: the
/// call that uses them reports the error.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
pub(crate) fn has_credentials(settings: &Settings) -> bool {
    has_credential_source(settings).unwrap_or(true)
}

fn has_credential_source(settings: &Settings) -> Result<bool> {
    let configuration = Configuration::read(settings)?;
    let is_named = CredentialSource::find_named(&configuration)?.is_some();
    Ok(is_named || has_container(&configuration)? || can_ask_metadata_service(&configuration)?)
}

/// Whether the container gives credentials. Its address is checked.
pub(crate) fn has_container(configuration: &Configuration) -> Result<bool> {
    const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
    let relative = configuration.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let full = configuration.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let is_set = relative.is_some() || full.is_some();
    // The SDK reads these variables itself and keeps white space around them.
    for name in [
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        TOKEN,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ] {
        let is_invalid = |value: &str| value.trim() != value || value.contains(char::is_control);
        if is_set && configuration.environment.get(name).is_some_and(is_invalid) {
            let message = format!("{name} has white space around it, or characters that do not belong there");
            return Err(
                Error::new(ErrorKind::Unauthenticated, message).with_hint(format!("correct {name}, or unset it"))
            );
        }
    }
    if let Some(setting) = &relative {
        let is_path =
            setting.value.starts_with('/') && setting.value.parse::<Uri>().is_ok_and(|uri| uri.authority().is_none());
        if !is_path {
            return Err(invalid_value_error(setting, "", "a path such as /v2/credentials/…"));
        }
    } else if let Some(setting) = &full {
        let address = setting.value.split(['?', '#']).next().unwrap_or_default();
        if find_address_problem(address).is_some() || setting.value.parse::<Uri>().is_err() {
            return Err(invalid_value_error(
                setting,
                "",
                "an address such as http://169.254.170.23/v1/credentials",
            ));
        }
    }
    Ok(is_set)
}

/// How long a role is assumed, if the profile says it.
fn read_role_seconds(section: &Section) -> Result<Option<i32>> {
    const KEY: &str = "duration_seconds";
    let Some(setting) = section.get(KEY) else {
        return Ok(None);
    };
    match setting.value.parse() {
        Ok(seconds) if (900..=43_200).contains(&seconds) => Ok(Some(seconds)),
        _ => Err(invalid_value_error(
            setting,
            KEY,
            "a number of seconds from 900 to 43200",
        )),
    }
}

fn get_text(section: &Section, key: &str) -> Option<String> {
    section.get(key).map(|setting| setting.value.clone())
}

/// Whether a profile says which credentials assume its role.
fn assumes_role(section: &Section) -> bool {
    section.has_any(&["role_arn"])
        && section.has_any(&["source_profile", "credential_source"])
        && !section.has_any(&["web_identity_token_file"])
}

fn from_environment_token(configuration: &Configuration, token_file: SourcedValue) -> Result<CredentialSource> {
    let Some(arn) = configuration.setting("AWS_ROLE_ARN", "role_arn") else {
        let message = "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not";
        return Err(Error::new(ErrorKind::Unauthenticated, message).with_hint("set AWS_ROLE_ARN to the role to assume"));
    };
    Ok(CredentialSource::WebIdentity(WebIdentity {
        profile: None,
        token_file,
        arn,
        session_name: configuration
            .setting("AWS_ROLE_SESSION_NAME", "role_session_name")
            .map(|setting| setting.value),
    }))
}

fn find_sso_session<'a>(configuration: &'a Configuration, session: &SourcedValue) -> Result<&'a Section> {
    configuration.files.sso_sessions.get(&session.value).ok_or_else(|| {
        let name = quoted(&session.value);
        let message = format!("{}: the section [sso-session {name}] does not exist", session.source);
        Error::new(ErrorKind::Unauthenticated, message).with_hint("make it with `aws configure sso`")
    })
}

fn from_sso(configuration: &Configuration, name: &str, section: &Section) -> Result<CredentialSource> {
    let session = section.get("sso_session");
    let session_section = match session {
        Some(session) => Some(find_sso_session(configuration, session)?),
        None => None,
    };
    let get_required = |key: &str| {
        let in_session = session_section.and_then(|session_section| session_section.get(key));
        in_session.or_else(|| section.get(key)).cloned().ok_or_else(|| {
            let message = format!("the AWS profile {} signs in with SSO, and lacks {key}", quoted(name));
            Error::new(ErrorKind::Unauthenticated, message).with_hint("complete it with `aws configure sso`")
        })
    };
    let region = get_required("sso_region")?;
    if !is_host_label(&region.value) {
        return Err(invalid_value_error(&region, "sso_region", "a region such as us-east-1"));
    }
    check_single_sign_on(configuration)?;
    Ok(CredentialSource::Sso {
        profile: name.to_owned(),
        account: get_required("sso_account_id")?,
        role: get_required("sso_role_name")?,
        start_url: get_required("sso_start_url")?,
        region,
        session: session.map(|setting| setting.value.clone()),
    })
}
