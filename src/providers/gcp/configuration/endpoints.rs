//! The APIs of Google that cloudctl calls, and their addresses.

use super::gcloud_config::{GcloudConfiguration, SourcedValue};
use crate::cloud::{Error, Result};
use crate::providers::common::endpoint_address::{is_host, shown_address};

pub(crate) struct GoogleApi {
    /// Its name in the default address, and in the gcloud property that changes the address.
    pub(crate) name: &'static str,
    /// The path that all its calls begin with.
    base_path: &'static str,
}

impl GoogleApi {
    pub(crate) const COMPUTE: &Self = &Self::new("compute", "/compute/v1");
    pub(crate) const IAM_CREDENTIALS: &Self = &Self::new("iamcredentials", "/v1");
    pub(crate) const CLOUD_BILLING: &Self = &Self::new("cloudbilling", "/v1");
    pub(crate) const ALL: [&Self; 3] = [Self::COMPUTE, Self::IAM_CREDENTIALS, Self::CLOUD_BILLING];

    const fn new(name: &'static str, base_path: &'static str) -> Self {
        Self { name, base_path }
    }

    /// Returns the address that gcloud's settings name for this API.
    pub(crate) fn address_setting(&self, gcloud: &GcloudConfiguration) -> Option<SourcedValue> {
        gcloud.setting("api_endpoint_overrides", self.name)
    }
}

/// Parses the address of an API. Removes the last slash and the base path (`/compute/v1`), which the SDK adds by itself
/// and gcloud's form (`https://host/compute/v1/`) contains.
pub(crate) fn parse_endpoint(setting: &SourcedValue, api: &GoogleApi) -> Result<String> {
    let SourcedValue { value, source } = setting;
    let endpoint_error = |why: &str| {
        let shown = shown_address(value);
        let example = format!("http://127.0.0.1:8080{}/", api.base_path);
        let message = format!("{source}: {shown} is not the address of an API: {why}");
        Err(Error::invalid(message).with_hint(format!("set it to a URL such as {example}")))
    };
    let trimmed = value.trim_end_matches('/');
    let address = trimmed
        .strip_suffix(api.base_path)
        .unwrap_or(trimmed)
        .trim_end_matches('/');
    if address.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return endpoint_error("there is white space in it");
    }
    if !address.starts_with("http://") && !address.starts_with("https://") {
        return endpoint_error("it does not begin with http:// or https://");
    }
    let Ok(url) = reqwest::Url::parse(address) else {
        return endpoint_error("it is not a URL");
    };
    // The parser accepts any number of slashes, and reads backslashes as slashes.
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    if !url.host_str().is_some_and(is_host) || rest.starts_with('/') || address.contains('\\') {
        return endpoint_error("its host is missing or not valid");
    }
    if rest.contains('@') {
        return endpoint_error("it has a user or password in it");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return endpoint_error("there is something after its path");
    }
    Ok(address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<String> {
        let (value, source) = (value.to_owned(), "variable X".to_owned());
        parse_endpoint(&SourcedValue { value, source }, GoogleApi::COMPUTE)
    }

    #[test]
    fn endpoint_loses_the_path_that_the_sdk_adds() {
        for (named, endpoint) in [
            ("http://127.0.0.1:1/compute/v1/", "http://127.0.0.1:1"),
            ("http://127.0.0.1:1/compute/v1", "http://127.0.0.1:1"),
            ("http://127.0.0.1:1/", "http://127.0.0.1:1"),
            ("https://[::1]:1/", "https://[::1]:1"),
            ("https://host.test/prefix/compute/v1/", "https://host.test/prefix"),
        ] {
            assert_eq!(parse(named).unwrap(), endpoint);
        }
        // A part of a host name has 63 characters at most.
        assert!(parse(&format!("http://{}/", "a".repeat(64))).is_err());
    }
}
