//! What this machine knows of runs: which instance each had. A cloud forgets an instance that is gone.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cloud::{Error, ErrorKind, InstanceQuery, InstanceRef, Result, path_text};

/// How long a record is kept.
const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// A folder with a file for each run, by its id. A file has the reference of the instance.
#[derive(Clone, Debug)]
pub struct RunRecords {
    folder: PathBuf,
}

impl RunRecords {
    /// The records in this folder. It need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The instance in which a command was started, or may have been; `None` if this machine does not know the run.
    ///
    /// # Errors
    /// `Internal` if the record cannot be read.
    pub fn find(&self, run_id: &str) -> Result<Option<InstanceQuery>> {
        let path = self.folder.join(run_id);
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map(Some).map_err(|_| {
                let message = format!("the record of a run in {} is damaged", path_text(&path));
                Error::new(ErrorKind::Internal, message).with_hint("delete the file if that run has ended")
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error("read", &error)),
        }
    }

    /// Keeps the instance of a run, and deletes old records.
    ///
    /// # Errors
    /// `Internal` if the record cannot be written.
    pub fn add(&self, run_id: &str, instance: &InstanceRef) -> Result<()> {
        let write = || {
            create_private_folder(&self.folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            writeln!(file, "{instance}")?;
            file.persist(self.folder.join(run_id)).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| self.error("write", &error))?;
        self.delete_old();
        Ok(())
    }

    /// Forgets a run whose command was not started.
    pub fn remove(&self, run_id: &str) {
        // It may not be there.
        let _ = fs::remove_file(self.folder.join(run_id));
    }

    fn delete_old(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age > MAX_AGE) {
                // Another run may have deleted it.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn error(&self, verb: &str, error: &io::Error) -> Error {
        let message = format!(
            "cannot {verb} a record of the run in {}: {error}",
            path_text(&self.folder)
        );
        Error::new(ErrorKind::Internal, message).with_hint("set XDG_STATE_HOME to a folder that can be written")
    }
}

fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{Instance, ProviderKind};

    #[test]
    fn record_is_found_by_the_id_of_its_run() {
        let folder = tempfile::tempdir().unwrap();
        let records = RunRecords::new(folder.path().join("runs"));
        assert_eq!(records.find("r1").unwrap(), None);
        let instance = Instance::with_id_only(ProviderKind::Mock, "eu".to_owned(), "m-1".to_owned()).reference;
        records.add("r1", &instance).unwrap();
        assert_eq!(records.find("r1").unwrap(), Some(instance.to_string().parse().unwrap()));
        assert_eq!(records.find("r2").unwrap(), None);
        fs::write(folder.path().join("runs/r3"), "").unwrap();
        assert!(records.find("r3").is_err());
    }
}
