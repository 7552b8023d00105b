//! The `cloudctl` binary: runs, and returns the exit code.

use std::process::ExitCode;

use cloudctl::context::World;
use cloudctl::panic_report::PanicReport;

fn main() -> ExitCode {
    let panics = PanicReport::install();
    remove_empty_settings();
    let status = cloudctl::run(std::env::args_os(), World::of_process(panics));
    ExitCode::from(status.code())
}

/// An empty variable counts as one that is not set: CI files pass on what is not there so. The SDKs read the process's
/// own environment, where an empty address panics and an empty profile is looked for.
#[expect(unsafe_code, reason = "a process can change its own variables in no other way")]
fn remove_empty_settings() {
    let is_empty_setting = |name: &std::ffi::OsStr, value: &std::ffi::OsStr| {
        value.is_empty() && name.to_str().is_some_and(cloudctl::settings::is_setting)
    };
    let empty = std::env::vars_os().filter(|(name, value)| is_empty_setting(name, value));
    for (name, _) in empty.collect::<Vec<_>>() {
        // SAFETY: nothing has run before this, so there is no other thread that could read the environment meanwhile.
        unsafe { std::env::remove_var(name) };
    }
}
