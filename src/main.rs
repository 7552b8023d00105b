//! The `cloudctl` binary: runs, and returns the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    let status = cloudctl::run(std::env::args_os(), cloudctl::context::World::of_process());
    ExitCode::from(status.code())
}
