//! The environment variables as a value, so that only `context` reads those of the process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cloud::{CloudInfo, CloudInfos, Error, Result, may_be_secret, path_text};

/// The prefixes of variables that are settings of cloudctl or of the clouds' SDKs, beside the clouds' own.
const PREFIXES: [&str; 2] = ["CLOUDCTL_", CERTIFICATE_PREFIX];
const CERTIFICATE_PREFIX: &str = "SSL_CERT_";
/// The variables of the network, in capitals. Those of proxies can also be in small letters.
const NETWORK_VARIABLES: [&str; 6] = [
    "ALL_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_GCE_CHECK",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
];

/// Whether a variable is a setting of cloudctl, of a cloud's own tools or of their SDKs.
pub fn is_setting(name: &str, infos: CloudInfos) -> bool {
    let has_prefix = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    has_prefix || infos.iter().any(|info| is_cloud_setting(info, name))
}

/// Whether a variable is a setting of a cloud: one of the cloud's own variables, or one of the network.
pub fn is_cloud_setting(cloud: &CloudInfo, name: &str) -> bool {
    let prefixes = cloud.vendor_prefixes;
    let is_own = prefixes.iter().any(|prefix| name.starts_with(prefix));
    let is_of_network = || {
        let mut known = NETWORK_VARIABLES.iter();
        name.starts_with(CERTIFICATE_PREFIX) || known.any(|known| name.eq_ignore_ascii_case(known))
    };
    is_own || !prefixes.is_empty() && is_of_network()
}

/// Whether a variable of this name holds a credential itself, not the name of a file with one.
fn holds_credential(name: &str) -> bool {
    let names_file = ["_FILE", "_PATH", "_URI", "_URL"]
        .iter()
        .any(|ending| name.ends_with(ending));
    let names_secret = ["SECRET", "TOKEN", "PASSWORD"].iter().any(|word| name.contains(word));
    names_secret && !names_file
}

/// The password in a URL: `http://user:password@proxy:3128`.
fn password_in_url(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

/// A snapshot of the environment variables.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// The names of variables whose values are not Unicode.
    not_unicode: Vec<String>,
}

impl Environment {
    /// Creates an environment with these variables.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            not_unicode: Vec::new(),
        }
    }

    /// Creates an environment with the variables of the process.
    pub fn from_process(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => {
                    environment.variables.insert(name, value);
                }
                Err(_) => environment.not_unicode.push(name),
            }
        }
        environment
    }

    /// Checks that the values of the variables for which `is_checked` holds are Unicode.
    ///
    /// # Errors
    /// `InvalidSpec` that names a variable whose value is not.
    pub fn check_readable(&self, is_checked: impl Fn(&str) -> bool) -> Result<()> {
        match self.not_unicode.iter().find(|name| is_checked(name)) {
            Some(name) => Err(
                Error::invalid(format!("the value of the variable {name} is not UTF-8 text"))
                    .with_hint(format!("set {name} to something else, or unset it")),
            ),
            None => Ok(()),
        }
    }

    /// The value of a variable. An empty variable counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether a switch such as `NO_COLOR` is set to anything.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The values that must not be shown: credentials, passwords in URLs of proxies, and possible secrets in all other
    /// variables that are settings.
    pub fn secrets(&self, infos: CloudInfos) -> Vec<&str> {
        let settings = self.variables.iter().filter(|(name, _)| is_setting(name, infos));
        let secret = settings.filter_map(|(name, value)| match password_in_url(value) {
            Some(password) => Some(password),
            None if holds_credential(name) || may_be_secret(value) => Some(value.as_str()),
            None => None,
        });
        secret.collect()
    }

    /// The user's home folder.
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").or_else(|| self.get("USERPROFILE")).map(PathBuf::from)
    }

    /// Expands `~` and `~/…` to the home folder. A shell does not do it in files, variables and `--flag=~/x`.
    pub fn expand_path(&self, text: &str) -> PathBuf {
        let below = text
            .strip_prefix('~')
            .filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match below.and_then(|below| Some(self.home()?.join(below.trim_start_matches('/')))) {
            Some(path) => path,
            None => PathBuf::from(text),
        }
    }

    /// Formats a path for messages: with `~` for the home folder, and without possible secrets.
    pub fn display_path(&self, path: &Path) -> String {
        let home = self.home();
        match home.as_deref().and_then(|home| path.strip_prefix(home).ok()) {
            Some(below) => path_text(Path::new("~").join(below)),
            None => path_text(path),
        }
    }

    /// A folder of the XDG base directory specification: the variable if it is an absolute path, else `fallback` in the home
    /// folder. <https://specifications.freedesktop.org/basedir-spec/latest/>
    pub fn xdg_folder(&self, variable: &str, fallback: &str) -> Option<PathBuf> {
        self.get(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| Some(self.home()?.join(fallback)))
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values can be credentials.
        formatter.debug_list().entries(self.variables.keys()).finish()
    }
}
