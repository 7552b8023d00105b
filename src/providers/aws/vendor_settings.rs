//! The settings of the AWS CLI and SDKs that bear on EC2, and what cloudctl does with each.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>

use super::client::any_region_near;
use super::configuration::{Configuration, name_of, wrong};
use super::connection::{Connection, Proxy};
use super::credential_source::CredentialSource;
use super::endpoints::Endpoints;
use super::patience::Patience;
use super::profile_files::Value;
use crate::cloud::{Error, Result, quoted};
use crate::settings::{ResolvedSetting, SettingPlace, Settings, Topic, Treatment, VendorSetting, refuse_unsupported};

const fn variable(topic: Topic, name: &'static str, effect: &'static str) -> VendorSetting {
    VendorSetting {
        topic,
        place: SettingPlace::Variable,
        name,
        treatment: Treatment::Honoured(effect),
    }
}

const fn key(topic: Topic, name: &'static str, effect: &'static str) -> VendorSetting {
    VendorSetting {
        place: SettingPlace::AwsProfile,
        ..variable(topic, name, effect)
    }
}

const fn refused_variable(topic: Topic, name: &'static str, instead: &'static str) -> VendorSetting {
    VendorSetting {
        treatment: Treatment::Refused(instead),
        ..variable(topic, name, instead)
    }
}

const fn refused_key(topic: Topic, name: &'static str, instead: &'static str) -> VendorSetting {
    VendorSetting {
        treatment: Treatment::Refused(instead),
        ..key(topic, name, instead)
    }
}

/// All of them, by topic.
pub(in crate::providers) const VENDOR_SETTINGS: &[VendorSetting] = &[
    variable(
        Topic::Credentials,
        "AWS_PROFILE",
        "the profile that holds; one that does not exist is an error",
    ),
    variable(
        Topic::Credentials,
        "AWS_DEFAULT_PROFILE",
        "the same; an error if AWS_PROFILE names another",
    ),
    variable(Topic::Credentials, "AWS_CONFIG_FILE", "where the configuration file is"),
    variable(
        Topic::Credentials,
        "AWS_SHARED_CREDENTIALS_FILE",
        "where the credentials file is",
    ),
    variable(
        Topic::Credentials,
        "AWS_ACCESS_KEY_ID",
        "signs, before every profile but that of a context",
    ),
    variable(
        Topic::Credentials,
        "AWS_SECRET_ACCESS_KEY",
        "signs, with AWS_ACCESS_KEY_ID",
    ),
    variable(Topic::Credentials, "AWS_SESSION_TOKEN", "is sent with temporary keys"),
    variable(
        Topic::Credentials,
        "AWS_SECURITY_TOKEN",
        "the older name of AWS_SESSION_TOKEN, which counts first",
    ),
    variable(
        Topic::Credentials,
        "AWS_CREDENTIAL_EXPIRATION",
        "goes with temporary keys; when they end is the cloud's decision",
    ),
    variable(
        Topic::Credentials,
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "a role is assumed with the token in it",
    ),
    variable(
        Topic::Credentials,
        "AWS_ROLE_ARN",
        "the role, for AWS_WEB_IDENTITY_TOKEN_FILE",
    ),
    variable(Topic::Credentials, "AWS_ROLE_SESSION_NAME", "the name of that session"),
    variable(
        Topic::Credentials,
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "the container is asked, past every proxy",
    ),
    variable(Topic::Credentials, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "the same"),
    variable(
        Topic::Credentials,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "is sent to the container",
    ),
    variable(
        Topic::Credentials,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "the same, from a file",
    ),
    variable(
        Topic::Credentials,
        "AWS_EC2_METADATA_DISABLED",
        "the metadata service is not asked",
    ),
    variable(
        Topic::Credentials,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "the address of the metadata service, which is asked past every proxy",
    ),
    variable(
        Topic::Credentials,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "IPv4 or IPv6, for the metadata service",
    ),
    variable(
        Topic::Credentials,
        "AWS_EC2_METADATA_V1_DISABLED",
        "changes nothing: version 1 of the metadata service is never asked",
    ),
    variable(
        Topic::Credentials,
        "AWS_METADATA_SERVICE_TIMEOUT",
        "how many seconds the metadata service is waited for",
    ),
    variable(
        Topic::Credentials,
        "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
        "how often the metadata service is asked",
    ),
    refused_variable(
        Topic::Credentials,
        "AWS_IMDS_USE_IPV6",
        "set AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE to IPv6 instead",
    ),
    refused_variable(
        Topic::Credentials,
        "AWS_CREDENTIAL_FILE",
        "put the keys into ~/.aws/credentials, or name their file with AWS_SHARED_CREDENTIALS_FILE",
    ),
    refused_variable(
        Topic::Credentials,
        "AWS_LOGIN_CACHE_DIRECTORY",
        "unset it; `aws configure export-credentials --format env` gives keys that can be used",
    ),
    key(Topic::Credentials, "aws_access_key_id", "signs"),
    key(
        Topic::Credentials,
        "aws_secret_access_key",
        "signs, with aws_access_key_id",
    ),
    key(Topic::Credentials, "aws_session_token", "is sent with temporary keys"),
    key(
        Topic::Credentials,
        "aws_security_token",
        "the older name of aws_session_token, which counts first",
    ),
    key(Topic::Credentials, "role_arn", "the role is assumed"),
    key(
        Topic::Credentials,
        "source_profile",
        "whose credentials assume the role",
    ),
    key(
        Topic::Credentials,
        "credential_source",
        "Environment, EcsContainer or Ec2InstanceMetadata: whose credentials assume the role",
    ),
    key(Topic::Credentials, "external_id", "is sent with the role"),
    key(
        Topic::Credentials,
        "duration_seconds",
        "how long the role is assumed for, 900 to 43200",
    ),
    key(Topic::Credentials, "role_session_name", "the name of the session"),
    key(
        Topic::Credentials,
        "mfa_serial",
        "is named where the role is refused: cloudctl cannot ask for a code",
    ),
    key(
        Topic::Credentials,
        "web_identity_token_file",
        "the role is assumed with the token in it",
    ),
    key(
        Topic::Credentials,
        "credential_process",
        "the command is run, and what it prints signs",
    ),
    key(
        Topic::Credentials,
        "sso_session",
        "the section of that name says where to sign in",
    ),
    key(Topic::Credentials, "sso_start_url", "where `aws sso login` signed in"),
    key(Topic::Credentials, "sso_region", "the region of that portal"),
    key(
        Topic::Credentials,
        "sso_account_id",
        "the account that the portal gives keys for",
    ),
    key(
        Topic::Credentials,
        "sso_role_name",
        "the role that the portal gives keys for",
    ),
    key(
        Topic::Credentials,
        "sso_registration_scopes",
        "is for `aws sso login` alone",
    ),
    key(
        Topic::Credentials,
        "ec2_metadata_service_endpoint",
        "as AWS_EC2_METADATA_SERVICE_ENDPOINT",
    ),
    key(
        Topic::Credentials,
        "ec2_metadata_service_endpoint_mode",
        "as AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    ),
    key(
        Topic::Credentials,
        "ec2_metadata_v1_disabled",
        "changes nothing: version 1 is never asked",
    ),
    key(
        Topic::Credentials,
        "metadata_service_timeout",
        "as AWS_METADATA_SERVICE_TIMEOUT",
    ),
    key(
        Topic::Credentials,
        "metadata_service_num_attempts",
        "as AWS_METADATA_SERVICE_NUM_ATTEMPTS",
    ),
    refused_key(
        Topic::Credentials,
        "imds_use_ipv6",
        "set ec2_metadata_service_endpoint_mode to IPv6 instead",
    ),
    refused_key(
        Topic::Credentials,
        "login_session",
        "`aws configure export-credentials --format env` gives keys that can be used",
    ),
    variable(
        Topic::Account,
        "AWS_ACCOUNT_ID",
        "changes nothing: EC2 and STS have no addresses by account",
    ),
    variable(
        Topic::Account,
        "AWS_ACCOUNT_ID_ENDPOINT_MODE",
        "preferred or disabled; required is refused, as EC2 has no addresses by account",
    ),
    key(
        Topic::Account,
        "aws_account_id",
        "changes nothing: EC2 and STS have no addresses by account",
    ),
    key(
        Topic::Account,
        "account_id_endpoint_mode",
        "as AWS_ACCOUNT_ID_ENDPOINT_MODE",
    ),
    variable(
        Topic::Place,
        "AWS_REGION",
        "the region of new VMs, and of calls that are about none",
    ),
    variable(Topic::Place, "AWS_DEFAULT_REGION", "the same, after AWS_REGION"),
    key(Topic::Place, "region", "the same, after the variables"),
    variable(Topic::Endpoint, "AWS_ENDPOINT_URL", "the address of every service"),
    variable(
        Topic::Endpoint,
        "AWS_ENDPOINT_URL_EC2",
        "the address of that service, before AWS_ENDPOINT_URL",
    ),
    variable(
        Topic::Endpoint,
        "AWS_ENDPOINT_URL_STS",
        "the address of that service, before AWS_ENDPOINT_URL",
    ),
    variable(
        Topic::Endpoint,
        "AWS_ENDPOINT_URL_PRICING",
        "the address of that service, before AWS_ENDPOINT_URL",
    ),
    variable(
        Topic::Endpoint,
        "AWS_ENDPOINT_URL_SSO",
        "the address of that service, before AWS_ENDPOINT_URL",
    ),
    variable(
        Topic::Endpoint,
        "AWS_ENDPOINT_URL_SSO_OIDC",
        "the address of that service, before AWS_ENDPOINT_URL",
    ),
    variable(
        Topic::Endpoint,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "no address but AWS's own is used; an error with single sign-on and an address in a variable",
    ),
    variable(
        Topic::Endpoint,
        "AWS_USE_FIPS_ENDPOINT",
        "the FIPS addresses are used; an error with an address of one's own",
    ),
    variable(
        Topic::Endpoint,
        "AWS_USE_DUALSTACK_ENDPOINT",
        "the dual-stack addresses are used; an error with an address of one's own",
    ),
    variable(
        Topic::Endpoint,
        "AWS_STS_REGIONAL_ENDPOINTS",
        "regional, as always; legacy is refused",
    ),
    key(
        Topic::Endpoint,
        "endpoint_url",
        "the address of every service, after the variables; an error with single sign-on, which goes by the variables",
    ),
    key(
        Topic::Endpoint,
        "services",
        "the section of that name says the addresses of ec2, sts and pricing; others of those that are asked are refused",
    ),
    key(
        Topic::Endpoint,
        "ignore_configured_endpoint_urls",
        "as AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    ),
    key(Topic::Endpoint, "use_fips_endpoint", "as AWS_USE_FIPS_ENDPOINT"),
    key(
        Topic::Endpoint,
        "use_dualstack_endpoint",
        "as AWS_USE_DUALSTACK_ENDPOINT",
    ),
    key(
        Topic::Endpoint,
        "sts_regional_endpoints",
        "as AWS_STS_REGIONAL_ENDPOINTS",
    ),
    variable(
        Topic::Network,
        "AWS_CA_BUNDLE",
        "the certificate authorities in it are trusted instead of the system's",
    ),
    variable(
        Topic::Network,
        "REQUESTS_CA_BUNDLE",
        "the same, after AWS_CA_BUNDLE and ca_bundle",
    ),
    variable(
        Topic::Network,
        "SSL_CERT_FILE",
        "takes the place of the system's certificate authorities",
    ),
    variable(Topic::Network, "SSL_CERT_DIR", "the same, a folder"),
    variable(
        Topic::Network,
        "HTTPS_PROXY",
        "the proxy for https, also in small letters, which count first",
    ),
    variable(
        Topic::Network,
        "HTTP_PROXY",
        "the proxy for http, also in small letters, which count first",
    ),
    variable(
        Topic::Network,
        "ALL_PROXY",
        "the proxy where neither of the others is set",
    ),
    variable(
        Topic::Network,
        "NO_PROXY",
        "hosts, domains, addresses, ranges, each with or without a port, or *: they are asked directly",
    ),
    key(Topic::Network, "ca_bundle", "as AWS_CA_BUNDLE, after it"),
    variable(
        Topic::Network,
        "AWS_DISABLE_CLOCK_SKEW_CORRECTION",
        "requests are dated by this machine's clock, even where it is wrong",
    ),
    key(
        Topic::Network,
        "disable_clock_skew_correction",
        "as AWS_DISABLE_CLOCK_SKEW_CORRECTION",
    ),
    refused_key(
        Topic::Network,
        "tcp_keepalive",
        "remove it: a run is too short for such probes",
    ),
    variable(
        Topic::Retries,
        "AWS_MAX_ATTEMPTS",
        "how often a call that only reads is tried; one that is throttled goes on for 45 s, unless it is 1",
    ),
    variable(
        Topic::Retries,
        "AWS_RETRY_MODE",
        "standard, legacy (the same here) or adaptive",
    ),
    variable(
        Topic::Retries,
        "AWS_DEFAULTS_MODE",
        "how long a connection is waited for: 1.1 s with in-region, 30 s with mobile, else 3.1 s",
    ),
    key(Topic::Retries, "max_attempts", "as AWS_MAX_ATTEMPTS"),
    key(Topic::Retries, "retry_mode", "as AWS_RETRY_MODE"),
    key(Topic::Retries, "defaults_mode", "as AWS_DEFAULTS_MODE"),
];

/// Refuses what cannot be honoured.
///
/// # Errors
/// `InvalidSpec` that names the setting.
pub(super) fn refuse(configuration: &Configuration) -> Result<()> {
    refuse_unsupported(VENDOR_SETTINGS, |setting| {
        let value = match setting.place {
            SettingPlace::Variable => configuration.variable(setting.name),
            _ => configuration.key(setting.name),
        };
        // A switch that is off changes nothing.
        let value = value.filter(|value| !value.text.eq_ignore_ascii_case("false"));
        value.map(|value| name_of(&value, setting.name))
    })?;
    for (variable, key, allowed, expected) in [
        (
            "AWS_STS_REGIONAL_ENDPOINTS",
            "sts_regional_endpoints",
            &["regional"][..],
            "regional, the only way that cloudctl has",
        ),
        (
            "AWS_ACCOUNT_ID_ENDPOINT_MODE",
            "account_id_endpoint_mode",
            &["preferred", "disabled"],
            "preferred or disabled: EC2 has no addresses by account",
        ),
    ] {
        if let Some(value) = configuration.setting(variable, key)
            && !allowed.contains(&value.text.to_ascii_lowercase().as_str())
        {
            return Err(wrong(&value, key, expected));
        }
    }
    check_execution_environment(configuration)?;
    // These only have to make sense.
    configuration.switch("AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled")?;
    Ok(())
}

/// The SDK puts this variable into a header as it is, and takes the failure for one of the network.
fn check_execution_environment(configuration: &Configuration) -> Result<()> {
    const NAME: &str = "AWS_EXECUTION_ENV";
    /// What servers take of a header is bounded.
    const LONGEST: usize = 1000;
    match configuration.environment.get(NAME) {
        Some(text) if text.len() > LONGEST || text.contains(char::is_control) => Err(Error::invalid(format!(
            "{NAME} is {}, which no header can hold",
            quoted(text)
        ))
        .with_remedy("correct it, or unset it")),
        _ => Ok(()),
    }
}

/// What they come to in this run.
pub(in crate::providers) fn resolved_settings(settings: &Settings) -> Result<Vec<ResolvedSetting>> {
    let configuration = Configuration::read(settings)?;
    refuse(&configuration)?;
    let endpoints = Endpoints::of(&configuration)?;
    let connection = Connection::of(&configuration)?;
    let patience = Patience::of(&configuration)?;
    let profile = &configuration.profile;
    let set = |name: &'static str, value: Option<Value>| ResolvedSetting {
        name,
        source: value
            .as_ref()
            .map_or("not set".to_owned(), |value| value.source.clone()),
        value: value.map(|value| value.text),
    };
    let region = match &settings.aws.region.value {
        Some(region) => Some(Value {
            text: region.clone(),
            source: settings.aws.region.source.to_string(),
        }),
        None => configuration.region()?,
    };
    let asked = any_region_near(settings, region.as_ref().map(|region| region.text.as_str()));
    let credentials = match CredentialSource::of(&configuration) {
        Ok(source) => {
            let place = source.place(&configuration);
            (Some(source.to_string()), place)
        }
        Err(error) => (None, error.message().to_owned()),
    };
    let proxy = |proxy: Option<Proxy>| {
        proxy.map(|proxy| Value {
            text: proxy.shown(),
            source: proxy.source,
        })
    };
    let authorities = connection.authorities.map(|authorities| Value {
        text: authorities.file,
        source: authorities.source,
    });
    let files = configuration.files.looked_in.join(", ");
    Ok(vec![
        ResolvedSetting {
            name: "aws.profile",
            value: Some(profile.name.clone()),
            source: profile.source.clone(),
        },
        ResolvedSetting {
            name: "aws.files",
            value: (!files.is_empty()).then_some(files),
            source: "looked in".to_owned(),
        },
        set("aws.region", region),
        ResolvedSetting {
            name: "aws.region_of_other_calls",
            value: Some(asked),
            source: "for calls that are about no region".to_owned(),
        },
        ResolvedSetting {
            name: "aws.credentials",
            value: credentials.0,
            source: credentials.1,
        },
        set("aws.endpoint", endpoints.ec2),
        set("aws.endpoint_sts", endpoints.sts),
        set("aws.endpoint_pricing", endpoints.pricing),
        set("aws.fips", endpoints.use_fips),
        set("aws.dual_stack", endpoints.use_dual_stack),
        set("aws.ca_bundle", authorities),
        set("aws.proxy_https", proxy(connection.https_proxy)),
        set("aws.proxy_http", proxy(connection.http_proxy)),
        set("aws.no_proxy", connection.exceptions),
        ResolvedSetting {
            name: "aws.retries",
            value: Some(patience.to_string()),
            source: patience.source,
        },
    ])
}
