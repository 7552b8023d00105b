//! Data about Compute Engine that is true without a call.

use super::configuration::config_file_keys::{EXPECT_PROJECT, SETTINGS};
use super::create::bulk_insert::MAX_INSTANCES;
use super::create::instance_metadata::login_user;
use super::create::request::DEFAULT_MACHINE_TYPE;
use super::ssh_access::TUNNELS;
use crate::cloud::{Area, CloudInfo, ImageUser, Instance, ProviderKind, TokenScope, key_fingerprint};

/// What is true of Compute Engine without a call.
pub(super) static INFO: CloudInfo = CloudInfo {
    kind: ProviderKind::Gcp,
    title: "Google Cloud",
    account_noun: "project",
    settings: SETTINGS,
    expected_account: Some(EXPECT_PROJECT),
    variables: &[],
    vendor_prefixes: &["CLOUDSDK_", "CLOUD_SDK_", "GCE_", "GCLOUD_", "GOOGLE_"],
    vendor_variables: "GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_CLOUD_PROJECT, CLOUDSDK_* and the like",
    needs_credentials: true,
    example_region: "us-central1",
    max_instances_per_call: MAX_INSTANCES,
    // Names are unique in a zone, and which zone is chosen depends on the machine type and on the zones that are up.
    token_scope: TokenScope::Zone,
    default_machine_type: |_| DEFAULT_MACHINE_TYPE,
    price_source: Some("Google Cloud Billing Catalog API"),
    no_spot_price_note: None,
    sign_in_hint: "sign in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
    quota_hint: "terminate something, or ask for a higher quota in IAM & Admin > Quotas",
    area_of,
    image_user: ImageUser::FromKeyComment,
    key_user: |key| Some(login_user(key.unwrap_or_default())),
    key_label: key_fingerprint,
    tunnels: TUNNELS,
    password_command,
    missing_password_key_note: None,
};

/// <https://cloud.google.com/compute/docs/regions-zones>
fn area_of(region: &str) -> Option<Area> {
    let (first, _) = region.split_once('-')?;
    Some(match first {
        "us" => Area::Us,
        "northamerica" | "southamerica" => Area::Americas,
        "europe" => Area::Europe,
        "asia" => Area::Asia,
        "australia" => Area::Oceania,
        "me" => Area::MiddleEast,
        "africa" => Area::Africa,
        _ => return None,
    })
}

/// <https://cloud.google.com/sdk/gcloud/reference/compute/reset-windows-password>
fn password_command(instance: &Instance) -> Option<String> {
    let (name, zone) = (instance.name.as_deref()?, instance.zone.as_deref()?);
    let project = instance.account.as_deref();
    let project = project
        .map(|project| format!(" --project {project}"))
        .unwrap_or_default();
    Some(format!(
        "gcloud compute reset-windows-password {name} --zone {zone}{project}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_is_in_an_area_by_its_name() {
        assert_eq!(area_of("europe-west1"), Some(Area::Europe));
        assert_eq!(area_of("northamerica-northeast1"), Some(Area::Americas));
        assert_eq!(area_of("nowhere"), None);
    }
}
