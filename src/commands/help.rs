//! `cloudctl help`: prints help on commands and on topics.

use clap::Command;

use super::create::SPEC_EXAMPLE;
use crate::cloud::{CloudInfo, CloudInfos, Error, Result, SettingKey, quoted};
use crate::exit::ExitStatus;
use crate::output::Printer;
use crate::settings::{CloudToolSetting, settings_text};

/// Show help on a command, or on a topic such as exit-codes
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A command, or one of exit-codes, spec-file, context-file, environment, settings
    #[arg(value_name = "COMMAND|TOPIC")]
    path: Vec<String>,
}

const ENVIRONMENT: &str = "\
A flag goes before a variable, and a variable before the context of the configuration file.

  CLOUDCTL_PROVIDER        as --provider; several are separated by commas
  CLOUDCTL_REGION          as --region; several are separated by commas
  CLOUDCTL_ZONE            as --zone
  CLOUDCTL_OUTPUT          as --output
  CLOUDCTL_TTL             as --ttl of create
  CLOUDCTL_CONTEXT         as --context
  CLOUDCTL_CONFIG          the configuration file
  CLOUDCTL_CATALOG         the file in which `catalog update` keeps prices
  CLOUDCTL_LOG             what is logged to stderr: error, warn, info, debug or trace
";

const SPEC_FILE: &str = "\
`cloudctl create -f FILE` makes the VMs that a TOML, YAML or JSON file describes; -f - reads standard input.
The keys are the long flags of `cloudctl create --help`, and a flag overrides the file. Running it again makes
nothing twice. `cloudctl schema spec` prints the JSON Schema, and `cloudctl schema spec --example` this sample:
";

const CONTEXT_FILE: &str = "\
The configuration file is cloudctl/config.toml under the XDG configuration folder; CLOUDCTL_CONFIG names another.
Every key is optional, and an unknown key is an error.

  current = \"dev\"                    # the context used unless --context names another

  [contexts.dev]
  provider = \"aws\"                   # where `create` makes VMs
  providers = [\"aws\", \"gcp\"]         # what the other commands ask
  output = \"table\"
  ttl = \"8h\"                         # how long new VMs live, unless --ttl says something else
";

/// Formats the topic `environment`.
fn environment_text(infos: CloudInfos) -> String {
    let mut text = ENVIRONMENT.to_owned();
    for info in infos.iter() {
        let variables_of_keys = info.settings.iter().filter_map(|key| key.variable.as_ref());
        for variable in variables_of_keys.chain(info.variables) {
            text.push_str(&format!("  {:<23}  {}\n", variable.name, variable.help));
        }
    }
    let mut examples: Vec<_> = infos.iter().map(|info| info.vendor_variables).collect();
    examples.retain(|examples| !examples.is_empty());
    format!(
        "{text}
NO_COLOR, CLICOLOR_FORCE and TERM=dumb are honoured, and so are the clouds' own variables: {}: `cloudctl help settings`
lists them all.
",
        examples.join(", ")
    )
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
        help => format!("  {example:<34} # {help}\n"),
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
        ["exit-codes"] => ExitStatus::MEANINGS
            .iter()
            .map(|(code, meaning)| format!("{code:>3}  {meaning}\n"))
            .collect(),
        ["spec-file"] => format!("{SPEC_FILE}\n{SPEC_EXAMPLE}"),
        ["environment"] => environment_text(infos),
        ["settings"] => settings_text(settings),
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
            let known: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
            let error = Error::invalid(format!("there is no command {}", quoted(name)));
            return Err(error.with_hint(format!("use one of {}", known.join(", "))));
        };
        command = subcommand.clone();
    }
    Ok(command)
}
