//! Finding instances: listings with every page, one instance, and what an instance wrote to its console.

use std::collections::HashSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_instances::{DescribeInstancesError, DescribeInstancesOutput};
use aws_sdk_ec2::types::{self as ec2, Filter, InstanceAttributeName};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::future;
use futures_util::stream::{self, TryStreamExt};

use super::error::{Call, SdkError, translate};
use super::instance::{self, TAG_NAME};
use crate::cloud::{
    Error, ErrorKind, Instance, InstanceRef, LABEL_MANAGED, LABEL_NAME, ListFilter, Location, Pages, Result,
};

/// The most that DescribeInstances takes for one page.
const PAGE_SIZE: i32 = 1000;
/// The most values that one filter takes.
const FILTER_VALUES: usize = 200;
const CONCURRENT_QUERIES: usize = 4;

/// Puts every instance of a region, or of one zone in it, that the filter admits into `pages`.
pub(super) async fn list(client: &Client, region: &str, pages: &Pages<'_>) -> Result<Vec<Error>> {
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

/// What to ask for, each alternative by itself: filters of one call add up, so it takes several calls.
fn selections(filter: &ListFilter) -> Vec<Option<Filter>> {
    if filter.names.is_empty() && filter.ids.is_empty() {
        return vec![None];
    }
    let ids: Vec<&String> = filter.ids.iter().filter(|id| is_instance_id(id)).collect();
    let by_id = ids.chunks(FILTER_VALUES).map(|ids| equal("instance-id", ids));
    let by_name = filter.names.chunks(FILTER_VALUES).flat_map(|names| {
        let own = equal(&tag_filter(LABEL_NAME), names);
        // What is not ours has only the console's name.
        let console = (!filter.managed).then(|| equal(&tag_filter(TAG_NAME), names));
        std::iter::once(own).chain(console)
    });
    by_id.chain(by_name).map(Some).collect()
}

fn is_instance_id(text: &str) -> bool {
    text.strip_prefix("i-")
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn tag_filter(key: &str) -> String {
    format!("tag:{key}")
}

/// A filter for exactly these values.
pub(super) fn equal<T: AsRef<str>>(name: &str, values: impl IntoIterator<Item = T>) -> Filter {
    let values = values.into_iter().map(|value| literal(value.as_ref())).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// Takes their meaning from EC2's wildcards.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>
fn literal(value: &str) -> String {
    let mut literal = String::with_capacity(value.len());
    for letter in value.chars() {
        if matches!(letter, '*' | '?' | '\\') {
            literal.push('\\');
        }
        literal.push(letter);
    }
    literal
}

/// What one query finds in a region, from every page.
pub(super) async fn query(client: &Client, region: &str, filters: Vec<Filter>) -> Result<Vec<Instance>> {
    let mut found = Vec::new();
    let mut gather = |page: Vec<Instance>| found.extend(page);
    let (location, filter) = (Location::Region(region.to_owned()), ListFilter::default());
    every_page(client, region, &filters, &Pages::new(&location, &filter, &mut gather)).await?;
    Ok(found)
}

/// Every page of one query. A page token that is too old makes it begin anew, once.
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
        let page = client
            .describe_instances()
            .set_filters((!filters.is_empty()).then(|| filters.to_vec()))
            .max_results(PAGE_SIZE)
            .set_next_token(token.clone())
            .send()
            .await
            .map_err(|error| stop(&error, region, token.is_some()))?;
        let found = instances(&page, region);
        let next = page.next_token.clone().filter(|token| !token.is_empty());
        // The SDK's page is the bigger one of the two.
        drop(page);
        pages.take(found);
        // A page can be empty although more follow.
        let Some(next) = next else { return Ok(()) };
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
        Some("InvalidPaginationToken" | "InvalidNextToken") if with_token => Stop::TokenRefused(translated),
        _ => Stop::Other(translated),
    }
}

/// The instances of one answer.
fn instances(output: &DescribeInstancesOutput, region: &str) -> Vec<Instance> {
    output
        .reservations()
        .iter()
        .flat_map(|reservation| {
            let owner = reservation.owner_id();
            reservation
                .instances()
                .iter()
                .filter_map(move |found| instance::from_ec2(found, region, owner))
        })
        .collect()
}

/// One instance by its id; without its protection, which is an attribute of its own.
pub(super) async fn find(client: &Client, target: &InstanceRef) -> Result<Instance> {
    let (api, owner) = describe(client, target).await?;
    instance::from_ec2(&api, &target.place, owner.as_deref())
        .ok_or_else(|| Error::not_found(target).at(format!("aws/{}", target.place)))
}

/// One instance as EC2 has it, and its owner.
pub(super) async fn describe(client: &Client, target: &InstanceRef) -> Result<(ec2::Instance, Option<String>)> {
    let region = &target.place;
    tracing::debug!(operation = "DescribeInstances", place = region, "call");
    let output = client
        .describe_instances()
        .instance_ids(&target.id)
        .send()
        .await
        .map_err(|error| describe_error(&error, target, "describe"))?;
    let mut all = output
        .reservations
        .unwrap_or_default()
        .into_iter()
        .flat_map(|reservation| {
            let owner = reservation.owner_id;
            let instances = reservation.instances.unwrap_or_default();
            instances.into_iter().map(move |instance| (instance, owner.clone()))
        });
    all.find(|(instance, _)| instance.instance_id() == Some(target.id.as_str()))
        .ok_or_else(|| Error::not_found(target).at(format!("aws/{region}")))
}

/// One instance with all that EC2 will tell of it.
pub(super) async fn get(client: &Client, target: &InstanceRef) -> Result<Instance> {
    let protected = async {
        tracing::debug!(operation = "DescribeInstanceAttribute", place = target.place, "call");
        let answer = client
            .describe_instance_attribute()
            .instance_id(&target.id)
            .attribute(InstanceAttributeName::DisableApiTermination)
            .send()
            .await;
        // Who may describe instances need not be allowed this: then it stays unknown.
        answer.ok()?.disable_api_termination()?.value()
    };
    let (instance, protected) = future::join(find(client, target), protected).await;
    let mut instance = instance?;
    if !instance.state.is_gone() {
        instance.protected = protected;
    }
    Ok(instance)
}

/// What an instance wrote to its console.
pub(super) async fn console_output(client: &Client, target: &InstanceRef) -> Result<Vec<u8>> {
    let ask = |latest: bool| {
        tracing::debug!(operation = "GetConsoleOutput", place = target.place, latest, "call");
        client
            .get_console_output()
            .instance_id(&target.id)
            .latest(latest)
            .send()
    };
    let answer = match ask(true).await {
        // Only instances on Nitro have the latest output.
        Err(error)
            if matches!(
                error.code(),
                Some("UnsupportedOperation" | "InvalidParameterCombination")
            ) =>
        {
            ask(false).await
        }
        answer => answer,
    };
    let output = answer.map_err(|error| describe_error(&error, target, "read the console of"))?;
    aws_smithy_types::base64::decode(output.output().unwrap_or_default()).map_err(|error| {
        Error::new(
            ErrorKind::Internal,
            format!("the console output of {target} is not base64"),
        )
        .with_source(error)
    })
}

/// A failed look at one instance; "no such id" in the words of all drivers.
fn describe_error<E>(error: &SdkError<E>, target: &InstanceRef, verb: &str) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let translated = translate(error, Call::Read, format!("cannot {verb} {target}"), &target.place);
    match translated.kind() {
        ErrorKind::NotFound => not_found(target, &translated),
        _ => translated,
    }
}

/// `NotFound` in the words of all drivers, with the cloud's code and request id.
pub(super) fn not_found(target: &InstanceRef, told: &Error) -> Error {
    let mut error = Error::not_found(target).at(format!("aws/{}", target.place));
    if let Some(code) = told.code() {
        error = error.with_code(code);
    }
    if let Some(request_id) = told.request_id() {
        error = error.with_request_id(request_id);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_names_are_taken_literally() {
        assert_eq!(literal(r"web-*?\"), r"web-\*\?\\");
        assert_eq!(literal("web-1"), "web-1");
    }

    #[test]
    fn only_what_looks_like_an_id_is_asked_for_as_one() {
        assert!(is_instance_id("i-0ab12cd34"));
        for text in ["i-", "web-1", "i-xyz", "4711"] {
            assert!(!is_instance_id(text), "{text}");
        }
    }

    #[test]
    fn names_and_ids_are_asked_for_apart() {
        let both = ListFilter {
            ids: vec!["i-1".into(), "web-1".into()],
            names: vec!["web-1".into()],
            managed: false,
        };
        let names: Vec<_> = selections(&both)
            .into_iter()
            .map(|filter| filter.unwrap().name.unwrap())
            .collect();
        assert_eq!(names, ["instance-id", "tag:cloudctl-name", "tag:Name"]);
        assert_eq!(selections(&ListFilter::managed_name("web-1")).len(), 1);
        assert_eq!(selections(&ListFilter::default()), [None]);
    }

    #[test]
    fn long_lists_are_cut_to_what_a_filter_takes() {
        let filter = ListFilter {
            ids: (0..450).map(|number| format!("i-{number:x}")).collect(),
            ..ListFilter::default()
        };
        assert_eq!(selections(&filter).len(), 3);
    }
}
