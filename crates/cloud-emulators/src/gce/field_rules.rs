//! The rules that the service puts on names, labels, metadata and references.

use serde_json::Value;

use super::errors::ApiError;

pub const NAME_PATTERN: &str = "(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)";

/// The limits on metadata, in bytes.
const LARGEST_VALUE: usize = 256 * 1024;
const LARGEST_METADATA: usize = 512 * 1024;

/// `[a-z]([-a-z0-9]*[a-z0-9])?`, at most 63; in paths (`or_id`) also a number.
pub fn resource_name(field: &str, name: &str, or_id: bool) -> Result<(), ApiError> {
    let number = || or_id && name.len() <= 20 && name.bytes().all(|byte| byte.is_ascii_digit());
    if is_name(name) || (!name.is_empty() && number()) {
        return Ok(());
    }
    let why = match or_id {
        true => "Must be a match of regex '[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?|[1-9][0-9]{0,19}'".to_owned(),
        false => format!("Must be a match of regex '{NAME_PATTERN}'"),
    };
    Err(ApiError::invalid(field, name, &why))
}

pub fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(inner)
}

pub fn labels(field: &str, labels: &Value) -> Result<(), ApiError> {
    let labels = labels.as_object().cloned().unwrap_or_default();
    if labels.len() > 64 {
        let why = format!("Cannot have more than 64 labels, found {}.", labels.len());
        return Err(ApiError::invalid(field, "", &why));
    }
    // International characters are fine, but no upper case of any script.
    let fits = |text: &str| {
        let plain = |next: char| next == '_' || next == '-' || (next.is_alphanumeric() && !next.is_uppercase());
        text.chars().count() <= 63 && text.chars().all(plain)
    };
    let rule = "can only contain lowercase letters, numeric characters, underscores and dashes.";
    for (key, value) in &labels {
        let starts_well = key.starts_with(|first: char| first.is_alphabetic());
        if !starts_well || !fits(key) {
            let why = format!(
                "Label key '{key}' violates format constraints. The key must start with a lowercase \
                 character, {rule} The key can be at most 63 characters long. International characters are allowed."
            );
            return Err(ApiError::invalid(field, "", &why));
        }
        let value = value.as_str().unwrap_or("(not a string)");
        if !fits(value) {
            let why = format!(
                "Label value '{value}' violates format constraints. The value {rule} The value can be \
                 at most 63 characters long. International characters are allowed."
            );
            return Err(ApiError::invalid(field, "", &why));
        }
    }
    Ok(())
}

pub fn metadata(field: &str, metadata: &Value) -> Result<(), ApiError> {
    let mut total = 0;
    let mut seen = Vec::new();
    for (index, item) in metadata["items"].as_array().into_iter().flatten().enumerate() {
        let key = item["key"].as_str().unwrap_or_default();
        let value = item["value"].as_str().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if key.is_empty() || key.len() > 128 || !key.bytes().all(plain) {
            let name = format!("{field}.items[{index}].key");
            return Err(ApiError::invalid(
                &name,
                key,
                "Must be a match of regex '[a-zA-Z0-9-_]{1,128}'",
            ));
        }
        if seen.contains(&key) {
            let name = format!("{field}.items[{index}].key");
            return Err(ApiError::invalid(&name, key, "Metadata has duplicate key."));
        }
        seen.push(key);
        total += key.len() + value.len();
        if value.len() > LARGEST_VALUE {
            let name = format!("{field}.items[{index}].value");
            let why = format!(
                "Value for key '{key}' is too large: {} bytes, at most {LARGEST_VALUE}.",
                value.len()
            );
            return Err(ApiError::invalid(&name, "", &why));
        }
    }
    if total > LARGEST_METADATA {
        let why = format!("Metadata is too large: {total} bytes in all, at most {LARGEST_METADATA}.");
        return Err(ApiError::invalid(field, "", &why));
    }
    Ok(())
}

pub fn tags(tags: &Value) -> Result<(), ApiError> {
    let items = tags["items"].as_array().cloned().unwrap_or_default();
    if items.len() > 64 {
        return Err(ApiError::invalid(
            "resource.tags.items",
            "",
            "Cannot have more than 64 tags.",
        ));
    }
    for (index, tag) in items.iter().enumerate() {
        resource_name(
            &format!("resource.tags.items[{index}]"),
            tag.as_str().unwrap_or_default(),
            false,
        )?;
    }
    Ok(())
}

/// The resource path of a reference, which may be a whole URL, a path from `projects/`, or one from the
/// call's own project. `None` if it is none of these.
pub fn reference(text: &str, project: &str) -> Option<String> {
    let path = match text.split_once("://") {
        None => text,
        Some((_, rest)) => {
            let (host, path) = rest.split_once('/')?;
            // gcloud builds its references from the endpoint that it was told.
            let own = host.starts_with("127.0.0.1:") || host.starts_with("localhost:");
            let known = own || ["www.googleapis.com", "compute.googleapis.com"].contains(&host);
            let path = path
                .strip_prefix("compute/v1/")
                .or_else(|| path.strip_prefix("compute/beta/"));
            path.filter(|_| known)?
        }
    };
    let sound = path.contains('/') && path.split('/').all(|part| !part.is_empty());
    match path.split('/').next()? {
        _ if !sound => None,
        "projects" => Some(path.to_owned()),
        "zones" | "regions" | "global" => Some(format!("projects/{project}/{path}")),
        _ => None,
    }
}

/// A reference of a given form, `zones/{zone}/machineTypes/` say, taken apart: the project and what
/// follows the form. The error is the service's for a URL that it cannot read.
pub fn referred(field: &str, text: &str, project: &str, form: &str) -> Result<(String, String), ApiError> {
    let malformed = || ApiError::invalid(field, text, "The URL is malformed.");
    let path = reference(text, project).ok_or_else(malformed)?;
    let mut parts = path.splitn(3, '/').skip(1);
    let (owner, rest) = parts.next().zip(parts.next()).ok_or_else(malformed)?;
    let name = rest.strip_prefix(form).ok_or_else(malformed)?;
    Ok((owner.to_owned(), name.to_owned()))
}
