//! The ways to reach an instance: its addresses, the tunnels of its cloud, or any command.

use std::net::IpAddr;
use std::str::FromStr;

use crate::cloud::{
    CloudInfo, CloudSettings, Error, ErrorKind, Instance, Result, Tunnel, join_with_or, quote_for_shell, quoted,
};

/// How an instance is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SshWay {
    /// At its public address.
    Direct,
    /// At its private address.
    Private,
    /// Through the tunnel of its cloud with this name.
    Tunnel(String),
    /// Through a command that connects its input and output to the instance. ssh replaces `%h` and `%p` in it.
    Command(String),
}

impl FromStr for SshWay {
    type Err = Error;

    /// Parses a word of the command line. A text with a space, a `%` or a `/` is a command.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let is_command = text.contains(['%', ' ', '/']);
        match text {
            "direct" => Ok(Self::Direct),
            "private" => Ok(Self::Private),
            _ if text.chars().any(char::is_control) || text.is_empty() => {
                Err(Error::invalid(format!("{} is no way to reach a VM", quoted(text)))
                    .with_hint("use direct, private, a tunnel of the cloud, or a command such as 'nc %h %p'"))
            }
            _ if is_command => Ok(Self::Command(text.to_owned())),
            name => Ok(Self::Tunnel(name.to_owned())),
        }
    }
}

/// Where ssh connects to, and through which command.
#[derive(Debug)]
pub(super) struct Route {
    /// The address, or the id of the instance where a tunnel finds it by its id.
    pub(super) host: String,
    /// The command that connects; `None` for a connection from this machine.
    pub(super) proxy_command: Option<String>,
    /// The program of a tunnel, which must be installed.
    pub(super) tunnel: Option<&'static Tunnel>,
}

impl Route {
    fn for_address(address: IpAddr, proxy_command: Option<String>) -> Self {
        Self {
            host: address.to_string(),
            proxy_command,
            tunnel: None,
        }
    }
}

/// Finds the route to an instance: by `way`, or else to its public address. `settings` are those of its cloud.
///
/// # Errors
/// `InvalidSpec` if the instance cannot be reached this way; the hint names the ways that it has. `Internal` if the cloud
/// gave an address that is none.
pub(super) fn find_route(
    instance: &Instance,
    way: Option<&SshWay>,
    cloud: &CloudInfo,
    port: u16,
    settings: &CloudSettings<'_>,
) -> Result<Route> {
    // It is part of the configuration, also where the host is an address.
    check_id(&instance.reference.id)?;
    let (public, private) = (
        parse_address(&instance.public_ip)?,
        parse_address(&instance.private_ip)?,
    );
    let missing_address = |adjective: &str| {
        Error::invalid(format!("{} has no {adjective} address", instance.reference))
            .with_hint(format!(
                "reach it another way: --via {}",
                join_with_or(possible_ways(instance, cloud))
            ))
            .naming(&instance.reference)
    };
    match way {
        None | Some(SshWay::Direct) => {
            let address = public.ok_or_else(|| missing_address("public"))?;
            Ok(Route::for_address(address, None))
        }
        Some(SshWay::Private) => {
            let address = private.ok_or_else(|| missing_address("private"))?;
            Ok(Route::for_address(address, None))
        }
        Some(SshWay::Command(command)) => {
            let address = public.or(private).ok_or_else(|| missing_address("public or private"))?;
            Ok(Route::for_address(address, Some(command.clone())))
        }
        Some(SshWay::Tunnel(name)) => {
            let Some(tunnel) = cloud.tunnels.iter().find(|tunnel| tunnel.name == name) else {
                let message = format!("{} has no way {} to a VM", cloud.kind, quoted(name));
                return Err(Error::invalid(message)
                    .with_hint(format!("use --via {}", join_with_or(possible_ways(instance, cloud)))));
            };
            let words = (tunnel.command)(instance, port, settings);
            Ok(Route {
                host: instance.reference.id.clone(),
                proxy_command: Some(to_proxy_command(&words)),
                tunnel: Some(tunnel),
            })
        }
    }
}

/// The ways that an instance has, as `--via` names them.
fn possible_ways(instance: &Instance, cloud: &CloudInfo) -> Vec<String> {
    let direct = instance.public_ip.as_ref().map(|_| "direct".to_owned());
    let private = instance.private_ip.as_ref().map(|_| "private".to_owned());
    let tunnels = cloud.tunnels.iter().map(|tunnel| tunnel.name.to_owned());
    let command = "'COMMAND %h %p'".to_owned();
    direct
        .into_iter()
        .chain(private)
        .chain(tunnels)
        .chain([command])
        .collect()
}

/// Parses an address that a cloud gave, so that nothing else can reach a command line.
fn parse_address(text: &Option<String>) -> Result<Option<IpAddr>> {
    let Some(text) = text else { return Ok(None) };
    match text.parse() {
        Ok(address) => Ok(Some(address)),
        Err(_) => Err(Error::new(
            ErrorKind::Internal,
            format!("the cloud gave {} as an address", quoted(text)),
        )),
    }
}

pub(super) fn check_id(id: &str) -> Result<()> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match id.chars().all(is_allowed) && !id.starts_with('-') && !id.is_empty() {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::Internal,
            format!("the cloud gave {} as an id", quoted(id)),
        )),
    }
}

/// Formats the words of a command for the shell that ssh runs it with. ssh would replace what follows a `%`.
fn to_proxy_command(words: &[String]) -> String {
    let quoted: Vec<_> = words
        .iter()
        .map(|word| quote_for_shell(word).replace('%', "%%"))
        .collect();
    quoted.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::ProviderKind;

    #[test]
    fn way_is_a_word_or_a_command() {
        assert_eq!("direct".parse::<SshWay>().unwrap(), SshWay::Direct);
        assert_eq!("iap".parse::<SshWay>().unwrap(), SshWay::Tunnel("iap".to_owned()));
        assert_eq!(
            "nc %h %p".parse::<SshWay>().unwrap(),
            SshWay::Command("nc %h %p".to_owned())
        );
        for text in ["", " ", "nc %h\nProxyJump x"] {
            assert!(text.parse::<SshWay>().is_err(), "{text}");
        }
    }

    #[test]
    fn words_of_a_cloud_reach_a_shell_quoted() {
        let words = ["gcloud", "a b", "%h", "x;y"].map(str::to_owned);
        assert_eq!(to_proxy_command(&words), "gcloud 'a b' %%h 'x;y'");
    }

    #[test]
    fn address_and_id_of_a_cloud_are_checked() {
        assert!(check_id("-oProxyCommand=x").is_err() && check_id("i-0ab").is_ok());
        let mut instance = Instance::with_id_only(ProviderKind::Mock, "eu".to_owned(), "m-1".to_owned());
        instance.public_ip = Some("-oProxyCommand=touch".to_owned());
        assert!(parse_address(&instance.public_ip).is_err());
    }
}
