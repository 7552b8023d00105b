//! Finds and checks custom addresses of AWS's services before any call.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>

use http::Uri;

use super::{Configuration, setting_name};
use crate::cloud::{Error, Result, quoted};
use crate::providers::common::endpoint_address::{has_valid_or_no_port, is_host, shown_address};
use crate::settings::SourcedValue;

/// The services that cloudctl calls: the end of their variables' names, and their keys in a `services` section.
pub(crate) const SERVICES: [(&str, &str); 3] = [("EC2", "ec2"), ("STS", "sts"), ("PRICING", "pricing")];
/// The services that the SDK calls for credentials. Only variables can change their addresses.
const SSO_SERVICES: [(&str, &str); 2] = [("SSO", "sso"), ("SSO_OIDC", "sso_oidc")];

/// The custom address of each service that has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endpoints {
    pub(crate) ec2: Option<SourcedValue>,
    pub(crate) sts: Option<SourcedValue>,
    pub(crate) pricing: Option<SourcedValue>,
    pub(crate) use_fips: Option<SourcedValue>,
    pub(crate) use_dual_stack: Option<SourcedValue>,
}

impl Endpoints {
    /// Finds and checks the addresses.
    ///
    /// # Errors
    /// `InvalidSpec` that names the setting, for an invalid address or one that another setting excludes.
    pub(crate) fn from_configuration(configuration: &Configuration) -> Result<Self> {
        let keep_if_on = |switch: Option<(bool, SourcedValue)>| match switch {
            Some((true, setting)) => Some(setting),
            Some((false, _)) | None => None,
        };
        let ignore_urls =
            configuration.switch("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls")?;
        let mut endpoints = Self {
            use_fips: keep_if_on(configuration.switch("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint")?),
            use_dual_stack: keep_if_on(configuration.switch("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")?),
            ..Self::default()
        };
        if keep_if_on(ignore_urls).is_some() {
            return Ok(endpoints);
        }
        let [ec2, sts, pricing] = SERVICES.map(|(variable, key)| find_endpoint(configuration, variable, key));
        endpoints.ec2 = ec2?;
        endpoints.sts = sts?;
        endpoints.pricing = pricing?;
        for (variable, key) in SSO_SERVICES {
            refuse_in_services(configuration, key)?;
            if let Some(setting) = configuration.variable(&format!("AWS_ENDPOINT_URL_{variable}")) {
                check_address(&setting)?;
            }
        }
        let custom_addresses = [&endpoints.ec2, &endpoints.sts, &endpoints.pricing];
        if let Some(first) = custom_addresses.into_iter().flatten().next() {
            check_is_off(&endpoints.use_fips, "use_fips_endpoint", "FIPS", first)?;
            check_is_off(&endpoints.use_dual_stack, "use_dualstack_endpoint", "dual-stack", first)?;
        }
        Ok(endpoints)
    }
}

/// Refuses settings that give single sign-on another address than the variables do. The SDK calls the portal itself
/// and reads only the variables.
///
/// # Errors
/// `InvalidSpec` that names the setting.
pub(crate) fn check_single_sign_on(configuration: &Configuration) -> Result<()> {
    let ignored = configuration.switch("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls")?;
    let ignored = ignored.filter(|(is_on, _)| *is_on);
    for (variable, _) in SSO_SERVICES {
        let own = format!("AWS_ENDPOINT_URL_{variable}");
        let set = configuration
            .variable(&own)
            .or_else(|| configuration.variable("AWS_ENDPOINT_URL"));
        if let Some((_, switch)) = &ignored
            && let Some(set) = &set
        {
            let message = format!(
                "{} is set, which cloudctl does not support together with {} and single sign-on",
                setting_name(switch, "ignore_configured_endpoint_urls"),
                setting_name(set, "endpoint_url")
            );
            return Err(Error::invalid(message).with_hint("unset one of the two"));
        }
        if ignored.is_none()
            && set.is_none()
            && let Some(key) = configuration.key("endpoint_url")
        {
            let message = format!(
                "{} is set, which cloudctl does not support for single sign-on",
                setting_name(&key, "endpoint_url")
            );
            return Err(Error::invalid(message).with_hint(format!("set the variable {own} as well")));
        }
    }
    Ok(())
}

/// Refuses a switch for AWS's own addresses beside a custom address.
fn check_is_off(switch: &Option<SourcedValue>, key: &str, kind: &str, custom: &SourcedValue) -> Result<()> {
    let Some(switch) = switch else { return Ok(()) };
    Err(Error::invalid(format!(
        "{} asks for AWS's own {kind} endpoints, and {} sets another address",
        setting_name(switch, key),
        setting_name(custom, "endpoint_url")
    ))
    .with_hint("unset one of the two"))
}

/// Finds the address of a service: its own variable, the variable for all services, its own key, the key for all.
fn find_endpoint(configuration: &Configuration, variable: &str, key: &str) -> Result<Option<SourcedValue>> {
    let setting = configuration
        .variable(&format!("AWS_ENDPOINT_URL_{variable}"))
        .or_else(|| configuration.variable("AWS_ENDPOINT_URL"));
    let setting = match setting {
        Some(setting) => Some(setting),
        None => find_in_services(configuration, key)?.or_else(|| configuration.key("endpoint_url")),
    };
    if let Some(setting) = &setting {
        check_address(setting)?;
    }
    Ok(setting)
}

/// Finds the address of a service in the `services` section that the profile names.
fn find_in_services(configuration: &Configuration, key: &str) -> Result<Option<SourcedValue>> {
    let Some(named) = configuration.key("services") else {
        return Ok(None);
    };
    let Some(section) = configuration.files.services.get(&named.value) else {
        let name = quoted(&named.value);
        let message = format!(
            "{}: services names the section {name}, which does not exist",
            named.source
        );
        return Err(Error::invalid(message).with_hint(format!("add a section [services {name}]")));
    };
    Ok(section.get_nested(key, "endpoint_url").map(|setting| {
        SourcedValue::new(
            setting.value.clone(),
            format!("{}, [services {}]", setting.source, named.value),
        )
    }))
}

fn refuse_in_services(configuration: &Configuration, key: &str) -> Result<()> {
    match find_in_services(configuration, key)? {
        None => Ok(()),
        Some(setting) => {
            let message = format!(
                "{} sets the address of {key}, which cloudctl does not support there",
                setting.source
            );
            let variable = format!("AWS_ENDPOINT_URL_{}", key.to_uppercase());
            Err(Error::invalid(message).with_hint(format!("set the variable {variable} instead")))
        }
    }
}

/// Checks an address: it has a scheme, a host, optionally a port and a path, and nothing else.
fn check_address(setting: &SourcedValue) -> Result<()> {
    let refused = |why: &str| {
        let shown = shown_address(&setting.value);
        Error::invalid(format!(
            "{} is {shown}, which {why}",
            setting_name(setting, "endpoint_url")
        ))
        .with_hint("write it as http://localhost:4566 or https://ec2.us-east-1.amazonaws.com")
    };
    match find_address_problem(&setting.value) {
        Some(why) => Err(refused(why)),
        None => Ok(()),
    }
}

/// What is wrong with an address; `None` for a valid one.
pub(crate) fn find_address_problem(text: &str) -> Option<&'static str> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https") => {}
        Some(_) => return Some("begins with neither http:// nor https://"),
        None => return Some("has no scheme: it begins with neither http:// nor https://"),
    }
    let Ok(uri) = text.parse::<Uri>() else {
        return Some("is not an address");
    };
    let Some(authority) = uri.authority() else {
        return Some("names no host");
    };
    if authority.as_str().contains('@') {
        return Some("has a user in it, which no API takes");
    }
    if !is_host(authority.host()) {
        return Some("names no host");
    }
    if !has_valid_or_no_port(authority) {
        return Some("has an invalid port");
    }
    if text.contains(['?', '#']) {
        return Some("has more in it than a path");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_needs_scheme_and_host() {
        for good in [
            "http://localhost:4566",
            "HTTPS://ec2.us-east-1.amazonaws.com",
            "http://127.0.0.1:1/",
            "https://[::1]:443/path",
            "http://my_host.",
        ] {
            assert_eq!(find_address_problem(good), None, "{good}");
        }
        for bad in [
            "localhost:4566",
            "127.0.0.1",
            "ftp://host",
            "http://",
            "http:///path",
            "http://host:",
            "http://host:0",
            "http://host:65536",
            "http://host:port",
            "http://a b",
            "http://user:word@host",
            "http://host?x",
            "http://host#x",
            "http://[::1",
            "http://[fe80::zz]",
            "http://-é",
            "http://a..b",
            "://",
            "garbage",
        ] {
            assert!(find_address_problem(bad).is_some(), "{bad}");
        }
    }
}
