//! What a cloud knows about logging in to an instance by SSH: its host keys, its user, and the ways to reach it.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Instance, key_fingerprint};

/// The algorithms of SSH host keys, as servers name them.
/// <https://www.iana.org/assignments/ssh-parameters/ssh-parameters.xhtml#ssh-parameters-19>
const HOST_KEY_ALGORITHMS: [&str; 5] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
];

/// The lines around the host keys that cloud-init prints on the console at the first boot.
/// <https://docs.cloud-init.io/en/latest/reference/modules.html#ssh>
const CONSOLE_BEGIN: &str = "-----BEGIN SSH HOST KEY KEYS-----";
const CONSOLE_END: &str = "-----END SSH HOST KEY KEYS-----";

/// The public key that identifies an SSH server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostKey {
    algorithm: String,
    body: String,
}

impl HostKey {
    /// Parses `ALGORITHM BODY`, with or without a comment. `None` if it is no host key, or a damaged one.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        Self::from_parts(words.next()?, words.next()?)
    }

    /// Creates a key from its algorithm and its body in base64. `None` if the body is damaged, or has another algorithm.
    pub fn from_parts(algorithm: &str, body: &str) -> Option<Self> {
        if !HOST_KEY_ALGORITHMS.contains(&algorithm) {
            return None;
        }
        let bytes = STANDARD.decode(body).ok()?;
        let fields = split_fields(&bytes)?;
        let (name, values) = fields.split_first()?;
        let is_whole = match algorithm {
            // <https://www.rfc-editor.org/rfc/rfc8709#section-4>
            "ssh-ed25519" => matches!(values, [key] if key.len() == 32),
            // An exponent and a modulus, or the name of a curve and a point.
            _ => matches!(values, [first, second] if !first.is_empty() && second.len() >= 32),
        };
        (*name == algorithm.as_bytes() && is_whole).then(|| Self {
            algorithm: algorithm.to_owned(),
            body: body.to_owned(),
        })
    }

    /// The algorithm, such as `ssh-ed25519`.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The fingerprint, as `ssh-keygen -l` prints it: `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        key_fingerprint(&self.to_string()).unwrap_or_default()
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.algorithm, self.body)
    }
}

/// Splits the body of a key into its fields, each after its length; `None` if bytes are missing or left.
/// <https://www.rfc-editor.org/rfc/rfc4253#section-6.6>
fn split_fields(body: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (field, end) = after.split_at_checked(length)?;
        fields.push(field);
        rest = end;
    }
    Some(fields)
}

/// Finds the host keys in console output: those of the first complete block that cloud-init printed; empty if there is no
/// such block. Whoever can write to the console later cannot change them.
///
/// A line may have a prefix, such as `ci-info: ` or a time.
pub fn find_console_host_keys(console: &[u8]) -> Vec<HostKey> {
    let text = String::from_utf8_lossy(console);
    let mut open_block: Option<Vec<HostKey>> = None;
    for line in text.lines().map(str::trim_end) {
        if line.ends_with(CONSOLE_BEGIN) {
            open_block = Some(Vec::new());
        } else if line.ends_with(CONSOLE_END) {
            match open_block.take() {
                Some(keys) if !keys.is_empty() => return keys,
                _ => {}
            }
        } else if let Some(block) = &mut open_block {
            let words: Vec<&str> = line.split_whitespace().collect();
            block.extend(words.windows(2).find_map(|pair| HostKey::from_parts(pair[0], pair[1])));
        }
    }
    Vec::new()
}

/// Who logs in to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginUser {
    /// This user, with a key.
    Name(String),
    /// Perhaps this user: the key in the metadata is not known to be the caller's.
    Guess(String),
    /// Nobody by SSH with a key: it is a Windows instance.
    Windows,
    /// It is not known, for this reason.
    Unknown(String),
}

/// Gives the value of a setting of one cloud, such as `profile`.
pub type CloudSettings<'a> = dyn Fn(&str) -> Option<String> + Sync + 'a;

/// A way of a cloud to reach instances without a public address, through the cloud's own tool.
#[derive(Debug)]
pub struct Tunnel {
    /// Its name on the command line: `iap`.
    pub name: &'static str,
    /// The program that opens it.
    pub program: &'static str,
    /// How to install the program.
    pub install_hint: &'static str,
    /// The words of the command that connects its input and output to a TCP port of an instance. They are quoted later.
    pub command: fn(&Instance, port: u16, settings: &CloudSettings<'_>) -> Vec<String>,
}

/// What an instance that runs nothing answers to every command: for the mock cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PretendShell {
    /// The exit code.
    pub exit_code: u8,
    /// What it writes to standard output.
    pub stdout: String,
    /// How long it takes.
    pub delay: Duration,
    /// How many connections break before one holds.
    pub broken_connections: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIIkFcXi3XI5mjUOw7XdtfZyD+X2rSLsv2RVU6cbPDOhI";

    #[test]
    fn host_key_is_refused_if_it_is_damaged() {
        let key = HostKey::parse(&format!("ssh-ed25519 {BODY} root@web-1")).unwrap();
        assert_eq!(key.to_string(), format!("ssh-ed25519 {BODY}"));
        assert_eq!(key.fingerprint(), "SHA256:54iRk5M9olOZ1TC8s5aEUkHtXYjaKQw38GEur3uEODI");
        for line in [
            format!("ssh-rsa {BODY}"),
            format!("ssh-ed25519 {}", &BODY[1..]),
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5".to_owned(),
            // One byte as the key, and a whole key with a byte after it.
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAUE=".to_owned(),
            format!("ssh-ed25519 {BODY}AAAA"),
            format!("-oProxyCommand=x {BODY}"),
            "ssh-ed25519".to_owned(),
            String::new(),
        ] {
            assert_eq!(HostKey::parse(&line), None, "{line}");
        }
    }

    #[test]
    fn host_keys_are_those_of_the_first_complete_block_on_the_console() {
        let other = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        let console = format!(
            "[    0.0] Linux\r\nssh-ed25519 {other}\n{CONSOLE_BEGIN}\r\n{CONSOLE_END}\r\n{CONSOLE_BEGIN}\n\
             <14>Nov 28 ec2: {CONSOLE_BEGIN}\n[   12.3] cloud-init[99]: ssh-ed25519 {BODY} root@b\nnoise\n\
             <14>Nov 28 ec2: {CONSOLE_END}\r\n{CONSOLE_BEGIN}\nssh-ed25519 {other}\n{CONSOLE_END}\n"
        );
        let found = find_console_host_keys(console.as_bytes());
        assert_eq!(found, [HostKey::from_parts("ssh-ed25519", BODY).unwrap()]);
        let quoted = format!("login as '{CONSOLE_BEGIN}' failed\nssh-ed25519 {other}\n{CONSOLE_END}\n");
        assert!(find_console_host_keys(quoted.as_bytes()).is_empty());
    }
}
