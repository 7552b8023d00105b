//! Credentials files: their content, and what is wrong with it. Messages show only the names of a file's fields, its
//! type and its account. <https://google.aip.dev/auth/4110>

use std::io::ErrorKind as IoErrorKind;
use std::path::Path;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value};

use crate::cloud::{Error, ErrorKind, Result, Secret, may_be_secret, path_text, quoted};
use crate::providers::gcp::configuration::gcloud_config::SourcedValue;
use crate::settings::Environment;

const JSON_KEY_HINT: &str = "create a JSON key of the service account: `gcloud iam service-accounts keys create`";
const LOGIN_HINT: &str = "run `gcloud auth application-default login`, or set CLOUDSDK_AUTH_ACCESS_TOKEN to what \
                           `gcloud auth print-access-token` prints";

/// The types of credentials files that cloudctl reads: all types of google-cloud-auth, and one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileType {
    AuthorizedUser,
    ServiceAccount,
    ExternalAccount,
    ImpersonatedServiceAccount,
    WorkforceUser,
}

impl FileType {
    const ALL: [Self; 5] = [
        Self::AuthorizedUser,
        Self::ServiceAccount,
        Self::ExternalAccount,
        Self::ImpersonatedServiceAccount,
        Self::WorkforceUser,
    ];

    /// Returns the `type` in the file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AuthorizedUser => "authorized_user",
            Self::ServiceAccount => "service_account",
            Self::ExternalAccount => "external_account",
            Self::ImpersonatedServiceAccount => "impersonated_service_account",
            Self::WorkforceUser => "external_account_authorized_user",
        }
    }

    fn required_fields(self) -> &'static [&'static str] {
        match self {
            Self::AuthorizedUser => &["client_id", "client_secret", "refresh_token"],
            Self::ServiceAccount => &["client_email", "private_key_id", "private_key", "project_id"],
            Self::ExternalAccount => &["audience", "subject_token_type", "token_url", "credential_source"],
            Self::ImpersonatedServiceAccount => &["service_account_impersonation_url", "source_credentials"],
            Self::WorkforceUser => &["client_id", "client_secret", "refresh_token", "token_url"],
        }
    }
}

/// A type that Google's tools know and cloudctl does not support.
const UNSUPPORTED_TYPE: &str = "gdch_service_account";

/// A credentials file that has been checked.
pub(crate) struct CredentialsFile {
    pub(crate) name: String,
    /// What names the file: a variable, a line of a file, or its own name.
    pub(crate) source: String,
    pub(crate) file_type: FileType,
    pub(crate) json: Secret<Value>,
}

/// Formats the value of a setting that names a file, with the setting: `variable X: /key.json`.
pub(crate) fn describe_setting(setting: &SourcedValue) -> String {
    format!("{}: {}", setting.source, path_text(&setting.value))
}

/// Says whether a value is the content of a file, and not the name of one.
pub(crate) fn is_content(value: &str) -> bool {
    may_be_secret(value) || looks_like_base64(value)
}

pub(crate) fn missing_file_error(setting: &SourcedValue) -> Error {
    let SourcedValue { value, source } = setting;
    let name = setting.variable_name().unwrap_or(source);
    if is_content(value) {
        let message = format!("{source} is {}", describe_content(value));
        return unauthenticated_error(message)
            .with_hint(format!("write the content to a file, and point {name} at the file"));
    }
    let hint = format!("correct {name}, or log in: {LOGIN_HINT}");
    unauthenticated_error(format!("{source}: there is no file {}", path_text(value))).with_hint(hint)
}

/// Describes a value without showing it: `a value of 2,318 characters that is not a path`.
fn describe_content(value: &str) -> String {
    match may_be_secret(value) {
        true => path_text(value),
        false => format!("a value of {} characters that is not a path", value.chars().count()),
    }
}

fn unauthenticated_error(message: String) -> Error {
    Error::new(ErrorKind::Unauthenticated, message)
}

/// Reads the text of a file, without a byte order mark; `None` if the file does not exist. `shown` is its name in
/// messages.
///
/// # Errors
/// `Unauthenticated` for a file that cannot be read or is not text.
pub(crate) fn read_text(path: &Path, shown: &str) -> Result<Option<String>> {
    let file_error =
        |why: &str, hint: &str| Err(unauthenticated_error(format!("{shown}: the file {why}")).with_hint(hint));
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        // A home that is not a folder, such as /dev/null, has no files. Content in place of a name is too long for a
        // name.
        Err(error)
            if matches!(
                error.kind(),
                IoErrorKind::NotFound | IoErrorKind::NotADirectory | IoErrorKind::InvalidFilename
            ) =>
        {
            return Ok(None);
        }
        Err(_) if path.is_dir() => return file_error("is a folder", "name the file in it"),
        Err(_) if is_content(&path.to_string_lossy()) => return Ok(None),
        Err(error) => {
            return Err(unauthenticated_error(format!("{shown}: cannot read the file: {error}")).with_hint(LOGIN_HINT));
        }
    };
    if crate::cloud::is_gzip(&bytes) {
        return file_error("is packed by gzip", "unpack it first: `gunzip`");
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) || bytes.contains(&0) && !is_der(&bytes) {
        return file_error("is UTF-16 text", "save it as UTF-8");
    }
    if is_der(&bytes) {
        return file_error("is a binary key, such as a .p12 file", JSON_KEY_HINT);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text.trim_start_matches('\u{feff}').to_owned())),
        Err(_) => file_error("is not text", LOGIN_HINT),
    }
}

/// Says whether bytes are a binary key: PKCS #12 and others begin with a long sequence.
fn is_der(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x30, 0x82]) || bytes.starts_with(&[0x30, 0x83])
}

/// Says whether a PEM key is complete: it states its own length.
fn is_complete_key(pem: &str) -> bool {
    let Ok(key) = PrivateKeyDer::from_pem_slice(pem.as_bytes()) else {
        return false;
    };
    // A sequence begins with its tag and its length. The length is in one byte, or is preceded by the number of its
    // bytes.
    let Some((&[0x30, first], rest)) = key.secret_der().split_first_chunk::<2>() else {
        return false;
    };
    let count = usize::from(first & 0x7f);
    match first {
        0..0x80 => rest.len() == count,
        _ => match rest.split_at_checked(count) {
            Some((length, content)) if count <= 4 => {
                content.len() == length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
            }
            _ => false,
        },
    }
}

/// Says whether a text is the base64 of a JSON object: no other text begins like that.
fn looks_like_base64(text: &str) -> bool {
    let text = text.trim();
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_' | '\n' | '\r');
    // `{"`, and `{` before a space, a line end or a tab; the same after a byte order mark.
    let object_starts = ["eyJ", "eyA", "ewo", "ew0", "ewk", "77u/ey", "77u/ew"];
    text.len() >= 16 && object_starts.iter().any(|start| text.starts_with(start)) && text.chars().all(is_base64)
}

impl CredentialsFile {
    /// Checks the text of the file `name`; `shown` is its name in messages, with the setting.
    ///
    /// # Errors
    /// `Unauthenticated` that says what is wrong with the file.
    pub(crate) fn parse(text: &str, name: String, shown: String, environment: &Environment) -> Result<Self> {
        let source = match shown.split_once(": ") {
            Some((source, _)) => source.to_owned(),
            None => shown.clone(),
        };
        let file_error =
            |why: &str, hint: &str| unauthenticated_error(format!("{shown}: the file {why}")).with_hint(hint);
        let mut json = parse_json(text, &file_error)?;
        let file_type = parse_file_type(&json, &file_error)?;
        check_fields(&mut json, file_type, "", environment, &file_error)?;
        Ok(Self {
            name,
            source,
            file_type,
            json: Secret::new(json),
        })
    }

    /// Returns the text of a field; `None` if it is empty.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        let text = self.json.expose().get(key)?.as_str()?;
        (!text.is_empty()).then_some(text)
    }

    /// Returns the account of the credentials, if the file names it.
    pub(crate) fn principal(&self) -> Option<String> {
        // …/serviceAccounts/NAME@PROJECT.iam.gserviceaccount.com:generateAccessToken
        let impersonated = || {
            let url = self.text("service_account_impersonation_url")?;
            url.rsplit_once("/serviceAccounts/")?.1.split(':').next()
        };
        self.text("client_email")
            .or_else(impersonated)
            .or_else(|| self.text("account"))
            .map(str::to_owned)
    }

    /// Describes the server that gives the tokens, with its address if the file has one, and for which account.
    pub(crate) fn token_server(&self) -> String {
        if self.file_type == FileType::ServiceAccount {
            // This machine signs the tokens.
            return format!("the key of {} in {}", self.principal().unwrap_or_default(), self.name);
        }
        let json = self.json.expose();
        let text_in_file_or_source = |key: &str| {
            json.get(key)
                .or_else(|| json.get("source_credentials")?.get(key))?
                .as_str()
        };
        let url = text_in_file_or_source("token_uri").or_else(|| text_in_file_or_source("token_url"));
        let server = match url.and_then(host_and_port) {
            Some(address) => format!("the token server {address}"),
            None if self.file_type == FileType::AuthorizedUser => "the token server oauth2.googleapis.com".to_owned(),
            None => "the token server".to_owned(),
        };
        match self.principal() {
            Some(principal) => format!("{server}, for {principal}"),
            None => format!("{server}, for {}", self.name),
        }
    }

    /// Makes the error for a file that the SDK refuses.
    pub(crate) fn unusable_error(&self, why: &str) -> Error {
        let prefix = match self.source == self.name {
            true => String::new(),
            false => format!("{}: ", self.source),
        };
        unauthenticated_error(format!("{prefix}the credentials file {} {why}", self.name)).with_hint(LOGIN_HINT)
    }
}

/// Returns the host of a URL, with the port if the URL names one.
fn host_and_port(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

fn parse_json(text: &str, file_error: &dyn Fn(&str, &str) -> Error) -> Result<Value> {
    let trimmed = text.trim();
    let lower_case = trimmed.to_ascii_lowercase();
    if trimmed.is_empty() {
        return Err(file_error("is empty", LOGIN_HINT));
    }
    if looks_like_base64(trimmed) {
        return Err(file_error(
            "is base64; decode it first",
            "`base64 -d FILE > key.json`, and name that file",
        ));
    }
    if trimmed.starts_with("-----BEGIN") {
        return Err(file_error(
            "is a PEM file: a key or certificate alone, and no credentials file",
            JSON_KEY_HINT,
        ));
    }
    if lower_case.contains("aws_access_key_id") || lower_case.contains("secret access key") {
        return Err(file_error(
            "has credentials of AWS, and none of Google Cloud",
            LOGIN_HINT,
        ));
    }
    if trimmed.starts_with("ya29.") {
        return Err(file_error(
            "is an access token",
            "point CLOUDSDK_AUTH_ACCESS_TOKEN_FILE at it instead",
        ));
    }
    let value: Value = serde_json::from_str(trimmed).map_err(|error| {
        // The parser's message could quote a key from the file.
        let why = format!("is not JSON: line {}, column {}", error.line(), error.column());
        file_error(&why, LOGIN_HINT)
    })?;
    if !value.is_object() {
        return Err(file_error("is JSON, but no object", LOGIN_HINT));
    }
    Ok(value)
}

fn parse_file_type(json: &Value, file_error: &dyn Fn(&str, &str) -> Error) -> Result<FileType> {
    let has = |key: &str| json.get(key).is_some();
    let Some(kind) = json.get("type") else {
        return Err(if has("installed") || has("web") {
            file_error(
                "is an OAuth client (client_secret.json), and no credentials",
                "log in with it: `gcloud auth application-default login --client-id-file FILE`",
            )
        } else if has("AccessKeyId") || has("Credentials") || has("AccessKey") {
            file_error("has credentials of AWS, and none of Google Cloud", LOGIN_HINT)
        } else if has("tenantId") || has("clientSecret") {
            file_error("has credentials of Azure, and none of Google Cloud", LOGIN_HINT)
        } else {
            file_error("has no \"type\", which every credentials file has", LOGIN_HINT)
        });
    };
    let Some(kind) = kind.as_str().map(str::trim) else {
        return Err(file_error("has a \"type\" that is no text", LOGIN_HINT));
    };
    let file_type = FileType::ALL.into_iter().find(|file_type| file_type.name() == kind);
    file_type.ok_or_else(|| {
        let known = FileType::ALL.map(FileType::name).join(", ");
        let why = match kind == UNSUPPORTED_TYPE {
            true => format!("has the type {kind}, which cloudctl does not support"),
            false => format!("has the unknown type {}; known are {known}", quoted(kind)),
        };
        file_error(&why, LOGIN_HINT)
    })
}

const CREATE_AGAIN_HINT: &str = "download or create the file again";

/// The fields that are URLs.
const URL_FIELDS: [&str; 4] = [
    "token_uri",
    "token_url",
    "service_account_impersonation_url",
    "auth_uri",
];

/// Checks the fields that a type of file must have. Removes white space around text; white space inside would break a
/// request.
fn check_fields(
    json: &mut Value,
    file_type: FileType,
    prefix: &str,
    environment: &Environment,
    file_error: &dyn Fn(&str, &str) -> Error,
) -> Result<()> {
    let Some(object) = json.as_object_mut() else {
        return Err(file_error(
            &format!("has a {prefix:?} that is no object"),
            CREATE_AGAIN_HINT,
        ));
    };
    for (key, value) in object.iter_mut() {
        if let Value::String(text) = value {
            clean_text(key, text);
            if let Some(problem) = find_text_problem(key, text, prefix) {
                return Err(file_error(&problem, CREATE_AGAIN_HINT));
            }
        }
    }
    for field in file_type.required_fields() {
        if !has_field(object, field) {
            return Err(file_error(
                &format!("has no \"{prefix}{field}\", which {} needs", file_type.name()),
                CREATE_AGAIN_HINT,
            ));
        }
    }
    match file_type {
        FileType::ServiceAccount => {
            let key = object.get("private_key").and_then(Value::as_str).unwrap_or_default();
            match find_key_problem(key) {
                Some(problem) => Err(file_error(
                    &format!("has a \"{prefix}private_key\" that is {problem}"),
                    CREATE_AGAIN_HINT,
                )),
                None => Ok(()),
            }
        }
        FileType::ExternalAccount => check_credential_source(object.get("credential_source"), environment, file_error),
        FileType::ImpersonatedServiceAccount => match object.get_mut("source_credentials") {
            Some(source) => check_source_credentials(source, environment, file_error),
            None => Ok(()),
        },
        FileType::AuthorizedUser | FileType::WorkforceUser => Ok(()),
    }
}

/// Removes white space around text. A key that passed through a shell or a secret store may have escaped line ends.
fn clean_text(key: &str, text: &mut String) {
    if key != "private_key" {
        *text = text.trim().to_owned();
    } else if !text.trim().contains('\n') && text.contains("\\n") {
        *text = text.replace("\\n", "\n");
    }
}

fn find_text_problem(key: &str, text: &str, prefix: &str) -> Option<String> {
    if key == "private_key" {
        return None;
    }
    if text.chars().any(char::is_control) {
        return Some(format!(
            "has a line end or another control character in \"{prefix}{key}\""
        ));
    }
    let is_http_url = || {
        let url = reqwest::Url::parse(text);
        url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    };
    if URL_FIELDS.contains(&key) && !text.is_empty() && !is_http_url() {
        return Some(format!("has a \"{prefix}{key}\" that is no URL"));
    }
    None
}

/// Whether a required field has a value of its type.
fn has_field(object: &Map<String, Value>, field: &str) -> bool {
    match object.get(field) {
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(Value::Object(_)) => matches!(field, "credential_source" | "source_credentials"),
        Some(_) | None => false,
    }
}

fn find_key_problem(key: &str) -> Option<&'static str> {
    if !key.contains("-----BEGIN") || !key.contains("PRIVATE KEY-----") {
        return Some("no PEM key");
    }
    if !is_complete_key(key) {
        return Some("broken or cut short");
    }
    None
}

/// Checks the credentials that may act as the service account of a file.
fn check_source_credentials(
    source: &mut Value,
    environment: &Environment,
    file_error: &dyn Fn(&str, &str) -> Error,
) -> Result<()> {
    let source_error = |why: &str, hint: &str| file_error(&format!("(in source_credentials) {why}"), hint);
    let file_type = parse_file_type(source, &source_error)?;
    match file_type {
        FileType::ImpersonatedServiceAccount => Err(file_error(
            "has source_credentials of the type impersonated_service_account",
            "list the service accounts in between in \"delegates\"",
        )),
        FileType::WorkforceUser => Err(file_error(
            "has source_credentials of the type external_account_authorized_user",
            "name the login's own file, and the service account in \
             CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT",
        )),
        FileType::ServiceAccount | FileType::AuthorizedUser | FileType::ExternalAccount => {
            check_fields(source, file_type, "source_credentials.", environment, file_error)
        }
    }
}

/// Checks where an external account gets its first token. <https://google.aip.dev/auth/4117>
fn check_credential_source(
    source: Option<&Value>,
    environment: &Environment,
    file_error: &dyn Fn(&str, &str) -> Error,
) -> Result<()> {
    let Some(source) = source else { return Ok(()) };
    let find_text = |key: &str| source.get(key).and_then(Value::as_str);
    if source.get("executable").is_some() {
        if environment.get("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES") != Some("1") {
            return Err(file_error(
                "gets its token from a program, which is not enabled",
                "set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 if you trust the file",
            ));
        }
        return Ok(());
    }
    if let Some(file) = find_text("file") {
        let shown = format!("names {} in credential_source.file", path_text(file));
        return match std::fs::metadata(file) {
            Ok(metadata) if metadata.is_file() => Ok(()),
            Ok(_) => Err(file_error(
                &format!("{shown}, which is no file"),
                "correct the credentials file",
            )),
            Err(error) => Err(file_error(
                &format!("{shown}, which cannot be read: {error}"),
                "put the token there, or correct the credentials file",
            )),
        };
    }
    if find_text("environment_id").is_some_and(|id| id.starts_with("aws")) {
        return Ok(());
    }
    match find_text("url") {
        Some(url) if reqwest::Url::parse(url).is_ok() => Ok(()),
        Some(_) => Err(file_error(
            "has a \"credential_source.url\" that is no URL",
            "correct the credentials file",
        )),
        None => Err(file_error(
            "has a \"credential_source\" that is neither a file, a url, an executable nor of AWS",
            LOGIN_HINT,
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<CredentialsFile> {
        CredentialsFile::parse(
            text,
            "key.json".to_owned(),
            "key.json".to_owned(),
            &Environment::default(),
        )
    }

    #[test]
    fn principal_is_read_from_every_type_of_file() {
        let impersonation = "https://iam.test/v1/projects/-/serviceAccounts/b@acme.iam.test:generateAccessToken";
        let user = json!({"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"});
        let of_user = |more: Value| {
            let mut json = user.clone();
            json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            parse(&json.to_string()).unwrap().principal()
        };
        assert_eq!(of_user(json!({"account": ""})), None);
        assert_eq!(
            of_user(json!({"account": " ada@acme.test\n"})).as_deref(),
            Some("ada@acme.test")
        );
        let impersonated = json!({
            "type": "impersonated_service_account",
            "service_account_impersonation_url": impersonation,
            "source_credentials": user,
        });
        assert_eq!(
            parse(&impersonated.to_string()).unwrap().principal().as_deref(),
            Some("b@acme.iam.test")
        );
    }

    #[test]
    fn error_hides_secrets_of_the_file() {
        for text in [
            "{\"private_key\": hunter2",
            "{\"type\": \"service_account\", \"private_key\": \"hunter2\"}",
            "{\"type\": \"authorized_user\", \"client_id\": \"hunter2\\nx\"}",
        ] {
            let broken = parse(text).err().unwrap();
            assert!(!format!("{broken} {broken:?}").contains("hunter2"), "{broken}");
        }
    }

    #[test]
    fn base64_differs_from_a_token_and_a_name() {
        assert!(looks_like_base64("eyJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCJ9"));
        assert!(!looks_like_base64("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"));
        assert!(!looks_like_base64("key.json"));
    }
}
