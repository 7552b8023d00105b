//! Logging in to an instance by SSH: its user, and the tunnels of the AWS CLI.

use aws_sdk_ec2::Client;

use super::catalog::images::{CatalogLookups, find_alias_of_image};
use super::configuration::config_file_keys::PROFILE;
use crate::catalog::image_alias;
use crate::cloud::{CloudSettings, Instance, LoginUser, Result, Tunnel};

const INSTALL_HINT: &str = "install the AWS CLI, version 2: \
    https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html";

/// The tunnels that the AWS CLI opens.
pub(super) const TUNNELS: &[Tunnel] = &[
    // https://docs.aws.amazon.com/cli/latest/reference/ec2-instance-connect/open-tunnel.html
    Tunnel {
        name: "eice",
        program: "aws",
        install_hint: INSTALL_HINT,
        command: |instance, port, settings| {
            let mut words = aws_command(&["ec2-instance-connect", "open-tunnel"], instance, settings);
            words.push(format!("--instance-id={}", instance.reference.id));
            words.push(format!("--remote-port={port}"));
            words
        },
    },
    // https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-getting-started-enable-ssh-connections.html
    Tunnel {
        name: "ssm",
        program: "aws",
        install_hint: INSTALL_HINT,
        command: |instance, port, settings| {
            let mut words = aws_command(&["ssm", "start-session"], instance, settings);
            words.push(format!("--target={}", instance.reference.id));
            words.push("--document-name=AWS-StartSSHSession".to_owned());
            words.push(format!("--parameters=portNumber={port}"));
            words
        },
    },
];

fn aws_command(command: &[&str], instance: &Instance, settings: &CloudSettings<'_>) -> Vec<String> {
    let mut words = vec!["aws".to_owned()];
    words.extend(command.iter().map(|&word| word.to_owned()));
    words.push(format!("--region={}", instance.region));
    words.extend(settings(PROFILE).map(|profile| format!("--profile={profile}")));
    words
}

/// The user of the instance's image; see [`Access::login_user`](crate::cloud::Access::login_user).
pub(super) async fn login_user(client: &Client, lookups: &CatalogLookups, instance: &Instance) -> Result<LoginUser> {
    let platform = instance.native.get("platform").and_then(|platform| platform.as_str());
    if platform.is_some_and(|platform| platform.starts_with("Windows")) {
        return Ok(LoginUser::Windows);
    }
    let id = instance.image.as_deref().unwrap_or_default();
    let alias = match id {
        "" => None,
        id => find_alias_of_image(client, lookups, &instance.region, id).await?,
    };
    let Some(alias) = alias.and_then(image_alias) else {
        return Ok(LoginUser::Unknown(format!(
            "its image {id} is not one that cloudctl knows"
        )));
    };
    Ok(alias.login.login_user())
}
