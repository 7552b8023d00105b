//! The process environment as a value, so that nothing below `context` reads the real one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cloud::{CloudInfo, CloudInfos, Error, Result, may_be_secret, path_text};

/// How the names begin of other variables that set something for cloudctl or the clouds' SDKs.
const PREFIXES: [&str; 2] = ["CLOUDCTL_", CERTIFICATES];
const CERTIFICATES: &str = "SSL_CERT_";
/// The variables of the network, in capitals; a proxy's may be in small letters, too.
const NAMES: [&str; 6] = [
    "ALL_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_GCE_CHECK",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
];

/// Whether a variable of this name sets something for cloudctl, the clouds' own tools or their SDKs.
pub fn is_setting(name: &str, infos: CloudInfos) -> bool {
    let of_a_cloud = || infos.iter().any(|info| is_cloud_setting(info, name));
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || of_a_cloud()
}

/// Whether a variable of this name sets something for a cloud: one of its own, or one of the network.
pub fn is_cloud_setting(cloud: &CloudInfo, name: &str) -> bool {
    let own = cloud.vendor_prefixes;
    let is_own = own.iter().any(|prefix| name.starts_with(prefix));
    // The SDKs cannot use a file of certificates whose name is not Unicode.
    let is_of_network = || name.starts_with(CERTIFICATES) || NAMES.iter().any(|known| name.eq_ignore_ascii_case(known));
    is_own || !own.is_empty() && is_of_network()
}

/// Whether a variable of this name holds a credential itself, and not the name of a file that does.
fn holds_credential(name: &str) -> bool {
    let names_file = ["_FILE", "_PATH", "_URI", "_URL"]
        .iter()
        .any(|ending| name.ends_with(ending));
    let names_secret = ["SECRET", "TOKEN", "PASSWORD"].iter().any(|word| name.contains(word));
    names_secret && !names_file
}

/// The password in an address: `http://user:password@proxy:3128`.
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
    /// Names of variables whose values are not Unicode.
    unreadable: Vec<String>,
}

impl Environment {
    /// Takes the variables whose values are Unicode.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            unreadable: Vec::new(),
        }
    }

    /// Takes the variables of the process.
    pub fn from_process(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => {
                    environment.variables.insert(name, value);
                }
                Err(_) => environment.unreadable.push(name),
            }
        }
        environment
    }

    /// Refuses a variable whose value is not Unicode, among those for which `is_meant` holds.
    ///
    /// # Errors
    /// `InvalidSpec` that names the variable.
    pub fn check_readable(&self, is_meant: impl Fn(&str) -> bool) -> Result<()> {
        match self.unreadable.iter().find(|name| is_meant(name)) {
            Some(name) => Err(
                Error::invalid(format!("the value of the variable {name} is not UTF-8 text"))
                    .with_hint(format!("set {name} to something else, or unset it")),
            ),
            None => Ok(()),
        }
    }

    /// The value of a variable; one that is set to nothing counts as not set.
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

    /// The values that must not be shown: credentials, the passwords in addresses of proxies, and what may be a secret in
    /// any other variable that sets something.
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

    /// A path as people write it: `~` and what is below `~/` are in the home folder, as in a shell, which does not see
    /// files, variables and `--flag=~/x`.
    pub fn expand_path(&self, text: &str) -> PathBuf {
        let below = text
            .strip_prefix('~')
            .filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match below.and_then(|below| Some(self.home()?.join(below.trim_start_matches('/')))) {
            Some(path) => path,
            None => PathBuf::from(text),
        }
    }

    /// A path as messages show it: `~` stands for the home folder, and what may be a secret is withheld.
    pub fn display_path(&self, path: &Path) -> String {
        let home = self.home();
        match home.as_deref().and_then(|home| path.strip_prefix(home).ok()) {
            Some(below) => path_text(Path::new("~").join(below)),
            None => path_text(path),
        }
    }

    /// A folder of the XDG base directory specification: the variable if it holds an absolute path, else
    /// `fallback` under the home folder. <https://specifications.freedesktop.org/basedir-spec/latest/>
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
