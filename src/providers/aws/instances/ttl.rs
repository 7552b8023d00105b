//! Moving the end of an instance: the timer inside it goes by its tag. Only EC2 has such a timer.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{InstanceMetadataTagsState, Tag};

use std::time::Duration;

use super::convert::{all_tags, from_ec2, has_timer, position};
use super::find;
use crate::cloud::{Error, ErrorKind, InstanceRef, LABEL_TTL, NativeName, Ownership, Result, format_duration};
use crate::providers::aws::api::client::one_attempt;
use crate::providers::aws::api::error::{Call, translate};
use crate::providers::aws::api::replay::replay;

/// Sets how long an instance may live; see [`Provider::set_ttl`](crate::cloud::Provider::set_ttl).
///
/// # Errors
/// `Refused` for an instance whose timer cannot see its tags.
pub(crate) async fn set_ttl(client: &Client, target: &InstanceRef, ttl: Duration) -> Result<()> {
    let region = &target.place;
    let (api, owner) = find::describe(client, target).await?;
    let refused = |message: String| Error::new(ErrorKind::Refused, message).at(format!("aws/{region}"));
    if from_ec2(&api, region, owner.as_deref()).is_none_or(|instance| instance.state.is_gone()) {
        return Err(refused(format!("cannot extend {target}: it is being terminated")));
    }
    let tags_are_seen = api
        .metadata_options()
        .is_some_and(|options| options.instance_metadata_tags() == Some(&InstanceMetadataTagsState::Enabled));
    if has_timer(
        &api,
        &Ownership::read(&all_tags(&api), NativeName::Label(position(&api))),
    ) && !tags_are_seen
    {
        let message = format!("cannot extend {target}: its timer does not see its tags, and goes by its first TTL");
        return Err(refused(message).with_remedy(format!(
            "let it see them, which takes tags with plain keys alone: aws ec2 modify-instance-metadata-options \
             --region {region} --instance-id {} --instance-metadata-tags enabled",
            target.id
        )));
    }
    let tag = Tag::builder().key(LABEL_TTL).value(format_duration(ttl)).build();
    let request = client.create_tags().resources(&target.id).tags(tag);
    replay("CreateTags", region, || {
        request.clone().customize().config_override(one_attempt()).send()
    })
    .await
    .map(drop)
    .map_err(|failure| {
        let error = translate(&failure.error, Call::Change, format!("cannot extend {target}"), region);
        match failure.may_have_worked {
            true => error.as_kind(ErrorKind::UnknownOutcome).with_leftover(target),
            false => error,
        }
    })
}
