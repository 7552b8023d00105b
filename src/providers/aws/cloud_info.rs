//! Data about EC2 that is true without a call.

use super::catalog::machine_types::default_type;
use super::configuration::config_file_keys::{EXPECT_ACCOUNT, SETTINGS};
use super::create::key_pair::PublicKey;
use super::create::request::MAX_INSTANCES_PER_CALL;
use super::ssh_access::TUNNELS;
use crate::cloud::{Area, CloudInfo, ImageUser, Instance, ProviderKind, TokenScope};

/// What is true of EC2 without a call.
pub(super) static INFO: CloudInfo = CloudInfo {
    kind: ProviderKind::Aws,
    title: "AWS",
    account_noun: "account",
    settings: SETTINGS,
    expected_account: Some(EXPECT_ACCOUNT),
    variables: &[],
    vendor_prefixes: &["AWS_"],
    vendor_variables: "AWS_PROFILE, AWS_REGION,\nAWS_ENDPOINT_URL and the like",
    needs_credentials: true,
    example_region: "us-east-1",
    max_instances_per_call: MAX_INSTANCES_PER_CALL,
    // A call with a zone or a subnet has a zonal token, and races also with calls that name neither.
    token_scope: TokenScope::Zone,
    default_machine_type: default_type,
    price_source: Some("AWS Price List API"),
    no_spot_price_note: Some(
        "spot prices on EC2 change from hour to hour and are in no catalog: `cloudctl create --spot --cpus N --dry-run \
         -p aws` asks for them",
    ),
    sign_in_hint: "sign in with `aws sso login`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    quota_hint: "terminate something, or ask for a higher limit in Service Quotas",
    area_of,
    image_user: ImageUser::FromImage,
    key_user: |_| None,
    key_label: |key| Some(PublicKey::parse(key).ok()?.name),
    tunnels: TUNNELS,
    password_command,
    missing_password_key_note: Some(
        "no password: ec2 encrypts it with the key of the VM, and this one is made without; make it anew with \
         --ssh-key and the file of an RSA key",
    ),
};

/// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>
fn area_of(region: &str) -> Option<Area> {
    let (first, rest) = region.split_once('-')?;
    Some(match first {
        "us" if rest.starts_with("gov") || rest.starts_with("iso") => return None,
        "us" => Area::Us,
        "ca" | "mx" | "sa" => Area::Americas,
        "eu" if rest.starts_with("iso") => return None,
        "eu" => Area::Europe,
        // Sydney, Melbourne and Auckland.
        "ap" if ["southeast-2", "southeast-4", "southeast-6"].contains(&rest) => Area::Oceania,
        "ap" => Area::Asia,
        "me" | "il" => Area::MiddleEast,
        "af" => Area::Africa,
        _ => return None,
    })
}

/// <https://docs.aws.amazon.com/cli/latest/reference/ec2/get-password-data.html>
fn password_command(instance: &Instance) -> Option<String> {
    let (region, id) = (&instance.region, &instance.reference.id);
    Some(format!(
        "aws ec2 get-password-data --region {region} --instance-id {id} --priv-launch-key FILE"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_is_in_an_area_by_its_name() {
        for (region, area) in [
            ("us-east-1", Some(Area::Us)),
            ("us-gov-west-1", None),
            ("eu-west-1", Some(Area::Europe)),
            ("ap-southeast-2", Some(Area::Oceania)),
            ("ap-southeast-1", Some(Area::Asia)),
            ("cn-north-1", None),
        ] {
            assert_eq!(area_of(region), area, "{region}");
        }
    }
}
