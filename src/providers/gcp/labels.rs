//! Labels and network tags by the rules of Compute Engine, which are narrower than those of cloudctl. The tags of EC2
//! take nearly any text.
//!
//! <https://cloud.google.com/compute/docs/labeling-resources#requirements>

use crate::cloud::{
    Error, Instance, InstanceSpec, LabelChanges, Labels, ProviderKind, Result, check_label_key, management_labels,
    quoted,
};
use crate::providers::common::spec_limits::{check_count, check_label_count};

/// The prefix of the network tags and firewall rules that open ports.
pub(crate) const OPEN_PORT_PREFIX: &str = "cloudctl-open-";

const MAX_LENGTH: usize = 63;
const MAX_COUNT: usize = 64;

/// Builds the labels of a new instance: the user's and the management labels.
pub(super) fn build_labels(spec: &InstanceSpec, generation: u32) -> Result<Labels> {
    check_label_texts(&spec.labels)?;
    let mut labels = spec.labels.clone();
    labels.extend(management_labels(spec, generation));
    let users = spec.labels.len();
    check_count(ProviderKind::Gcp, "labels", users, labels.len() - users, MAX_COUNT)?;
    Ok(labels)
}

/// Checks label changes, and how many labels each target would have. A key that Compute Engine does not take is on no
/// instance, so it can be removed.
pub(super) fn check_label_changes(changes: &LabelChanges, targets: &[Instance]) -> Result<()> {
    check_label_texts(&changes.to_set)?;
    for target in targets {
        let mut labels = target.labels.clone();
        changes.apply_to(&mut labels);
        check_label_count(target, &labels, MAX_COUNT)?;
    }
    Ok(())
}

fn check_label_texts(labels: &Labels) -> Result<()> {
    for (key, value) in labels {
        check_label_key(key)?;
        if !is_label_text(key) || !key.starts_with(is_letter) {
            let rule = "a key is at most 63 lower-case letters, digits, _ and -, the first a letter";
            return Err(label_error(
                &format!("invalid label key {} for gcp: {rule}", quoted(key)),
                &closest_key(key),
            ));
        }
        if !is_label_text(value) {
            let rule = "a value is at most 63 lower-case letters, digits, _ and -";
            let message = format!("invalid value {} of the label {key} for gcp: {rule}", quoted(value));
            return Err(label_error(&message, &closest_value(value)));
        }
    }
    Ok(())
}

/// Checks network tags, by which firewall rules select instances. Tags that open ports are reserved for cloudctl.
pub(super) fn check_network_tags(tags: &[String]) -> Result<()> {
    if let Some(tag) = tags.iter().find(|tag| !is_resource_name(tag)) {
        return Err(Error::invalid(format!("invalid network tag {} for gcp", quoted(tag)))
            .with_hint("a firewall on gcp is a network tag: a lower-case letter, then letters, digits and hyphens"));
    }
    if let Some(tag) = tags.iter().find(|tag| tag.starts_with(OPEN_PORT_PREFIX)) {
        return Err(
            Error::invalid(format!("the network tag {tag} is one of cloudctl's own"))
                .with_hint("open ports with --open, or use a tag that does not begin with cloudctl-open-"),
        );
    }
    // One more tag is for the open ports.
    check_count(ProviderKind::Gcp, "network tags", tags.len(), 1, MAX_COUNT)
}

/// Says whether a text is a resource name: `[a-z]([-a-z0-9]*[a-z0-9])?`, 63 characters at most.
pub(super) fn is_resource_name(text: &str) -> bool {
    let is_name_character = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.len() <= MAX_LENGTH
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(is_name_character)
        && !text.ends_with('-')
}

/// Says whether a character is a letter. Letters of scripts without case count as lower-case.
fn is_letter(character: char) -> bool {
    character.is_alphabetic() && !character.is_uppercase()
}

fn is_allowed(character: char) -> bool {
    is_letter(character) || character.is_numeric() || character == '_' || character == '-'
}

fn is_label_text(text: &str) -> bool {
    text.chars().all(is_allowed) && text.chars().count() <= MAX_LENGTH
}

fn closest_value(text: &str) -> String {
    let characters = text.to_lowercase();
    let characters = characters.chars().map(|c| if is_allowed(c) { c } else { '-' });
    characters.take(MAX_LENGTH).collect()
}

fn closest_key(text: &str) -> String {
    closest_value(text).trim_start_matches(|c| !is_letter(c)).to_owned()
}

fn label_error(message: &str, nearest: &str) -> Error {
    let error = Error::invalid(message);
    match nearest.is_empty() {
        true => error,
        false => error.with_hint(format!("use {nearest}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::create::request::tests::spec;
    use super::*;
    use crate::cloud::{LABEL_GENERATION, LABEL_MANAGED, LABEL_NAME};

    fn with_label(key: &str, value: &str) -> Result<Labels> {
        let mut spec = spec("web-1");
        spec.labels.insert(key.to_owned(), value.to_owned());
        build_labels(&spec, 3)
    }

    #[test]
    fn management_labels_are_added() {
        let labels = with_label("env", "").unwrap();
        assert_eq!(labels["env"], "");
        assert_eq!(labels[LABEL_MANAGED], "true");
        assert_eq!(labels[LABEL_NAME], "web-1");
        assert_eq!(labels[LABEL_GENERATION], "3");
        assert!(labels.values().all(|value| is_label_text(value)));
    }

    #[test]
    fn invalid_label_error_suggests_the_closest() {
        for (key, value, nearest) in [
            ("Env", "ci", "use env"),
            ("1st", "ci", "use st"),
            ("a.b/c", "ci", "use a-b-c"),
            ("env", "CI run", "use ci-run"),
            ("env", &"x".repeat(64), &format!("use {}", "x".repeat(63))),
        ] {
            assert_eq!(
                with_label(key, value).unwrap_err().hint(),
                Some(nearest),
                "{key}={value}"
            );
        }
        assert!(with_label("cloudctl-name", "x").is_err());
        assert!(with_label("größe", "klein_1").is_ok());
    }

    #[test]
    fn invalid_network_tags_are_refused() {
        assert!(check_network_tags(&["web".into(), "allow-ssh".into()]).is_ok());
        for tag in ["", "Web", "a_b", "a-", "sg-0123 4"] {
            assert!(check_network_tags(&[tag.to_owned()]).is_err(), "{tag}");
        }
    }
}
