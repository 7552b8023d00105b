//! The values of AWS's own settings in this run, for `context show`.

use super::api::retry::ReadRetryLimit;
use super::configuration::Configuration;
use super::configuration::aws_cli_settings::check_aws_cli_settings;
use super::configuration::config_file_keys::REGION;
use super::configuration::endpoints::Endpoints;
use super::configuration::proxy_and_certificates::{Connection, Proxy};
use super::configuration::region_name_syntax::choose_region_for_global_calls;
use super::credentials::credential_source::CredentialSource;
use crate::cloud::{ProviderKind, Result};
use crate::settings::{ResolvedSetting, Settings, SourcedValue};

/// The settings of this run with their sources. Sends no call.
pub(in crate::providers) fn resolved_settings(settings: &Settings) -> Result<Vec<ResolvedSetting>> {
    let configuration = Configuration::read(settings)?;
    check_aws_cli_settings(&configuration)?;
    let endpoints = Endpoints::from_configuration(&configuration)?;
    let connection = Connection::from_configuration(&configuration)?;
    let retry_limit = ReadRetryLimit::from_configuration(&configuration)?;
    let profile = &configuration.profile;
    let region = match settings.cloud_setting(ProviderKind::Aws, REGION).sourced_value() {
        Some(region) => Some(region),
        None => configuration.region()?,
    };
    let region_for_global_calls =
        choose_region_for_global_calls(settings, region.as_ref().map(|region| region.value.as_str()));
    let https_proxy = connection.https_proxy.map(describe_proxy);
    let http_proxy = connection.http_proxy.map(describe_proxy);
    let authorities = connection
        .authorities
        .map(|authorities| SourcedValue::new(authorities.file, authorities.source));
    let files = configuration.files.looked_in.join(", ");
    Ok(vec![
        ResolvedSetting::with_source("aws.profile", Some(profile.name.clone()), profile.source.clone()),
        ResolvedSetting::with_source("aws.files", (!files.is_empty()).then_some(files), "looked in"),
        ResolvedSetting::or_not_set("aws.region", region),
        ResolvedSetting::with_source(
            "aws.region_of_other_calls",
            Some(region_for_global_calls),
            "for calls that are about no region",
        ),
        describe_credentials(&configuration),
        ResolvedSetting::or_not_set("aws.endpoint", endpoints.ec2),
        ResolvedSetting::or_not_set("aws.endpoint_sts", endpoints.sts),
        ResolvedSetting::or_not_set("aws.endpoint_pricing", endpoints.pricing),
        ResolvedSetting::or_not_set("aws.fips", endpoints.use_fips),
        ResolvedSetting::or_not_set("aws.dual_stack", endpoints.use_dual_stack),
        ResolvedSetting::or_not_set("aws.ca_bundle", authorities),
        ResolvedSetting::or_not_set("aws.proxy_https", https_proxy),
        ResolvedSetting::or_not_set("aws.proxy_http", http_proxy),
        ResolvedSetting::or_not_set("aws.no_proxy", connection.no_proxy_setting),
        ResolvedSetting::with_source("aws.retries", Some(retry_limit.to_string()), retry_limit.source),
    ])
}

fn describe_credentials(configuration: &Configuration) -> ResolvedSetting {
    match CredentialSource::from_configuration(configuration) {
        Ok(credentials) => ResolvedSetting::with_source(
            "aws.credentials",
            Some(credentials.to_string()),
            credentials.origin(configuration),
        ),
        Err(error) => ResolvedSetting::with_source("aws.credentials", None, error.message().to_owned()),
    }
}

fn describe_proxy(proxy: Proxy) -> SourcedValue {
    SourcedValue::new(proxy.address(), proxy.source)
}
