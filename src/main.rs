//! The `cloudctl` binary: runs, and returns the exit code.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use cloudctl::context::Host;
use cloudctl::panic_report::PanicReport;
use cloudctl::providers::Drivers;
use cloudctl::settings::is_setting;

fn main() -> ExitCode {
    let panics = PanicReport::install();
    remove_variables(empty_settings());
    remove_variables(unused_proxies());
    let status = cloudctl::run(std::env::args_os(), Host::from_process(panics));
    ExitCode::from(status.code())
}

/// The settings that are set to nothing. They count as not set, as CI files often pass on variables that are not there.
/// The SDKs read the process's own environment, where an empty address panics and an empty profile is looked for.
fn empty_settings() -> Vec<OsString> {
    let infos = Drivers::default().infos();
    let is_set = |name: &OsStr| name.to_str().is_some_and(|name| is_setting(name, infos));
    let is_empty_setting = |name: &OsStr, value: &OsStr| value.is_empty() && is_set(name);
    let empty = std::env::vars_os().filter(|(name, value)| is_empty_setting(name, value));
    empty.map(|(name, _)| name).collect()
}

/// The proxies, if a `*` in `NO_PROXY` says that nothing goes through them. The SDKs' HTTP libraries do not apply it to
/// hosts that are addresses, and some do not read it. <https://curl.se/libcurl/c/CURLOPT_NOPROXY.html>
fn unused_proxies() -> Vec<OsString> {
    let exceptions = ["NO_PROXY", "no_proxy"].iter().find_map(std::env::var_os);
    let exceptions = exceptions.unwrap_or_default();
    if !exceptions.to_string_lossy().split(',').any(|host| host.trim() == "*") {
        return Vec::new();
    }
    let names = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    names.map(OsString::from).to_vec()
}

#[expect(unsafe_code, reason = "a process can change its own variables in no other way")]
fn remove_variables(names: Vec<OsString>) {
    for name in names {
        // SAFETY: this runs first in main, so there is no other thread that could read the environment meanwhile.
        unsafe { std::env::remove_var(name) };
    }
}
