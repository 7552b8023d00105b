//! What the guest of a new VM prints on its console as it boots, with the SSH host keys that cloud-init puts there.

use std::fmt::Write;

/// A boot as an Ubuntu image prints it, with cloud-init's block of host keys among the other lines.
///
/// A key is a public line: `ssh-ed25519 AAAA…`, with or without a comment. The fingerprints before the block are made up,
/// and so are the keys outside it: nobody may take either for a host key. Without keys there is no block, as at every boot
/// of a VM after its first.
pub fn boot_console(host: &str, host_keys: &[&str]) -> String {
    boot_console_with_prefix(host, host_keys, "")
}

/// The same with a prefix on each line of the block, such as `cloud-init[612]: `, which images have whose console is that
/// of their journal.
pub fn boot_console_with_prefix(host: &str, host_keys: &[&str], prefix: &str) -> String {
    let mut lines = Vec::from(BEFORE.map(str::to_owned));
    if !host_keys.is_empty() {
        lines.extend(fingerprints(host, host_keys));
        lines.extend(host_key_block(host, host_keys).map(|line| format!("{prefix}{line}")));
    }
    lines.extend(AFTER.map(str::to_owned));
    let mut text = String::new();
    for line in lines {
        text.push_str(&line);
        text.push_str("\r\n");
    }
    // Writing to a string never fails.
    let _ = write!(text, "\r\nUbuntu 24.04.1 LTS {host} ttyS0\r\n\r\n{host} login: ");
    text
}

/// The key in these lines is the user's, who may log in: it is no host key.
const BEFORE: [&str; 9] = [
    "[    0.000000] Linux version 6.8.0-1021-cloud (buildd@host) (x86_64-linux-gnu-gcc-13)",
    "[    3.014159] systemd[1]: Started ssh.service - OpenBSD Secure Shell server.",
    "[    9.265358] cloud-init[512]: Cloud-init v. 24.4 running 'init' at Sat, 28 Nov 2026 06:00:09 +0000. Up 9.21 seconds.",
    "ci-info: +++++++++++++++++++++++++++++Net device info+++++++++++++++++++++++++++++",
    "ci-info: | ens5 | True | 172.31.0.4 | 255.255.240.0 | global | 0a:00:00:00:00:04 |",
    "ci-info: ++++++++++Authorized keys from /home/ubuntu/.ssh/authorized_keys for user ubuntu++++++++++",
    "ci-info: | ssh-ed25519 | 11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00 | - | user@laptop |",
    "cloud-init[512]: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH user@laptop",
    "[   10.589793] cloud-init[598]: Generating public/private ed25519 key pair.",
];

const AFTER: [&str; 3] = [
    "[   12.384626] cloud-init[612]: Cloud-init v. 24.4 finished at Sat, 28 Nov 2026 06:00:12 +0000. Up 12.38 seconds",
    "cloud-init[612]: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI from user data",
    "[  OK  ] Reached target cloud-init.target - Cloud-init target.",
];

/// The block as cloud-init's helper prints it, without line ends.
fn host_key_block(host: &str, host_keys: &[&str]) -> impl Iterator<Item = String> {
    let keys = host_keys.iter().map(move |key| match key.split_whitespace().count() {
        2 => format!("{} root@{host}", key.trim()),
        _ => key.trim().to_owned(),
    });
    let first = "-----BEGIN SSH HOST KEY KEYS-----".to_owned();
    let last = "-----END SSH HOST KEY KEYS-----".to_owned();
    std::iter::once(first).chain(keys).chain(std::iter::once(last))
}

fn fingerprints(host: &str, host_keys: &[&str]) -> Vec<String> {
    let prefix = "<14>Nov 28 06:00:11 cloud-init: ";
    let rule = format!("{prefix}#############################################################");
    let mut lines = vec![
        rule.clone(),
        format!("{prefix}-----BEGIN SSH HOST KEY FINGERPRINTS-----"),
    ];
    lines.extend(host_keys.iter().map(|key| {
        let algorithm = key.split_whitespace().next().unwrap_or_default();
        let name = algorithm.rsplit('-').next().unwrap_or_default().to_uppercase();
        format!("{prefix}256 SHA256:uNiVztksCsDhcc0u9e8BrrXVUiIQP9tgmPBwYmXgLzY root@{host} ({name})")
    }));
    lines.push(format!("{prefix}-----END SSH HOST KEY FINGERPRINTS-----"));
    lines.push(rule);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";

    fn block(text: &str) -> Option<&str> {
        let (_, rest) = text.split_once("-----BEGIN SSH HOST KEY KEYS-----\r\n")?;
        rest.split_once("-----END SSH HOST KEY KEYS-----\r\n")
            .map(|(keys, _)| keys)
    }

    #[test]
    fn boot_console_has_host_keys_among_other_lines() {
        let text = boot_console("web-1", &[KEY, "ssh-rsa AAAAB3NzaC1yc2E= a comment"]);
        let wanted = format!("{KEY} root@web-1\r\nssh-rsa AAAAB3NzaC1yc2E= a comment\r\n");
        assert_eq!(block(&text), Some(wanted.as_str()));
        assert!(
            text.starts_with("[    0.000000] Linux") && text.ends_with("web-1 login: "),
            "{text}"
        );
        assert_eq!(text.matches(KEY).count(), 1);
    }

    #[test]
    fn boot_console_without_keys_has_no_block() {
        let text = boot_console("web-1", &[]);
        assert!(!text.contains("HOST KEY") && text.contains("cloud-init["), "{text}");
    }

    #[test]
    fn boot_console_puts_a_prefix_before_the_whole_block() {
        let text = boot_console_with_prefix("web-1", &[KEY], "cloud-init[612]: ");
        let wanted = format!(
            "cloud-init[612]: -----BEGIN SSH HOST KEY KEYS-----\r\ncloud-init[612]: {KEY} root@web-1\r\n\
             cloud-init[612]: -----END SSH HOST KEY KEYS-----\r\n"
        );
        assert!(text.contains(&wanted), "{text}");
    }
}
