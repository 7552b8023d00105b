//! The configuration that `gcloud` keeps. Only Compute Engine: EC2's SDK reads the AWS files by itself, Google's
//! reads credentials only.
//!
//! A property is, in this order, its environment variable (`CLOUDSDK_SECTION_KEY`) and its line in the active
//! configuration's file. <https://cloud.google.com/sdk/docs/properties>

use std::collections::BTreeMap;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};

use crate::cloud::{Error, Result};
use crate::settings::Environment;

/// What `gcloud` would go by.
pub(super) struct GcloudConfiguration {
    environment: Environment,
    file: BTreeMap<(String, String), String>,
}

/// The folder that `gcloud` keeps its files in; `None` without a home folder.
pub(super) fn folder(environment: &Environment) -> Option<PathBuf> {
    if let Some(folder) = environment.get("CLOUDSDK_CONFIG") {
        return Some(folder.into());
    }
    if cfg!(windows) {
        return Some(Path::new(environment.get("APPDATA")?).join("gcloud"));
    }
    Some(environment.home()?.join(".config/gcloud"))
}

impl GcloudConfiguration {
    /// Reads the active configuration. One that nothing names need not exist.
    ///
    /// # Errors
    /// `InvalidSpec` if a configuration is named that does not exist, or a file cannot be read.
    pub(super) fn read(environment: &Environment) -> Result<Self> {
        let file = match folder(environment) {
            Some(folder) => active_file(environment, &folder)?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            environment: environment.clone(),
            file,
        })
    }

    /// A property from the environment or else from the file, such as `("compute", "zone")`.
    pub(super) fn property(&self, section: &str, key: &str) -> Option<&str> {
        let variable = format!("CLOUDSDK_{section}_{key}").to_uppercase();
        self.environment.get(&variable).or_else(|| self.in_file(section, key))
    }

    /// A property from the file alone.
    pub(super) fn in_file(&self, section: &str, key: &str) -> Option<&str> {
        let value = self.file.get(&(section.to_owned(), key.to_owned()))?;
        (!value.is_empty()).then_some(value)
    }
}

fn active_file(environment: &Environment, folder: &Path) -> Result<BTreeMap<(String, String), String>> {
    let named = environment.get("CLOUDSDK_ACTIVE_CONFIG_NAME").map(str::to_owned);
    let required = named.is_some();
    let name = match named {
        Some(name) => name,
        None => text_of(&folder.join("active_config"))?.map_or_else(String::new, |text| text.trim().to_owned()),
    };
    // gcloud's own word for "no configuration at all".
    if name == "NONE" {
        return Ok(BTreeMap::new());
    }
    let name = if name.is_empty() { "default" } else { &name };
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return Err(Error::invalid(format!("invalid gcloud configuration name {name:?}"))
            .with_remedy("`gcloud config configurations list` shows the names"));
    }
    let path = folder.join("configurations").join(format!("config_{name}"));
    match text_of(&path)? {
        Some(text) => Ok(parse(&text)),
        None if required => Err(Error::invalid(format!(
            "the gcloud configuration {name} does not exist in {}",
            folder.display()
        ))
        .with_remedy("mend CLOUDSDK_ACTIVE_CONFIG_NAME; `gcloud config configurations list` shows the names")),
        None => Ok(BTreeMap::new()),
    }
}

fn text_of(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        // A home that is no folder, /dev/null say, holds no files.
        Err(error) if matches!(error.kind(), IoErrorKind::NotFound | IoErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::invalid(format!(
            "cannot read gcloud's file {}: {error}",
            path.display()
        ))),
    }
}

/// Python's configparser dialect, as far as gcloud writes it.
fn parse(text: &str) -> BTreeMap<(String, String), String> {
    let mut section = String::new();
    let mut properties = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.trim().clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once(['=', ':']) {
            let key = key.trim().to_lowercase();
            properties.insert((section.clone(), key), value.trim().to_owned());
        }
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(folder: &Path, more: &[(&str, &str)]) -> Environment {
        let folder = ("CLOUDSDK_CONFIG".to_owned(), folder.display().to_string());
        let more = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Environment::new(more.chain([folder]))
    }

    fn files() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("configurations")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("active_config", "work\n");
        write(
            "configurations/config_work",
            "# mine\n[core]\nproject = acme\naccount=a@b\n\n[compute]\nzone: europe-west1-b\n",
        );
        write("configurations/config_play", "[core]\nproject = toys\n");
        folder
    }

    #[test]
    fn the_active_configuration_is_read() {
        let folder = files();
        let configuration = GcloudConfiguration::read(&environment(folder.path(), &[])).unwrap();
        assert_eq!(configuration.property("core", "project"), Some("acme"));
        assert_eq!(configuration.property("compute", "zone"), Some("europe-west1-b"));
        assert_eq!(configuration.property("compute", "region"), None);
    }

    #[test]
    fn variables_come_first() {
        let folder = files();
        let variables = [
            ("CLOUDSDK_ACTIVE_CONFIG_NAME", "play"),
            ("CLOUDSDK_CORE_PROJECT", "other"),
        ];
        let configuration = GcloudConfiguration::read(&environment(folder.path(), &variables)).unwrap();
        assert_eq!(configuration.property("core", "project"), Some("other"));
        assert_eq!(configuration.in_file("core", "project"), Some("toys"));
    }

    #[test]
    fn a_named_configuration_must_exist() {
        let folder = files();
        for name in ["absent", "../escape"] {
            let variables = [("CLOUDSDK_ACTIVE_CONFIG_NAME", name)];
            assert!(GcloudConfiguration::read(&environment(folder.path(), &variables)).is_err());
        }
        let nothing = tempfile::tempdir().unwrap();
        assert!(GcloudConfiguration::read(&environment(nothing.path(), &[])).is_ok());
    }
}
