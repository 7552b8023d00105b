//! Lists instances, and reads one: its description, protection and console output.

use std::collections::HashSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_instances::{DescribeInstancesError, DescribeInstancesOutput};
use aws_sdk_ec2::types::{self as ec2, Filter, InstanceAttributeName};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::future;
use futures_util::stream::{self, TryStreamExt};

use super::describe_instances::{Page, PageCapture};
use super::from_api;
use crate::cloud::{
    Error, ErrorKind, ErrorLocation, Gap, Instance, InstanceRef, InstanceSink, LABEL_MANAGED, ListFilter, ListScope,
    ProviderKind, Result,
};
use crate::providers::aws::api::error::{Call, OperationError, SdkError, translate};
use crate::providers::aws::api::filters::{build_filter, build_query_filters, tag_filter_name};

/// The maximum page size of DescribeInstances.
const PAGE_SIZE: i32 = 1000;
const CONCURRENT_QUERIES: usize = 4;

/// Sends every instance of a region or zone that matches the filter to `pages`.
pub(crate) async fn list(client: &Client, region: &str, sink: &InstanceSink<'_>) -> Result<Vec<Gap>> {
    let mut common = Vec::new();
    if let ListScope::Zone { zone, .. } = sink.scope {
        common.push(build_filter("availability-zone", [zone]));
    }
    if sink.filter.managed {
        common.push(build_filter(&tag_filter_name(LABEL_MANAGED), ["true"]));
    }
    let common = &common;
    // Names and ids have separate calls, and one instance can match both.
    stream::iter(build_query_filters(sink.filter).into_iter().map(Ok))
        .try_for_each_concurrent(CONCURRENT_QUERIES, |filter_of_query| async move {
            let filters: Vec<_> = common.iter().cloned().chain(filter_of_query).collect();
            list_all_pages(client, region, &filters, sink).await
        })
        .await?;
    Ok(Vec::new())
}

/// Reads one instance with its protection.
pub(crate) async fn get(client: &Client, target: &InstanceRef) -> Result<Instance> {
    let protected = async {
        tracing::debug!(operation = "DescribeInstanceAttribute", place = target.scope, "call");
        let answer = client
            .describe_instance_attribute()
            .instance_id(&target.id)
            .attribute(InstanceAttributeName::DisableApiTermination)
            .send()
            .await;
        // A caller without this permission gets no protection state.
        answer.ok()?.disable_api_termination()?.value()
    };
    let (instance, protected) = future::join(find_instance(client, target), protected).await;
    let mut instance = instance?;
    if !instance.state.is_gone() {
        instance.protected = protected;
    }
    Ok(instance)
}

/// Reads one instance by its id, without its protection, which takes another call.
pub(crate) async fn find_instance(client: &Client, target: &InstanceRef) -> Result<Instance> {
    let (api, owner) = describe_instance(client, target).await?;
    from_api::from_ec2(&api, &target.scope, owner.as_deref())
        .ok_or_else(|| Error::not_found(target).at(ErrorLocation::new(ProviderKind::Aws, &target.scope)))
}

pub(crate) async fn describe_instance(
    client: &Client,
    target: &InstanceRef,
) -> Result<(ec2::Instance, Option<String>)> {
    let region = &target.scope;
    tracing::debug!(operation = "DescribeInstances", place = region, "call");
    let output = client
        .describe_instances()
        .instance_ids(&target.id)
        .send()
        .await
        .map_err(|error| lookup_error(&error, target, "describe"))?;
    for reservation in output.reservations.unwrap_or_default() {
        for instance in reservation.instances.unwrap_or_default() {
            if instance.instance_id() == Some(target.id.as_str()) {
                return Ok((instance, reservation.owner_id));
            }
        }
    }
    Err(Error::not_found(target).at(ErrorLocation::new(ProviderKind::Aws, region)))
}

pub(crate) async fn console_output(client: &Client, target: &InstanceRef) -> Result<Vec<u8>> {
    let ask = |latest: bool| {
        tracing::debug!(operation = "GetConsoleOutput", place = target.scope, latest, "call");
        client
            .get_console_output()
            .instance_id(&target.id)
            .latest(latest)
            .send()
    };
    let answer = match ask(true).await {
        // Only Nitro instances have the latest output.
        Err(error) if has_no_latest_output(error.code()) => ask(false).await,
        answer => answer,
    };
    let output = answer.map_err(|error| lookup_error(&error, target, "read the console of"))?;
    aws_smithy_types::base64::decode(output.output().unwrap_or_default()).map_err(|error| {
        let message = format!("the console output of {target} is not base64");
        Error::new(ErrorKind::Internal, message).with_source(error)
    })
}

fn has_no_latest_output(code: Option<&str>) -> bool {
    matches!(code, Some("UnsupportedOperation" | "InvalidParameterCombination"))
}

/// The `NotFound` error that all drivers share, with the cloud's code and request id.
pub(crate) fn not_found_error(target: &InstanceRef, cloud_error: &Error) -> Error {
    let mut error = Error::not_found(target).at(ErrorLocation::new(ProviderKind::Aws, &target.scope));
    if let Some(code) = cloud_error.code() {
        error = error.with_code(code);
    }
    if let Some(request_id) = cloud_error.request_id() {
        error = error.with_request_id(request_id);
    }
    error
}

/// Lists the instances of a region that match filters.
pub(crate) async fn list_matching(client: &Client, region: &str, filters: Vec<Filter>) -> Result<Vec<Instance>> {
    let mut instances = Vec::new();
    let mut gather = |page: Vec<Instance>| instances.extend(page);
    let (scope, filter) = (ListScope::Region(region.to_owned()), ListFilter::default());
    let sink = InstanceSink::new(&scope, &filter, &mut gather);
    list_all_pages(client, region, &filters, &sink).await?;
    Ok(instances)
}

pub(crate) fn read_instances(output: &DescribeInstancesOutput, region: &str) -> Vec<Instance> {
    let mut instances = Vec::new();
    for reservation in output.reservations() {
        let convert = |instance| from_api::from_ec2(instance, region, reservation.owner_id());
        instances.extend(reservation.instances().iter().filter_map(convert));
    }
    instances
}

/// Lists all pages of one query. If EC2 refuses a page token, the listing starts again, once; `pages` ignores
/// instances that come again.
async fn list_all_pages(client: &Client, region: &str, filters: &[Filter], pages: &InstanceSink<'_>) -> Result<()> {
    match read_pages(client, region, filters, pages).await {
        Err(Stop::TokenRefused(_)) => read_pages(client, region, filters, pages).await,
        other => other,
    }
    .map_err(|stop| match stop {
        Stop::TokenRefused(error) | Stop::Other(error) => error,
    })
}

/// Why a listing stopped early.
enum Stop {
    TokenRefused(Error),
    Other(Error),
}

async fn read_pages(client: &Client, region: &str, filters: &[Filter], pages: &InstanceSink<'_>) -> Result<(), Stop> {
    let mut token: Option<String> = None;
    let mut seen = HashSet::new();
    loop {
        tracing::debug!(
            operation = "DescribeInstances",
            place = region,
            page = seen.len() + 1,
            "call"
        );
        let capture = PageCapture::new(region);
        let answer = client
            .describe_instances()
            .set_filters((!filters.is_empty()).then(|| filters.to_vec()))
            .max_results(PAGE_SIZE)
            .set_next_token(token.clone())
            .customize()
            .interceptor(capture.clone())
            .send()
            .await
            .map_err(|error| to_stop(&error, region, token.is_some()))?;
        let page = capture.take_page().unwrap_or_else(|| Page {
            instances: read_instances(&answer, region),
            next_token: answer.next_token.clone(),
        });
        // Frees the larger of the two pages.
        drop(answer);
        pages.push_page(page.instances);
        // An empty page can have pages after it.
        let Some(next) = page.next_token.filter(|token| !token.is_empty()) else {
            return Ok(());
        };
        if !seen.insert(next.clone()) {
            let message = format!(
                "the instances of {region} cannot be listed completely: ec2 returned the same page token twice"
            );
            let error = Error::new(ErrorKind::Network, message);
            return Err(Stop::Other(error.at(ErrorLocation::new(ProviderKind::Aws, region))));
        }
        token = Some(next);
    }
}

fn to_stop(error: &SdkError<DescribeInstancesError>, region: &str, with_token: bool) -> Stop {
    let failure_prefix = format!("cannot list the instances of {region}");
    let translated = translate(error, Call::Read, failure_prefix, region);
    match error.code() {
        // EC2 accepted the other values for the page before, so the token is the refused one.
        Some("InvalidPaginationToken" | "InvalidNextToken" | "InvalidParameterValue") if with_token => {
            Stop::TokenRefused(translated.with_kind(ErrorKind::Network))
        }
        _ => Stop::Other(translated),
    }
}

/// Translates the error of a call about one instance. A missing instance has the same message on all clouds.
fn lookup_error<E: OperationError>(error: &SdkError<E>, target: &InstanceRef, verb: &str) -> Error {
    let translated = translate(error, Call::Read, format!("cannot {verb} {target}"), &target.scope);
    match translated.kind() {
        ErrorKind::NotFound => not_found_error(target, &translated),
        _ => translated,
    }
}
