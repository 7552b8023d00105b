//! Access keys: reads them, and checks that they can be sent before the SDK gets them.

use aws_credential_types::Credentials;

use crate::cloud::{Error, ErrorKind, Result, quoted};
use crate::providers::aws::configuration::Configuration;
use crate::providers::aws::configuration::profile_files::Section;

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html>
const MAX_KEY_ID_BYTES: usize = 128;
const MAX_SECRET_BYTES: usize = 1024;
/// AWS documents no limit, but its servers limit the length of headers.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

pub(crate) fn read_environment(configuration: &Configuration) -> Result<Credentials> {
    let part = |name: &str| {
        let setting = configuration.variable(name)?;
        Some(KeyPart::new(&setting.value, name))
    };
    let required = |name: &str| {
        part(name).ok_or_else(|| {
            Error::new(ErrorKind::Unauthenticated, format!("{name} is not set"))
                .with_hint("set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        })
    };
    let id = required("AWS_ACCESS_KEY_ID")?;
    let secret = required("AWS_SECRET_ACCESS_KEY")?;
    let token = part("AWS_SESSION_TOKEN").or_else(|| part("AWS_SECURITY_TOKEN"));
    build_credentials(id, secret, token)
}

pub(crate) fn read_profile_keys(profile: &str, section: &Section) -> Result<Credentials> {
    let part = |key: &str| {
        let setting = section.get(key)?;
        let name = format!("{key} of the AWS profile {} ({})", quoted(profile), setting.source);
        Some(KeyPart::new(&setting.value, name))
    };
    let required = |key: &str| {
        part(key).ok_or_else(|| {
            let message = format!("the AWS profile {} has no {key}", quoted(profile));
            Error::new(ErrorKind::Unauthenticated, message).with_hint("add it with `aws configure`")
        })
    };
    let id = required("aws_access_key_id")?;
    let secret = required("aws_secret_access_key")?;
    let token = part("aws_session_token").or_else(|| part("aws_security_token"));
    build_credentials(id, secret, token)
}

pub(crate) fn build_credentials(id: KeyPart, secret: KeyPart, token: Option<KeyPart>) -> Result<Credentials> {
    id.check(MAX_KEY_ID_BYTES)?;
    // These characters separate the fields of the header.
    if id.text.contains(['/', ',', '=']) {
        let message = format!("{} has a character that no key id has", id.name);
        return Err(Error::new(ErrorKind::Unauthenticated, message)
            .with_hint("this looks like a secret key, or like both keys together; a key id begins with AKIA or ASIA"));
    }
    secret.check(MAX_SECRET_BYTES)?;
    if let Some(token) = &token {
        token.check(MAX_TOKEN_BYTES)?;
    }
    Ok(Credentials::new(
        id.text,
        secret.text,
        token.map(|token| token.text),
        None,
        "cloudctl",
    ))
}

/// One part of credentials, with its name for messages.
pub(crate) struct KeyPart {
    text: String,
    name: String,
}

impl KeyPart {
    pub(crate) fn new(text: &str, name: impl Into<String>) -> Self {
        Self {
            text: text.trim().to_owned(),
            name: name.into(),
        }
    }

    /// Refuses a text that cannot be sent in a header: the SDK would panic. `max_bytes` is more than AWS could give.
    fn check(&self, max_bytes: usize) -> Result<()> {
        let refused = |why: &str| {
            Err(Error::new(ErrorKind::Unauthenticated, format!("{} {why}", self.name))
                .with_hint("copy it again, on one line and without anything around it"))
        };
        if self.text.is_empty() {
            return refused("is empty");
        }
        if self.text.len() > max_bytes {
            return refused("is far too long");
        }
        let is_quoted_with = |quote| self.text.starts_with(quote) && self.text.ends_with(quote);
        if self.text.len() > 1 && (is_quoted_with('"') || is_quoted_with('\'')) {
            return refused("has quotes around it");
        }
        if !self.text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refused("has a space, a line end or another character that does not belong there");
        }
        Ok(())
    }
}
