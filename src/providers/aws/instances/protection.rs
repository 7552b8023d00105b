//! Protection against termination, which is an attribute of each instance. Compute Engine's is a change like others.
//!
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html>

use aws_sdk_ec2::types::AttributeBooleanValue;
use futures_util::stream::{self, StreamExt};

use super::find::not_found;
use crate::cloud::{Course, ErrorKind, InstanceRef, Outcome, Result};
use crate::providers::aws::api::client::{Clients, one_attempt};
use crate::providers::aws::api::error::{Call, translate};
use crate::providers::aws::api::replay::replay;

/// There is no call for many; more at once would only meet the rate limit.
const AT_ONCE: usize = 4;

/// Protects instances, or lifts that; see [`Provider::set_protection`](crate::cloud::Provider::set_protection).
pub(crate) async fn set_protection(
    clients: &Clients,
    targets: &[InstanceRef],
    protected: bool,
    course: &Course<'_>,
) -> Vec<Outcome> {
    let changes: Vec<_> = targets
        .iter()
        .map(|target| async move {
            let result = match course.begin(&target.place, [target.id.as_str()]) {
                Ok(()) => set(clients, target, protected).await,
                Err(interrupted) => Err(interrupted),
            };
            Outcome {
                target: target.clone(),
                result: course.settle(target, result),
            }
        })
        .collect();
    stream::iter(changes).buffered(AT_ONCE).collect().await
}

async fn set(clients: &Clients, target: &InstanceRef, protected: bool) -> Result<()> {
    let region = &target.place;
    let value = AttributeBooleanValue::builder().value(protected).build();
    let request = clients
        .ec2(region)
        .await
        .modify_instance_attribute()
        .instance_id(&target.id)
        .disable_api_termination(value);
    let answer = replay("ModifyInstanceAttribute", region, || {
        request.clone().customize().config_override(one_attempt()).send()
    });
    answer.await.map(drop).map_err(|failure| {
        let verb = if protected { "protect" } else { "unprotect" };
        let error = translate(&failure.error, Call::Change, format!("cannot {verb} {target}"), region);
        match error.kind() {
            ErrorKind::NotFound => not_found(target, &error),
            ErrorKind::Unsupported => error.with_remedy("spot instances cannot be protected on ec2"),
            _ if failure.may_have_worked => error.as_kind(ErrorKind::UnknownOutcome).with_leftover(target),
            _ => error,
        }
    })
}
