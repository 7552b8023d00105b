//! One instance: by its id, with all that EC2 will tell of it, and what it wrote to its console.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self as ec2, InstanceAttributeName};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::future;

use super::convert;
use crate::cloud::{Error, ErrorKind, Instance, InstanceRef, Result};
use crate::providers::aws::api::error::{Call, SdkError, translate};

/// One instance by its id; without its protection, which is an attribute of its own.
pub(crate) async fn find(client: &Client, target: &InstanceRef) -> Result<Instance> {
    let (api, owner) = describe(client, target).await?;
    convert::from_ec2(&api, &target.place, owner.as_deref())
        .ok_or_else(|| Error::not_found(target).at(format!("aws/{}", target.place)))
}

/// One instance as EC2 has it, and its owner.
pub(crate) async fn describe(client: &Client, target: &InstanceRef) -> Result<(ec2::Instance, Option<String>)> {
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
pub(crate) async fn get(client: &Client, target: &InstanceRef) -> Result<Instance> {
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
pub(crate) async fn console_output(client: &Client, target: &InstanceRef) -> Result<Vec<u8>> {
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
pub(crate) fn not_found(target: &InstanceRef, told: &Error) -> Error {
    let mut error = Error::not_found(target).at(format!("aws/{}", target.place));
    if let Some(code) = told.code() {
        error = error.with_code(code);
    }
    if let Some(request_id) = told.request_id() {
        error = error.with_request_id(request_id);
    }
    error
}
