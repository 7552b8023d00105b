//! `cloudctl cp`: copies files to VMs, from VMs, and between VMs.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::instance_args::find_one;
use super::ssh_args::{SshArgs, local_ssh_setup};
use super::vm_connection::connect;
use super::wait_progress::name_or_reference;
use crate::cloud::{Error, ErrorKind, InstanceQuery, ProviderKind, Result, path_text, quoted};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{
    Connection, CopyAttempt, CopyEnd, CopyOptions, check_local_paths, try_copy_files, wait_until_it_answers,
};

/// Copy files to a VM, from a VM, or between two
///
/// A path in a VM is the VM's name, id or provider/region/id, a colon and the path: web-1:/tmp/log. A relative path is one in
/// the home folder of the user, and no path is that folder. A path is the name of one file or folder: patterns such as * are
/// not expanded in a VM. A file of this machine with a colon in its name is ./a:b.
///
/// It runs the system's OpenSSH, as `cloudctl ssh` does, with the same users, keys and host keys. Between two VMs the files pass
/// through this machine. The permissions of files are copied, too.
///
/// A file from a VM gets its name here when all of it has arrived. A file that goes to a VM can be there in part if the
/// connection breaks.
#[derive(clap::Args, Clone, Debug)]
#[command(override_usage = "cloudctl cp [OPTIONS] <SRC>... <DST>")]
pub struct Args {
    // One argument, so that flags can stand between its words.
    /// Files to copy, and where to: each a path, or REF:path in a VM. Several files go to a folder
    #[arg(value_name = "SRC|DST", required = true, num_args = 1..)]
    paths: Vec<OsString>,
    /// Copy folders, with all that is in them
    #[arg(short, long, help_heading = "What")]
    recursive: bool,
    // It takes the place of the flag of every command, whose short form means something else here.
    /// Region, or an area such as europe; can be repeated, or separated by commas
    #[arg(
        id = "regions",
        long = "region",
        value_name = "REGION",
        value_delimiter = ',',
        value_parser = trim_region,
        display_order = 1_001,
        help_heading = "Where"
    )]
    _regions: Vec<String>,
    #[command(flatten)]
    ssh: SshArgs,
}

/// As the flag of every command does.
#[expect(clippy::unnecessary_wraps, reason = "clap takes parsers that can fail")]
fn trim_region(word: &str) -> Result<String> {
    Ok(word.trim().to_owned())
}

/// One end of a copy, as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Operand {
    Local(PathBuf),
    Remote(InstanceQuery, String),
}

/// Runs scp.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let started = Instant::now();
    let mut sources: Vec<Operand> = args
        .paths
        .iter()
        .map(|text| parse_operand(text))
        .collect::<Result<_>>()?;
    let destination = match sources.pop() {
        Some(destination) if !sources.is_empty() => destination,
        _ => {
            let error = Error::invalid("`cloudctl cp` needs <DST>");
            let hint = "name where to copy to: cloudctl cp FILE web-1:/tmp/, or cloudctl cp web-1:FILE .";
            return Err(error.with_hint(hint).into());
        }
    };
    check_before_calls(&sources, &destination, args.recursive)?;
    let setup = local_ssh_setup(context)?;
    let mut queries: Vec<&InstanceQuery> = Vec::new();
    for operand in sources.iter().chain([&destination]) {
        if let Operand::Remote(query, _) = operand
            && !queries.contains(&query)
        {
            queries.push(query);
        }
    }
    let mut instances = Vec::new();
    for query in &queries {
        let found = find_one((*query).clone(), context).await;
        instances.push(found.map_err(|error| hint_at_local_file(error, query, &args))?);
    }
    let names: Vec<String> = instances.iter().map(name_or_reference).collect();
    let mut connections = Vec::new();
    for instance in instances {
        connections.push(connect(instance, &args.ssh, &setup, started, context).await?);
    }
    let to_end = |operand: &Operand| to_copy_end(operand, &queries, &connections);
    let sources: Vec<CopyEnd<'_>> = sources.iter().map(to_end).collect::<Result<_>>()?;
    let destination = to_end(&destination)?;
    let options = CopyOptions {
        recursive: args.recursive,
        shows_progress: context.printer.shows_copies(),
        can_prompt: context.printer.terminal().errors,
    };
    let shutdown = context.shutdown.clone();
    tracing::debug!(?names, "copying");
    // Each of the VMs may be booting.
    for _ in 0..connections.len() {
        match try_copy_files(&sources, &destination, &options, &setup, &shutdown).await? {
            CopyAttempt::Done => return Ok(ExitStatus::DONE),
            CopyAttempt::NoAnswer(connection, _) => {
                let remaining = args.ssh.remaining(started);
                wait_until_it_answers(connection, remaining, &shutdown).await?;
            }
        }
    }
    match try_copy_files(&sources, &destination, &options, &setup, &shutdown).await? {
        CopyAttempt::Done => Ok(ExitStatus::DONE),
        CopyAttempt::NoAnswer(_, error) => Err(error.into()),
    }
}

/// Checks what can be known of this machine before a cloud is called.
fn check_before_calls(sources: &[Operand], destination: &Operand, recursive: bool) -> Result<()> {
    let is_local = |operand: &&Operand| matches!(operand, Operand::Local(_));
    if sources.iter().chain([destination]).all(|operand| is_local(&operand)) {
        return Err(Error::invalid("no path is one in a VM").with_hint(
            "put the VM's name and a colon before it: cloudctl cp FILE web-1:/tmp/; on this machine, copy with the \
             system's own `cp`",
        ));
    }
    let local: Vec<&Path> = sources.iter().filter_map(Operand::local_path).collect();
    let checked = check_local_paths(&local, destination.local_path(), sources.len(), recursive);
    // `-r REGION` is what every other command takes.
    checked.map_err(
        |error| match local.first().is_some_and(|path| recursive && looks_like_region(path)) {
            true => error.with_hint("-r copies folders here; name a region with --region"),
            false => error,
        },
    )
}

/// Whether a path that does not exist can be meant as a region: `us-east-1`, `europe`.
fn looks_like_region(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let is_region = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == ',';
    !path.exists() && !text.is_empty() && text.chars().all(is_region)
}

/// Says how a local file is named that has a colon in its name.
fn hint_at_local_file(error: Error, query: &InstanceQuery, args: &Args) -> Error {
    let is_of_query = |text: &&OsString| {
        let operand = parse_operand(text);
        matches!(operand, Ok(Operand::Remote(its, _)) if its == *query) && Path::new(text).exists()
    };
    match args.paths.iter().find(is_of_query) {
        Some(text) if error.kind() == ErrorKind::NotFound => {
            let shown = Path::new(".").join(text);
            error.with_hint(format!("for the file of this machine write {}", path_text(&shown)))
        }
        _ => error,
    }
}

fn to_copy_end<'a>(
    operand: &Operand,
    queries: &[&InstanceQuery],
    connections: &'a [Connection],
) -> Result<CopyEnd<'a>> {
    match operand {
        Operand::Local(path) => Ok(CopyEnd::Local(path.clone())),
        Operand::Remote(query, path) => {
            let position = queries.iter().position(|known| *known == query);
            let connection = position.and_then(|position| connections.get(position));
            let missing = || Error::new(ErrorKind::Internal, format!("there is no connection to {query}"));
            Ok(CopyEnd::Remote(connection.ok_or_else(missing)?, path.clone()))
        }
    }
}

impl Operand {
    fn local_path(&self) -> Option<&Path> {
        match self {
            Self::Local(path) => Some(path),
            Self::Remote(..) => None,
        }
    }
}

/// Parses an end of a copy. It is in a VM if what is before the first colon is a name, or a full reference.
///
/// # Errors
/// `InvalidSpec` for a user before the name, and for a VM that cannot exist.
fn parse_operand(text: &OsStr) -> Result<Operand> {
    let local = || Ok(Operand::Local(PathBuf::from(text)));
    if text.is_empty() {
        return Err(Error::invalid("a path is empty").with_hint("this folder is ."));
    }
    // No VM has a name that is not Unicode.
    let Some((before, path)) = text.to_str().and_then(|text| text.split_once(':')) else {
        return local();
    };
    let is_drive = cfg!(windows) && before.len() == 1;
    if before.is_empty() || is_drive || (before.contains('/') && !is_full_reference(before)) {
        return local();
    }
    if let Some((user, name)) = before.rsplit_once('@') {
        let message = format!("{} names a user before the VM", quoted(&format!("{before}:")));
        return Err(Error::invalid(message).with_hint(format!("leave it out, and pass --user {user}: {name}:{path}")));
    }
    match before.parse() {
        Ok(query) => Ok(Operand::Remote(query, path.to_owned())),
        Err(error) => Err(error),
    }
}

/// Whether a text has the form provider/region/id.
fn is_full_reference(text: &str) -> bool {
    let mut parts = text.split('/');
    let provider = parts.next().is_some_and(|part| part.parse::<ProviderKind>().is_ok());
    provider && parts.clone().count() == 2 && parts.all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operand_with_a_name_before_a_colon_is_in_a_vm() {
        for (text, name, path) in [
            ("web-1:/tmp/x", "web-1", "/tmp/x"),
            ("web-1:", "web-1", ""),
            ("web-1:a:b", "web-1", "a:b"),
            ("i-0ab12:~/x", "i-0ab12", "~/x"),
            ("aws/us-east-1/i-0ab:/tmp/x", "aws/us-east-1/i-0ab", "/tmp/x"),
            ("web-1:-x", "web-1", "-x"),
        ] {
            let expected = Operand::Remote(name.parse().unwrap(), path.to_owned());
            assert_eq!(parse_operand(OsStr::new(text)).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn operand_with_a_slash_before_the_colon_is_local() {
        for text in [
            "./a:b",
            "/tmp/a:b",
            "web-1",
            ":x",
            "-x",
            "aws/us-east-1:x",
            "aws//i-1:x",
            "aws/us-east-1/i-1/x:y",
            "elsewhere/us-east-1/i-1:x",
        ] {
            let expected = Operand::Local(PathBuf::from(text));
            assert_eq!(parse_operand(OsStr::new(text)).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn user_before_a_name_is_refused_with_the_flag() {
        let error = parse_operand(OsStr::new("root@web-1:/x")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSpec);
        assert!(error.hint().unwrap().contains("--user root"));
        assert!(parse_operand(OsStr::new("")).is_err());
        assert!(parse_operand(OsStr::new(" :x")).is_err());
        // A local file.
        assert!(matches!(
            parse_operand(OsStr::new("./root@web-1:x")),
            Ok(Operand::Local(_))
        ));
    }
}
