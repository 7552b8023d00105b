//! Reads the public SSH key for a VM: the one that `--ssh-key` names, or the user's default key.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;

use crate::cloud::{Error, Result, SshKey, is_content, path_text};

/// The value of `--ssh-key` for a VM without a key.
const NO_KEY: &str = "none";

/// Larger files are refused. An RSA key of 16,384 bits has less than 3 KiB.
const MAX_KEY_BYTES: u64 = 64 * 1024;

/// The types of keys that OpenSSH makes: the first word of a public key. <https://man.openbsd.org/sshd#AUTHORIZED_KEYS_FILE_FORMAT>
const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// The problem of a text that is no key.
const NOT_OPENSSH: &str = "is not a public key in OpenSSH's form";

/// The default key files in the home folder, in the order in which they are tried. The ECDSA key is last, because EC2
/// does not import it: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-key-pairs.html>
const DEFAULT_KEY_FILES: [&str; 3] = [".ssh/id_ed25519.pub", ".ssh/id_rsa.pub", ".ssh/id_ecdsa.pub"];

/// Reads the key that the option's `value` names; `None` if it is `none`. A value that looks like a path, or whose
/// file `path` exists, is a public key file. Any other value is the name of a key pair.
///
/// # Errors
/// `InvalidSpec` for a file that cannot be read, or that has no key, a private key, a damaged key or several keys.
pub(super) fn from_option(value: &str, path: &Path) -> Result<Option<SshKey>> {
    if value == NO_KEY {
        return Ok(None);
    }
    // The value may be the key itself: `--ssh-key "$(cat ~/.ssh/id_ed25519.pub)"`.
    let line = value.trim();
    let first_word = line.split_whitespace().next().unwrap_or_default();
    if KEY_TYPES.contains(&first_word) {
        return match check_key(line) {
            Ok(()) => Ok(Some(SshKey::PublicKey(line.to_owned()))),
            Err(problem) => Err(Error::invalid(format!("the value of --ssh-key {problem}"))
                .with_hint("pass the .pub file that ssh-keygen wrote")),
        };
    }
    if is_content(value) && !path.is_file() {
        return Err(Error::invalid(format!("--ssh-key is {}", path_text(value)))
            .with_hint("pass the name of a public key's file, such as ~/.ssh/id_ed25519.pub"));
    }
    let looks_like_path = value.contains(['/', '\\']) || path.extension().is_some_and(|extension| extension == "pub");
    if !looks_like_path && !path.is_file() {
        return Ok(Some(SshKey::Name(value.to_owned())));
    }
    Ok(Some(SshKey::PublicKey(read_key_file(path)?)))
}

/// Finds the user's default public key. Also returns an error for each key file that cannot be used.
pub(super) fn find_default_key(home: Option<PathBuf>) -> (Option<String>, Vec<Error>) {
    let mut unusable = Vec::new();
    let Some(home) = home else {
        return (None, unusable);
    };
    for name in DEFAULT_KEY_FILES {
        let path = home.join(name);
        if !path.exists() {
            continue;
        }
        match read_key_file(&path) {
            Ok(key) => return (Some(key), unusable),
            Err(error) => unusable.push(error),
        }
    }
    (None, unusable)
}

/// The user's own keys in the home folder: the path of each private key, and the public key beside it.
pub(super) fn find_own_keys(home: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for name in DEFAULT_KEY_FILES {
        let public_path = home.join(name);
        let private_path = public_path.with_extension("");
        if private_path.is_file()
            && let Ok(key) = read_key_file(&public_path)
        {
            found.push((private_path, key));
        }
    }
    found
}

/// Reads the only public key of a file, in OpenSSH's one-line form.
fn read_key_file(path: &Path) -> Result<String> {
    let shown_path = path_text(path);
    let file_error =
        |message: String| Error::invalid(message).with_hint("make one with ssh-keygen and pass the .pub file");
    let invalid_file = |problem: &str| file_error(format!("{shown_path} {problem}"));
    let read_error = |error: io::Error| file_error(format!("cannot read the key file {shown_path}: {error}"));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(read_error)?;
    file.take(MAX_KEY_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(read_error)?;
    if bytes.len() as u64 > MAX_KEY_BYTES {
        return Err(invalid_file("is over 64 KiB, more than any public key has"));
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    // PEM, OpenSSH and SSH version 1 files have the words `PRIVATE KEY`. PuTTY files begin in another way.
    if text.contains("PRIVATE KEY") || text.starts_with("PuTTY-User-Key-File-") {
        let public_path = format!("{}.pub", path.display());
        let public_file = path_text(&public_path);
        let hint = match Path::new(&public_path).is_file() {
            true => format!("pass the public key beside it: --ssh-key {public_file}"),
            false => format!(
                "make the public key with `ssh-keygen -y -f {shown_path}`, and pass its file: --ssh-key {public_file}"
            ),
        };
        return Err(invalid_file("is a private key").with_hint(hint));
    }
    if text.contains("BEGIN SSH2 PUBLIC KEY") {
        return Err(invalid_file(NOT_OPENSSH).with_hint(format!("convert it with `ssh-keygen -i -f {shown_path}`")));
    }
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (Some(line), other_lines) = (lines.next(), lines.count()) else {
        return Err(invalid_file("is empty: there is no public key in it"));
    };
    check_key(line).map_err(invalid_file)?;
    if other_lines > 0 {
        return Err(
            invalid_file("has several lines, but a VM gets one key").with_hint("pass a file with one public key in it")
        );
    }
    Ok(line.to_owned())
}

/// Checks that a line is a complete public key: its body decodes, and has the type that the first word says.
/// <https://www.rfc-editor.org/rfc/rfc4253#section-6.6>
fn check_key(line: &str) -> std::result::Result<(), &'static str> {
    let mut words = line.split_whitespace();
    let (Some(key_type), Some(body)) = (words.next(), words.next()) else {
        return Err(NOT_OPENSSH);
    };
    if !KEY_TYPES.contains(&key_type) || line.chars().any(char::is_control) {
        return Err(NOT_OPENSSH);
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(body).ok();
    let Some(fields) = decoded.as_deref().and_then(split_fields) else {
        return Err("is a damaged public key: its body does not decode");
    };
    match fields.as_slice() {
        [name, _, ..] if name == key_type.as_bytes() => Ok(()),
        _ => Err("is a damaged public key: its key type does not match its first word"),
    }
}

/// Splits the body of a key into its fields. Each field follows its length in four bytes. `None` if the last field does
/// not end where the body ends.
fn split_fields(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut rest, mut fields) = (bytes, Vec::new());
    while !rest.is_empty() {
        let (length, after_length) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (field, after_field) = after_length.split_at_checked(length)?;
        fields.push(field.to_vec());
        rest = after_field;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[test]
    fn public_key_check_refuses_damaged_keys() {
        assert_eq!(check_key(&format!("ssh-ed25519 {BODY} ada@example.com")), Ok(()));
        assert_eq!(check_key(&format!("ssh-ed25519 {BODY}")), Ok(()));
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
            assert!(check_key(&line).is_err(), "{line}");
        }
    }

    #[test]
    fn default_key_is_the_first_usable_file() {
        let home = tempfile::tempdir().unwrap();
        let path_of = |name: &str| home.path().join(name);
        std::fs::create_dir(path_of(".ssh")).unwrap();
        assert_eq!(find_default_key(Some(home.path().to_owned())).0, None);
        let line = format!("ssh-ed25519 {BODY} me");
        // The name of the file does not decide the type of the key.
        std::fs::write(path_of(".ssh/id_rsa.pub"), &line).unwrap();
        std::fs::write(path_of(".ssh/id_ed25519.pub"), "ssh-ed25519 AAAA").unwrap();
        let (key, unusable) = find_default_key(Some(home.path().to_owned()));
        assert_eq!((key, unusable.len()), (Some(line), 1));
        assert_eq!(find_default_key(None).0, None);
    }
}
