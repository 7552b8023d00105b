//! The word of a command line that a shell completes: whether it is the name of a VM.

use clap::{Arg, Command};

/// What the last word of a command line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CompletedWord {
    /// What of it is typed.
    pub(super) prefix: String,
    /// The clouds that the line names.
    pub(super) clouds: Vec<String>,
    /// What comes after a name: a colon where a path follows.
    pub(super) suffix: &'static str,
}

/// The name of a positional argument that takes VMs begins with this.
const REFERENCE: &str = "REF";

/// The command whose arguments are paths, on this machine or in a VM.
const COPY: &str = "cp";

/// Whether a positional argument takes names of VMs.
pub(super) fn takes_vms(arg: &Arg) -> bool {
    let mut names = arg.get_value_names().unwrap_or_default().iter();
    arg.is_positional() && names.any(|name| name.starts_with(REFERENCE))
}

/// Finds out what the last word is, the program's name left out; `None` if it is no VM. The words may be cut as bash cuts
/// them, which takes `=` for a word of its own.
pub(super) fn find_completed_word(root: &Command, words: &[String]) -> Option<CompletedWord> {
    let (current, before) = words.split_last()?;
    let (mut command, mut position) = (root, 0);
    let mut clouds = Vec::new();
    let mut rest = before.iter().map(String::as_str).peekable();
    while let Some(word) = rest.next() {
        if word == "--" {
            // A command for a VM, or a name that looks like a flag.
            return None;
        }
        if word.len() < 2 || !word.starts_with('-') {
            match command.find_subcommand(word) {
                Some(subcommand) if position == 0 => command = subcommand,
                _ => position += 1,
            }
            continue;
        }
        let Some((arg, attached)) = find_flag(word, command, root) else {
            continue;
        };
        if !arg.get_action().takes_values() {
            continue;
        }
        let value = match attached {
            Some(value) => value,
            None if rest.next_if_eq(&"=").is_some() => rest.next()?,
            None if arg.is_require_equals_set() => continue,
            // The word to complete is the flag's value.
            None => rest.next()?,
        };
        if arg.get_long() == Some("provider") {
            clouds.extend(value.split(',').map(str::to_owned));
        }
    }
    if current.starts_with('-') || current == "=" {
        return None;
    }
    let positionals: Vec<&Arg> = command.get_positionals().filter(|arg| !arg.is_last_set()).collect();
    let is_copy = command.get_name() == COPY;
    let arg = positionals.get(position).or(positionals.last())?;
    let is_in_reach = position < positionals.len() || takes_several(arg);
    (is_in_reach && (takes_vms(arg) || is_copy)).then(|| CompletedWord {
        prefix: current.clone(),
        clouds,
        suffix: if is_copy { ":" } else { "" },
    })
}

fn takes_several(arg: &Arg) -> bool {
    let is_list = matches!(arg.get_action(), clap::ArgAction::Append);
    is_list || arg.get_num_args().is_some_and(|range| range.max_values() > 1)
}

/// The flag of a word and the value that is attached to it: `--region=eu`, `-reu`. Of several short flags in one word it is the
/// first that takes a value.
fn find_flag<'a, 'w>(word: &'w str, command: &'a Command, root: &'a Command) -> Option<(&'a Arg, Option<&'w str>)> {
    let mut known = command.get_arguments().chain(root.get_arguments());
    if let Some(long) = word.strip_prefix("--") {
        let (name, attached) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        let has_name = |arg: &&Arg| {
            arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
        };
        return Some((known.find(has_name)?, attached));
    }
    for (at, short) in word.char_indices().skip(1) {
        let flags = command.get_arguments().chain(root.get_arguments());
        let Some(arg) = flags.into_iter().find(|arg| arg.get_short() == Some(short)) else {
            continue;
        };
        if arg.get_action().takes_values() {
            let attached = &word[at + short.len_utf8()..];
            return Some((arg, (!attached.is_empty()).then_some(attached)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> Command {
        let vms = || Arg::new("references").value_name("REF").num_args(0..);
        let wait = Arg::new("wait").long("wait").num_args(0..=1).require_equals(true);
        Command::new("cloudctl")
            .arg(Arg::new("provider").short('p').long("provider").global(true))
            .arg(
                Arg::new("quiet")
                    .short('q')
                    .action(clap::ArgAction::SetTrue)
                    .global(true),
            )
            .subcommand(Command::new("stop").arg(vms()).arg(wait))
            .subcommand(
                Command::new("ssh")
                    .arg(Arg::new("reference").value_name("REF"))
                    .arg(Arg::new("command").last(true).value_name("CMD").num_args(0..)),
            )
            .subcommand(Command::new("create").arg(Arg::new("name").value_name("NAME")))
            .subcommand(Command::new("cp").arg(Arg::new("paths").value_name("SRC").num_args(1..)))
    }

    fn find(line: &str) -> Option<CompletedWord> {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        find_completed_word(&root(), &words)
    }

    #[test]
    fn word_in_the_place_of_a_vm_is_found() {
        for (line, prefix, clouds) in [
            ("stop ", "", &[][..]),
            ("stop we", "we", &[]),
            ("stop web-1 we", "we", &[]),
            ("stop --wait we", "we", &[]),
            ("-q -p aws stop we", "we", &["aws"]),
            ("stop -qpaws we", "we", &["aws"]),
            ("stop --provider = aws,gcp we", "we", &["aws", "gcp"]),
            ("stop --provider=aws we", "we", &["aws"]),
            ("ssh we", "we", &[]),
        ] {
            let found = find(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((found.prefix.as_str(), found.suffix), (prefix, ""), "{line}");
            assert_eq!(found.clouds, clouds, "{line}");
        }
        assert_eq!(find("cp file we").unwrap().suffix, ":");
    }

    #[test]
    fn word_elsewhere_is_no_vm() {
        for line in [
            "",
            "we",
            "stop -",
            "stop --wait",
            "stop -p we",
            "stop --provider = we",
            "stop --provider =",
            "ssh web-1 we",
            "ssh web-1 -- we",
            "create we",
            "nonsense we",
        ] {
            assert_eq!(find(line), None, "{line}");
        }
    }
}
