//! The machine types of a region.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, InstanceTypeInfo};

use super::machine_types::Machine;
use crate::cloud::{MachineType, Result};
use crate::providers::aws::api::error::{Call, translate};
use crate::providers::aws::api::filters::{FILTER_VALUES, equal};

/// The most that DescribeInstanceTypes gives on one page.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html>
const PAGE_SIZE: i32 = 100;

/// See [`Provider::machine_types`](crate::cloud::Provider::machine_types).
pub(crate) async fn machine_types(client: &Client, region: &str, among: &[String]) -> Result<Vec<MachineType>> {
    if among.is_empty() {
        return every_page(client, region, None).await;
    }
    let mut found = Vec::new();
    for names in among.chunks(FILTER_VALUES) {
        // As a filter, a name that is not there is no error.
        found.extend(every_page(client, region, Some(equal("instance-type", names))).await?);
    }
    Ok(found)
}

async fn every_page(client: &Client, region: &str, filter: Option<Filter>) -> Result<Vec<MachineType>> {
    tracing::debug!(operation = "DescribeInstanceTypes", place = region, "call");
    let call = client
        .describe_instance_types()
        .set_filters(filter.map(|filter| vec![filter]))
        .max_results(PAGE_SIZE);
    let answer: Result<Vec<InstanceTypeInfo>, _> = call.into_paginator().items().send().try_collect().await;
    let infos = answer.map_err(|error| {
        let attempted = format!("cannot list the machine types of {region}");
        translate(&error, Call::Read, attempted, region)
    })?;
    Ok(infos
        .iter()
        .filter_map(Machine::of)
        .filter_map(Machine::typed)
        .collect())
}
