//! The options that only Compute Engine has: `native` in a spec, `--native` on the command line.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::cloud::{Error, InstanceSpec, ProviderKind, Result};
use crate::providers::common::native_options::{read_flag, read_list, read_map, read_options};

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Options {
    /// The oldest CPU platform to run on, such as `Intel Ice Lake`.
    /// <https://cloud.google.com/compute/docs/instances/specify-min-cpu-platform>
    pub(super) min_cpu_platform: Option<String>,
    /// OAuth scopes of the service account; only with an identity. As text, a comma-separated list. Default:
    /// `https://www.googleapis.com/auth/cloud-platform`, which leaves permissions to IAM.
    /// <https://cloud.google.com/compute/docs/access/service-accounts#accesscopesiam>
    #[serde(deserialize_with = "read_list")]
    pub(super) service_account_scopes: Option<Vec<String>>,
    /// Whether only signed boot code runs. <https://cloud.google.com/compute/shielded-vm/docs/shielded-vm>
    #[serde(deserialize_with = "read_flag")]
    pub(super) shielded_secure_boot: Option<bool>,
    /// Whether the instance can run virtual machines itself.
    /// <https://cloud.google.com/compute/docs/instances/nested-virtualization/overview>
    #[serde(deserialize_with = "read_flag")]
    pub(super) nested_virtualization: Option<bool>,
    /// `PREMIUM` or `STANDARD`; only with a public address. <https://cloud.google.com/network-tiers/docs/overview>
    pub(super) network_tier: Option<NetworkTier>,
    /// Whether the instance may send packets with other source addresses.
    /// <https://cloud.google.com/vpc/docs/using-routes#canipforward>
    #[serde(deserialize_with = "read_flag")]
    pub(super) can_ip_forward: Option<bool>,
    /// Whether the cloud restarts the instance after a host failure; never for spot.
    /// <https://cloud.google.com/compute/docs/instances/host-maintenance-overview>
    #[serde(deserialize_with = "read_flag")]
    pub(super) automatic_restart: Option<bool>,
    /// `MIGRATE` or `TERMINATE` when the host is serviced; spot and GPU machines can only be terminated.
    /// <https://cloud.google.com/compute/docs/instances/host-maintenance-overview>
    pub(super) on_host_maintenance: Option<OnHostMaintenance>,
    /// Custom metadata. As text, a JSON object or a comma-separated list of `KEY=VALUE`.
    /// <https://cloud.google.com/compute/docs/metadata/setting-custom-metadata>
    #[serde(deserialize_with = "read_map")]
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

impl Options {
    /// Reads the options of a spec and checks them against its other fields.
    pub(super) fn from_spec(spec: &InstanceSpec) -> Result<Self> {
        let options: Self = read_options(ProviderKind::Gcp, &spec.native)?;
        options.check_against(spec)?;
        Ok(options)
    }

    fn check_against(&self, spec: &InstanceSpec) -> Result<()> {
        let contradictions = [
            (
                self.service_account_scopes.is_some() && spec.identity.is_none(),
                "service_account_scopes needs an identity, the service account that has them",
            ),
            (
                self.network_tier.is_some() && !spec.public_ip,
                "network_tier applies to a public address, but none was requested",
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
        match contradictions.into_iter().find(|(is_so, _)| *is_so) {
            Some((_, why)) => Err(Error::invalid(format!("native option of gcp: {why}"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
    }

    #[test]
    fn invalid_value_error_names_the_option() {
        for (key, value) in [
            ("can_ip_forward", json!("maybe")),
            ("network_tier", json!("GOLD")),
            ("hostname", json!(7)),
            // It needs an identity.
            ("service_account_scopes", json!(["x"])),
        ] {
            let error = options(json!({ key: value })).unwrap_err();
            assert!(error.message().contains(key), "{}", error.message());
        }
    }
}
