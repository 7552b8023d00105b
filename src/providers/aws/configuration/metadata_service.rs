//! The metadata service of EC2: whether this machine has one, and its client.

use std::path::Path;
use std::time::Duration;

use aws_config::imds::{self, client::EndpointMode};
use aws_config::provider_config::ProviderConfig;

use super::endpoints::find_address_problem;
use super::{Configuration, invalid_value_error};
use crate::cloud::{Error, Result};
use crate::settings::SourcedValue;

const MAX_SECONDS: u32 = 600;

/// Whether the metadata service can be asked: this machine is an EC2 instance, or a custom address is set.
pub(crate) fn can_ask_metadata_service(configuration: &Configuration) -> Result<bool> {
    let endpoint = find_endpoint(configuration);
    if let Some(setting) = &endpoint
        && find_address_problem(&setting.value).is_some()
    {
        return Err(invalid_endpoint_error(setting));
    }
    Ok(!is_metadata_disabled(configuration) && (endpoint.is_some() || runs_on_ec2()))
}

fn find_endpoint(configuration: &Configuration) -> Option<SourcedValue> {
    configuration.setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint")
}

fn invalid_endpoint_error(setting: &SourcedValue) -> Error {
    let expected = "an address such as http://169.254.169.254";
    invalid_value_error(setting, "ec2_metadata_service_endpoint", expected)
}

/// Builds the client of the metadata service.
///
/// # Errors
/// `InvalidSpec` for an invalid setting of it.
pub(crate) fn build_metadata_client(configuration: &Configuration, provider: &ProviderConfig) -> Result<imds::Client> {
    let mut builder = imds::Client::builder().configure(provider);
    if let Some(setting) = find_endpoint(configuration) {
        let with_endpoint = builder.endpoint(&setting.value);
        builder = with_endpoint.map_err(|_| invalid_endpoint_error(&setting))?;
    }
    let mode_key = "ec2_metadata_service_endpoint_mode";
    if let Some(setting) = configuration.setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", mode_key) {
        let mode = match setting.value.to_ascii_lowercase().as_str() {
            "ipv4" => EndpointMode::IpV4,
            "ipv6" => EndpointMode::IpV6,
            _ => return Err(invalid_value_error(&setting, mode_key, "IPv4 or IPv6")),
        };
        builder = builder.endpoint_mode(mode);
    }
    let read_number = |variable: &str, key: &str| {
        let Some(setting) = configuration.setting(variable, key) else {
            return Ok(None);
        };
        match setting.value.parse::<u32>() {
            Ok(number) if (1..=MAX_SECONDS).contains(&number) => Ok(Some(number)),
            _ => Err(invalid_value_error(&setting, key, "a number from 1 to 600")),
        }
    };
    if let Some(seconds) = read_number("AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout")? {
        let timeout = Duration::from_secs(seconds.into());
        builder = builder.connect_timeout(timeout).read_timeout(timeout);
    }
    if let Some(attempts) = read_number("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts")? {
        builder = builder.max_attempts(attempts);
    }
    Ok(builder.build())
}

/// Whether the metadata service is switched off.
fn is_metadata_disabled(configuration: &Configuration) -> bool {
    let disabled = configuration.variable("AWS_EC2_METADATA_DISABLED");
    disabled.is_some_and(|setting| setting.value.eq_ignore_ascii_case("true"))
}

/// Whether this machine is an EC2 instance, which has a metadata service.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html>
pub(crate) fn runs_on_ec2() -> bool {
    let file_contains = |file: &str, word: &str| {
        std::fs::read_to_string(Path::new("/sys/devices/virtual/dmi/id").join(file))
            .is_ok_and(|text| text.to_ascii_lowercase().contains(word))
    };
    // Nitro instances name their vendor; Xen instances have it in the version of their BIOS.
    file_contains("sys_vendor", "amazon ec2") || file_contains("bios_version", "amazon")
}
