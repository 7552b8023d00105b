//! The configuration files and variables of `gcloud`.
//!
//! The value of a property is, in this order, its environment variable (`CLOUDSDK_SECTION_KEY`), its line in the file
//! of the active configuration, or its line in the `properties` file of gcloud's installation.
//! <https://cloud.google.com/sdk/docs/properties>

use std::collections::BTreeMap;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};

use crate::cloud::{Error, Result, quoted};
pub(crate) use crate::settings::SourcedValue;
use crate::settings::{Environment, io_reason, utf8_text};

/// The properties that `gcloud` would use.
pub(crate) struct GcloudConfiguration {
    environment: Environment,
    properties: BTreeMap<(String, String), FileProperty>,
}

/// A property that a file sets.
struct FileProperty {
    value: String,
    path: PathBuf,
    line: usize,
}

/// Returns the folder of gcloud's files; `None` without a home folder.
pub(crate) fn config_folder(environment: &Environment) -> Option<PathBuf> {
    if let Some(folder) = environment.get("CLOUDSDK_CONFIG") {
        return Some(environment.expand_path(folder));
    }
    if cfg!(windows) {
        return Some(Path::new(environment.get("APPDATA")?).join("gcloud"));
    }
    Some(environment.home()?.join(".config/gcloud"))
}

impl GcloudConfiguration {
    /// Reads the active configuration. Its file need not exist unless a setting names it.
    ///
    /// # Errors
    /// `InvalidSpec` if a named configuration does not exist, a file cannot be read, or a line is not a property.
    pub(crate) fn read(environment: &Environment) -> Result<Self> {
        let mut configuration = Self::from_variables(environment);
        if let Some(path) = find_installation_file(environment) {
            configuration.read_file(&path)?;
        }
        if let Some(folder) = config_folder(environment)
            && let Some(path) = find_active_file(environment, &folder)?
        {
            configuration.read_file(&path)?;
        }
        Ok(configuration)
    }

    /// Uses the variables only, and reads no file.
    pub(crate) fn from_variables(environment: &Environment) -> Self {
        Self {
            environment: environment.clone(),
            properties: BTreeMap::new(),
        }
    }

    /// Returns a property, such as `("compute", "zone")`, and where it is set.
    pub(crate) fn setting(&self, section: &str, key: &str) -> Option<SourcedValue> {
        let variable = variable_name(section, key);
        SourcedValue::from_variable(&self.environment, &variable).or_else(|| self.file_setting(section, key))
    }

    /// Returns a property that a file sets, ignoring the variables.
    pub(crate) fn file_setting(&self, section: &str, key: &str) -> Option<SourcedValue> {
        let found = self.properties.get(&(section.to_owned(), key.to_owned()))?;
        (!found.value.is_empty()).then(|| SourcedValue {
            value: found.value.clone(),
            source: format!(
                "{}:{}, [{section}]",
                self.environment.display_path(&found.path),
                found.line
            ),
        })
    }

    /// Returns the value of a property, such as `("compute", "zone")`.
    pub(crate) fn property(&self, section: &str, key: &str) -> Option<String> {
        self.setting(section, key).map(|located| located.value)
    }

    fn read_file(&mut self, path: &Path) -> Result<()> {
        let Some(text) = read_text(path, &self.environment)? else {
            return Ok(());
        };
        for found in parse_properties(&text, path, &self.environment)? {
            let property = FileProperty {
                value: found.value,
                path: path.to_owned(),
                line: found.line,
            };
            self.properties.insert((found.section, found.key), property);
        }
        Ok(())
    }
}

/// Returns the name of a property's variable.
pub(crate) fn variable_name(section: &str, key: &str) -> String {
    format!("CLOUDSDK_{section}_{key}").to_uppercase()
}

/// Finds the properties file for all users of this machine, in gcloud's installation folder.
fn find_installation_file(environment: &Environment) -> Option<PathBuf> {
    let in_root = |root: &Path| root.join("properties");
    if let Some(root) = environment.get("CLOUDSDK_ROOT_DIR") {
        return Some(in_root(Path::new(root)));
    }
    let separator = if cfg!(windows) { ';' } else { ':' };
    let name = if cfg!(windows) { "gcloud.cmd" } else { "gcloud" };
    let mut folders = environment
        .get("PATH")?
        .split(separator)
        .filter(|folder| !folder.is_empty());
    // The program on the path is a link into that folder.
    let program = folders.find_map(|folder| Path::new(folder).join(name).canonicalize().ok())?;
    Some(in_root(program.parent()?.parent()?))
}

fn find_active_file(environment: &Environment, folder: &Path) -> Result<Option<PathBuf>> {
    let named = environment.get("CLOUDSDK_ACTIVE_CONFIG_NAME").map(str::to_owned);
    let (name, source) = match named {
        Some(name) => (name, Some("CLOUDSDK_ACTIVE_CONFIG_NAME".to_owned())),
        None => {
            let path = folder.join("active_config");
            let name = read_text(&path, environment)?.unwrap_or_default().trim().to_owned();
            (name, None)
        }
    };
    // gcloud's word for "no configuration at all".
    if name == "NONE" {
        return Ok(None);
    }
    let name = if name.is_empty() { "default" } else { &name };
    let list = "`gcloud config configurations list` shows the names";
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        let source = source.unwrap_or_else(|| environment.display_path(&folder.join("active_config")));
        let message = format!("{source}: invalid name of a gcloud configuration: {}", quoted(name));
        return Err(Error::invalid(message).with_hint(list));
    }
    let path = folder.join("configurations").join(format!("config_{name}"));
    match source {
        Some(source) if !path.exists() => {
            let message = format!(
                "{source}: the gcloud configuration {} does not exist in {}",
                quoted(name),
                environment.display_path(folder)
            );
            Err(Error::invalid(message).with_hint(format!("correct {source}; {list}")))
        }
        _ => Ok(Some(path)),
    }
}

fn read_text(path: &Path, environment: &Environment) -> Result<Option<String>> {
    let cannot = |why: &dyn std::fmt::Display| {
        Error::invalid(format!(
            "cannot read gcloud's file {}: {why}",
            environment.display_path(path)
        ))
        .with_hint("correct the file, or name another configuration in CLOUDSDK_ACTIVE_CONFIG_NAME")
    };
    match std::fs::read(path) {
        Ok(bytes) => match utf8_text(&bytes) {
            // A carriage return alone ends a line too, as in gcloud.
            Ok(text) => Ok(Some(text.replace("\r\n", "\n").replace('\r', "\n"))),
            Err(not_text) => Err(cannot(&not_text)),
        },
        // A home that is not a folder, such as /dev/null, has no files.
        Err(error) if matches!(error.kind(), IoErrorKind::NotFound | IoErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(cannot(&io_reason(&error))),
    }
}

/// A property's line in a file.
struct PropertyLine {
    section: String,
    key: String,
    line: usize,
    value: String,
}

/// Parses the dialect of Python's configparser, as far as gcloud writes it.
fn parse_properties(text: &str, path: &Path, environment: &Environment) -> Result<Vec<PropertyLine>> {
    let mut section: Option<String> = None;
    let mut properties = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let wrong = |why: &str| {
            Error::invalid(format!("{}:{number}: {why}", environment.display_path(path)))
                .with_hint("`gcloud config set SECTION/KEY VALUE` writes the file as gcloud reads it")
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name
                .strip_suffix(']')
                .ok_or_else(|| wrong("the name of the section has no end"))?;
            section = Some(name.trim().to_owned());
        } else if let Some((key, value)) = line.split_once(['=', ':']) {
            let section = section
                .clone()
                .ok_or_else(|| wrong("there is no [section] before this property"))?;
            let key = key.trim().to_lowercase();
            properties.push(PropertyLine {
                section,
                key,
                line: number,
                value: value.trim().to_owned(),
            });
        } else {
            return Err(wrong("this line is neither a [section] nor a key = value"));
        }
    }
    Ok(properties)
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
    fn active_configuration_is_read() {
        let folder = files();
        let configuration = GcloudConfiguration::read(&environment(folder.path(), &[])).unwrap();
        assert_eq!(configuration.property("core", "project"), Some("acme".to_owned()));
        assert_eq!(
            configuration.property("compute", "zone"),
            Some("europe-west1-b".to_owned())
        );
        assert_eq!(configuration.property("compute", "region"), None);
    }

    #[test]
    fn variable_overrides_the_file() {
        let folder = files();
        let variables = [
            ("CLOUDSDK_ACTIVE_CONFIG_NAME", "play"),
            ("CLOUDSDK_CORE_PROJECT", "other"),
        ];
        let configuration = GcloudConfiguration::read(&environment(folder.path(), &variables)).unwrap();
        assert_eq!(configuration.property("core", "project"), Some("other".to_owned()));
        let in_file = configuration.file_setting("core", "project").unwrap();
        assert_eq!(in_file.value, "toys");
        assert!(in_file.source.ends_with("config_play:2, [core]"), "{}", in_file.source);
    }

    #[test]
    fn named_configuration_must_exist() {
        let folder = files();
        for name in ["absent", "../escape"] {
            let variables = [("CLOUDSDK_ACTIVE_CONFIG_NAME", name)];
            assert!(GcloudConfiguration::read(&environment(folder.path(), &variables)).is_err());
        }
        let nothing = tempfile::tempdir().unwrap();
        assert!(GcloudConfiguration::read(&environment(nothing.path(), &[])).is_ok());
    }

    #[test]
    fn error_names_the_malformed_line() {
        for (text, at) in [
            ("[core]\nproject acme\n", ":2:"),
            ("project = acme\n", ":1:"),
            ("\n[core\n", ":2:"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("configurations")).unwrap();
            std::fs::write(folder.path().join("configurations/config_default"), text).unwrap();
            let error = GcloudConfiguration::read(&environment(folder.path(), &[]))
                .err()
                .unwrap();
            assert!(error.message().contains(&format!("config_default{at}")), "{error}");
        }
    }
}
