//! Public keys to log in with: the one that is asked for, or the user's own.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;

use crate::cloud::{Error, Result, SshKey, is_content, path_text};

/// What takes the place of a key where none is wanted.
const NO_KEY: &str = "none";

/// More than any public key has: one of RSA with 16,384 bits has less than 3 KiB.
const MOST_KEY: u64 = 64 * 1024;

/// The kinds of keys that OpenSSH makes, by the first word of their line. <https://man.openbsd.org/sshd#AUTHORIZED_KEYS_FILE_FORMAT>
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// The user's own keys, below the home folder, in the order in which they are tried: first those that every cloud
/// takes. EC2 imports no ECDSA keys: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-key-pairs.html>
const OWN_KEYS: [&str; 3] = [".ssh/id_ed25519.pub", ".ssh/id_rsa.pub", ".ssh/id_ecdsa.pub"];

/// The key that was asked for by `given`, whose file, if it is one, is at `path`. `None` if none is wanted. A file that is
/// there or looks like a path is a public key; anything else is the name of a key pair.
///
/// # Errors
/// `InvalidSpec` for a file that cannot be read, holds a private key, no key, a damaged one or several.
pub(super) fn from_option(given: &str, path: &Path) -> Result<Option<SshKey>> {
    if given == NO_KEY {
        return Ok(None);
    }
    // The key itself, as `--ssh-key "$(cat ~/.ssh/id_ed25519.pub)"` gives it.
    let line = given.trim();
    if line.split_whitespace().next().is_some_and(|word| KINDS.contains(&word)) {
        return match check(line) {
            Ok(()) => Ok(Some(SshKey::PublicKey(line.to_owned()))),
            Err(what) => Err(
                Error::invalid(format!("the public key that is given in place of a file {what}"))
                    .with_hint("pass the .pub file that ssh-keygen wrote"),
            ),
        };
    }
    if is_content(given) && !path.is_file() {
        return Err(Error::invalid(format!("--ssh-key is {}", path_text(given)))
            .with_hint("pass the name of a public key's file, such as ~/.ssh/id_ed25519.pub"));
    }
    let looks_like_path = given.contains(['/', '\\']) || path.extension().is_some_and(|extension| extension == "pub");
    if !looks_like_path && !path.is_file() {
        return Ok(Some(SshKey::Name(given.to_owned())));
    }
    read(path).map(SshKey::PublicKey).map(Some)
}

/// The user's own public key, if there is one, and what is wrong with those that cannot be used.
pub(super) fn default_key(home: Option<PathBuf>) -> (Option<String>, Vec<Error>) {
    let mut unusable = Vec::new();
    for path in home.iter().flat_map(|home| OWN_KEYS.map(|name| home.join(name))) {
        if !path.exists() {
            continue;
        }
        match read(&path) {
            Ok(key) => return (Some(key), unusable),
            Err(error) => unusable.push(error),
        }
    }
    (None, unusable)
}

/// The one public key of a file, in OpenSSH's one-line form.
fn read(path: &Path) -> Result<String> {
    let shown = path_text(path);
    let invalid = |what: &str| {
        Error::invalid(format!("{shown} {what}")).with_hint("make one with ssh-keygen and pass the .pub file")
    };
    let cannot = |error: io::Error| {
        Error::invalid(format!("cannot read the key file {shown}: {error}"))
            .with_hint("make one with ssh-keygen and pass the .pub file")
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(MOST_KEY + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MOST_KEY {
        return Err(invalid("is over 64 KiB, more than any public key has"));
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    // PEM, OpenSSH's own form and that of the first version of SSH have these words; PuTTY's has a head of its own.
    if text.contains("PRIVATE KEY") || text.starts_with("PuTTY-User-Key-File-") {
        let public = format!("{}.pub", path.display());
        let (is_there, public) = (Path::new(&public).is_file(), path_text(&public));
        return Err(
            Error::invalid(format!("{shown} is a private key")).with_hint(match is_there {
                true => format!("pass the public one, which is beside it: --ssh-key {public}"),
                false => format!(
                    "make the public one with `ssh-keygen -y -f {shown}`, and pass its file: --ssh-key {public}"
                ),
            }),
        );
    }
    if text.contains("BEGIN SSH2 PUBLIC KEY") {
        return Err(invalid("is not a public key in OpenSSH's form")
            .with_hint(format!("turn it into that: ssh-keygen -i -f {shown}")));
    }
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (Some(line), rest) = (lines.next(), lines.count()) else {
        return Err(invalid("is empty: there is no public key in it"));
    };
    check(line).map_err(invalid)?;
    if rest > 0 {
        return Err(
            invalid("has several lines, but a VM gets one key").with_hint("pass a file with one public key in it")
        );
    }
    Ok(line.to_owned())
}

/// Whether a line is a whole public key: its body decodes, and is of the kind that the first word says.
/// <https://www.rfc-editor.org/rfc/rfc4253#section-6.6>
fn check(line: &str) -> std::result::Result<(), &'static str> {
    let mut words = line.split_whitespace();
    let (kind, body) = (words.next().unwrap_or_default(), words.next());
    let Some(body) = body.filter(|_| KINDS.contains(&kind) && !line.chars().any(char::is_control)) else {
        return Err("is not a public key in OpenSSH's form");
    };
    let decoded = base64::engine::general_purpose::STANDARD.decode(body).ok();
    let Some(fields) = decoded.as_deref().and_then(fields_of) else {
        return Err("is a damaged public key: its body does not decode");
    };
    match fields.as_slice() {
        [name, _, ..] if name == kind.as_bytes() => Ok(()),
        _ => Err("is a damaged public key: its body is of another kind than its first word"),
    }
}

/// The fields of a key, each behind its length in four bytes; nothing if they do not end where the key ends.
fn fields_of(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut rest, mut fields) = (bytes, Vec::new());
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (field, behind) = behind.split_at_checked(length)?;
        fields.push(field.to_vec());
        rest = behind;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[test]
    fn a_whole_key_is_taken_and_a_damaged_one_is_not() {
        assert_eq!(check(&format!("ssh-ed25519 {BODY} ada@example.com")), Ok(()));
        assert_eq!(check(&format!("ssh-ed25519 {BODY}")), Ok(()));
        for line in [
            format!("ssh-rsa {BODY}"),
            format!("ssh-ed25519 {}", &BODY[..BODY.len() - 4]),
            format!("ssh-ed25519 {}", &BODY[..BODY.len() - 1]),
            format!("ssh-ed25519 {}*", &BODY[..BODY.len() - 1]),
            format!("ssh-ed25519 {BODY}AAAA"),
            format!("from=\"10.0.0.1\" ssh-ed25519 {BODY}"),
            format!("ssh-dss {BODY}"),
            "ssh-ed25519 AAAA".to_owned(),
            "ssh-ed25519".to_owned(),
            String::new(),
        ] {
            assert!(check(&line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_first_own_key_that_is_whole_is_taken() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        std::fs::create_dir(at(".ssh")).unwrap();
        assert_eq!(default_key(Some(home.path().to_owned())).0, None);
        let line = format!("ssh-ed25519 {BODY} me");
        // Its content does not hang on its name.
        std::fs::write(at(".ssh/id_rsa.pub"), &line).unwrap();
        std::fs::write(at(".ssh/id_ed25519.pub"), "ssh-ed25519 AAAA").unwrap();
        let (key, unusable) = default_key(Some(home.path().to_owned()));
        assert_eq!((key, unusable.len()), (Some(line), 1));
        assert_eq!(default_key(None).0, None);
    }
}
