//! The pretend shell of the mock cloud: what its instances answer by SSH, as `CLOUDCTL_MOCK_SSH` says. Nothing is run.

use super::cloud_info::SSH_VARIABLE;
use crate::cloud::{Error, PretendShell, Result, parse_duration, quoted};

const HINT: &str = "write it like exit=3,stdout=hello,delay=2s,drop=1";

/// Parses the value of the variable: `exit=3,stdout=hello,delay=2s,drop=1`, each part at most once. Without one it answers
/// nothing, with the exit code 0.
///
/// # Errors
/// `InvalidSpec`, with the part that cannot be read.
pub(super) fn parse_pretend_shell(text: Option<&str>) -> Result<PretendShell> {
    let mut shell = PretendShell::default();
    let mut known = Vec::new();
    for part in text.unwrap_or_default().split(',').filter(|part| !part.is_empty()) {
        let invalid = |problem: &str| {
            Error::invalid(format!("variable {SSH_VARIABLE}: {} {problem}", quoted(part))).with_hint(HINT)
        };
        let (key, value) = part.split_once('=').ok_or_else(|| invalid("has no value"))?;
        if known.contains(&key) {
            return Err(invalid("is given twice"));
        }
        known.push(key);
        match key {
            "exit" => {
                shell.exit_code = value
                    .parse()
                    .map_err(|_| invalid("is not an exit code from 0 to 255"))?
            }
            "stdout" => shell.stdout = value.to_owned(),
            "delay" => shell.delay = parse_duration(value).map_err(|_| invalid("is not a duration such as 2s"))?,
            "drop" => shell.broken_connections = value.parse().map_err(|_| invalid("is not a number"))?,
            _ => return Err(invalid("is not known")),
        }
    }
    Ok(shell)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn pretend_shell_is_read_or_refused() {
        let shell = parse_pretend_shell(Some("exit=3,stdout=hello,delay=2s,drop=1")).unwrap();
        let expected = PretendShell {
            exit_code: 3,
            stdout: "hello".to_owned(),
            delay: Duration::from_secs(2),
            broken_connections: 1,
        };
        assert_eq!(shell, expected);
        assert_eq!(parse_pretend_shell(None).unwrap(), PretendShell::default());
        for text in [
            "exit=256",
            "exit",
            "delay=soon",
            "drop=-1",
            "color=red",
            "exit=1,exit=2",
        ] {
            assert!(parse_pretend_shell(Some(text)).is_err(), "{text}");
        }
    }
}
