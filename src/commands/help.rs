//! `cloudctl help`: of commands, and of topics that are no command.

use clap::Command;

use crate::cloud::{Error, ProviderKind, Result, quoted};
use crate::exit::ExitStatus;
use crate::output::Printer;
use crate::settings::{VendorSetting, settings_text};

/// Show help on a command or a topic (exit-codes, context-file, environment, settings)
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A command, or one of exit-codes, context-file, environment, settings
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
  CLOUDCTL_EXPECT_ACCOUNT  the only AWS account in which anything is changed
  CLOUDCTL_EXPECT_PROJECT  the only Google Cloud project in which anything is changed
  CLOUDCTL_MOCK            faults of the mock cloud, such as capacity@us-east-1a,latency=200ms
  CLOUDCTL_MOCK_STATE      the file that the mock cloud is in

NO_COLOR, CLICOLOR_FORCE and TERM=dumb are honoured, and so are the clouds' own variables: AWS_PROFILE, AWS_REGION,
AWS_ENDPOINT_URL and the like, GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_CLOUD_PROJECT, CLOUDSDK_* and the like: `cloudctl help settings`
lists them all.
";

const CONTEXT_FILE: &str = "\
The configuration file is cloudctl/config.toml under the XDG configuration folder; CLOUDCTL_CONFIG names another.
Every key is optional, and an unknown key is an error.

  current = \"dev\"                    # the context that holds unless --context names another

  [contexts.dev]
  provider = \"aws\"                   # where `create` makes VMs
  providers = [\"aws\", \"gcp\"]         # what the other commands ask
  output = \"table\"
  ttl = \"8h\"                         # how long new VMs live, unless --ttl says something else

  [contexts.dev.aws]
  profile = \"dev\"                    # a profile of ~/.aws/config
  region = \"eu-west-1\"               # where `create` makes VMs
  expect_account = \"123456789012\"    # in any other account nothing is changed

  [contexts.dev.gcp]
  project = \"acme-dev\"
  region = \"europe-west1\"
  zone = \"europe-west1-b\"
  expect_project = \"acme-dev\"

  [contexts.dev.mock]
  region = \"eu-west-1\"
";

/// Prints the help asked for; `settings` are those of the clouds' own tools.
pub fn run(
    args: &Args,
    command: Command,
    settings: &[(ProviderKind, &[VendorSetting])],
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let text = match args.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["exit-codes"] => ExitStatus::MEANINGS
            .iter()
            .map(|(code, meaning)| format!("{code:>3}  {meaning}\n"))
            .collect(),
        ["environment"] => ENVIRONMENT.to_owned(),
        ["settings"] => settings_text(settings),
        ["context-file"] => CONTEXT_FILE.to_owned(),
        _ => find_command(command, &args.path)?.render_long_help().to_string(),
    };
    printer.text(text.as_bytes())?;
    Ok(ExitStatus::DONE)
}

/// The command behind a path such as `context use`.
pub(super) fn find_command(root: Command, path: &[String]) -> Result<Command> {
    let mut command = root;
    command.build();
    for name in path {
        let names: Vec<_> = command
            .get_subcommands()
            .map(|known| known.get_name().to_owned())
            .collect();
        command = command.find_subcommand(name).cloned().ok_or_else(|| {
            Error::invalid(format!("there is no command {}", quoted(name)))
                .with_hint(format!("use one of {}", names.join(", ")))
        })?;
    }
    Ok(command)
}
