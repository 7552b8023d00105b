//! The `cloudctl` binary: runs one command line and returns the exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use cloudctl::command_context::Host;
use cloudctl::panic_report::PanicReport;
use cloudctl::providers::Drivers;
use cloudctl::settings::is_setting;

fn main() -> ExitCode {
    let panics = PanicReport::install();
    remove_variables(find_empty_settings());
    remove_variables(find_unused_proxies());
    let status = cloudctl::run(std::env::args_os(), Host::from_process(panics));
    ExitCode::from(status.code())
}

/// Finds the settings with an empty value. They count as not set, because CI files often pass on variables that do not
/// exist. The SDKs read the environment of the process: there an empty address panics, and an empty profile is not found.
fn find_empty_settings() -> Vec<OsString> {
    let infos = Drivers::default().infos();
    let mut names = Vec::new();
    for (name, value) in std::env::vars_os() {
        if value.is_empty() && name.to_str().is_some_and(|name| is_setting(name, infos)) {
            names.push(name);
        }
    }
    names
}

/// Finds the proxy variables, if a `*` in `NO_PROXY` turns all proxies off. The SDKs' HTTP libraries do not apply the `*` to
/// hosts that are IP addresses, and some do not read it. <https://curl.se/libcurl/c/CURLOPT_NOPROXY.html>
fn find_unused_proxies() -> Vec<OsString> {
    let exceptions = ["NO_PROXY", "no_proxy"].iter().find_map(std::env::var_os);
    let hosts = exceptions.unwrap_or_default().to_string_lossy().into_owned();
    if !hosts.split(',').any(|host| host.trim() == "*") {
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
        // SAFETY: this runs first in main, so no other thread can read the environment at the same time.
        unsafe { std::env::remove_var(name) };
    }
}
