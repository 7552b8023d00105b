//! Only aws has this file: regions that an account must enable before they know it.

use super::api::client::Clients;
use super::configuration::partition::Partition;
use crate::cloud::{Error, ErrorKind};

/// Says so if a region does not know the caller because the account has not enabled it: by its own words it could as
/// well be the credentials.
///
/// <https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html>
pub(super) async fn explained(clients: &Clients, region: &str, error: Error) -> Error {
    if !matches!(
        error.code(),
        Some("AuthFailure" | "InvalidClientTokenId" | "UnrecognizedClientException")
    ) {
        return error;
    }
    let home = clients.any_region().await;
    // Every account has its partition's main region, which knows of the others.
    let partition = Partition::of_region(region);
    let asked = match home == region || Partition::of_region(&home) != partition {
        true => partition.main_region(),
        false => &home,
    };
    tracing::debug!(operation = "DescribeRegions", place = asked, "call");
    let call = clients.ec2(asked).await.describe_regions();
    let answer = call.region_names(region).all_regions(true).send().await;
    let is_off = answer.is_ok_and(|output| {
        let mut regions = output.regions().iter();
        regions.any(|known| known.region_name() == Some(region) && known.opt_in_status() == Some("not-opted-in"))
    });
    if !is_off {
        return error;
    }
    error
        .context(format!("region {region} is not enabled for this account"))
        .as_kind(ErrorKind::PermissionDenied)
        .with_remedy(format!(
            "enable it with `aws account enable-region --region-name {region}`, or use another with --region"
        ))
}
