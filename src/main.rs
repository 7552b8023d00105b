//! The `cloudctl` binary: runs, and returns the exit code.

use std::process::ExitCode;

use cloudctl::context::World;
use cloudctl::panic_report::PanicReport;

fn main() -> ExitCode {
    let panics = PanicReport::install();
    remove_empty_settings();
    remove_proxies_that_nothing_goes_through();
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

/// A `*` in `NO_PROXY` is every host. The SDKs' HTTP libraries leave out hosts that are addresses, and some read it not
/// at all. <https://curl.se/libcurl/c/CURLOPT_NOPROXY.html>
#[expect(unsafe_code, reason = "a process can change its own variables in no other way")]
fn remove_proxies_that_nothing_goes_through() {
    let exceptions = ["NO_PROXY", "no_proxy"].iter().find_map(std::env::var_os);
    let exceptions = exceptions.unwrap_or_default();
    if !exceptions.to_string_lossy().split(',').any(|host| host.trim() == "*") {
        return;
    }
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        // SAFETY: nothing has run before this, so there is no other thread that could read the environment meanwhile.
        unsafe { std::env::remove_var(name) };
    }
}
