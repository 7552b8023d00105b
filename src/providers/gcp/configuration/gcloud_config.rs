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
    /// By section and key.
    properties: BTreeMap<(String, String), FileProperty>,
}

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
        let property = self.properties.get(&(section.to_owned(), key.to_owned()))?;
        if property.value.is_empty() {
            return None;
        }
        let file = self.environment.display_path(&property.path);
        Some(SourcedValue::new(
            property.value.clone(),
            format!("{file}:{}, [{section}]", property.line),
        ))
    }

    /// Returns the value of a property, such as `("compute", "zone")`.
    pub(crate) fn value_of(&self, section: &str, key: &str) -> Option<String> {
        self.setting(section, key).map(|located| located.value)
    }

    fn read_file(&mut self, path: &Path) -> Result<()> {
        let Some(text) = read_text(path, &self.environment)? else {
            return Ok(());
        };
        self.properties
            .extend(parse_properties(&text, path, &self.environment)?);
        Ok(())
    }
}

pub(crate) fn variable_name(section: &str, key: &str) -> String {
    format!("CLOUDSDK_{section}_{key}").to_uppercase()
}

/// Finds the properties file for all users of this machine, in gcloud's installation folder.
fn find_installation_file(environment: &Environment) -> Option<PathBuf> {
    if let Some(root) = environment.get("CLOUDSDK_ROOT_DIR") {
        return Some(Path::new(root).join("properties"));
    }
    let separator = if cfg!(windows) { ';' } else { ':' };
    let name = if cfg!(windows) { "gcloud.cmd" } else { "gcloud" };
    let mut folders = environment
        .get("PATH")?
        .split(separator)
        .filter(|folder| !folder.is_empty());
    // The program on the path is a link into that folder.
    let program = folders.find_map(|folder| Path::new(folder).join(name).canonicalize().ok())?;
    Some(program.parent()?.parent()?.join("properties"))
}

/// Finds the file of the active configuration, which need not exist; `None` if gcloud is told to use none.
fn find_active_file(environment: &Environment, folder: &Path) -> Result<Option<PathBuf>> {
    const VARIABLE: &str = "CLOUDSDK_ACTIVE_CONFIG_NAME";
    const LIST_HINT: &str = "`gcloud config configurations list` shows the names";
    let name_file = folder.join("active_config");
    let variable = environment.get(VARIABLE);
    let name = match variable {
        Some(name) => name.to_owned(),
        None => read_text(&name_file, environment)?
            .unwrap_or_default()
            .trim()
            .to_owned(),
    };
    // gcloud's word for "no configuration at all".
    if name == "NONE" {
        return Ok(None);
    }
    let name = if name.is_empty() { "default" } else { &name };
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        let source = match variable {
            Some(_) => VARIABLE.to_owned(),
            None => environment.display_path(&name_file),
        };
        let message = format!("{source}: invalid name of a gcloud configuration: {}", quoted(name));
        return Err(Error::invalid(message).with_hint(LIST_HINT));
    }
    let path = folder.join("configurations").join(format!("config_{name}"));
    if variable.is_some() && !path.exists() {
        let message = format!(
            "{VARIABLE}: the gcloud configuration {} does not exist in {}",
            quoted(name),
            environment.display_path(folder)
        );
        return Err(Error::invalid(message).with_hint(format!("correct {VARIABLE}; {LIST_HINT}")));
    }
    Ok(Some(path))
}

fn read_text(path: &Path, environment: &Environment) -> Result<Option<String>> {
    let file_error = |why: &dyn std::fmt::Display| {
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
            Err(not_text) => Err(file_error(&not_text)),
        },
        // A home that is not a folder, such as /dev/null, has no files.
        Err(error) if matches!(error.kind(), IoErrorKind::NotFound | IoErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(file_error(&io_reason(&error))),
    }
}

/// Parses the dialect of Python's configparser, as far as gcloud writes it.
fn parse_properties(
    text: &str,
    path: &Path,
    environment: &Environment,
) -> Result<Vec<((String, String), FileProperty)>> {
    let mut current_section: Option<String> = None;
    let mut properties = Vec::new();
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        let line_error = |why: &str| {
            Error::invalid(format!("{}:{number}: {why}", environment.display_path(path)))
                .with_hint("`gcloud config set SECTION/KEY VALUE` writes the file as gcloud reads it")
        };
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let Some(section) = rest.strip_suffix(']') else {
                return Err(line_error("the name of the section has no end"));
            };
            current_section = Some(section.trim().to_owned());
        } else if let Some((key, value)) = line.split_once(['=', ':']) {
            let Some(section) = current_section.clone() else {
                return Err(line_error("there is no [section] before this property"));
            };
            let property = FileProperty {
                value: value.trim().to_owned(),
                path: path.to_owned(),
                line: number,
            };
            properties.push(((section, key.trim().to_lowercase()), property));
        } else {
            return Err(line_error("this line is neither a [section] nor a key = value"));
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
        folder
    }

    #[test]
    fn active_configuration_is_read() {
        let folder = files();
        let configuration = GcloudConfiguration::read(&environment(folder.path(), &[])).unwrap();
        assert_eq!(configuration.value_of("core", "project"), Some("acme".to_owned()));
        assert_eq!(
            configuration.value_of("compute", "zone"),
            Some("europe-west1-b".to_owned())
        );
        assert_eq!(configuration.value_of("compute", "region"), None);
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
}
