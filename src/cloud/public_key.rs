//! Public keys in OpenSSH's one-line form.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

/// Removes the comment of a public key. It says who created the key and is no part of it.
pub fn remove_key_comment(key: &str) -> String {
    let mut words = key.split_whitespace();
    match (words.next(), words.next()) {
        (Some(kind), Some(body)) => format!("{kind} {body}"),
        _ => key.to_owned(),
    }
}

/// The fingerprint of a public key, as `ssh-keygen -l` prints it: `SHA256:…`. `None` if the text is not a public key.
pub fn key_fingerprint(key: &str) -> Option<String> {
    let body = STANDARD.decode(key.split_whitespace().nth(1)?).ok()?;
    Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(body))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_fingerprint_equals_that_of_ssh_keygen() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIkFcXi3XI5mjUOw7XdtfZyD+X2rSLsv2RVU6cbPDOhI";
        assert_eq!(
            key_fingerprint(key),
            Some("SHA256:54iRk5M9olOZ1TC8s5aEUkHtXYjaKQw38GEur3uEODI".to_owned())
        );
        assert_eq!(key_fingerprint(&format!("{key} me@here")), key_fingerprint(key));
        assert_eq!(key_fingerprint("mine"), None);
    }
}
