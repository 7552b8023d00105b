//! The names of the VMs that were listed last, in a file of this user, for shell completion alone.

use std::fmt::Write as _;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::cloud::{Instance, is_plain_word};
use crate::settings::Environment;

/// The first line of the file.
const HEAD: &str = "cloudctl names 1";
/// How old the file may be.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);
/// The most VMs in the file.
const MAX_NAMES: usize = 10_000;
/// The most of the file that is read.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The path of the file; `None` without a home folder.
pub(super) fn name_cache_path(environment: &Environment) -> Option<PathBuf> {
    let folder = environment.xdg_folder("XDG_CACHE_HOME", ".cache")?;
    Some(folder.join("cloudctl/names.tsv"))
}

/// The names of the VMs of a listing, collected page by page.
#[derive(Debug, Default)]
pub(super) struct ListedNames(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    text: String,
    count: usize,
    /// Whether anything was listed at all.
    is_listed: bool,
}

impl ListedNames {
    /// Adds VMs. Those that are gone are left out, and words that a shell could read as something else.
    pub(super) fn add(&self, instances: &[Instance]) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.is_listed = true;
        for instance in instances.iter().filter(|instance| !instance.state.is_gone()) {
            if lines.count == MAX_NAMES {
                return;
            }
            let (cloud, id) = (instance.provider.as_str(), instance.reference.id.as_str());
            let name = instance.name.as_deref().filter(|name| is_plain_word(name));
            if is_plain_word(id) {
                lines.count += 1;
                let _ = writeln!(lines.text, "{cloud}\t{id}\t{}", name.unwrap_or_default());
            }
        }
    }

    /// Writes the names in the place of the last ones. A failure changes nothing else: only completion needs the file.
    pub(super) fn keep(self, environment: &Environment) {
        let lines = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let path = name_cache_path(environment);
        if let Some(path) = path.filter(|_| lines.is_listed)
            && let Err(error) = write_file(&path, &lines.text)
        {
            tracing::debug!(%error, "cannot write the names for completion");
        }
    }
}

/// Writes a new file, which only its owner can read, and renames it.
fn write_file(path: &Path, lines: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let create = || tempfile::Builder::new().prefix(".names-").tempfile_in(folder);
    let mut file = match create() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            create()?
        }
        file => file?,
    };
    file.write_all(format!("{HEAD}\n{lines}").as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A VM that was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListedName {
    /// The word for its cloud.
    pub(super) cloud: String,
    /// Its id.
    pub(super) id: String,
    /// Its name; empty without one.
    pub(super) name: String,
}

/// Reads the names of the last listing; none if the file is older than five minutes, belongs to somebody else, can be written
/// by others, or is broken.
pub(super) fn read_names(path: &Path, now: Timestamp) -> Vec<ListedName> {
    read_file(path, now).as_deref().and_then(parse).unwrap_or_default()
}

fn read_file(path: &Path, now: Timestamp) -> Option<String> {
    // A pipe would never end.
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let file = File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let modified = Timestamp::try_from(metadata.modified().ok()?).ok()?;
    // A file of the future is one of a clock that was wrong.
    let age = Duration::try_from(now.duration_since(modified)).ok();
    let is_recent = age.is_some_and(|age| age <= MAX_AGE) || is_within_a_second(now, modified);
    if !is_recent || !belongs_to_user_alone(&metadata) || metadata.len() > MAX_BYTES {
        return None;
    }
    let mut text = String::new();
    Read::take(file, MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// File systems round the time of a file.
fn is_within_a_second(now: Timestamp, modified: Timestamp) -> bool {
    now.duration_since(modified).abs() <= jiff::SignedDuration::from_secs(1)
}

#[cfg(unix)]
fn belongs_to_user_alone(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

#[cfg(not(unix))]
fn belongs_to_user_alone(_metadata: &Metadata) -> bool {
    true
}

/// Parses the file; `None` if a line is none of ours.
fn parse(text: &str) -> Option<Vec<ListedName>> {
    let lines = text.strip_prefix(HEAD)?.strip_prefix('\n')?;
    if !lines.is_empty() && !lines.ends_with('\n') {
        return None;
    }
    let parse_line = |line: &str| {
        let mut words = line.split('\t');
        let (cloud, id, name) = (words.next()?, words.next()?, words.next()?);
        let is_valid = words.next().is_none()
            && is_plain_word(cloud)
            && is_plain_word(id)
            && (name.is_empty() || is_plain_word(name));
        is_valid.then(|| ListedName {
            cloud: cloud.to_owned(),
            id: id.to_owned(),
            name: name.to_owned(),
        })
    };
    lines.lines().map(parse_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{InstanceState, ProviderKind};

    #[test]
    fn only_plain_words_are_kept_and_read() {
        let names = ListedNames::default();
        let instance = |id: &str, name: Option<&str>| {
            let mut instance = Instance::with_id_only(ProviderKind::Mock, "eu".to_owned(), id.to_owned());
            instance.name = name.map(str::to_owned);
            instance
        };
        let mut gone = instance("m-4", Some("gone"));
        gone.state = InstanceState::Terminated;
        names.add(&[
            instance("m-1", Some("web-1")),
            instance("m-2", Some("$(reboot)")),
            instance("-m 3", None),
            gone,
        ]);
        let text = names.0.into_inner().unwrap().text;
        assert_eq!(text, "mock\tm-1\tweb-1\nmock\tm-2\t\n");
        let read = parse(&format!("{HEAD}\n{text}")).unwrap();
        assert_eq!(
            (read[0].name.as_str(), read[1].id.as_str(), read.len()),
            ("web-1", "m-2", 2)
        );
    }

    #[test]
    fn broken_file_has_no_names() {
        for text in [
            "",
            "cloudctl names 2\n",
            "cloudctl names 1",
            "cloudctl names 1\nmock\tm-1",
            "cloudctl names 1\nmock\tm-1\tweb-1",
            "cloudctl names 1\nmock\tm-1\tweb-1\tx\n",
            "cloudctl names 1\nmock\tm-1\t`id`\n",
            "cloudctl names 1\nmock\tm-1\tweb-1\n\0\0",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("cloudctl names 1\n"), Some(Vec::new()));
    }
}
