//! The tags of an instance: the user's labels and cloudctl's own. Checks them against the limits of EC2.
//!
//! On Compute Engine, labels have other limits: see its `labels.rs`.

use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};

use crate::cloud::{
    Error, Instance, InstanceSpec, LABEL_MANAGED, LabelChanges, Labels, ProviderKind, Result, management_labels, quoted,
};
use crate::providers::common::spec_limits::{check_count, check_label_count, check_label_lengths};

/// The tag that the console shows as an instance's name.
pub(super) const TAG_NAME: &str = "Name";
/// The names of the security groups that cloudctl creates for `--open` begin with this.
pub(super) const GROUP_NAME_PREFIX: &str = "cloudctl-open-";

/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions>
const MAX_TAGS: usize = 50;
const MAX_KEY_CHARACTERS: usize = 128;
const MAX_VALUE_CHARACTERS: usize = 256;

pub(super) fn build_tags(spec: &InstanceSpec, generation: u32) -> Labels {
    // The user's own `Name` has priority: cloudctl goes by its own label.
    let mut tags = Labels::from([(TAG_NAME.to_owned(), spec.name.to_string())]);
    tags.extend(spec.labels.clone());
    tags.extend(management_labels(spec, generation));
    tags
}

pub(super) fn to_ec2_tags(tags: &Labels) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

/// The tag that marks a resource of cloudctl other than an instance.
pub(super) fn managed_tag_specification(resource: ResourceType) -> TagSpecification {
    let tag = Tag::builder().key(LABEL_MANAGED).value("true").build();
    TagSpecification::builder().resource_type(resource).tags(tag).build()
}

/// Refuses labels that EC2 does not take as tags.
///
/// # Errors
/// `InvalidSpec`, naming the label.
pub(super) fn check_tags(spec: &InstanceSpec) -> Result<()> {
    if spec.members.is_some() && spec.labels.get(TAG_NAME).is_some_and(|name| name == spec.name.as_str()) {
        let first = format!("{}-1", spec.name);
        return Err(Error::invalid(format!(
            "the label {TAG_NAME}={} would be lost: the tag {TAG_NAME} of each VM of a group is its own name, such as {first}",
            spec.name
        ))
        .with_hint("leave that label out, or use another key, such as group"));
    }
    let tags = build_tags(spec, 0);
    tags.keys().try_for_each(|key| check_not_reserved(key))?;
    check_label_lengths(ProviderKind::Aws, &tags, MAX_KEY_CHARACTERS, MAX_VALUE_CHARACTERS)?;
    let label_count = spec.labels.len();
    check_count(
        ProviderKind::Aws,
        "labels",
        label_count,
        tags.len() - label_count,
        MAX_TAGS,
    )
}

/// Whether a key is one that only AWS itself can set. Such tags do not count towards the limit.
fn is_reserved(key: &str) -> bool {
    key.to_ascii_lowercase().starts_with("aws:")
}

fn check_not_reserved(key: &str) -> Result<()> {
    if is_reserved(key) {
        let message = format!("label key {} begins with aws:, which is reserved by AWS", quoted(key));
        return Err(Error::invalid(message));
    }
    Ok(())
}

/// Checks label changes, and the tags that each target would have.
///
/// # Errors
/// `InvalidSpec`, naming the label, or the target and its limit.
pub(super) fn check_label_changes(changes: &LabelChanges, targets: &[Instance]) -> Result<()> {
    let keys = changes.to_set.keys().chain(&changes.to_remove);
    keys.into_iter().try_for_each(|key| check_not_reserved(key))?;
    check_label_lengths(
        ProviderKind::Aws,
        &changes.to_set,
        MAX_KEY_CHARACTERS,
        MAX_VALUE_CHARACTERS,
    )?;
    for target in targets {
        if target.guest_reads_labels && !are_valid_in_metadata(&changes.to_set) {
            let message = format!(
                "{} reads its labels in its metadata, where ec2 takes only letters, digits and +-=.,_:@ in a key",
                target.reference
            );
            return Err(Error::invalid(message)
                .with_hint("use a key of these characters")
                .naming(&target.reference));
        }
        let mut tags = target.labels.clone();
        if let Some(name) = target.label(TAG_NAME) {
            tags.insert(TAG_NAME.to_owned(), name.clone());
        }
        tags.retain(|key, _| !is_reserved(key));
        find_tag_changes(target, changes).apply_to(&mut tags);
        check_label_count(target, &tags, MAX_TAGS)?;
    }
    Ok(())
}

/// Computes how the tags of an instance change. An instance of cloudctl that loses its own `Name` is shown by its name
/// again, as one that was created without that label.
pub(super) fn find_tag_changes(target: &Instance, changes: &LabelChanges) -> LabelChanges {
    let mut tag_changes = changes.clone();
    if target.managed
        && let Some(name) = &target.name
        && tag_changes.to_remove.remove(TAG_NAME)
    {
        tag_changes.to_set.insert(TAG_NAME.to_owned(), name.clone());
    }
    tag_changes
}

/// Whether an instance with these tags can show them in its metadata. EC2 refuses the whole launch if one key does
/// not fit into a path.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html>
pub(super) fn are_valid_in_metadata(tags: &Labels) -> bool {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "+-=.,_:@".contains(character);
    tags.keys()
        .all(|key| key.chars().all(is_allowed) && !matches!(key.as_str(), "." | ".." | "_index"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{LABEL_GENERATION, LABEL_NAME, LABEL_TTL, Location};

    #[test]
    fn tags_mark_instance_and_keep_users_name_tag() {
        let location = Location::in_region("us-east-1");
        let mut spec = InstanceSpec::new("web-1".parse().unwrap(), location);
        spec.labels.insert("env".into(), "ci".into());
        spec.ttl = Some(std::time::Duration::from_secs(7_200));
        let plain = build_tags(&spec, 3);
        assert_eq!(plain["Name"], "web-1");
        assert_eq!(plain[LABEL_NAME], "web-1");
        assert_eq!(plain[LABEL_MANAGED], "true");
        assert_eq!(plain[LABEL_GENERATION], "3");
        assert_eq!(plain[LABEL_TTL], "2h");
        assert_eq!(plain["env"], "ci");
        assert!(are_valid_in_metadata(&plain));
        spec.labels.insert("Name".into(), "front".into());
        assert_eq!(build_tags(&spec, 0)["Name"], "front");
    }

    #[test]
    fn key_that_is_no_path_is_invalid_in_metadata() {
        let fits = |key: &str| are_valid_in_metadata(&Labels::from([(key.to_owned(), String::new())]));
        assert!(fits("a+b-c=d.e,f_g:h@i"));
        for key in ["a b", "a/b", ".", "..", "_index", "ämt"] {
            assert!(!fits(key), "{key}");
        }
    }
}
