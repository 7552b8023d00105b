//! `cp`: files to a VM, from it and between two, byte for byte, whatever their names are, and what is left after a failure.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Case;
use crate::cases::cases;
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use crate::support::sshd::{Sshd, sshd_or_skip};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![BackendKind::EMULATORS;
        cp_copies_bytes_and_modes_both_ways,
        cp_takes_each_name_as_it_is,
        cp_copies_folders_if_it_is_told_to,
        cp_joins_a_folder_with_one_that_is_there,
        cp_copies_several_files_to_a_folder,
        cp_copies_between_two_vms,
        cp_reaches_an_ipv6_address,
        cp_refuses_another_host_key,
        cp_names_what_is_missing,
        cp_without_the_right_key_is_denied,
        cp_calls_no_cloud_for_a_wrong_command_line,
        cp_that_breaks_leaves_no_file,
        cp_that_is_interrupted_leaves_no_file,
        cp_prints_nothing,
        cp_obeys_jump_hosts_of_the_user,
        cp_refuses_old_scp_by_name,
        cp_waits_for_a_vm_that_boots,
    ])
}

/// A VM, its server, and an empty folder on this side, where cp starts.
struct Site<'a> {
    backend: &'a Backend,
    server: Sshd,
    folder: PathBuf,
}

impl<'a> Site<'a> {
    fn start(backend: &'a Backend) -> Option<Self> {
        let server = sshd_or_skip()?;
        create_vm(backend, "web-1", &server, "127.0.0.1");
        let folder = backend.sandbox.folder().join("here");
        fs::create_dir(&folder).expect("a folder");
        Some(Self {
            backend,
            server,
            folder,
        })
    }

    fn command(&self, port: u16, arguments: &[&str]) -> Command {
        let (port, identity_file) = (port.to_string(), self.server.identity_file().display().to_string());
        let own = [
            "cp",
            "-p",
            self.backend.provider(),
            "--user",
            self.server.user(),
            "-i",
            &identity_file,
            "--port",
            &port,
        ];
        let mut command = self.backend.sandbox.command(&[&own, arguments].concat());
        command.current_dir(&self.folder);
        command
    }

    fn cp(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(self.server.port(), arguments))
    }

    fn start_cp(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(self.server.port(), arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("the binary starts")
    }

    fn here(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn there(&self, name: &str) -> PathBuf {
        self.server.home().join(name)
    }

    /// The names in a folder on this side, hidden ones included.
    fn names_here(&self) -> Vec<String> {
        names_in(&self.folder)
    }

    /// The names in the home folder of the VM, but for those that were there at the start.
    fn names_there(&self) -> Vec<String> {
        let mut names = names_in(&self.server.home());
        names.retain(|name| name != ".bashrc" && name != ".zshenv");
        names
    }
}

fn create_vm(backend: &Backend, name: &str, server: &Sshd, address: &str) {
    backend.set_boot_host_keys(&[&server.host_key()]);
    backend.set_public_address(address);
    backend.run(&["create", name, "--wait", "running"]).expect(0);
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn random_bytes(length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let source = fs::File::open("/dev/urandom").expect("random bytes");
    source.take(length).read_to_end(&mut bytes).expect("random bytes");
    bytes
}

fn mode_of(path: &Path) -> u32 {
    path.metadata().expect("a file").permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).expect("a file");
}

#[track_caller]
fn expect_content(path: &Path, content: impl AsRef<[u8]>) {
    let found = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(found == content.as_ref(), "{} has another content", path.display());
}

fn cp_copies_bytes_and_modes_both_ways(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    let bytes = random_bytes(20 * 1024 * 1024);
    write(&site.here("big"), &bytes);
    write(&site.here("tool"), "#!/bin/sh\n");
    set_mode(&site.here("tool"), 0o755);
    write(&site.here("none"), "");
    site.cp(&["big", "web-1:"]).expect(0);
    expect_content(&site.there("big"), &bytes);
    site.cp(&["tool", "web-1:~/renamed"]).expect(0);
    assert_eq!(mode_of(&site.there("renamed")), 0o755);
    site.cp(&["none", &format!("web-1:{}", site.there("none").display())])
        .expect(0);
    expect_content(&site.there("none"), "");
    // The content is another at each end, so that each copy is one.
    fs::remove_file(site.here("big")).expect("the file");
    site.cp(&["web-1:big", "back"]).expect(0);
    expect_content(&site.here("back"), &bytes);
    set_mode(&site.there("renamed"), 0o700);
    site.cp(&["web-1:renamed", "."]).expect(0);
    assert_eq!(mode_of(&site.here("renamed")), 0o700);
    // What is there is replaced, and keeps its mode.
    write(&site.here("back"), "old");
    set_mode(&site.here("back"), 0o600);
    site.cp(&["web-1:~/big", "back"]).expect(0);
    expect_content(&site.here("back"), &bytes);
    assert_eq!(mode_of(&site.here("back")), 0o600);
    assert_eq!(site.names_here(), ["back", "none", "renamed", "tool"]);
}

fn cp_takes_each_name_as_it_is(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    let names = [
        "$(touch x)",
        "*",
        "-oProxyCommand=touch x",
        "-r",
        "; touch x",
        "[a]b?",
        "`touch x`",
        "a  b",
        "a:b",
        "back\\slash",
        "it's \"so\"",
        "ünï 漢字",
        "{a,b}",
    ];
    let decoys = ["aXb", "ab?", "backslash"];
    for decoy in decoys {
        write(&site.there(decoy), "another file");
    }
    fs::create_dir(site.here("back")).expect("a folder");
    for name in names {
        write(&site.here(name), name);
        // A colon would begin a path in a VM.
        let local = format!("./{name}");
        let local = if name.contains(':') { &local } else { name };
        let remote = format!("web-1:{name}");
        site.cp(&["--", local, &remote]).expect(0);
        expect_content(&site.there(name), name);
        site.cp(&["--", &remote, "back"]).expect(0);
        expect_content(&site.here("back").join(name), name);
        site.cp(&["--", &remote, "./renamed:1"]).expect(0);
        expect_content(&site.here("renamed:1"), name);
    }
    let mut expected = [&names[..], &decoys[..]].concat();
    expected.sort_unstable();
    assert_eq!(site.names_there(), expected);
    let mut expected = names;
    expected.sort_unstable();
    assert_eq!(names_in(&site.here("back")), expected);
    // No name is a pattern.
    site.cp(&["web-1:a*b", "."]).expect(3);
    site.cp(&["web-1:ab[?]", "."]).expect(3);
}

/// A folder with a file, a folder, and a file in that.
fn make_folder(path: &Path) {
    fs::create_dir_all(path.join("sub folder")).expect("a folder");
    write(&path.join("one"), "1");
    write(&path.join("sub folder/two"), "2");
    set_mode(&path.join("sub folder/two"), 0o750);
}

fn expect_folder(path: &Path) {
    assert_eq!(names_in(path), ["one", "sub folder"]);
    expect_content(&path.join("one"), "1");
    expect_content(&path.join("sub folder/two"), "2");
    assert_eq!(mode_of(&path.join("sub folder/two")), 0o750);
}

fn cp_copies_folders_if_it_is_told_to(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    make_folder(&site.here("logs"));
    site.cp(&["logs", "web-1:"]).expect(2).expect_in_stderr("-r");
    assert!(site.names_there().is_empty());
    site.cp(&["-r", "logs", "web-1:new"]).expect(0);
    expect_folder(&site.there("new"));
    site.cp(&["--recursive", "logs/", "web-1:"]).expect(0);
    expect_folder(&site.there("logs"));
    site.cp(&["web-1:new", "."]).expect(2).expect_in_stderr("-r");
    site.cp(&["web-1:new/", "."]).expect(2).expect_in_stderr("-r");
    site.cp(&["web-1:", "."]).expect(2).expect_in_stderr("-r");
    site.cp(&["-r", "web-1:new", "."]).expect(0);
    expect_folder(&site.here("new"));
    site.cp(&["-r", "web-1:new/", "renamed"]).expect(0);
    expect_folder(&site.here("renamed"));
    // The content alone.
    fs::create_dir(site.here("content")).expect("a folder");
    site.cp(&["-r", "web-1:new/.", "content"]).expect(0);
    expect_folder(&site.here("content"));
    assert_eq!(site.names_here(), ["content", "logs", "new", "renamed"]);
    site.cp(&["-r", "web-1:..", "."]).expect(2);
    // What cannot be read is left out and named.
    std::os::unix::fs::symlink("nowhere", site.there("new/link")).expect("a link");
    let run = site.cp(&["-r", "web-1:new", "partial"]).expect(7);
    run.expect_all_in_stderr(["partial/link", "the rest was copied"]);
    expect_folder(&site.here("partial"));
    std::os::unix::fs::symlink("nowhere", site.here("logs/link")).expect("a link");
    site.cp(&["-r", "logs", "web-1:partial"])
        .expect(7)
        .expect_in_stderr("logs/link");
    expect_folder(&site.there("partial"));
}

fn cp_joins_a_folder_with_one_that_is_there(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    make_folder(&site.there("logs"));
    fs::create_dir(site.there("logs/closed")).expect("a folder");
    write(&site.there("logs/closed/x"), "x");
    set_mode(&site.there("logs/closed"), 0o555);
    fs::create_dir(site.here("logs")).expect("a folder");
    write(&site.here("logs/one"), "old");
    write(&site.here("logs/other"), "kept");
    site.cp(&["-r", "web-1:logs", "."]).expect(0);
    assert_eq!(names_in(&site.here("logs")), ["closed", "one", "other", "sub folder"]);
    expect_content(&site.here("logs/one"), "1");
    expect_content(&site.here("logs/other"), "kept");
    expect_content(&site.here("logs/closed/x"), "x");
    assert_eq!(mode_of(&site.here("logs/closed")), 0o555);
    assert_eq!(site.names_here(), ["logs"]);
    // A file does not take the place of a folder.
    write(&site.there("file"), "x");
    fs::create_dir(site.here("file")).expect("a folder");
    site.cp(&["web-1:file", "."]).expect(2);
    assert_eq!(site.names_here(), ["file", "logs"]);
}

fn cp_copies_several_files_to_a_folder(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    for name in ["a", "b"] {
        write(&site.here(name), name);
    }
    fs::create_dir(site.there("in")).expect("a folder");
    site.cp(&["a", "b", "web-1:in"]).expect(0);
    assert_eq!(names_in(&site.there("in")), ["a", "b"]);
    fs::create_dir(site.here("out")).expect("a folder");
    site.cp(&["web-1:in/a", "web-1:in/b", "out/"]).expect(0);
    assert_eq!(names_in(&site.here("out")), ["a", "b"]);
    site.cp(&["web-1:in/a", "web-1:in/b", "file"])
        .expect(2)
        .expect_in_stderr("folder");
    // One would be lost.
    site.cp(&["web-1:in/a", "web-1:a", "out"])
        .expect(2)
        .expect_in_stderr("name \"a\"");
}

fn cp_copies_between_two_vms(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    let mut other = site.server.start_beside("127.0.0.2").expect("a second address");
    create_vm(backend, "db-1", &other, "127.0.0.2");
    let bytes = random_bytes(1024 * 1024);
    write(&site.there("data"), &bytes);
    site.cp(&["web-1:data", "db-1:copy"]).expect(0);
    expect_content(&other.home().join("copy"), &bytes);
    assert!(!site.names_there().contains(&"copy".to_owned()));
    let name = "it's $(touch x) *";
    write(&site.there(name), name);
    write(&site.there("it's $(touch x) decoy"), "");
    site.cp(&[&format!("web-1:{name}"), "db-1:"]).expect(0);
    expect_content(&other.home().join(name), name);
    make_folder(&site.there("logs"));
    site.cp(&["-r", "web-1:logs", "db-1:"]).expect(0);
    expect_folder(&other.home().join("logs"));
    // To itself, and from both to one.
    site.cp(&["web-1:data", "web-1:again"]).expect(0);
    expect_content(&site.there("again"), &bytes);
    fs::create_dir(site.here("all")).expect("a folder");
    site.cp(&["web-1:data", "db-1:copy", "all"]).expect(0);
    assert_eq!(names_in(&site.here("all")), ["copy", "data"]);
    site.cp(&["web-1:absent", "db-1:"]).expect(3);
    other.replace_host_key();
    let run = site.cp(&["web-1:data", "db-1:late"]).expect(6);
    run.expect_all_in_stderr(["nothing was sent", "another host key answers"]);
    let db = backend
        .instances()
        .into_iter()
        .find(|one| one.name == "db-1")
        .expect("it");
    run.expect_in_stderr(format!("{} -f", db.id));
    assert!(!other.home().join("late").exists());
}

fn cp_reaches_an_ipv6_address(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    // A machine can lack the address.
    let Some(other) = site.server.start_beside("::1") else {
        return;
    };
    create_vm(backend, "six", &other, "::1");
    write(&site.here("a"), "a");
    site.cp(&["a", "six:b"]).expect(0);
    expect_content(&other.home().join("b"), "a");
    site.cp(&["six:b", "c"]).expect(0);
    expect_content(&site.here("c"), "a");
    site.cp(&["six:b", "web-1:d"]).expect(0);
    expect_content(&site.there("d"), "a");
}

fn cp_refuses_another_host_key(backend: &Backend) {
    let Some(mut site) = Site::start(backend) else { return };
    write(&site.here("a"), "a");
    // Flags can stand anywhere.
    site.cp(&["a", "-o", "json", "web-1:known", "-q"]).expect(0);
    site.server.replace_host_key();
    let configuration = backend.sandbox.home().join(".ssh");
    fs::create_dir_all(&configuration).expect("a folder");
    let key = site.server.host_key();
    let weaker = [
        "StrictHostKeyChecking no",
        "HostKeyAlias elsewhere",
        "LogLevel QUIET",
        &format!("KnownHostsCommand /bin/echo %H {key}"),
    ];
    write(
        &configuration.join("config"),
        format!("Host *\n{}\n", weaker.join("\n")),
    );
    for arguments in [["a", "web-1:new"], ["web-1:known", "new"]] {
        let run = site.cp(&arguments).expect(6);
        run.expect_all_in_stderr(["nothing was sent", "ssh-keygen -R cloudctl/"]);
        run.expect_in_stderr(cloudctl::cloud::key_fingerprint(&key).expect("a key"));
    }
    assert_eq!(site.names_there(), ["known"]);
    assert_eq!(site.names_here(), ["a"]);
}

fn cp_names_what_is_missing(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    write(&site.here("a"), "a");
    site.cp(&["web-1:absent", "."]).expect(3).expect_in_stderr("absent");
    site.cp(&["-r", "web-1:absent", "."])
        .expect(3)
        .expect_in_stderr("absent");
    site.cp(&["a", "web-1:absent/b"]).expect(3).expect_in_stderr("absent/b");
    site.cp(&["a", "absent:b"]).expect(3).expect_in_stderr("absent");
    // The file is meant, and not a VM.
    write(&site.here("x:y"), "");
    site.cp(&["x:y", "web-1:"]).expect(3).expect_in_stderr("./x:y");
    assert_eq!(site.names_here(), ["a", "x:y"]);
}

fn cp_without_the_right_key_is_denied(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    let other = sshd_or_skip().expect("it is installed");
    write(&site.here("a"), "a");
    let (port, key) = (
        site.server.port().to_string(),
        other.identity_file().display().to_string(),
    );
    let (provider, user) = (backend.provider(), site.server.user());
    for ends in [["a", "web-1:b"], ["web-1:.bashrc", "b"]] {
        let arguments = ["cp", "-p", provider, "--user", user, "-i", &key, "--port", &port];
        let mut command = backend.sandbox.command(&[&arguments[..], &ends[..]].concat());
        let run = Run::of(command.current_dir(&site.folder)).expect(4);
        run.expect_all_in_stderr(["Permission denied (publickey", "-i"]);
    }
    assert_eq!(site.names_here(), ["a"]);
    assert!(site.names_there().is_empty());
}

fn cp_calls_no_cloud_for_a_wrong_command_line(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    write(&site.here("a"), "a");
    fs::create_dir(site.here("folder")).expect("a folder");
    let before = backend.calls().len();
    for (arguments, word) in [
        (&["absent", "web-1:"][..], "absent"),
        (&["a", "absent", "web-1:"], "absent"),
        (&["folder", "web-1:"], "-r"),
        (&["a", "b"], "`cp`"),
        (&["a", "web-1"], "colon"),
        (&["root@web-1:a", "b"], "--user root"),
        (&["web-1:a", "absent/b"], "absent"),
        (&["web-1:a", "absent/"], "absent"),
        (&["web-1:a", "/dev/null"], "/dev/null"),
        (&["web-1:a", "-"], "cloudctl ssh"),
        (&["a", "web-1:", "b"], "this machine"),
        (&["-r", "us-east-1", "web-1:a", "folder"], "--region"),
        (&["a"], "DST"),
    ] {
        let run = site.cp(arguments).expect(2);
        run.expect_in_stderr(word);
    }
    assert_eq!(backend.calls().len(), before);
    assert_eq!(site.names_here(), ["a", "folder"]);
}

/// A file that takes some seconds to copy, and no room on the disk of the VM.
const LONG: u64 = 4 * 1024 * 1024 * 1024;

fn make_long_file(path: &Path) {
    fs::File::create(path)
        .and_then(|file| file.set_len(LONG))
        .expect("a file");
}

/// Waits until a part of a file is here, under a hidden name.
fn wait_for_part(site: &Site<'_>) {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        let hidden = site
            .names_here()
            .into_iter()
            .find(|name| name.starts_with(".cloudctl-cp-"));
        if hidden.is_some_and(|name| has_bytes(&site.here(&name))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("nothing arrives: {:?}", site.names_here());
}

fn has_bytes(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().any(|entry| has_bytes(&entry.path())),
        Err(_) => path.metadata().is_ok_and(|metadata| metadata.len() > 0),
    }
}

fn cp_that_breaks_leaves_no_file(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    fs::create_dir(site.there("folder")).expect("a folder");
    make_long_file(&site.there("folder/long"));
    write(&site.here("old"), "old");
    for arguments in [
        &["web-1:folder/long", "new"][..],
        &["web-1:folder/long", "old"],
        &["-r", "web-1:folder", "."],
    ] {
        let child = site.start_cp(arguments);
        wait_for_part(&site);
        site.server.cut_sessions();
        let output = child.wait_with_output().expect("it ends");
        let run = Run::from_output(&output).expect(9);
        run.expect_in_stderr("connection");
        assert_eq!(site.names_here(), ["old"], "{arguments:?}");
        expect_content(&site.here("old"), "old");
    }
}

fn cp_that_is_interrupted_leaves_no_file(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    make_long_file(&site.there("long"));
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let child = site.start_cp(&["web-1:long", "new"]);
        wait_for_part(&site);
        let kill = Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status();
        assert!(kill.expect("kill").success());
        let output = child.wait_with_output().expect("it ends");
        Run::from_output(&output).expect(code);
        assert!(site.names_here().is_empty(), "{:?}", site.names_here());
    }
}

fn cp_prints_nothing(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    write(&site.here("a"), "a");
    for arguments in [
        &["-q", "a", "web-1:b"][..],
        &["a", "web-1:b"],
        &["-q", "web-1:b", "c"],
        &["web-1:b", "c"],
    ] {
        let run = site.cp(arguments).expect(0);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""), "{arguments:?}");
    }
    let state = backend.sandbox.home().join(".local/state/cloudctl");
    assert_eq!(names_in(&state), ["known_hosts"]);
}

fn cp_obeys_jump_hosts_of_the_user(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    let configuration = backend.sandbox.home().join(".ssh");
    fs::create_dir_all(&configuration).expect("a folder");
    let port = site.server.port();
    let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3 2>/dev/null & exec cat >&3");
    write(
        &configuration.join("config"),
        format!("Host 127.0.0.1\n  ProxyCommand bash -c '{connect}'\n"),
    );
    write(&site.here("a"), "a");
    Run::of(&mut site.command(1, &["a", "web-1:b"])).expect(0);
    expect_content(&site.there("b"), "a");
}

fn cp_refuses_old_scp_by_name(backend: &Backend) {
    let Some(site) = Site::start(backend) else { return };
    write(&site.here("a"), "a");
    site.cp(&["a", "web-1:known"]).expect(0);
    let bin = site.server.home().join("bin");
    fs::create_dir(&bin).expect("a folder");
    let script = "#!/bin/sh\n[ \"$1\" = -V ] && echo 'OpenSSH_8.4p1 Debian-5' >&2 && exit\nexec /usr/bin/ssh \"$@\"\n";
    write(&bin.join("ssh"), script);
    set_mode(&bin.join("ssh"), 0o755);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = site.command(site.server.port(), &["a", "web-1:b"]);
    command.env("PATH", path);
    Run::of(&mut command)
        .expect(1)
        .expect_all_in_stderr(["OpenSSH 8.4", "8.7"]);
    assert!(!site.there("b").exists());
}

/// Its host key is known, and its port opens late.
fn cp_waits_for_a_vm_that_boots(backend: &Backend) {
    let Some(mut site) = Site::start(backend) else { return };
    write(&site.here("a"), "a");
    site.cp(&["a", "web-1:b"]).expect(0);
    site.server.stop();
    let run = site.cp(&["--timeout", "1s", "a", "web-1:c"]).expect(9);
    run.expect_in_stderr("127.0.0.1");
    let child = site.start_cp(&["a", "web-1:c"]);
    std::thread::sleep(Duration::from_secs(2));
    site.server.restart();
    Run::from_output(&child.wait_with_output().expect("it ends")).expect(0);
    expect_content(&site.there("c"), "a");
}
