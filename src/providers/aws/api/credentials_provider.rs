//! Gets the credentials of a run from their source, and checks that they can be sent.
//!
//! The SDK's own chain does not check them, panics at a line end in them, and prints errors in their debug form.

use std::path::Path;
use std::sync::Arc;

use aws_config::Region;
use aws_config::credential_process::CredentialProcessProvider;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sso::credentials::Builder as SsoBuilder;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result as ProviderResult, future};
use aws_sdk_sts::types::Credentials as StsCredentials;
use futures_util::future::BoxFuture;

use super::connection_errors::describe_root_cause;
use super::error::{Call, translate};
use super::sts::StsClients;
use crate::cloud::{Error, ErrorKind, Result, quote_for_shell, quoted, redact_value};
use crate::providers::aws::configuration::metadata_service::build_metadata_client;
use crate::providers::aws::configuration::partition::Partition;
use crate::providers::aws::configuration::{Configuration, setting_name};
use crate::providers::aws::credentials::access_keys::{
    KeyPart, build_credentials, read_environment, read_profile_keys,
};
use crate::providers::aws::credentials::credential_source::{CredentialSource, Role, WebIdentity};
use crate::settings::io_reason;

/// The session name in the cloud's logs, unless the profile sets one.
const SESSION_NAME: &str = "cloudctl";

/// Provides the credentials of this run to the SDK.
#[derive(Debug)]
pub(crate) struct RunCredentials {
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) sts: StsClients,
    /// Uses a proxy where one is set.
    pub(crate) provider: ProviderConfig,
    /// Uses no proxy: for services on this machine or in its network.
    pub(crate) direct: ProviderConfig,
    /// The region to send calls to that concern no region.
    pub(crate) region: String,
}

impl ProvideCredentials for RunCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let found = async {
                let source = CredentialSource::from_configuration(&self.configuration)?;
                self.get_credentials(&source).await
            };
            found.await.map_err(CredentialsError::provider_error)
        })
    }
}

impl RunCredentials {
    fn get_credentials<'a>(&'a self, source: &'a CredentialSource) -> BoxFuture<'a, Result<Credentials>> {
        Box::pin(async move {
            match source {
                CredentialSource::Environment => read_environment(&self.configuration),
                CredentialSource::Keys { profile, section } => read_profile_keys(profile, section),
                CredentialSource::Role(role) => self.assume_role_of_profile(role).await,
                CredentialSource::WebIdentity(identity) => self.assume_role_with_token(identity).await,
                CredentialSource::Sso {
                    profile,
                    account,
                    role,
                    start_url,
                    region,
                    session,
                } => {
                    let mut builder = SsoBuilder::new()
                        .configure(&self.provider)
                        .account_id(&account.value)
                        .role_name(&role.value)
                        .start_url(&start_url.value)
                        .region(Region::new(region.value.clone()));
                    builder.set_session_name(session.clone());
                    let name = format!("single sign-on of the AWS profile {}", quoted(profile));
                    let hint = format!("sign in with `aws sso login --profile {}`", quote_for_shell(profile));
                    check_fetched(builder.build().provide_credentials().await, &name, &hint)
                }
                CredentialSource::Process { profile, command } => {
                    let name = format!(
                        "credential_process of the AWS profile {} ({})",
                        quoted(profile),
                        command.source
                    );
                    let provider = CredentialProcessProvider::new(command.value.clone());
                    let hint = "run that command by itself, and see what it prints";
                    check_fetched(provider.provide_credentials().await, &name, hint)
                }
                CredentialSource::Container => self.ask_container().await,
                CredentialSource::InstanceMetadata => self.ask_metadata_service().await,
            }
        })
    }

    async fn assume_role_of_profile(&self, role: &Role) -> Result<Credentials> {
        let own = self.get_credentials(&role.source).await?;
        let region = self.choose_sts_region(&role.arn.value);
        let answer = self
            .sts
            .client(&region, Some(own))
            .assume_role()
            .role_arn(&role.arn.value)
            .role_session_name(role.session_name.as_deref().unwrap_or(SESSION_NAME))
            .set_external_id(role.external_id.clone())
            .set_duration_seconds(role.seconds)
            .send()
            .await;
        let shown = quoted(&role.profile);
        let arn = redact_value(&role.arn.value);
        let failure_prefix = format!("cannot assume the role {arn} of the AWS profile {shown}");
        let output = answer.map_err(|error| {
            let error = translate(&error, Call::Read, &failure_prefix, &region);
            match &role.mfa_serial {
                // STS answers the same for a role that needs MFA and for one that is not allowed.
                Some(serial) if error.kind() == ErrorKind::PermissionDenied => {
                    let command = format!(
                        "aws configure export-credentials --profile {}",
                        quote_for_shell(&role.profile)
                    );
                    error
                        .context(format!(
                            "the profile asks for MFA ({}: mfa_serial {}), which cloudctl cannot ask for",
                            serial.source,
                            redact_value(&serial.value)
                        ))
                        .with_hint(format!(
                            "get temporary credentials first: eval \"$({command} --format env)\""
                        ))
                }
                None if error.kind() == ErrorKind::PermissionDenied => {
                    error.with_hint("allow sts:AssumeRole for the caller, in the role's trust policy too")
                }
                _ => error,
            }
        })?;
        from_sts(
            output.credentials,
            &format!("the answer of AssumeRole for the AWS profile {shown}"),
        )
    }

    async fn assume_role_with_token(&self, identity: &WebIdentity) -> Result<Credentials> {
        let environment = &self.configuration.environment;
        let path = environment.expand_path(&identity.token_file.value);
        let named = match &identity.profile {
            None => setting_name(&identity.token_file, "web_identity_token_file"),
            Some(_) => format!("web_identity_token_file ({})", identity.token_file.source),
        };
        let token_file_error = |why: &str| {
            let message = format!(
                "cannot read the token file {}, which {named} names: {why}",
                environment.display_path(&path)
            );
            Error::new(ErrorKind::Unauthenticated, message).with_hint(format!("correct {named}, or unset it"))
        };
        let token_bytes = std::fs::read(&path).map_err(|error| token_file_error(&io_reason(&error)))?;
        let token_text = String::from_utf8(token_bytes).map_err(|_| token_file_error("it is not text"))?;
        let token = token_text.trim();
        if token.is_empty() {
            return Err(token_file_error("it is empty"));
        }
        let region = self.choose_sts_region(&identity.arn.value);
        let answer = self
            .sts
            .client(&region, None)
            .assume_role_with_web_identity()
            .role_arn(&identity.arn.value)
            .role_session_name(identity.session_name.as_deref().unwrap_or(SESSION_NAME))
            .web_identity_token(token)
            .send()
            .await;
        let by = match &identity.profile {
            Some(profile) => format!(" of the AWS profile {}", quoted(profile)),
            None => format!(" ({})", identity.arn.source),
        };
        let failure_prefix = format!(
            "cannot assume the role {}{by} with the token that {named} names",
            redact_value(&identity.arn.value)
        );
        let output = answer.map_err(|error| {
            let error = translate(&error, Call::Read, &failure_prefix, &region);
            match error.code() {
                Some("InvalidIdentityToken" | "ExpiredTokenException" | "IDPRejectedClaim") => {
                    error.with_kind(ErrorKind::Unauthenticated)
                }
                _ => error,
            }
        })?;
        from_sts(output.credentials, "the answer of AssumeRoleWithWebIdentity")
    }

    async fn ask_container(&self) -> Result<Credentials> {
        const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
        let configuration = &self.configuration;
        let mut variables = [
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ]
        .into_iter();
        let Some(variable) = variables.find(|name| configuration.environment.has(name)) else {
            let message = "no container gives credentials: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set";
            return Err(Error::new(ErrorKind::Unauthenticated, message).with_hint("use another credential_source"));
        };
        if let Some(file) = configuration.environment.get(TOKEN_FILE) {
            let refused = |why: &str| {
                let shown = configuration.environment.display_path(Path::new(file));
                let message = format!("cannot use the token file {shown}, which {TOKEN_FILE} names: {why}");
                Error::new(ErrorKind::Unauthenticated, message).with_hint(format!("correct {TOKEN_FILE}"))
            };
            let token = std::fs::read(file).map_err(|error| refused(&io_reason(&error)))?;
            if token.iter().any(u8::is_ascii_control) {
                return Err(refused(
                    "the token contains a line break, which is not allowed in an HTTP header",
                ));
            }
        }
        let provider = EcsCredentialsProvider::builder().configure(&self.direct).build();
        let name = format!("the container's credentials ({variable})");
        check_fetched(
            provider.provide_credentials().await,
            &name,
            &format!("correct {variable}, or unset it"),
        )
    }

    async fn ask_metadata_service(&self) -> Result<Credentials> {
        let client = build_metadata_client(&self.configuration, &self.direct)?;
        let provider = ImdsCredentialsProvider::builder()
            .configure(&self.direct)
            .imds_client(client)
            .build();
        let answer = provider.provide_credentials().await;
        check_fetched(
            answer,
            "the instance's credentials (metadata service)",
            "give the instance a role, or sign in",
        )
    }

    /// The region to assume a role in: the run's region, or the main region of the role's own partition.
    fn choose_sts_region(&self, arn: &str) -> String {
        match Partition::of_arn(arn) {
            Some(partition) if partition != Partition::of_region(&self.region) => partition.main_region.to_owned(),
            _ => self.region.clone(),
        }
    }
}

/// Checks credentials that STS gave. `name` says in messages where they come from.
fn from_sts(answer: Option<StsCredentials>, name: &str) -> Result<Credentials> {
    let answer = answer.ok_or_else(|| {
        Error::new(ErrorKind::Unauthenticated, format!("{name} has no credentials"))
            .with_hint("run the same command again")
    })?;
    let part = |text: &str, field: &str| KeyPart::new(text, format!("{field} in {name}"));
    let credentials = build_credentials(
        part(&answer.access_key_id, "AccessKeyId"),
        part(&answer.secret_access_key, "SecretAccessKey"),
        Some(part(&answer.session_token, "SessionToken")),
    )?;
    let expiry = answer.expiration.try_into().ok();
    Ok(with_expiry(credentials, expiry))
}

fn with_expiry(credentials: Credentials, expiry: Option<std::time::SystemTime>) -> Credentials {
    Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key(),
        credentials.session_token().map(str::to_owned),
        expiry,
        "cloudctl",
    )
}

/// Checks credentials that one of the SDK's providers got, or explains why it got none.
fn check_fetched(answer: ProviderResult, name: &str, hint: &str) -> Result<Credentials> {
    let credentials = answer.map_err(|error| {
        let message = format!("no credentials from {name}: {}", describe_root_cause(&error));
        Error::new(ErrorKind::Unauthenticated, message).with_hint(hint)
    })?;
    let part = |text: &str, field: &str| KeyPart::new(text, format!("{field} from {name}"));
    let checked = build_credentials(
        part(credentials.access_key_id(), "AccessKeyId"),
        part(credentials.secret_access_key(), "SecretAccessKey"),
        credentials
            .session_token()
            .filter(|token| !token.is_empty())
            .map(|token| part(token, "SessionToken")),
    )?;
    Ok(with_expiry(checked, credentials.expiry()))
}
