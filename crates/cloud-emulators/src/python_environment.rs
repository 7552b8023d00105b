//! A Python environment with clients of both clouds and with moto, made below Cargo's target folder on first use.
//!
//! What it holds is pinned in `requirements.txt` of this crate.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the environment's programs; made from `requirements.txt` if it is not there.
pub fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| make().unwrap_or_else(|error| panic!("the Python environment cannot be made: {error}")))
}

/// Google's description of the Compute Engine API, which the package google-api-python-client carries.
pub fn discovery_document() -> PathBuf {
    let library = programs().with_file_name("lib");
    let versions = std::fs::read_dir(&library).expect("the environment's libraries");
    let documents = versions.flatten().map(|version| {
        let packages = version.path().join("site-packages");
        packages.join("googleapiclient/discovery_cache/documents/compute.v1.json")
    });
    let mut present = documents.filter(|document| document.is_file());
    present.next().expect("the description of the Compute Engine API")
}

fn make() -> Result<PathBuf, String> {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("requirements.txt");
    let pinned = std::fs::read_to_string(&requirements).map_err(|error| error.to_string())?;
    // The folder's name changes with the pins, so that an old environment is never taken for a new one.
    let digest = pinned.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let base = &build_folder()?.join("tmp");
    std::fs::create_dir_all(base).map_err(|error| error.to_string())?;
    let folder = base.join(format!("python-{digest:016x}"));
    let programs = folder.join("bin");
    let complete = folder.join("complete");

    // Several test binaries may want it at once; the first makes it and the others wait.
    let lock = File::create(base.join("python.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    if complete.exists() {
        return Ok(programs);
    }
    // Not by a macro: the test harness keeps what those print to itself, and this takes a while.
    let _ = writeln!(std::io::stderr(), "making a Python environment below target (once)");
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(programs.join("python"))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(&requirements))?;
    File::create(complete).map_err(|error| error.to_string())?;
    Ok(programs)
}

/// Cargo's target folder, which is where the running test is, or above it. Cargo marks it.
fn build_folder() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut folders = program.ancestors();
    let found = folders.find(|folder| folder.join("CACHEDIR.TAG").is_file());
    found
        .map(Path::to_owned)
        .ok_or_else(|| format!("{} is not in a target folder of Cargo", program.display()))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
