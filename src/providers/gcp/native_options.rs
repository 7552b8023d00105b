//! The options that only Compute Engine has: `native` in a spec, `--native` on the command line.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

use crate::cloud::{Error, InstanceSpec, Result, closest, quoted, redact_parser_message, redact_value};

/// All native options. A value may have its own type or be text, as on the command line.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Options {
    /// The oldest CPU platform to run on, such as `Intel Ice Lake`.
    /// <https://cloud.google.com/compute/docs/instances/specify-min-cpu-platform>
    pub(super) min_cpu_platform: Option<String>,
    /// OAuth scopes of the service account; only with an identity. As text, a comma-separated list. Default:
    /// `https://www.googleapis.com/auth/cloud-platform`, which leaves permissions to IAM.
    /// <https://cloud.google.com/compute/docs/access/service-accounts#accesscopesiam>
    #[serde(deserialize_with = "parse_list")]
    pub(super) service_account_scopes: Option<Vec<String>>,
    /// Whether only signed boot code runs. <https://cloud.google.com/compute/shielded-vm/docs/shielded-vm>
    #[serde(deserialize_with = "parse_bool")]
    pub(super) shielded_secure_boot: Option<bool>,
    /// Whether the instance can run virtual machines itself.
    /// <https://cloud.google.com/compute/docs/instances/nested-virtualization/overview>
    #[serde(deserialize_with = "parse_bool")]
    pub(super) nested_virtualization: Option<bool>,
    /// `PREMIUM` or `STANDARD`; only with a public address. <https://cloud.google.com/network-tiers/docs/overview>
    pub(super) network_tier: Option<NetworkTier>,
    /// Whether the instance may send packets with other source addresses.
    /// <https://cloud.google.com/vpc/docs/using-routes#canipforward>
    #[serde(deserialize_with = "parse_bool")]
    pub(super) can_ip_forward: Option<bool>,
    /// Whether the cloud restarts the instance after a host failure; never for spot.
    /// <https://cloud.google.com/compute/docs/instances/host-maintenance-overview>
    #[serde(deserialize_with = "parse_bool")]
    pub(super) automatic_restart: Option<bool>,
    /// `MIGRATE` or `TERMINATE` when the host is serviced; spot and GPU machines can only be terminated.
    /// <https://cloud.google.com/compute/docs/instances/host-maintenance-overview>
    pub(super) on_host_maintenance: Option<OnHostMaintenance>,
    /// Custom metadata. As text, a JSON object or a comma-separated list of `KEY=VALUE`.
    /// <https://cloud.google.com/compute/docs/metadata/setting-custom-metadata>
    #[serde(deserialize_with = "parse_map")]
    pub(super) metadata: BTreeMap<String, String>,
    /// Cloud KMS key that encrypts the boot disk: `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
    /// <https://cloud.google.com/compute/docs/disks/customer-managed-encryption>
    pub(super) disk_kms_key: Option<String>,
    /// The fully qualified host name. <https://cloud.google.com/compute/docs/instances/custom-hostname-vm>
    pub(super) hostname: Option<String>,
}

/// The network that public traffic takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum NetworkTier {
    /// Google's own network.
    #[serde(alias = "premium")]
    Premium,
    /// The public internet.
    #[serde(alias = "standard")]
    Standard,
}

/// What happens when the host is serviced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum OnHostMaintenance {
    /// The instance moves to another host while it runs.
    #[serde(alias = "migrate")]
    Migrate,
    /// The instance is stopped.
    #[serde(alias = "terminate")]
    Terminate,
}

const OPTION_NAMES: [&str; 11] = [
    "min_cpu_platform",
    "service_account_scopes",
    "shielded_secure_boot",
    "nested_virtualization",
    "network_tier",
    "can_ip_forward",
    "automatic_restart",
    "on_host_maintenance",
    "metadata",
    "disk_kms_key",
    "hostname",
];

impl Options {
    /// Reads the options of a spec and checks them against its other fields.
    ///
    /// # Errors
    /// `InvalidSpec` with the option that is unknown, of a wrong type, or contradicts the spec.
    pub(super) fn from_spec(spec: &InstanceSpec) -> Result<Self> {
        let mut options = Self::default();
        for (key, value) in &spec.native {
            if !OPTION_NAMES.contains(&key.as_str()) {
                let likely = closest(key, OPTION_NAMES, 1).first().copied().unwrap_or_default();
                return Err(Error::invalid(format!("unknown native option {} of gcp", quoted(key)))
                    .with_hint(format!("did you mean {likely}? gcp has {}", OPTION_NAMES.join(", "))));
            }
            // Read key by key, so that the error can name the key.
            let one = Value::Object([(key.clone(), value.clone())].into_iter().collect());
            let one: Self = serde_json::from_value(one).map_err(|error| {
                Error::invalid(format!(
                    "invalid native option {} of gcp: {}",
                    redact_value(key),
                    redact_parser_message(&error.to_string())
                ))
            })?;
            options.merge(one);
        }
        options.check_against(spec)?;
        Ok(options)
    }

    /// Copies the options that are set in `other`.
    fn merge(&mut self, other: Self) {
        fn set<T>(slot: &mut Option<T>, value: Option<T>) {
            if value.is_some() {
                *slot = value;
            }
        }
        set(&mut self.min_cpu_platform, other.min_cpu_platform);
        set(&mut self.service_account_scopes, other.service_account_scopes);
        set(&mut self.shielded_secure_boot, other.shielded_secure_boot);
        set(&mut self.nested_virtualization, other.nested_virtualization);
        set(&mut self.network_tier, other.network_tier);
        set(&mut self.can_ip_forward, other.can_ip_forward);
        set(&mut self.automatic_restart, other.automatic_restart);
        set(&mut self.on_host_maintenance, other.on_host_maintenance);
        set(&mut self.disk_kms_key, other.disk_kms_key);
        set(&mut self.hostname, other.hostname);
        self.metadata.extend(other.metadata);
    }

    fn check_against(&self, spec: &InstanceSpec) -> Result<()> {
        let odds = [
            (
                self.service_account_scopes.is_some() && spec.identity.is_none(),
                "service_account_scopes needs an identity, the service account that has them",
            ),
            (
                self.network_tier.is_some() && !spec.public_ip,
                "network_tier is the tier of a public address, and none is wanted",
            ),
            (
                self.automatic_restart == Some(true) && spec.spot,
                "automatic_restart is not for spot instances",
            ),
            (
                self.on_host_maintenance == Some(OnHostMaintenance::Migrate) && spec.spot,
                "on_host_maintenance MIGRATE is not for spot instances",
            ),
        ];
        match odds.into_iter().find(|(at_odds, _)| *at_odds) {
            Some((_, why)) => Err(Error::invalid(format!("native option of gcp: {why}"))),
            None => Ok(()),
        }
    }
}

fn parse_bool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Bool(value) => Ok(Some(value)),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        other => Err(D::Error::custom(format!("{other} is neither true nor false"))),
    }
}

fn parse_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(Some(text.split(',').map(|item| item.trim().to_owned()).collect())),
        value => serde_json::from_value(value)
            .map(Some)
            .map_err(|_| D::Error::custom("it is a list of texts")),
    }
}

fn parse_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    // Metadata can hold secrets, so no message quotes a value.
    let wrong = || D::Error::custom("it is KEY=VALUE separated by commas, or a map from text to text");
    match Value::deserialize(deserializer)? {
        Value::String(text) if text.trim_start().starts_with('{') => serde_json::from_str(&text).map_err(|_| wrong()),
        Value::String(text) => {
            let pairs = text.split(',').map(|pair| pair.split_once('='));
            let pairs = pairs.map(|pair| pair.map(|(key, value)| (key.trim().to_owned(), value.to_owned())));
            pairs.collect::<Option<_>>().ok_or_else(wrong)
        }
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| match value {
                Value::String(text) => Ok((key, text)),
                Value::Bool(_) | Value::Number(_) => Ok((key, value.to_string())),
                _ => Err(wrong()),
            })
            .collect(),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::create::request::tests::spec;
    use super::*;

    fn options(native: Value) -> Result<Options> {
        let mut spec = spec("web-1");
        spec.native = serde_json::from_value(native).unwrap();
        Options::from_spec(&spec)
    }

    #[test]
    fn options_are_read_from_typed_values_and_text() {
        let typed = json!({
            "can_ip_forward": true, "network_tier": "STANDARD", "on_host_maintenance": "TERMINATE",
            "metadata": { "enable-oslogin": true, "role": "web" },
        });
        let text = json!({
            "can_ip_forward": "true", "network_tier": "standard", "on_host_maintenance": "terminate",
            "metadata": "enable-oslogin=true,role=web",
        });
        assert_eq!(options(typed).unwrap(), options(text).unwrap());
        let as_json = options(json!({ "metadata": "{\"a\": \"b,c=d\"}" })).unwrap();
        assert_eq!(as_json.metadata["a"], "b,c=d");
    }

    #[test]
    fn error_names_unknown_or_wrong_option() {
        let unknown = options(json!({ "can_ip_foward": true })).unwrap_err();
        assert!(unknown.message().contains("can_ip_foward"));
        assert!(unknown.hint().unwrap().starts_with("did you mean can_ip_forward?"));
        for wrong in [
            json!({ "can_ip_forward": "maybe" }),
            json!({ "network_tier": "GOLD" }),
            json!({ "hostname": 7 }),
            json!({ "service_account_scopes": ["x"] }),
        ] {
            let key = wrong.as_object().unwrap().keys().next().unwrap().clone();
            assert!(options(wrong).unwrap_err().message().contains(&key));
        }
    }

    #[test]
    fn error_does_not_quote_metadata() {
        let error = options(json!({ "metadata": "hunter2" })).unwrap_err();
        assert!(!error.message().contains("hunter2"));
    }

    #[test]
    fn every_option_name_is_a_field() {
        for key in OPTION_NAMES {
            let error = options(json!({ key: [[]] })).unwrap_err();
            assert!(error.message().starts_with("invalid native option"), "{key}: {error}");
        }
    }
}
