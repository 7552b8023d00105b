//! Streams and files of this machine that fail during a create.

use std::fs::OpenOptions;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::Row;
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;

pub fn rows() -> Vec<Row> {
    crate::rows![BackendKind::EMULATORS;
        48 => closed_stdout_during_create_names_the_vm,
        49 => full_disk_on_stdout_names_the_vm,
        50 => read_only_home_folder_does_not_stop_a_create,
        51 => cache_and_state_files_are_not_ours,
    ]
}

fn create_into(backend: &Backend, stdout: Stdio, more: &[&str]) -> Run {
    let arguments = [&["create", "web-1", "-p", backend.provider()], more].concat();
    let mut command = backend.sandbox.command(&arguments);
    run(command.stdin(Stdio::null()).stdout(stdout))
}

fn run(command: &mut Command) -> Run {
    let output = command.output().expect("the binary runs");
    Run::from_output(&output)
}

/// The id of the one VM.
fn only(backend: &Backend) -> String {
    let mut alive = backend.alive();
    assert_eq!(alive.len(), 1, "{alive:?}");
    alive.remove(0).id
}

fn closed_stdout_during_create_names_the_vm(backend: &Backend) {
    for format in ["table", "json", "id"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let run = create_into(backend, writer.into(), &["-o", format]).expect(0);
        let id = only(backend);
        assert!(run.stderr.contains(&id), "{format}: {}", run.stderr);
        backend.run("terminate web-1 -y --wait").expect(0);
    }
}

fn full_disk_on_stdout_names_the_vm(backend: &Backend) {
    for format in ["table", "json", "id"] {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let run = create_into(backend, full.into(), &["-o", format]).expect(1);
        let id = only(backend);
        assert!(run.stderr.contains(&id), "{format}: {}", run.stderr);
        assert!(
            run.stderr.contains("cannot write the results"),
            "{format}: {}",
            run.stderr
        );
        // It is there, and the next run says so.
        let again = backend.json("create web-1").expect(0).item();
        assert_eq!(again["id"], id.as_str());
        backend.run("terminate web-1 -y --wait").expect(0);
    }
}

/// /proc is a folder in which nobody can make a file, not even root, and /dev/null is no folder at all.
fn read_only_home_folder_does_not_stop_a_create(backend: &Backend) {
    for home in [Some("/proc"), Some("/dev/null"), Some("/absent"), None] {
        let arguments = ["create", "web-1", "-p", backend.provider(), "-o", "id"];
        let mut command = backend.sandbox.command(&arguments);
        match home {
            Some(home) => command
                .env("HOME", home)
                .env("XDG_CACHE_HOME", format!("{home}/cache"))
                .env("XDG_STATE_HOME", format!("{home}/state")),
            None => command.env_remove("HOME"),
        };
        let made = run(&mut command).expect(0);
        assert_eq!(made.stdout.trim(), only(backend), "{home:?}");
        assert!(!made.stderr.contains("error"), "{home:?}: {}", made.stderr);
        backend.run("terminate web-1 -y --wait").expect(0);
    }
}

fn cache_and_state_files_are_not_ours(backend: &Backend) {
    let home = backend.sandbox.home();
    let names = [
        "mock.json",
        "cache.json",
        "regions.json",
        "instances.json",
        "state",
        "lock",
        // The names for completion: `list` writes a file of its own in its place.
        "names.tsv",
    ];
    let elsewhere = backend.sandbox.write("elsewhere", "somebody's own");
    let folders = [".cache/cloudctl", ".local/state/cloudctl", ".local/share/cloudctl"];
    type Plant = fn(&std::path::Path, &str);
    let plants: [Plant; 4] = [
        |path, _| std::fs::write(path, b"\x00\xff{not what was expected").expect("a file"),
        |path, elsewhere| symlink(elsewhere, path).expect("a link"),
        |path, _| symlink(path, path).expect("a link to itself"),
        |path, _| std::fs::create_dir(path).expect("a folder"),
    ];
    for plant in plants {
        for folder in folders.map(|folder| home.join(folder)) {
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).expect("a folder");
            for name in names {
                plant(&folder.join(name), &elsewhere);
            }
            // Only root can give files away; elsewhere they are just wrong.
            let _ = std::os::unix::fs::lchown(&folder, Some(65_534), Some(65_534));
        }
        let before = contents(&home);
        let made = backend.json("create web-1").expect(0).item();
        assert_eq!(made["id"], only(backend).as_str());
        let listed = backend.json(&["list", "-r", backend.home_region()]).expect(0);
        assert_eq!(listed.item()["id"], made["id"]);
        backend.run("terminate web-1 -y --wait").expect(0);
        assert_eq!(backend.alive(), []);
        assert_eq!(contents(&home), before, "nothing was written or taken away");
        assert_eq!(
            std::fs::read_to_string(&elsewhere).ok().as_deref(),
            Some("somebody's own")
        );
    }
}

/// Every path below a folder.
fn contents(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("its type").is_dir() {
            all.extend(contents(&entry.path()));
        }
        all.push(entry.path());
    }
    all.sort();
    all
}
