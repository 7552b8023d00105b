//! The real binary with an empty home folder, and only those variables that a test sets.

// Each test binary uses another part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::Value;

use super::command_line::CommandLine;

/// A clone shares the folder, and has variables of its own.
#[derive(Clone)]
pub struct Sandbox {
    folder: Arc<tempfile::TempDir>,
    variables: BTreeMap<String, String>,
}

/// What a run of the binary came to.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Sandbox {
    pub fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let home = folder.path().join("home");
        std::fs::create_dir(&home).expect("a home folder");
        let mut sandbox = Self {
            folder,
            variables: BTreeMap::new(),
        };
        sandbox.set("HOME", &home.to_string_lossy());
        sandbox.set("PATH", &std::env::var("PATH").unwrap_or_default());
        sandbox.set("LANG", "C.UTF-8");
        // Without this a run without credentials would call the link-local address of the metadata service.
        sandbox.set("AWS_EC2_METADATA_DISABLED", "true");
        sandbox.set("AWS_MAX_ATTEMPTS", "3");
        // No test speaks TLS, and a debug build takes long to read all of a machine's roots for each client.
        let roots = sandbox.write("roots.pem", include_str!("roots.pem"));
        let none = folder_of(&sandbox, "no-roots");
        sandbox.set("SSL_CERT_FILE", &roots).set("SSL_CERT_DIR", &none);
        sandbox
    }

    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.variables.remove(name);
        self
    }

    /// VMs of the mock run at once, for tests that are not about how they start.
    pub fn start_mock_vms_at_once(&mut self) -> &mut Self {
        self.set("CLOUDCTL_MOCK", "slow-boot=0s")
    }

    /// Points `-p aws` at an EC2 other than the real one.
    pub fn point_at_aws(&mut self, url: &str) -> &mut Self {
        self.set_all(aws_environment(url))
    }

    /// Points `-p gcp` at a Compute Engine other than the real one.
    pub fn point_at_gcp(&mut self, url: &str, project: &str) -> &mut Self {
        self.set_all(gcp_environment(url, project))
    }

    pub fn set_all(&mut self, variables: Vec<(&'static str, String)>) -> &mut Self {
        for (name, value) in variables {
            self.set(name, &value);
        }
        self
    }

    /// All that a process in the sandbox finds in its environment.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn home(&self) -> PathBuf {
        self.folder().join("home")
    }

    /// Writes a file below the sandbox's folder, and gives its path.
    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        std::fs::write(&path, content).expect("a file in the sandbox");
        path.to_string_lossy().into_owned()
    }

    /// The binary with these arguments, for tests that steer the process themselves.
    pub fn command(&self, arguments: &(impl CommandLine + ?Sized)) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cloudctl"));
        command
            .args(arguments.words())
            .env_clear()
            .envs(&self.variables)
            .current_dir(self.folder());
        command
    }

    /// The settings that the binary would have here, for tests of what no command line says.
    pub fn settings(&self) -> cloudctl::settings::Settings {
        let environment = cloudctl::settings::Environment::new(self.variables.clone());
        let infos = cloudctl::providers::Drivers::default().infos();
        cloudctl::settings::Settings::resolve(&Default::default(), environment, infos, false).expect("settings")
    }

    /// Runs the binary with nothing on its standard input.
    pub fn run(&self, arguments: &(impl CommandLine + ?Sized)) -> Run {
        Run::of(&mut self.command(arguments))
    }

    pub fn run_with_input(&self, arguments: &(impl CommandLine + ?Sized), input: &str) -> Run {
        Run::with_input(&mut self.command(arguments), input)
    }
}

/// The variables that point `-p aws` at an EC2 other than the real one.
pub fn aws_environment(url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", url.to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "a-secret".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]
}

/// The variables that point `-p gcp` at a Compute Engine other than the real one.
pub fn gcp_environment(url: &str, project: &str) -> Vec<(&'static str, String)> {
    vec![
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", format!("{url}/compute/v1/")),
        ("CLOUDSDK_AUTH_ACCESS_TOKEN", "a-token".to_owned()),
        ("CLOUDSDK_CORE_PROJECT", project.to_owned()),
        ("CLOUDSDK_COMPUTE_REGION", "us-central1".to_owned()),
    ]
}

fn folder_of(sandbox: &Sandbox, name: &str) -> String {
    let path = sandbox.folder().join(name);
    std::fs::create_dir(&path).expect("a folder in the sandbox");
    path.to_string_lossy().into_owned()
}

impl Run {
    /// Runs a command with nothing on its standard input.
    pub fn of(command: &mut Command) -> Self {
        Self::with_input(command, "")
    }

    /// Runs a command with this on its standard input.
    pub fn with_input(command: &mut Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        // A run that does not read its input closes the pipe.
        let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
        Self::from_output(&child.wait_with_output().expect("the binary ends"))
    }

    /// What a process that has ended came to; its code is -1 after a signal.
    pub fn from_output(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Checks the exit code; on a mismatch shows everything.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "exit code\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout, self.stderr
        );
        assert!(!self.stderr.contains("panicked"), "a panic:\n{}", self.stderr);
        self
    }

    /// Checks that the text is on stderr; where it is not, shows everything.
    #[track_caller]
    pub fn expect_in_stderr(&self, text: impl AsRef<str>) -> &Self {
        let text = text.as_ref();
        assert!(self.stderr.contains(text), "{text:?} is not on stderr: {self:#?}");
        self
    }

    #[track_caller]
    pub fn expect_not_in_stderr(&self, text: impl AsRef<str>) -> &Self {
        let text = text.as_ref();
        assert!(!self.stderr.contains(text), "{text:?} is on stderr: {self:#?}");
        self
    }

    #[track_caller]
    pub fn expect_all_in_stderr<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> &Self {
        for text in texts {
            self.expect_in_stderr(text);
        }
        self
    }

    /// The envelope on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in\n{}\n--- stderr\n{}", self.stdout, self.stderr));
        assert_eq!(value["schema"], "cloudctl/v1");
        value
    }

    /// The items of the envelope.
    #[track_caller]
    pub fn items(&self) -> Vec<Value> {
        self.json()["items"].as_array().cloned().unwrap_or_default()
    }

    /// The one item of the envelope.
    #[track_caller]
    pub fn item(&self) -> Value {
        let items = self.items();
        assert_eq!(
            items.len(),
            1,
            "one item in\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        items[0].clone()
    }

    /// The kinds in the envelope's errors.
    pub fn error_kinds(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .map(|error| error["kind"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}
