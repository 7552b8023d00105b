//! The settings of the AWS CLI and SDKs that matter for EC2, and what cloudctl does with each.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>

use super::connection::{Connection, Proxy};
use super::endpoints::Endpoints;
use super::setting_keys::REGION;
use super::{Configuration, name_of, wrong};
use crate::cloud::{Error, ProviderKind, Result, quoted};
use crate::providers::aws::api::client::any_region_near;
use crate::providers::aws::api::retry::ReadRetryLimit;
use crate::providers::aws::credentials::source::CredentialSource;
use crate::settings::{
    Located, ResolvedSetting, SettingPlace, Settings, Topic, Treatment, VendorSetting, refuse_unsupported,
};

/// All of them, by topic.
pub(in crate::providers) const VENDOR_SETTINGS: &[VendorSetting] = {
    use Topic::{Account, Credentials, Endpoint, Location, Network, Retries};
    use Treatment::{Honoured, Refused};
    &[
        VendorSetting::variable(
            Credentials,
            "AWS_PROFILE",
            Honoured("the profile to use; one that does not exist is an error"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_DEFAULT_PROFILE",
            Honoured("the same; an error if AWS_PROFILE names another"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_CONFIG_FILE",
            Honoured("where the configuration file is"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_SHARED_CREDENTIALS_FILE",
            Honoured("where the credentials file is"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_ACCESS_KEY_ID",
            Honoured("this key signs calls, unless a context of cloudctl names a profile"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_SECRET_ACCESS_KEY",
            Honoured("the secret of AWS_ACCESS_KEY_ID"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_SESSION_TOKEN",
            Honoured("is sent with temporary keys"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_SECURITY_TOKEN",
            Honoured("the older name of AWS_SESSION_TOKEN, used if that is not set"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_CREDENTIAL_EXPIRATION",
            Honoured("changes nothing: the cloud says when temporary keys expire"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            Honoured("a role is assumed with the token in it"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_ROLE_ARN",
            Honoured("the role, for AWS_WEB_IDENTITY_TOKEN_FILE"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_ROLE_SESSION_NAME",
            Honoured("the name of that session"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            Honoured("the container gives credentials, and is asked without a proxy"),
        ),
        VendorSetting::variable(Credentials, "AWS_CONTAINER_CREDENTIALS_FULL_URI", Honoured("the same")),
        VendorSetting::variable(
            Credentials,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            Honoured("is sent to the container"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            Honoured("the same, from a file"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_EC2_METADATA_DISABLED",
            Honoured("the metadata service is not asked"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            Honoured("the address of the metadata service, which is asked without a proxy"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
            Honoured("IPv4 or IPv6, for the metadata service"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_EC2_METADATA_V1_DISABLED",
            Honoured("changes nothing: version 1 of the metadata service is never asked"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_METADATA_SERVICE_TIMEOUT",
            Honoured("how many seconds the metadata service is waited for"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
            Honoured("how often the metadata service is asked"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_IMDS_USE_IPV6",
            Refused("set AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE to IPv6 instead"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_CREDENTIAL_FILE",
            Refused("put the keys into ~/.aws/credentials, or name their file with AWS_SHARED_CREDENTIALS_FILE"),
        ),
        VendorSetting::variable(
            Credentials,
            "AWS_LOGIN_CACHE_DIRECTORY",
            Refused("unset it; `aws configure export-credentials --format env` gives keys that can be used"),
        ),
        VendorSetting::key(Credentials, "aws_access_key_id", Honoured("this key signs calls")),
        VendorSetting::key(
            Credentials,
            "aws_secret_access_key",
            Honoured("the secret of aws_access_key_id"),
        ),
        VendorSetting::key(
            Credentials,
            "aws_session_token",
            Honoured("is sent with temporary keys"),
        ),
        VendorSetting::key(
            Credentials,
            "aws_security_token",
            Honoured("the older name of aws_session_token, used if that is not set"),
        ),
        VendorSetting::key(Credentials, "role_arn", Honoured("the role is assumed")),
        VendorSetting::key(
            Credentials,
            "source_profile",
            Honoured("the profile whose credentials assume the role"),
        ),
        VendorSetting::key(
            Credentials,
            "credential_source",
            Honoured(
                "what gives the credentials that assume the role: Environment, EcsContainer or Ec2InstanceMetadata",
            ),
        ),
        VendorSetting::key(Credentials, "external_id", Honoured("is sent with the role")),
        VendorSetting::key(
            Credentials,
            "duration_seconds",
            Honoured("how long the role is assumed for, 900 to 43200"),
        ),
        VendorSetting::key(Credentials, "role_session_name", Honoured("the name of the session")),
        VendorSetting::key(
            Credentials,
            "mfa_serial",
            Honoured("is named where the role is refused: cloudctl cannot ask for a code"),
        ),
        VendorSetting::key(
            Credentials,
            "web_identity_token_file",
            Honoured("the role is assumed with the token in it"),
        ),
        VendorSetting::key(
            Credentials,
            "credential_process",
            Honoured("the command is run, and prints the keys that sign calls"),
        ),
        VendorSetting::key(
            Credentials,
            "sso_session",
            Honoured("the section of that name says where to sign in"),
        ),
        VendorSetting::key(
            Credentials,
            "sso_start_url",
            Honoured("where `aws sso login` signed in"),
        ),
        VendorSetting::key(Credentials, "sso_region", Honoured("the region of that portal")),
        VendorSetting::key(
            Credentials,
            "sso_account_id",
            Honoured("the account that the portal gives keys for"),
        ),
        VendorSetting::key(
            Credentials,
            "sso_role_name",
            Honoured("the role that the portal gives keys for"),
        ),
        VendorSetting::key(
            Credentials,
            "sso_registration_scopes",
            Honoured("is for `aws sso login` alone"),
        ),
        VendorSetting::key(
            Credentials,
            "ec2_metadata_service_endpoint",
            Honoured("as AWS_EC2_METADATA_SERVICE_ENDPOINT"),
        ),
        VendorSetting::key(
            Credentials,
            "ec2_metadata_service_endpoint_mode",
            Honoured("as AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"),
        ),
        VendorSetting::key(
            Credentials,
            "ec2_metadata_v1_disabled",
            Honoured("changes nothing: version 1 is never asked"),
        ),
        VendorSetting::key(
            Credentials,
            "metadata_service_timeout",
            Honoured("as AWS_METADATA_SERVICE_TIMEOUT"),
        ),
        VendorSetting::key(
            Credentials,
            "metadata_service_num_attempts",
            Honoured("as AWS_METADATA_SERVICE_NUM_ATTEMPTS"),
        ),
        VendorSetting::key(
            Credentials,
            "imds_use_ipv6",
            Refused("set ec2_metadata_service_endpoint_mode to IPv6 instead"),
        ),
        VendorSetting::key(
            Credentials,
            "login_session",
            Refused("`aws configure export-credentials --format env` gives keys that can be used"),
        ),
        VendorSetting::variable(
            Account,
            "AWS_ACCOUNT_ID",
            Honoured("changes nothing: EC2 and STS have no addresses by account"),
        ),
        VendorSetting::variable(
            Account,
            "AWS_ACCOUNT_ID_ENDPOINT_MODE",
            Honoured("preferred or disabled; required is refused, as EC2 has no addresses by account"),
        ),
        VendorSetting::key(
            Account,
            "aws_account_id",
            Honoured("changes nothing: EC2 and STS have no addresses by account"),
        ),
        VendorSetting::key(
            Account,
            "account_id_endpoint_mode",
            Honoured("as AWS_ACCOUNT_ID_ENDPOINT_MODE"),
        ),
        VendorSetting::variable(
            Location,
            "AWS_REGION",
            Honoured("the region of new VMs, and of calls that are not about a region"),
        ),
        VendorSetting::variable(Location, "AWS_DEFAULT_REGION", Honoured("the same, after AWS_REGION")),
        VendorSetting::key(Location, "region", Honoured("the same, after the variables")),
        VendorSetting::variable(Endpoint, "AWS_ENDPOINT_URL", Honoured("the address of every service")),
        VendorSetting::variable(
            Endpoint,
            "AWS_ENDPOINT_URL_EC2",
            Honoured("the address of that service, before AWS_ENDPOINT_URL"),
        ),
        VendorSetting::variable(
            Endpoint,
            "AWS_ENDPOINT_URL_STS",
            Honoured("the address of that service, before AWS_ENDPOINT_URL"),
        ),
        VendorSetting::variable(
            Endpoint,
            "AWS_ENDPOINT_URL_PRICING",
            Honoured("the address of that service, before AWS_ENDPOINT_URL"),
        ),
        VendorSetting::variable(
            Endpoint,
            "AWS_ENDPOINT_URL_SSO",
            Honoured("the address of that service, before AWS_ENDPOINT_URL"),
        ),
        VendorSetting::variable(
            Endpoint,
            "AWS_ENDPOINT_URL_SSO_OIDC",
            Honoured("the address of that service, before AWS_ENDPOINT_URL"),
        ),
        VendorSetting::variable(
            Endpoint,
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
            Honoured("only AWS's own addresses are used; an error with single sign-on and an address in a variable"),
        ),
        VendorSetting::variable(
            Endpoint,
            "AWS_USE_FIPS_ENDPOINT",
            Honoured("the FIPS addresses are used; an error if another address is set"),
        ),
        VendorSetting::variable(
            Endpoint,
            "AWS_USE_DUALSTACK_ENDPOINT",
            Honoured("the dual-stack addresses are used; an error if another address is set"),
        ),
        VendorSetting::variable(
            Endpoint,
            "AWS_STS_REGIONAL_ENDPOINTS",
            Honoured("regional, as always; legacy is refused"),
        ),
        VendorSetting::key(
            Endpoint,
            "endpoint_url",
            Honoured(
                "the address of every service, after the variables; an error with single sign-on, which goes by the variables",
            ),
        ),
        VendorSetting::key(
            Endpoint,
            "services",
            Honoured(
                "the section of that name has the addresses of ec2, sts and pricing; those of sso and sso_oidc are refused there",
            ),
        ),
        VendorSetting::key(
            Endpoint,
            "ignore_configured_endpoint_urls",
            Honoured("as AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
        ),
        VendorSetting::key(Endpoint, "use_fips_endpoint", Honoured("as AWS_USE_FIPS_ENDPOINT")),
        VendorSetting::key(
            Endpoint,
            "use_dualstack_endpoint",
            Honoured("as AWS_USE_DUALSTACK_ENDPOINT"),
        ),
        VendorSetting::key(
            Endpoint,
            "sts_regional_endpoints",
            Honoured("as AWS_STS_REGIONAL_ENDPOINTS"),
        ),
        VendorSetting::variable(
            Network,
            "AWS_CA_BUNDLE",
            Honoured("the certificate authorities in it are trusted instead of the system's"),
        ),
        VendorSetting::variable(
            Network,
            "REQUESTS_CA_BUNDLE",
            Honoured("the same, after AWS_CA_BUNDLE and ca_bundle"),
        ),
        VendorSetting::variable(
            Network,
            "SSL_CERT_FILE",
            Honoured("takes the place of the system's certificate authorities"),
        ),
        VendorSetting::variable(Network, "SSL_CERT_DIR", Honoured("the same, a folder")),
        VendorSetting::variable(
            Network,
            "HTTPS_PROXY",
            Honoured("the proxy for https, also in small letters, which count first"),
        ),
        VendorSetting::variable(
            Network,
            "HTTP_PROXY",
            Honoured("the proxy for http, also in small letters, which count first"),
        ),
        VendorSetting::variable(
            Network,
            "ALL_PROXY",
            Honoured("the proxy where neither of the others is set"),
        ),
        VendorSetting::variable(
            Network,
            "NO_PROXY",
            Honoured("hosts, domains, addresses, ranges, each with or without a port, or *: they are asked directly"),
        ),
        VendorSetting::key(Network, "ca_bundle", Honoured("as AWS_CA_BUNDLE, after it")),
        VendorSetting::variable(
            Network,
            "AWS_DISABLE_CLOCK_SKEW_CORRECTION",
            Honoured("requests are dated by this machine's clock, even where it is wrong"),
        ),
        VendorSetting::key(
            Network,
            "disable_clock_skew_correction",
            Honoured("as AWS_DISABLE_CLOCK_SKEW_CORRECTION"),
        ),
        VendorSetting::key(
            Network,
            "tcp_keepalive",
            Refused("remove it: a run is too short for such probes"),
        ),
        VendorSetting::variable(
            Retries,
            "AWS_MAX_ATTEMPTS",
            Honoured(
                "how often a call that only reads is tried; one that is throttled goes on for 45 s, unless it is 1",
            ),
        ),
        VendorSetting::variable(
            Retries,
            "AWS_RETRY_MODE",
            Honoured("standard, legacy (the same here) or adaptive"),
        ),
        VendorSetting::variable(
            Retries,
            "AWS_DEFAULTS_MODE",
            Honoured("how long a connection is waited for: 1.1 s with in-region, 30 s with mobile, else 3.1 s"),
        ),
        VendorSetting::key(Retries, "max_attempts", Honoured("as AWS_MAX_ATTEMPTS")),
        VendorSetting::key(Retries, "retry_mode", Honoured("as AWS_RETRY_MODE")),
        VendorSetting::key(Retries, "defaults_mode", Honoured("as AWS_DEFAULTS_MODE")),
    ]
};

/// Refuses what cannot be honoured.
///
/// # Errors
/// `InvalidSpec` that names the setting.
pub(crate) fn refuse(configuration: &Configuration) -> Result<()> {
    refuse_unsupported(VENDOR_SETTINGS, |setting| {
        let found = match setting.place {
            SettingPlace::Variable => configuration.variable(setting.name),
            _ => configuration.key(setting.name),
        };
        // A switch that is off changes nothing.
        let found = found.filter(|found| !found.value.eq_ignore_ascii_case("false"));
        found.map(|found| name_of(&found, setting.name))
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
        if let Some(setting) = configuration.setting(variable, key)
            && !allowed.contains(&setting.value.to_ascii_lowercase().as_str())
        {
            return Err(wrong(&setting, key, expected));
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
    /// Servers limit the length of a header.
    const LONGEST: usize = 1000;
    match configuration.environment.get(NAME) {
        Some(text) if text.len() > LONGEST || text.contains(char::is_control) => Err(Error::invalid(format!(
            "{NAME} is {}, which cannot be sent in a header",
            quoted(text)
        ))
        .with_hint("correct it, or unset it")),
        _ => Ok(()),
    }
}

/// What they come to in this run.
pub(in crate::providers) fn resolved_settings(settings: &Settings) -> Result<Vec<ResolvedSetting>> {
    let configuration = Configuration::read(settings)?;
    refuse(&configuration)?;
    let endpoints = Endpoints::of(&configuration)?;
    let connection = Connection::of(&configuration)?;
    let patience = ReadRetryLimit::of(&configuration)?;
    let profile = &configuration.profile;
    let set = |name, located| ResolvedSetting::of(name, located, "not set");
    let region = match settings.of(ProviderKind::Aws, REGION).located() {
        Some(region) => Some(region),
        None => configuration.region()?,
    };
    let asked = any_region_near(settings, region.as_ref().map(|region| region.value.as_str()));
    let credentials = match CredentialSource::of(&configuration) {
        Ok(source) => {
            let place = source.place(&configuration);
            (Some(source.to_string()), place)
        }
        Err(error) => (None, error.message().to_owned()),
    };
    let proxy = |proxy: Option<Proxy>| {
        proxy.map(|proxy| Located {
            value: proxy.shown(),
            source: proxy.source,
        })
    };
    let authorities = connection.authorities.map(|authorities| Located {
        value: authorities.file,
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
