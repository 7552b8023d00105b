//! Clients that others wrote: the AWS command line, gcloud and scripts on their Python libraries. They get none of the
//! settings and credentials of this machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::python_environment;

/// A program that talks to clouds, without this machine's settings for clouds.
pub fn client(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if is_setting(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null());
    command
}

/// Proxies count: they would be asked for the way to the loopback address.
fn is_setting(name: &str) -> bool {
    // Which Python gcloud runs on is a matter of the machine, not of the cloud.
    let cloud = ["AWS_", "CLOUDSDK_", "GOOGLE_"]
        .iter()
        .any(|prefix| name.starts_with(prefix));
    (cloud && !name.starts_with("CLOUDSDK_PYTHON")) || name.to_ascii_lowercase().ends_with("_proxy")
}

/// Runs the AWS command line of the Python environment, and gives its JSON.
pub fn aws(url: &str, arguments: &[&str]) -> Value {
    let mut command = client(python_environment::programs().join("aws"));
    command
        .args(["--endpoint-url", url, "--output", "json"])
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "a-secret")
        .env("AWS_DEFAULT_REGION", "us-east-1");
    json(command)
}

/// A script of `tests/compatibility`, on the Python environment.
pub fn script(name: &str) -> Command {
    let mut command = client(python_environment::programs().join("python"));
    // A script that imports another would leave its bytecode among the sources.
    command.arg("-B").arg(path_of(name));
    command
}

/// Where a script of `tests/compatibility` is.
pub fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/compatibility")
        .join(name)
}

/// The gcloud of this machine, in a configuration of its own that points at one emulator.
pub struct Gcloud {
    configuration: tempfile::TempDir,
    url: String,
    project: String,
}

impl Gcloud {
    /// Whether there is a gcloud on PATH.
    pub fn is_installed() -> bool {
        client("gcloud")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// A gcloud for this emulator and project.
    pub fn at(url: &str, project: &str) -> Self {
        let configuration = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(configuration.path().join("token"), "a-token").expect("the token file");
        Self {
            configuration,
            url: format!("{url}/compute/v1/"),
            project: project.to_owned(),
        }
    }

    /// Runs `gcloud compute instances ARGUMENTS`, and gives its JSON.
    pub fn instances(&self, arguments: &[&str]) -> Value {
        let mut command = client("gcloud");
        command
            .args(["compute", "instances"])
            .args(arguments)
            .args(["--format", "json"])
            .env("CLOUDSDK_CONFIG", self.configuration.path())
            .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", &self.url)
            .env(
                "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
                self.configuration.path().join("token"),
            )
            .env("CLOUDSDK_CORE_PROJECT", &self.project)
            .env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1")
            .env("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "true")
            .env("CLOUDSDK_CORE_DISABLE_FILE_LOGGING", "true")
            .env("CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "true");
        json(command)
    }
}

/// Runs a client that prints JSON, or nothing.
#[track_caller]
pub fn json(mut command: Command) -> Value {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{stdout}\n{stderr}");
    if stdout.trim().is_empty() {
        return Value::Null;
    }
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{command:?}: {error} in\n{stdout}"))
}
