//! Addresses of APIs that settings name.

use super::gcloud_config::SourcedValue;
use crate::cloud::{Error, Result};
use crate::providers::common::server_address::{is_host, shown_address};

/// Parses the address of an API. Removes the last slash and the version (`/compute/v1`), which the SDK adds by itself
/// and gcloud's form (`https://host/compute/v1/`) contains.
///
/// # Errors
/// `InvalidSpec` that names the setting, for text that is not the address of an API.
pub(crate) fn parse_endpoint(setting: &SourcedValue, version: &str) -> Result<String> {
    let SourcedValue { value, source } = setting;
    let endpoint_error = |why: &str| {
        let shown = shown_address(value);
        let example = format!("http://127.0.0.1:8080{version}/");
        let message = format!("{source}: {shown} is not the address of an API: {why}");
        Err(Error::invalid(message).with_hint(format!("set it to a URL such as {example}")))
    };
    let trimmed = value.trim_end_matches('/');
    let address = trimmed.strip_suffix(version).unwrap_or(trimmed).trim_end_matches('/');
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

    fn of(value: &str) -> Result<String> {
        let source = "variable X".to_owned();
        parse_endpoint(
            &SourcedValue {
                value: value.to_owned(),
                source,
            },
            "/compute/v1",
        )
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
            assert_eq!(of(named).unwrap(), endpoint);
        }
        for named in [
            "127.0.0.1:1",
            "ftp://host",
            "http://",
            "http:///compute/v1/",
            "http://a b/",
            "http://host:port/",
            "http://host:99999/",
            "http://999.999.999.999/",
            "https://a:secret@b/",
            "https://host/?x=y",
            "https://host/#x",
            &format!("http://{}/", "a".repeat(64)),
        ] {
            let error = of(named).expect_err(named);
            assert!(error.message().starts_with("variable X: "), "{error}");
            assert!(!error.message().contains("secret"), "{error}");
        }
    }
}
