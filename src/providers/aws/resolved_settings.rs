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
    let resolved = |name, located| ResolvedSetting::new(name, located, "not set");
    let region = match settings.cloud_setting(ProviderKind::Aws, REGION).sourced_value() {
        Some(region) => Some(region),
        None => configuration.region()?,
    };
    let region_for_global_calls =
        choose_region_for_global_calls(settings, region.as_ref().map(|region| region.value.as_str()));
    let (source, origin) = match CredentialSource::from_configuration(&configuration) {
        Ok(source) => {
            let origin = source.origin(&configuration);
            (Some(source.to_string()), origin)
        }
        Err(error) => (None, error.message().to_owned()),
    };
    let proxy = |proxy: Option<Proxy>| {
        proxy.map(|proxy| SourcedValue {
            value: proxy.address(),
            source: proxy.source,
        })
    };
    let authorities = connection.authorities.map(|authorities| SourcedValue {
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
        resolved("aws.region", region),
        ResolvedSetting {
            name: "aws.region_of_other_calls",
            value: Some(region_for_global_calls),
            source: "for calls that are about no region".to_owned(),
        },
        ResolvedSetting {
            name: "aws.credentials",
            value: source,
            source: origin,
        },
        resolved("aws.endpoint", endpoints.ec2),
        resolved("aws.endpoint_sts", endpoints.sts),
        resolved("aws.endpoint_pricing", endpoints.pricing),
        resolved("aws.fips", endpoints.use_fips),
        resolved("aws.dual_stack", endpoints.use_dual_stack),
        resolved("aws.ca_bundle", authorities),
        resolved("aws.proxy_https", proxy(connection.https_proxy)),
        resolved("aws.proxy_http", proxy(connection.http_proxy)),
        resolved("aws.no_proxy", connection.no_proxy_setting),
        ResolvedSetting {
            name: "aws.retries",
            value: Some(retry_limit.to_string()),
            source: retry_limit.source,
        },
    ])
}
