//! Where credentials come from, in the AWS CLI's order: found without a call, so that `context show` can tell it.
//!
//! <https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-authentication.html>

use std::fmt;

use http::Uri;

use super::client::on_ec2;
use super::configuration::{Configuration, is_host_label, section_name, wrong};
use super::endpoints::{address_problem, check_single_sign_on};
use super::profile_files::{Section, Value, shown_name};
use crate::cloud::{Error, ErrorKind, Result};

const NO_KEYS_REMEDY: &str = "sign in with `aws configure` or `aws sso login`, or set AWS_PROFILE";

/// One source of credentials.
#[derive(Clone, Debug)]
pub(super) enum CredentialSource {
    Environment,
    Keys {
        profile: String,
        section: Section,
    },
    Role(Box<Role>),
    WebIdentity(WebIdentity),
    Sso {
        profile: String,
        account: Value,
        role: Value,
        start_url: Value,
        region: Value,
        session: Option<String>,
    },
    Process {
        profile: String,
        command: Value,
    },
    Container,
    InstanceMetadata,
}

/// A role that is assumed with the credentials of another source.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) profile: String,
    pub(super) arn: Value,
    pub(super) external_id: Option<String>,
    pub(super) session_name: Option<String>,
    pub(super) seconds: Option<i32>,
    pub(super) mfa_serial: Option<Value>,
    pub(super) source: CredentialSource,
}

/// A role that is assumed with a token in a file.
#[derive(Clone, Debug)]
pub(super) struct WebIdentity {
    pub(super) profile: Option<String>,
    pub(super) arn: Value,
    pub(super) token_file: Value,
    pub(super) session_name: Option<String>,
}

/// In words, without a secret: `environment`, `profile "work": assume role …`.
impl fmt::Display for CredentialSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => formatter.write_str("environment"),
            Self::Keys { profile, .. } => write!(formatter, "profile {}: access key", shown_name(profile)),
            Self::Role(role) => write!(
                formatter,
                "profile {}: assume role {} with {}",
                shown_name(&role.profile),
                role.arn.text,
                role.source
            ),
            Self::WebIdentity(identity) => match &identity.profile {
                Some(profile) => write!(
                    formatter,
                    "profile {}: assume role {} with a web identity token",
                    shown_name(profile),
                    identity.arn.text
                ),
                None => write!(
                    formatter,
                    "environment: assume role {} with a web identity token",
                    identity.arn.text
                ),
            },
            Self::Sso {
                profile, role, account, ..
            } => write!(
                formatter,
                "profile {}: single sign-on as {} in {}",
                shown_name(profile),
                role.text,
                account.text
            ),
            Self::Process { profile, .. } => write!(formatter, "profile {}: credential_process", shown_name(profile)),
            Self::Container => formatter.write_str("container"),
            Self::InstanceMetadata => formatter.write_str("instance metadata service"),
        }
    }
}

impl CredentialSource {
    /// Where it is set, for `context show`.
    pub(super) fn place(&self, configuration: &Configuration) -> String {
        let key = |value: &Value, profile: &str| format!("{}, [{}]", value.source, section_name(profile));
        match self {
            Self::Environment => "variable AWS_ACCESS_KEY_ID".to_owned(),
            Self::Keys { profile, section } => match section.get("aws_access_key_id") {
                Some(value) => key(value, profile),
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
                Some(value) => value.source,
                None => "variable AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(),
            },
            Self::InstanceMetadata => "this machine".to_owned(),
        }
    }

    /// The source that holds in this run.
    ///
    /// # Errors
    /// `Unauthenticated` if there is none, or one that lacks a part; `InvalidSpec` for values that make no sense.
    pub(super) fn of(configuration: &Configuration) -> Result<Self> {
        if let Some(source) = Self::named(configuration)? {
            return Ok(source);
        }
        if is_container(configuration)? {
            return Ok(Self::Container);
        }
        if metadata_may_be_asked(configuration)? {
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
            shown_name(&profile.name)
        );
        Err(Error::new(ErrorKind::Unauthenticated, message).with_remedy(NO_KEYS_REMEDY))
    }

    /// The source that variables or the profile name; nothing if only the machine itself is left to ask.
    pub(super) fn named(configuration: &Configuration) -> Result<Option<Self>> {
        let profile = &configuration.profile;
        if !profile.is_of_context {
            if configuration.variable("AWS_ACCESS_KEY_ID").is_some() {
                return Ok(Some(Self::Environment));
            }
            if configuration.variable("AWS_SECRET_ACCESS_KEY").is_some() && configuration.section().is_none() {
                return Err(Error::new(
                    ErrorKind::Unauthenticated,
                    "AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not",
                )
                .with_remedy("set both"));
            }
        }
        let is_role =
            |section: &&Section| section.get("role_arn").is_some() && section.get("web_identity_token_file").is_none();
        if configuration.section().filter(is_role).is_some() && !has_web_identity(configuration) {
            return Self::of_profile(configuration, &profile.name, &mut Vec::new());
        }
        if has_web_identity(configuration) {
            return web_identity_of_environment(configuration).map(Some);
        }
        match configuration.section() {
            Some(_) => Self::of_profile(configuration, &profile.name, &mut Vec::new()),
            None => Ok(None),
        }
    }

    /// The source that a profile names. `seen` are the profiles that led here.
    fn of_profile(configuration: &Configuration, name: &str, seen: &mut Vec<String>) -> Result<Option<Self>> {
        let Some(section) = configuration.files.profiles.get(name) else {
            return Ok(None);
        };
        let profile = name.to_owned();
        if seen.contains(&profile) {
            // A role may be assumed with the keys that stand beside it.
            return match section.get("aws_access_key_id") {
                Some(_) => Ok(Some(Self::keys(profile, section)?)),
                None => Err(Error::invalid(format!(
                    "the AWS profiles {} assume each other's roles in a circle",
                    seen.iter().map(|name| shown_name(name)).collect::<Vec<_>>().join(", ")
                ))
                .with_remedy("name a source_profile that has credentials of its own")),
            };
        }
        if let Some(arn) = section.get("role_arn") {
            if let Some(token_file) = section.get("web_identity_token_file") {
                return Ok(Some(Self::WebIdentity(WebIdentity {
                    profile: Some(profile),
                    arn: arn.clone(),
                    token_file: token_file.clone(),
                    session_name: text(section, "role_session_name"),
                })));
            }
            seen.push(profile);
            return Self::role(configuration, name, section, arn, seen).map(Some);
        }
        const SSO: [&str; 4] = ["sso_session", "sso_start_url", "sso_account_id", "sso_role_name"];
        if section.get_any(&SSO).is_some() {
            return sso(configuration, name, section).map(Some);
        }
        if section
            .get_any(&["aws_access_key_id", "aws_secret_access_key"])
            .is_some()
        {
            return Ok(Some(Self::keys(profile, section)?));
        }
        let process = section.get("credential_process").cloned();
        Ok(process.map(|command| Self::Process { profile, command }))
    }

    fn keys(profile: String, section: &Section) -> Result<Self> {
        for (key, other) in [
            ("aws_access_key_id", "aws_secret_access_key"),
            ("aws_secret_access_key", "aws_access_key_id"),
        ] {
            if let (Some(value), None) = (section.get(key), section.get(other)) {
                let message = format!("{}: {key} is set, and {other} is not", value.source);
                return Err(Error::new(ErrorKind::Unauthenticated, message)
                    .with_remedy(format!("add {other} to the profile {}", shown_name(&profile))));
            }
        }
        Ok(Self::Keys {
            profile,
            section: section.clone(),
        })
    }

    fn role(
        configuration: &Configuration,
        name: &str,
        section: &Section,
        arn: &Value,
        seen: &mut Vec<String>,
    ) -> Result<Self> {
        let shown = shown_name(name);
        let source = match (section.get("source_profile"), section.get("credential_source")) {
            (Some(source), Some(other)) => {
                let message = format!(
                    "{} and {}: both source_profile and credential_source are set",
                    source.source, other.source
                );
                return Err(Error::invalid(message).with_remedy("remove one of them"));
            }
            (None, None) => {
                let message = format!(
                    "{}: the profile {shown} has a role, and no source of credentials for it",
                    arn.source
                );
                return Err(Error::new(ErrorKind::Unauthenticated, message)
                    .with_remedy("add source_profile, credential_source or web_identity_token_file"));
            }
            (Some(source), None) => {
                if !configuration.files.profiles.contains_key(&source.text) {
                    return Err(configuration.no_profile(&source.text, &format!("{}, source_profile,", source.source)));
                }
                Self::of_profile(configuration, &source.text, seen)?.ok_or_else(|| {
                    let message = format!(
                        "the AWS profile {}, which {} names as source_profile, has no credentials",
                        shown_name(&source.text),
                        source.source
                    );
                    Error::new(ErrorKind::Unauthenticated, message).with_remedy(NO_KEYS_REMEDY)
                })?
            }
            (None, Some(source)) => match source.text.to_ascii_lowercase().as_str() {
                "environment" => Self::Environment,
                "ec2instancemetadata" => Self::InstanceMetadata,
                "ecscontainer" => Self::Container,
                _ => {
                    let sources = "one of Environment, Ec2InstanceMetadata and EcsContainer";
                    return Err(wrong(source, "credential_source", sources));
                }
            },
        };
        let seconds = match section.get("duration_seconds") {
            None => None,
            Some(value) => match value.text.parse::<i32>() {
                Ok(seconds) if (900..=43_200).contains(&seconds) => Some(seconds),
                _ => {
                    return Err(wrong(
                        value,
                        "duration_seconds",
                        "a number of seconds from 900 to 43200",
                    ));
                }
            },
        };
        Ok(Self::Role(Box::new(Role {
            profile: name.to_owned(),
            arn: arn.clone(),
            external_id: text(section, "external_id"),
            session_name: text(section, "role_session_name"),
            seconds,
            mfa_serial: section.get("mfa_serial").cloned(),
            source,
        })))
    }
}

fn text(section: &Section, key: &str) -> Option<String> {
    section.get(key).map(|value| value.text.clone())
}

fn has_web_identity(configuration: &Configuration) -> bool {
    !configuration.profile.is_of_context && configuration.variable("AWS_WEB_IDENTITY_TOKEN_FILE").is_some()
}

fn web_identity_of_environment(configuration: &Configuration) -> Result<CredentialSource> {
    let lacks = |variable: &str| {
        let message = format!("AWS_WEB_IDENTITY_TOKEN_FILE is set, and {variable} is not");
        Error::new(ErrorKind::Unauthenticated, message).with_remedy(format!("set {variable} to the role to assume"))
    };
    let token_file = configuration.variable("AWS_WEB_IDENTITY_TOKEN_FILE");
    let arn = configuration.setting("AWS_ROLE_ARN", "role_arn");
    Ok(CredentialSource::WebIdentity(WebIdentity {
        profile: None,
        token_file: token_file.ok_or_else(|| lacks("AWS_WEB_IDENTITY_TOKEN_FILE"))?,
        arn: arn.ok_or_else(|| lacks("AWS_ROLE_ARN"))?,
        session_name: configuration
            .setting("AWS_ROLE_SESSION_NAME", "role_session_name")
            .map(|value| value.text),
    }))
}

fn sso(configuration: &Configuration, name: &str, section: &Section) -> Result<CredentialSource> {
    let session = section.get("sso_session");
    let shared = match session {
        None => None,
        Some(value) => match configuration.files.sso_sessions.get(&value.text) {
            Some(shared) => Some(shared),
            None => {
                let missing = shown_name(&value.text);
                let message = format!("{}: the section [sso-session {missing}] does not exist", value.source);
                return Err(
                    Error::new(ErrorKind::Unauthenticated, message).with_remedy("make it with `aws configure sso`")
                );
            }
        },
    };
    let need = |key: &str| {
        let value = shared.and_then(|shared| shared.get(key)).or_else(|| section.get(key));
        value.cloned().ok_or_else(|| {
            let message = format!(
                "the AWS profile {} signs in with SSO, and lacks {key}",
                shown_name(name)
            );
            Error::new(ErrorKind::Unauthenticated, message).with_remedy("complete it with `aws configure sso`")
        })
    };
    let region = need("sso_region")?;
    if !is_host_label(&region.text) {
        return Err(wrong(&region, "sso_region", "a region such as us-east-1"));
    }
    check_single_sign_on(configuration)?;
    Ok(CredentialSource::Sso {
        profile: name.to_owned(),
        account: need("sso_account_id")?,
        role: need("sso_role_name")?,
        start_url: need("sso_start_url")?,
        region,
        session: session.map(|value| value.text.clone()),
    })
}

/// Whether a container's agent has credentials; its address is checked.
pub(super) fn is_container(configuration: &Configuration) -> Result<bool> {
    const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
    let relative = configuration.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let full = configuration.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let is_set = relative.is_some() || full.is_some();
    // The SDK reads these variables itself, white space around them and all.
    for name in [
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        TOKEN,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ] {
        let value = configuration.environment.get(name).filter(|_| is_set);
        if value.is_some_and(|value| value.trim() != value || value.contains(char::is_control)) {
            let message = format!("{name} has white space around it, or characters that do not belong there");
            return Err(
                Error::new(ErrorKind::Unauthenticated, message).with_remedy(format!("correct {name}, or unset it"))
            );
        }
    }
    if let Some(value) = &relative {
        let is_path =
            value.text.starts_with('/') && value.text.parse::<Uri>().is_ok_and(|uri| uri.authority().is_none());
        if !is_path {
            return Err(wrong(value, "", "a path such as /v2/credentials/…"));
        }
    } else if let Some(value) = &full {
        let address = value.text.split(['?', '#']).next().unwrap_or_default();
        if address_problem(address).is_some() || value.text.parse::<Uri>().is_err() {
            return Err(wrong(
                value,
                "",
                "an address such as http://169.254.170.23/v1/credentials",
            ));
        }
    }
    Ok(is_set)
}

/// Whether the metadata service is switched off.
fn is_metadata_disabled(configuration: &Configuration) -> bool {
    let disabled = configuration.variable("AWS_EC2_METADATA_DISABLED");
    disabled.is_some_and(|value| value.text.eq_ignore_ascii_case("true"))
}

/// Whether this machine is an EC2 instance, or another address of the metadata service is set.
pub(super) fn metadata_may_be_asked(configuration: &Configuration) -> Result<bool> {
    let endpoint = configuration.setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
    if let Some(value) = endpoint.as_ref().filter(|value| address_problem(&value.text).is_some()) {
        return Err(wrong(
            value,
            "ec2_metadata_service_endpoint",
            "an address such as http://169.254.169.254",
        ));
    }
    Ok(!is_metadata_disabled(configuration) && (endpoint.is_some() || on_ec2()))
}
