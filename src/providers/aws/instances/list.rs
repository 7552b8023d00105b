//! Listings of instances, with every page.

use std::collections::HashSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_instances::{DescribeInstancesError, DescribeInstancesOutput};
use aws_sdk_ec2::types::Filter;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::stream::{self, TryStreamExt};

use super::convert;
use super::describe_instances::{Page, QuickReader};
use crate::cloud::{Error, ErrorKind, Instance, LABEL_MANAGED, ListFilter, Location, Pages, Result};
use crate::providers::aws::api::error::{Call, SdkError, translate};
use crate::providers::aws::api::filters::{equal, selections, tag_filter};

/// The most that DescribeInstances takes for one page.
const PAGE_SIZE: i32 = 1000;
const CONCURRENT_QUERIES: usize = 4;

/// Puts every instance of a region, or of one zone in it, that the filter admits into `pages`.
pub(crate) async fn list(client: &Client, region: &str, pages: &Pages<'_>) -> Result<Vec<Error>> {
    let mut common = Vec::new();
    if let Location::Zone { zone, .. } = pages.location {
        common.push(equal("availability-zone", [zone]));
    }
    if pages.filter.managed {
        common.push(equal(&tag_filter(LABEL_MANAGED), ["true"]));
    }
    let common = &common;
    // Names and ids are asked for apart, and one instance can fit both.
    stream::iter(selections(pages.filter).into_iter().map(Ok))
        .try_for_each_concurrent(CONCURRENT_QUERIES, |selection| async move {
            let filters: Vec<_> = common.iter().cloned().chain(selection).collect();
            every_page(client, region, &filters, pages).await
        })
        .await?;
    Ok(Vec::new())
}

/// What one query finds in a region, from every page.
pub(crate) async fn query(client: &Client, region: &str, filters: Vec<Filter>) -> Result<Vec<Instance>> {
    let mut found = Vec::new();
    let mut gather = |page: Vec<Instance>| found.extend(page);
    let (location, filter) = (Location::Region(region.to_owned()), ListFilter::default());
    every_page(client, region, &filters, &Pages::new(&location, &filter, &mut gather)).await?;
    Ok(found)
}

/// Every page of one query. A page token that EC2 does not take any more makes it begin anew, once; of what comes again,
/// `pages` hands nothing on.
async fn every_page(client: &Client, region: &str, filters: &[Filter], pages: &Pages<'_>) -> Result<()> {
    match read_pages(client, region, filters, pages).await {
        Err(Stop::TokenRefused(_)) => read_pages(client, region, filters, pages).await,
        other => other,
    }
    .map_err(|stop| match stop {
        Stop::TokenRefused(error) | Stop::Other(error) => error,
    })
}

/// Why a listing ended early.
enum Stop {
    TokenRefused(Error),
    Other(Error),
}

async fn read_pages(client: &Client, region: &str, filters: &[Filter], pages: &Pages<'_>) -> Result<(), Stop> {
    let mut token: Option<String> = None;
    let mut seen = HashSet::new();
    loop {
        tracing::debug!(
            operation = "DescribeInstances",
            place = region,
            page = seen.len() + 1,
            "call"
        );
        let quick = QuickReader::new(region);
        let answer = client
            .describe_instances()
            .set_filters((!filters.is_empty()).then(|| filters.to_vec()))
            .max_results(PAGE_SIZE)
            .set_next_token(token.clone())
            .customize()
            .interceptor(quick.clone())
            .send()
            .await
            .map_err(|error| stop(&error, region, token.is_some()))?;
        let page = quick.page().unwrap_or_else(|| Page {
            instances: instances(&answer, region),
            next_token: answer.next_token.clone(),
        });
        // The SDK's page is the bigger one of the two.
        drop(answer);
        pages.take(page.instances);
        // A page can be empty although more follow.
        let Some(next) = page.next_token.filter(|token| !token.is_empty()) else {
            return Ok(());
        };
        if !seen.insert(next.clone()) {
            let error = Error::new(
                ErrorKind::Network,
                format!("the listing of {region} runs in a loop: ec2 gave the same page token again"),
            );
            return Err(Stop::Other(error.at(format!("aws/{region}"))));
        }
        token = Some(next);
    }
}

fn stop(error: &SdkError<DescribeInstancesError>, region: &str, with_token: bool) -> Stop {
    let translated = translate(
        error,
        Call::Read,
        format!("cannot list the instances of {region}"),
        region,
    );
    match error.code() {
        // EC2 took the other values with the page before, so that it is the token that the last one is about.
        Some("InvalidPaginationToken" | "InvalidNextToken" | "InvalidParameterValue") if with_token => {
            Stop::TokenRefused(translated.as_kind(ErrorKind::Network))
        }
        _ => Stop::Other(translated),
    }
}

/// The instances of one answer.
pub(crate) fn instances(output: &DescribeInstancesOutput, region: &str) -> Vec<Instance> {
    output
        .reservations()
        .iter()
        .flat_map(|reservation| {
            let owner = reservation.owner_id();
            reservation
                .instances()
                .iter()
                .filter_map(move |found| convert::from_ec2(found, region, owner))
        })
        .collect()
}
