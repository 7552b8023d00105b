//! `cloudctl completion`: prints a completion script for a shell, and the names of VMs for the script.

use clap::{Command, ValueHint};
use clap_complete::Shell;
use jiff::Timestamp;

use super::completed_word::{CompletedWord, find_completed_word, takes_vms};
use super::vm_name_cache::{ListedName, name_cache_path, read_names};
use crate::exit::ExitStatus;
use crate::output::Printer;
use crate::settings::Environment;

/// Print a completion script for a shell
///
/// It completes commands, flags and their words, and the names of VMs that were listed in the last five minutes. Nothing is
/// called for that: `cloudctl list` and the commands that list VMs keep the names in ~/.cache/cloudctl/names.tsv.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The shell
    #[arg(required = true)]
    shell: Option<Shell>,
    /// Print the names of VMs that complete the last word of a command line
    #[arg(long, hide = true, conflicts_with = "shell")]
    names: bool,
    /// The words of the command line without the program's name
    #[arg(last = true, hide = true, requires = "names", conflicts_with = "shell")]
    words: Vec<std::ffi::OsString>,
}

impl Args {
    /// Whether names are printed, and no script.
    pub fn prints_names(&self) -> bool {
        self.names
    }
}

/// The name of the function in the script for bash, as it is generated.
const BASH_FUNCTION: &str = "_cloudctl() {";

/// Completes names of VMs in bash, and all else with the generated function.
const BASH_NAMES: &str = r#"
# Names of VMs come from the last listing: nothing is called.
_cloudctl() {
    local current="${COMP_WORDS[COMP_CWORD]}" name
    local -a names=()
    _cloudctl_words "$@"
    [[ "$current" == -* ]] && return 0
    while IFS= read -r name; do
        names+=("$name")
    done < <(command cloudctl completion --names -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    [[ ${#names[@]} -eq 0 ]] && return 0
    if [[ "${names[0]}" == *: ]]; then
        compopt -o nospace 2>/dev/null
        while IFS= read -r name; do
            names+=("$name")
        done < <(compgen -f -- "$current")
    fi
    COMPREPLY=("${names[@]}")
    return 0
}
"#;

/// What zsh completes with where the hint of an argument is a host: no argument but a VM has this hint.
const ZSH_HOSTS: &str = ":_hosts'";

/// Completes names of VMs in zsh. The last argument is the command.
const ZSH_NAMES: &str = r#"
# Names of VMs come from the last listing: nothing is called.
_cloudctl_vms() {
    local -a names
    names=(${(f)"$(command cloudctl completion --names -- "${argv[-1]}" "$PREFIX" 2>/dev/null)"})
    if (( $#names )); then
        case $names[1] in
            (*:) compadd "${(@)argv[1,-2]}" -S '' -a names; _files ;;
            (*) compadd "${(@)argv[1,-2]}" -a names ;;
        esac
    else
        _default
    fi
}
"#;

/// The line of a script for zsh before which its own functions can stand.
const ZSH_FIRST_LINE: &str = "autoload -U is-at-least\n";

/// Prints the script for the whole command line.
pub fn run(args: &Args, mut command: Command, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let Some(shell) = args.shell else {
        return Ok(ExitStatus::USAGE);
    };
    let commands = commands_with_vms(&command);
    if shell == Shell::Zsh {
        command = command.mut_subcommands(|sub| {
            sub.mut_args(|arg| match takes_vms(&arg) {
                true => arg.value_hint(ValueHint::Hostname),
                false => arg,
            })
        });
    }
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "cloudctl", &mut script);
    let script = String::from_utf8_lossy(&script);
    let with_names = match shell {
        Shell::Bash => script.replacen(BASH_FUNCTION, "_cloudctl_words() {", 1) + BASH_NAMES,
        Shell::Zsh => add_names_to_zsh(&script),
        Shell::Fish => format!("{script}{}", format_fish_names(&commands)),
        _ => script.into_owned(),
    };
    printer.print_text(with_names.as_bytes())?;
    Ok(ExitStatus::DONE)
}

/// A command that takes VMs.
struct CommandWithVms {
    name: String,
    /// Whether it also takes files.
    takes_files: bool,
}

fn commands_with_vms(root: &Command) -> Vec<CommandWithVms> {
    let takes_file = |command: &Command| command.get_arguments().any(|arg| arg.get_id() == "identity_file");
    let commands = root.get_subcommands().filter(|command| {
        let words = [command.get_name().to_owned(), String::new()];
        find_completed_word(root, &words).is_some()
    });
    let with_vms = commands.flat_map(|command| {
        let names = [command.get_name()].into_iter().chain(command.get_all_aliases());
        names.map(|name| CommandWithVms {
            name: name.to_owned(),
            takes_files: takes_file(command),
        })
    });
    with_vms.collect()
}

/// Puts the function for names into a script for zsh, and calls it with the command where a VM is completed.
fn add_names_to_zsh(script: &str) -> String {
    let mut command = "";
    let mut lines = Vec::new();
    for line in script.lines() {
        if let Some(word) = line.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            command = word;
        }
        lines.push(line.replace(ZSH_HOSTS, &format!(":_cloudctl_vms {command}'")));
    }
    let first_line = format!("{ZSH_FIRST_LINE}{ZSH_NAMES}");
    lines.join("\n").replacen(ZSH_FIRST_LINE, &first_line, 1) + "\n"
}

fn format_fish_names(commands: &[CommandWithVms]) -> String {
    let names_of = |takes_files: bool| {
        let some = commands.iter().filter(|command| command.takes_files == takes_files);
        some.map(|command| command.name.as_str()).collect::<Vec<_>>().join(" ")
    };
    let mut script = "\n# Names of VMs come from the last listing: nothing is called.\n\
                      function __fish_cloudctl_vms\n    \
                      set -l words (commandline -opc)\n    \
                      command cloudctl completion --names -- $words[2..-1] (commandline -ct) 2>/dev/null\n\
                      end\n"
        .to_owned();
    for (takes_files, flag) in [(false, " -f"), (true, "")] {
        let names = names_of(takes_files);
        script.push_str(&format!(
            "complete -c cloudctl -n \"__fish_cloudctl_using_subcommand {names}\"{flag} -a \"(__fish_cloudctl_vms)\"\n"
        ));
    }
    script
}

/// Prints the names of VMs that complete the last word of a command line, one a line: those of the last listing that begin with
/// it. Prints nothing in another place, and without a listing.
pub fn print_names(
    args: &Args,
    command: &Command,
    environment: &Environment,
    now: Timestamp,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let words: Vec<String> = args
        .words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if let Some(word) = find_completed_word(command, &words)
        && let Some(path) = name_cache_path(environment)
    {
        let mut text = String::new();
        for name in find_names(&word, read_names(&path, now)) {
            text.push_str(&format!("{name}{}\n", word.suffix));
        }
        printer.print_text(text.as_bytes())?;
    }
    Ok(ExitStatus::DONE)
}

/// The names and ids that begin with the prefix, each once and in order. Ids are left out of the names that stand for them,
/// unless a part of one is typed.
fn find_names(word: &CompletedWord, listed: Vec<ListedName>) -> Vec<String> {
    let is_any = word.clouds.is_empty() || word.clouds.iter().any(|cloud| cloud == "any");
    let mut names = Vec::new();
    for vm in listed {
        if !is_any && !word.clouds.contains(&vm.cloud) {
            continue;
        }
        if vm.name.is_empty() || !word.prefix.is_empty() {
            names.push(vm.id);
        }
        names.push(vm.name);
    }
    names.retain(|name| !name.is_empty() && name.starts_with(&word.prefix));
    names.sort();
    names.dedup();
    names
}
