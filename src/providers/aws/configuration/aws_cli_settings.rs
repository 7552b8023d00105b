//! The settings of the AWS CLI and SDKs that matter for EC2, and what cloudctl does with each.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>

use super::{Configuration, invalid_value_error, setting_name};
use crate::cloud::{Error, Result, quoted};
use crate::settings::{CloudToolSetting, SettingPlace, SourcedValue, cloud_tool_settings, refuse_unsupported};

pub(in crate::providers) const AWS_CLI_SETTINGS: &[CloudToolSetting] = cloud_tool_settings! {
    Credentials {
        variable "AWS_PROFILE" Honoured "the profile to use; one that does not exist is an error"
        variable "AWS_DEFAULT_PROFILE" Honoured "the same; an error if AWS_PROFILE names another"
        variable "AWS_CONFIG_FILE" Honoured "where the configuration file is"
        variable "AWS_SHARED_CREDENTIALS_FILE" Honoured "where the credentials file is"
        variable "AWS_ACCESS_KEY_ID" Honoured "this key signs calls, unless a context of cloudctl names a profile"
        variable "AWS_SECRET_ACCESS_KEY" Honoured "the secret of AWS_ACCESS_KEY_ID"
        variable "AWS_SESSION_TOKEN" Honoured "is sent with temporary keys"
        variable "AWS_SECURITY_TOKEN" Honoured "the older name of AWS_SESSION_TOKEN, used if that is not set"
        variable "AWS_CREDENTIAL_EXPIRATION" Honoured "changes nothing: the cloud says when temporary keys expire"
        variable "AWS_WEB_IDENTITY_TOKEN_FILE" Honoured "a role is assumed with the token in it"
        variable "AWS_ROLE_ARN" Honoured "the role, for AWS_WEB_IDENTITY_TOKEN_FILE"
        variable "AWS_ROLE_SESSION_NAME" Honoured "the name of that session"
        variable "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" Honoured
            "the container gives credentials, and is asked without a proxy"
        variable "AWS_CONTAINER_CREDENTIALS_FULL_URI" Honoured "the same"
        variable "AWS_CONTAINER_AUTHORIZATION_TOKEN" Honoured "is sent to the container"
        variable "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" Honoured "the same, from a file"
        variable "AWS_EC2_METADATA_DISABLED" Honoured "the metadata service is not asked"
        variable "AWS_EC2_METADATA_SERVICE_ENDPOINT" Honoured
            "the address of the metadata service, which is asked without a proxy"
        variable "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE" Honoured "IPv4 or IPv6, for the metadata service"
        variable "AWS_EC2_METADATA_V1_DISABLED" Honoured
            "changes nothing: version 1 of the metadata service is never asked"
        variable "AWS_METADATA_SERVICE_TIMEOUT" Honoured "the time limit for the metadata service, in seconds"
        variable "AWS_METADATA_SERVICE_NUM_ATTEMPTS" Honoured "how often the metadata service is asked"
        variable "AWS_IMDS_USE_IPV6" Refused "set AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE to IPv6 instead"
        variable "AWS_CREDENTIAL_FILE" Refused
            "put the keys into ~/.aws/credentials, or name their file with AWS_SHARED_CREDENTIALS_FILE"
        variable "AWS_LOGIN_CACHE_DIRECTORY" Refused
            "unset it; `aws configure export-credentials --format env` gives keys that can be used"
        key "aws_access_key_id" Honoured "this key signs calls"
        key "aws_secret_access_key" Honoured "the secret of aws_access_key_id"
        key "aws_session_token" Honoured "is sent with temporary keys"
        key "aws_security_token" Honoured "the older name of aws_session_token, used if that is not set"
        key "role_arn" Honoured "the role is assumed"
        key "source_profile" Honoured "the profile whose credentials assume the role"
        key "credential_source" Honoured
            "what gives the credentials that assume the role: Environment, EcsContainer or Ec2InstanceMetadata"
        key "external_id" Honoured "is sent with the role"
        key "duration_seconds" Honoured "how long the role is assumed for, 900 to 43200"
        key "role_session_name" Honoured "the name of the session"
        key "mfa_serial" Honoured "if set, the role is refused: cloudctl cannot ask for an MFA code"
        key "web_identity_token_file" Honoured "the role is assumed with the token in it"
        key "credential_process" Honoured "the command is run, and prints the keys that sign calls"
        key "sso_session" Honoured "the section of that name says where to sign in"
        key "sso_start_url" Honoured "where `aws sso login` signed in"
        key "sso_region" Honoured "the region of that portal"
        key "sso_account_id" Honoured "the account that the portal gives keys for"
        key "sso_role_name" Honoured "the role that the portal gives keys for"
        key "sso_registration_scopes" Honoured "is for `aws sso login` alone"
        key "ec2_metadata_service_endpoint" Honoured "as AWS_EC2_METADATA_SERVICE_ENDPOINT"
        key "ec2_metadata_service_endpoint_mode" Honoured "as AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
        key "ec2_metadata_v1_disabled" Honoured "changes nothing: version 1 is never asked"
        key "metadata_service_timeout" Honoured "as AWS_METADATA_SERVICE_TIMEOUT"
        key "metadata_service_num_attempts" Honoured "as AWS_METADATA_SERVICE_NUM_ATTEMPTS"
        key "imds_use_ipv6" Refused "set ec2_metadata_service_endpoint_mode to IPv6 instead"
        key "login_session" Refused "`aws configure export-credentials --format env` gives keys that can be used"
    }
    Account {
        variable "AWS_ACCOUNT_ID" Honoured "changes nothing: EC2 and STS have no addresses by account"
        variable "AWS_ACCOUNT_ID_ENDPOINT_MODE" Honoured
            "preferred or disabled; required is refused, as EC2 has no addresses by account"
        key "aws_account_id" Honoured "changes nothing: EC2 and STS have no addresses by account"
        key "account_id_endpoint_mode" Honoured "as AWS_ACCOUNT_ID_ENDPOINT_MODE"
    }
    Location {
        variable "AWS_REGION" Honoured "the region of new VMs, and of calls that are not about a region"
        variable "AWS_DEFAULT_REGION" Honoured "the same, after AWS_REGION"
        key "region" Honoured "the same, after the variables"
    }
    Endpoint {
        variable "AWS_ENDPOINT_URL" Honoured "the address of every service"
        variable "AWS_ENDPOINT_URL_EC2" Honoured "the address of that service, before AWS_ENDPOINT_URL"
        variable "AWS_ENDPOINT_URL_STS" Honoured "the address of that service, before AWS_ENDPOINT_URL"
        variable "AWS_ENDPOINT_URL_PRICING" Honoured "the address of that service, before AWS_ENDPOINT_URL"
        variable "AWS_ENDPOINT_URL_SSO" Honoured "the address of that service, before AWS_ENDPOINT_URL"
        variable "AWS_ENDPOINT_URL_SSO_OIDC" Honoured "the address of that service, before AWS_ENDPOINT_URL"
        variable "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" Honoured
            "only AWS's own addresses are used; an error with single sign-on and an address in a variable"
        variable "AWS_USE_FIPS_ENDPOINT" Honoured "the FIPS addresses are used; an error if another address is set"
        variable "AWS_USE_DUALSTACK_ENDPOINT" Honoured
            "the dual-stack addresses are used; an error if another address is set"
        variable "AWS_STS_REGIONAL_ENDPOINTS" Honoured "regional, as always; legacy is refused"
        key "endpoint_url" Honoured
            "the address of every service, after the variables; an error with single sign-on, which goes by the variables"
        key "services" Honoured
            "the section of that name has the addresses of ec2, sts and pricing; those of sso and sso_oidc are refused there"
        key "ignore_configured_endpoint_urls" Honoured "as AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
        key "use_fips_endpoint" Honoured "as AWS_USE_FIPS_ENDPOINT"
        key "use_dualstack_endpoint" Honoured "as AWS_USE_DUALSTACK_ENDPOINT"
        key "sts_regional_endpoints" Honoured "as AWS_STS_REGIONAL_ENDPOINTS"
    }
    Network {
        variable "AWS_CA_BUNDLE" Honoured "the certificate authorities in it are trusted instead of the system's"
        variable "REQUESTS_CA_BUNDLE" Honoured "the same, after AWS_CA_BUNDLE and ca_bundle"
        variable "SSL_CERT_FILE" Honoured "takes the place of the system's certificate authorities"
        variable "SSL_CERT_DIR" Honoured "the same, a folder"
        variable "HTTPS_PROXY" Honoured "the proxy for https; the lower-case name takes precedence"
        variable "HTTP_PROXY" Honoured "the proxy for http; the lower-case name takes precedence"
        variable "ALL_PROXY" Honoured "the proxy where neither of the others is set"
        variable "NO_PROXY" Honoured
            "hosts, domains, addresses, ranges, each with or without a port, or *: they are asked directly"
        key "ca_bundle" Honoured "as AWS_CA_BUNDLE, after it"
        variable "AWS_DISABLE_CLOCK_SKEW_CORRECTION" Honoured
            "requests are dated by this machine's clock, even where it is wrong"
        key "disable_clock_skew_correction" Honoured "as AWS_DISABLE_CLOCK_SKEW_CORRECTION"
        key "tcp_keepalive" Refused "remove it: a run is too short for such probes"
    }
    Retries {
        variable "AWS_MAX_ATTEMPTS" Honoured
            "the maximum number of attempts for a read-only call; a throttled call is retried for up to 45 s, unless this is 1"
        variable "AWS_RETRY_MODE" Honoured "standard, legacy (the same here) or adaptive"
        variable "AWS_DEFAULTS_MODE" Honoured
            "how long a connection is waited for: 1.1 s with in-region, 30 s with mobile, else 3.1 s"
        key "max_attempts" Honoured "as AWS_MAX_ATTEMPTS"
        key "retry_mode" Honoured "as AWS_RETRY_MODE"
        key "defaults_mode" Honoured "as AWS_DEFAULTS_MODE"
    }
};

/// Refuses settings that cloudctl does not support.
///
/// # Errors
/// `InvalidSpec` that names the setting.
pub(crate) fn check_aws_cli_settings(configuration: &Configuration) -> Result<()> {
    refuse_unsupported(AWS_CLI_SETTINGS, |setting| {
        let located = match setting.place {
            SettingPlace::Variable => configuration.variable(setting.name),
            _ => configuration.key(setting.name),
        }?;
        // A setting that is false changes nothing.
        let has_effect = !located.value.eq_ignore_ascii_case("false");
        has_effect.then(|| setting_name(&located, setting.name))
    })?;
    check_allowed(
        configuration.setting("AWS_STS_REGIONAL_ENDPOINTS", "sts_regional_endpoints"),
        "sts_regional_endpoints",
        &["regional"],
        "regional, the only way that cloudctl has",
    )?;
    check_allowed(
        configuration.setting("AWS_ACCOUNT_ID_ENDPOINT_MODE", "account_id_endpoint_mode"),
        "account_id_endpoint_mode",
        &["preferred", "disabled"],
        "preferred or disabled: EC2 has no addresses by account",
    )?;
    check_execution_environment(configuration)?;
    // This setting has no effect, but an invalid value is an error.
    configuration.switch("AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled")?;
    Ok(())
}

/// Checks that a setting, if it is set, has one of the allowed values.
fn check_allowed(setting: Option<SourcedValue>, key: &str, allowed: &[&str], expected: &str) -> Result<()> {
    match setting {
        Some(setting) if !allowed.contains(&setting.value.to_ascii_lowercase().as_str()) => {
            Err(invalid_value_error(&setting, key, expected))
        }
        _ => Ok(()),
    }
}

/// Checks the variable that the SDK sends in a header. The SDK would report an invalid header as a network error.
fn check_execution_environment(configuration: &Configuration) -> Result<()> {
    const NAME: &str = "AWS_EXECUTION_ENV";
    /// Servers limit the length of a header.
    const MAX_BYTES: usize = 1000;
    match configuration.environment.get(NAME) {
        Some(text) if text.len() > MAX_BYTES || text.contains(char::is_control) => Err(Error::invalid(format!(
            "{NAME} is {}, which cannot be sent in a header",
            quoted(text)
        ))
        .with_hint("correct it, or unset it")),
        _ => Ok(()),
    }
}
