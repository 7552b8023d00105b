//! Checks that every cloud makes with its own limits. The drivers pass the limits.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::cloud::{Error, Instance, Labels, ProviderKind, Result, format_duration, quoted};

/// Refuses `content`, such as user data, that is larger than the cloud accepts.
pub(crate) fn check_size(cloud: ProviderKind, content: &str, bytes: usize, max: usize) -> Result<()> {
    if bytes <= max {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the {content} has {bytes} bytes, and {cloud} takes at most {max}"
    ))
    .with_hint("let a short script fetch the rest"))
}

/// Refuses more `items`, such as labels, than the cloud accepts. `added` are those that cloudctl adds to the user's.
pub(crate) fn check_count(cloud: ProviderKind, items: &str, requested: usize, added: usize, max: usize) -> Result<()> {
    if requested + added <= max {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{requested} {items} are too many: {cloud} allows {max}, and cloudctl itself uses {added} of these"
    ))
    .with_hint(format!("use at most {}", max.saturating_sub(added))))
}

/// Refuses labels that are longer than the cloud takes. The limits are in characters.
pub(crate) fn check_label_lengths(
    cloud: ProviderKind,
    labels: &Labels,
    max_key: usize,
    max_value: usize,
) -> Result<()> {
    for (key, value) in labels {
        if key.chars().count() > max_key {
            return Err(Error::invalid(format!(
                "label key {} is too long: {cloud} takes at most {max_key} characters",
                quoted(key)
            )));
        }
        if value.chars().count() > max_value {
            return Err(Error::invalid(format!(
                "the value of label {} is too long: {cloud} takes at most {max_value} characters",
                quoted(key)
            )));
        }
    }
    Ok(())
}

/// Refuses a change after which an instance would have more labels than its cloud accepts. `labels` are the user's after the
/// change.
pub(crate) fn check_label_count(target: &Instance, labels: &Labels, max: usize) -> Result<()> {
    let own = target.management_label_count;
    let count = labels.len() + own;
    if count <= max {
        return Ok(());
    }
    let reference = &target.reference;
    let counted = match own {
        0 => String::new(),
        own => format!(", {own} of them cloudctl's own"),
    };
    let message = format!(
        "{reference} would have {count} labels{counted}, and {} takes at most {max}",
        target.provider
    );
    Err(Error::invalid(message)
        .with_hint("remove some with KEY- in the same command, or set fewer")
        .naming(reference))
}

/// Refuses a boot disk that is smaller than its image. A size that is not requested or not known is not checked.
pub(crate) fn check_disk_gib(requested: Option<u32>, image: &str, min: Option<u32>) -> Result<()> {
    if let Some(requested) = requested
        && let Some(min) = min
        && requested < min
    {
        let message = format!("a disk of {requested} GiB is too small for the image {image}, which needs {min} GiB");
        return Err(Error::invalid(message).with_hint(format!("use --disk {min} or more, or leave it out")));
    }
    Ok(())
}

/// Refuses a TTL outside of the limits of the cloud. A cloud without one of them passes 0 or [`Duration::MAX`].
pub(crate) fn check_ttl(cloud: ProviderKind, ttl: Duration, limits: RangeInclusive<Duration>) -> Result<()> {
    if limits.contains(&ttl) {
        return Ok(());
    }
    let (shortest, longest) = limits.into_inner();
    let (min, max) = (format_duration(shortest), format_duration(longest));
    let allowed = if shortest == Duration::ZERO {
        format!("at most {max}")
    } else if longest == Duration::MAX {
        format!("at least {min}")
    } else {
        format!("{min} to {max}")
    };
    let closest = format_duration(ttl.clamp(shortest, longest));
    let requested = format_duration(ttl);
    Err(Error::invalid(format!(
        "a TTL of {requested} is out of range: on {cloud} it is {allowed}"
    ))
    .with_hint(format!("use another one, such as --ttl {closest}")))
}

/// How the kinds of OpenSSH's keys begin. <https://man.openbsd.org/sshd#AUTHORIZED_KEYS_FILE_FORMAT>
const KEY_KIND_PREFIXES: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-sha2-"];

/// Splits a public key in OpenSSH's one-line form into its kind and its body.
///
/// # Errors
/// `InvalidSpec` for other text. It does not show the text, which may be a private key.
pub(crate) fn split_public_key(line: &str) -> Result<(&str, &str)> {
    let line = line.trim();
    let mut words = line.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let is_key = KEY_KIND_PREFIXES.iter().any(|prefix| kind.starts_with(prefix)) && !line.chars().any(char::is_control);
    match words.next() {
        Some(body) if is_key => Ok((kind, body)),
        _ => Err(
            Error::invalid("the SSH key is not a public key in OpenSSH's one-line form")
                .with_hint("give the .pub file that ssh-keygen wrote"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOUD: ProviderKind = ProviderKind::ALL[0];

    #[test]
    fn size_limit_is_inclusive() {
        assert!(check_size(CLOUD, "user data", 16, 16).is_ok());
        let error = check_size(CLOUD, "user data", 17, 16).unwrap_err();
        assert_eq!(
            error.message(),
            format!("the user data has 17 bytes, and {CLOUD} takes at most 16")
        );
    }

    #[test]
    fn labels_of_cloudctl_count() {
        assert!(check_count(CLOUD, "labels", 45, 5, 50).is_ok());
        let error = check_count(CLOUD, "labels", 46, 5, 50).unwrap_err();
        assert!(error.message().starts_with("46 labels are too many"), "{error}");
        assert_eq!(error.hint(), Some("use at most 45"));
    }

    #[test]
    fn label_count_after_a_change_is_limited() {
        let mut target = Instance::with_id_only(CLOUD, "here".to_owned(), "1".to_owned());
        target.management_label_count = 4;
        let labels = Labels::from([("a".to_owned(), String::new())]);
        assert!(check_label_count(&target, &labels, 5).is_ok());
        let error = check_label_count(&target, &labels, 4).unwrap_err();
        assert_eq!(
            error.message(),
            format!("{CLOUD}/here/1 would have 5 labels, 4 of them cloudctl's own, and {CLOUD} takes at most 4")
        );
    }

    #[test]
    fn label_lengths_are_in_characters() {
        let check = |key: &str, value: &str| {
            let labels = Labels::from([(key.to_owned(), value.to_owned())]);
            check_label_lengths(CLOUD, &labels, 3, 5)
        };
        assert!(check("äöü", "größe").is_ok());
        assert!(check("long", "").unwrap_err().message().contains("at most 3"));
        assert!(check("key", "longer").unwrap_err().message().contains("at most 5"));
    }

    #[test]
    fn disk_is_as_large_as_its_image() {
        for (given, min) in [(Some(8), Some(8)), (None, Some(8)), (Some(1), None)] {
            assert!(check_disk_gib(given, "debian", min).is_ok());
        }
        let error = check_disk_gib(Some(7), "debian", Some(8)).unwrap_err();
        assert!(error.message().contains("7 GiB is too small"), "{error}");
    }

    #[test]
    fn ttl_limits_are_inclusive() {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
        for (limits, seconds, allowed, hint) in [
            (minute..=hour, 59, "1m to 1h", "--ttl 1m"),
            (minute..=hour, 3_601, "1m to 1h", "--ttl 1h"),
            (minute..=Duration::MAX, 59, "at least 1m", "--ttl 1m"),
            (Duration::ZERO..=hour, 3_601, "at most 1h", "--ttl 1h"),
        ] {
            let check = |ttl| check_ttl(CLOUD, ttl, limits.clone());
            assert!(check(minute).is_ok() && check(hour).is_ok());
            let error = check(Duration::from_secs(seconds)).unwrap_err();
            assert!(error.message().ends_with(allowed), "{error}");
            assert!(error.hint().is_some_and(|text| text.ends_with(hint)));
        }
    }

    #[test]
    fn public_key_is_one_line_of_a_known_kind() {
        let split = |line| split_public_key(line).ok();
        assert_eq!(split("ssh-ed25519 AAAA me@here\n"), Some(("ssh-ed25519", "AAAA")));
        assert_eq!(
            split("sk-ssh-ed25519@openssh.com AAAA").map(|(_, body)| body),
            Some("AAAA")
        );
        for line in [
            "",
            "ssh-rsa",
            "mine AAAA",
            "-----BEGIN KEY-----",
            "ssh-rsa AAAA\nssh-rsa AAAA",
        ] {
            let error = split_public_key(line).unwrap_err();
            assert!(!error.message().contains("AAAA") && split(line).is_none());
        }
    }
}
