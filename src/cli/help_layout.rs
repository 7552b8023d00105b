//! Builds the command line with its help: `--help` with headings and examples, `-h` on one screen.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::Cli;
use super::help_examples::{COMMAND_ROWS, EXAMPLES, Example};

/// The lines of a screen, on which `-h` fits.
const SCREEN_LINES: usize = 24;
/// The columns that the text of a flag has beside its name.
const MAX_FLAG_TEXT: usize = 51;
/// Flags of every command are shown after the command's own, which have lower numbers.
const FIRST_GLOBAL_ORDER: usize = 1000;
/// The columns of a screen, at which help is wrapped.
const SCREEN_COLUMNS: usize = 80;

/// Flags under the names that other tools give them. They are understood and not shown.
const FLAG_ALIASES: [(&str, &[&str]); 2] = [
    ("type", &["instance-type", "machine-type", "size"]),
    ("label", &["tag", "tags", "labels"]),
];

/// How much the help says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelpForm {
    /// `--help` and manual pages: everything.
    Long,
    /// `-h`: what fits on a screen.
    Short,
}

impl HelpForm {
    /// Finds the form that a command line asks for. It matters only if the command line asks for help at all.
    pub fn find(arguments: &[OsString]) -> Self {
        let mut words = arguments.iter().skip(1).take_while(|word| *word != "--");
        match words.any(|word| word == "-h") {
            true => Self::Short,
            false => Self::Long,
        }
    }
}

/// Builds the command line with its help. Both forms accept the same; only their help differs.
pub fn command_line(form: HelpForm) -> Command {
    match form {
        HelpForm::Long => add_examples(command_line_without_help(), ""),
        HelpForm::Short => shorten_help(command_line_without_help()),
    }
}

/// Builds the command line for runs that show no help: laying it out takes longer than all else at the start.
pub fn command_line_without_help() -> Command {
    let command = Cli::command()
        .disable_help_flag(true)
        .max_term_width(SCREEN_COLUMNS)
        .arg(help_flag());
    add_flag_aliases(command)
}

/// The flag for help. Clap's own would have a heading of its own.
fn help_flag() -> Arg {
    Arg::new("help")
        .short('h')
        .long("help")
        .action(ArgAction::Help)
        .global(true)
        .help("Show this help; -h shows less of it")
        .help_heading("Global options")
        .hide_short_help(true)
}

/// Applies a change to each subcommand. The change gets the path of the subcommand, such as `context use`.
fn change_subcommands(command: Command, path: &str, change: impl Fn(Command, &str) -> Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let mut changed = command;
    for name in names {
        let subcommand_path = format!("{path} {name}");
        changed = changed.mut_subcommand(&name, |sub| change(sub, subcommand_path.trim_start()));
    }
    changed
}

/// Adds the names of other tools to each flag that has some.
fn add_flag_aliases(command: Command) -> Command {
    let with_aliases = command.mut_args(|arg| {
        let known = FLAG_ALIASES.iter().find(|(long, _)| arg.get_long() == Some(*long));
        match known {
            Some((_, aliases)) => arg.aliases(aliases.iter().copied()),
            None => arg,
        }
    });
    change_subcommands(with_aliases, "", |sub, _| add_flag_aliases(sub))
}

/// Finds the examples of a command.
fn examples_of(path: &str) -> &'static [Example] {
    match EXAMPLES.iter().find(|(known, _)| *known == path) {
        Some((_, examples)) => examples,
        None => &[],
    }
}

/// Adds the examples to the help of a command and its subcommands.
fn add_examples(command: Command, path: &str) -> Command {
    // Clap spreads help over three lines for each flag if a flag is hidden from `-h`, which another form shows here.
    let mut with_examples = command.mut_args(|arg| arg.hide_short_help(false));
    let examples = examples_of(path);
    if !examples.is_empty() {
        with_examples = with_examples.after_help(format_examples(examples));
    }
    change_subcommands(with_examples, path, add_examples)
}

/// Formats examples, each with what it does above it.
fn format_examples(examples: &[Example]) -> String {
    let mut lines = vec!["Examples:".to_owned()];
    for example in examples {
        lines.push(format!("  # {}", example.about));
        lines.push(format!("  {}", example.command));
    }
    lines.join("\n")
}

/// Makes the help of each command fit on a screen.
fn shorten_help(command: Command) -> Command {
    let mut built = join_sections(command);
    built.build();
    let named = built.clone();
    let rows = format_command_rows(&named);
    let with_footers = add_short_footers(named, "");
    with_footers
        .help_template("{about}\n\n{usage-heading} {usage}{after-help}")
        .after_help(rows)
}

/// Puts all flags below one heading, those of every command last.
fn join_sections(command: Command) -> Command {
    let mut global_flags = 0;
    let joined = command.mut_args(|arg| {
        if arg.is_positional() {
            return arg;
        }
        let mut flag = shorten_flag(arg.help_heading(None::<&str>));
        if flag.is_global_set() {
            global_flags += 1;
            flag = flag.display_order(FIRST_GLOBAL_ORDER + global_flags);
        }
        flag
    });
    change_subcommands(joined, "", |sub, _| join_sections(sub))
}

/// Shortens the help of a flag that would need a second line to its first clause, without the default. The possible values
/// are left out too: the text of each flag names them.
fn shorten_flag(flag: Arg) -> Arg {
    let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let short_flag = match flag.get_action().takes_values() {
        true => flag.hide_possible_values(true),
        false => flag,
    };
    if help.len() <= MAX_FLAG_TEXT {
        return short_flag;
    }
    let without_default = help.split(" [default").next().unwrap_or_default();
    let clause = without_default.split("; ").next().unwrap_or_default().to_owned();
    short_flag.help(clause)
}

/// Adds what the short help leaves out, by name, and as many examples as the screen has room for.
fn add_short_footers(command: Command, path: &str) -> Command {
    let mut shorter = change_subcommands(command, path, add_short_footers);
    while count_help_lines(&shorter, &format_footer(&shorter, path)) > SCREEN_LINES {
        let Some(last) = find_last_shown_flag(&shorter) else {
            break;
        };
        shorter = shorter.mut_args(|arg| match arg.get_id() == last.as_str() {
            true => arg.hide_short_help(true),
            false => arg,
        });
    }
    let without_examples = format_footer(&shorter, path);
    let mut footer = without_examples.clone();
    let mut example_lines = String::new();
    for example in examples_of(path) {
        example_lines.push_str(&format!("  {}\n", example.command));
        let longer = format!("Examples:\n{example_lines}\n{without_examples}");
        if count_help_lines(&shorter, &longer) > SCREEN_LINES {
            break;
        }
        footer = longer;
    }
    shorter.after_help(footer)
}

/// Formats the end of a short help: the flags that it does not explain, and where they are.
fn format_footer(command: &Command, path: &str) -> String {
    let hidden: Vec<String> = command
        .get_arguments()
        .filter(|arg| arg.is_hide_short_help_set() && !arg.is_hide_set() && arg.get_id() != "help")
        .filter_map(|arg| Some(format!("--{}", arg.get_long()?)))
        .collect();
    let command_name = format!("cloudctl {path}");
    let see_all = format!("Full help: {} --help", command_name.trim_end());
    match hidden.is_empty() {
        true => see_all,
        false => format!("More: {}\n{see_all}", hidden.join(", ")),
    }
}

/// Finds the last flag that the short help explains. Flags of every command come after the command's own.
fn find_last_shown_flag(command: &Command) -> Option<String> {
    let shown = command
        .get_arguments()
        .filter(|arg| !arg.is_positional() && !arg.is_hide_short_help_set() && !arg.is_hide_set());
    let last = shown.last()?;
    Some(last.get_id().to_string())
}

/// Counts the lines of a command's short help with this text at its end.
fn count_help_lines(command: &Command, footer: &str) -> usize {
    let mut with_footer = command.clone().after_help(footer.to_owned());
    with_footer.render_help().to_string().lines().count()
}

/// Formats the commands for `cloudctl -h`, several that are alike on a line. One that is in no row has a line of its own.
fn format_command_rows(command: &Command) -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    for (names, about) in COMMAND_ROWS {
        rows.push((names.join(", "), (*about).to_owned()));
    }
    for sub in command.get_subcommands() {
        let has_row = COMMAND_ROWS.iter().any(|(names, _)| names.contains(&sub.get_name()));
        if !has_row {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            rows.push((sub.get_name().to_owned(), about));
        }
    }
    let width = rows.iter().map(|(names, _)| names.len()).max().unwrap_or_default();
    let mut text = "Commands:\n".to_owned();
    for (names, about) in rows {
        text.push_str(&format!("  {names:<width$}  {about}\n"));
    }
    text.push_str("\nFlags of every command: -p, -r, -z (where), -o, -q (output), --context, -v, -h\n");
    text.push_str("One command: cloudctl create -h      Full help: cloudctl --help");
    text
}
