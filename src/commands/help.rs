//! `cloudctl help`: prints help on commands and on topics.

use clap::Command;

use super::create::SPEC_EXAMPLE;
use crate::cloud::{CloudInfo, CloudInfos, Error, Result, SettingKey, did_you_mean, quoted};
use crate::exit::ExitStatus;
use crate::output::Printer;
use crate::settings::{CloudToolSetting, settings_text};

/// Show help on a command, or on a topic such as exit-codes
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A command, or a topic: context-file, environment, exit-codes, mock, settings, spec-file
    #[arg(value_name = "COMMAND|TOPIC")]
    path: Vec<String>,
}

/// The topics, and what each is about.
const TOPICS: [(&str, &str); 7] = [
    ("context-file", "The configuration file and its contexts"),
    ("environment", "The environment variables"),
    ("exit-codes", "What each exit code means"),
    ("mock", "The pretend cloud, and the faults that it can have"),
    ("settings", "What cloudctl reads of the clouds' own tools"),
    ("spec-file", "How to describe VMs in a file"),
    ("topics", "This list"),
];

/// The columns of a screen.
const SCREEN_COLUMNS: usize = 80;

const ENVIRONMENT: &str = "\
A flag goes before a variable, and a variable before the context of the
configuration file.

  CLOUDCTL_PROVIDER        as --provider; several are separated by commas
  CLOUDCTL_REGION          as --region; several are separated by commas
  CLOUDCTL_ZONE            as --zone
  CLOUDCTL_OUTPUT          as --output
  CLOUDCTL_TTL             as --ttl of create
  CLOUDCTL_CONTEXT         as --context
  CLOUDCTL_CONFIG          the configuration file
  CLOUDCTL_CATALOG         the file in which `catalog update` keeps prices
  CLOUDCTL_LOG             what is logged to stderr: error, warn, info, debug or
                           trace
";

const SPEC_FILE: &str = "\
`cloudctl create -f FILE` makes the VMs that a TOML, YAML or JSON file
describes; -f - reads standard input. The keys are the long flags of `cloudctl
create --help`, and a flag overrides the file. Running it again makes nothing
twice. `cloudctl schema spec` prints the JSON Schema, and `cloudctl schema spec
--example` this sample:
";

const CONTEXT_FILE: &str = "\
The configuration file is cloudctl/config.toml under the XDG configuration
folder; CLOUDCTL_CONFIG names another. Every key is optional, and an unknown key
is an error.

  current = \"dev\"                 # the context to use without --context

  [contexts.dev]
  provider = \"aws\"                # where `create` makes VMs
  providers = [\"aws\", \"gcp\"]      # what the other commands ask
  output = \"table\"
  ttl = \"8h\"                      # how long new VMs live, unless --ttl is given
";

const MOCK: &str = "\
The mock is a pretend cloud in a file, where nothing costs anything. Name it:
-p mock, CLOUDCTL_PROVIDER=mock, or a context. The file is CLOUDCTL_MOCK_STATE;
delete it to begin anew.

CLOUDCTL_MOCK makes it fail, to see what a script does then. Several faults are
separated by commas, and @REGION or @ZONE after one limits it to that place:

  capacity            no room for new VMs
  quota               a quota is reached
  latency=200ms       each call takes so long
  throttle=0.3        so many of the calls are refused as too many
  unreachable         no connection
  denied              no permission
  unauthenticated     no valid credentials
  lost-reply          it creates a VM, but the reply is lost
  slow-boot=30s       a VM takes so long until it runs
  boot-failure        a VM ends as it starts

  CLOUDCTL_MOCK=capacity@us-east-1 cloudctl create web-1 -p mock
";

/// Formats the topic `environment`.
fn environment_text(infos: CloudInfos) -> String {
    let mut text = ENVIRONMENT.to_owned();
    for info in infos.iter() {
        let variables_of_keys = info.settings.iter().filter_map(|key| key.variable.as_ref());
        for variable in variables_of_keys.chain(info.variables) {
            text.push_str(&format_entry(&format!("  {:<23}  ", variable.name), variable.help));
        }
    }
    let mut examples: Vec<_> = infos.iter().map(|info| info.vendor_variables).collect();
    examples.retain(|examples| !examples.is_empty());
    let rest = format!(
        "NO_COLOR, CLICOLOR_FORCE and TERM=dumb are honoured, and so are the clouds' own variables: {}: `cloudctl help \
         settings` lists them all.",
        examples.join(", ")
    );
    format!("{text}\n{}", format_entry("", &rest))
}

/// Formats the list of topics.
fn topics_text() -> String {
    let mut text = "`cloudctl help TOPIC` shows one of these:\n\n".to_owned();
    for (topic, about) in TOPICS {
        text.push_str(&format!("  {topic:<14}  {about}\n"));
    }
    text
}

/// Formats the meanings of the exit codes.
fn exit_codes_text() -> String {
    let meanings = ExitStatus::MEANINGS.iter();
    meanings
        .map(|(code, meaning)| format_entry(&format!("{code:>3}  "), meaning))
        .collect()
}

/// The indent of a line that is the name of something, and is not wrapped.
const NAME_INDENT: usize = 2;

/// Wraps a page at the width of a screen: paragraphs whole, and lines with an indent each for itself.
fn wrap_page(page: &str) -> String {
    let mut wrapped = String::new();
    let mut paragraph = String::new();
    for line in page.lines().chain([""]) {
        let text = line.trim_start();
        let is_paragraph = text.len() == line.len() && !text.is_empty();
        if !is_paragraph && !paragraph.is_empty() {
            wrapped.push_str(&format_entry("", &paragraph));
            paragraph.clear();
        }
        let indent = line.len() - text.len();
        if is_paragraph {
            paragraph.push_str(&format!("{text} "));
        } else if indent == NAME_INDENT {
            wrapped.push_str(&format!("{line}\n"));
        } else {
            wrapped.push_str(&format_entry(&line[..indent], text));
        }
    }
    wrapped.trim_end().to_owned() + "\n"
}

/// Formats a text behind its title, wrapped at the width of a screen.
fn format_entry(title: &str, text: &str) -> String {
    let width = SCREEN_COLUMNS - title.len();
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines
            .last_mut()
            .filter(|line| line.is_empty() || line.len() + 1 + word.len() <= width);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => line.push_str(&format!(" {word}")),
            None => lines.push(word.to_owned()),
        }
    }
    let indent = " ".repeat(title.len());
    format!("{title}{}\n", lines.join(&format!("\n{indent}")))
}

/// Formats the topic `context-file`.
fn context_file_text(infos: CloudInfos) -> String {
    let mut text = CONTEXT_FILE.to_owned();
    for info in infos.iter() {
        text.push_str(&format!("\n  [contexts.dev.{}]\n", info.kind));
        text.extend(info.settings.iter().map(format_key));
    }
    text
}

/// Formats a key with an example, and with its help if it has one.
fn format_key(key: &SettingKey) -> String {
    let example = format!("{} = \"{}\"", key.name, key.example);
    match key.help {
        "" => format!("  {example}\n"),
        help => format_entry(&format!("  {example:<31} # "), help),
    }
}

/// Prints the requested help. `settings` are those of the clouds' own tools.
pub fn run(
    args: &Args,
    command: Command,
    infos: CloudInfos,
    settings: &[(&'static CloudInfo, &[CloudToolSetting])],
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let path: Vec<_> = args.path.iter().map(String::as_str).collect();
    let text = match path.as_slice() {
        ["topics"] => topics_text(),
        ["exit-codes"] => exit_codes_text(),
        ["mock"] => MOCK.to_owned(),
        ["spec-file"] => format!("{SPEC_FILE}\n{SPEC_EXAMPLE}"),
        ["environment"] => environment_text(infos),
        ["settings"] => wrap_page(&settings_text(settings)),
        ["context-file"] => context_file_text(infos),
        _ => find_command(command, &args.path)?.render_long_help().to_string(),
    };
    printer.print_text(text.as_bytes())?;
    Ok(ExitStatus::DONE)
}

/// Finds a command by a path such as `context use`.
pub(super) fn find_command(root: Command, path: &[String]) -> Result<Command> {
    let mut command = root;
    command.build();
    for name in path {
        let Some(subcommand) = command.find_subcommand(name) else {
            return Err(unknown_command_error(&command, name));
        };
        command = subcommand.clone();
    }
    Ok(command)
}

/// Creates the error for a word that is no command, and at the top no topic either.
fn unknown_command_error(parent: &Command, name: &str) -> Error {
    let path = parent
        .get_bin_name()
        .filter(|path| !path.is_empty())
        .unwrap_or(parent.get_name());
    let mut known: Vec<_> = parent.get_subcommands().map(Command::get_name).collect();
    let is_top = parent.get_name() == path;
    let error = match is_top {
        true => {
            known.extend(TOPICS.map(|(topic, _)| topic));
            Error::invalid(format!("there is no command or topic {}", quoted(name)))
        }
        false => Error::invalid(format!("`{path}` has no command {}", quoted(name))),
    };
    error.with_hint(match did_you_mean(name, known.iter().copied()) {
        Some(meant) => format!("did you mean {meant}?"),
        None if is_top => "`cloudctl -h` lists the commands, and `cloudctl help topics` the topics".to_owned(),
        None if known.is_empty() => format!("see `{path} --help`"),
        None => format!("use one of {}", known.join(", ")),
    })
}
