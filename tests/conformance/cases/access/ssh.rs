//! `ssh`: the command and its exit code, the host keys that the cloud publishes, and the ways to a VM.

use std::fs;

use crate::Case;
use crate::cases::cases;
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use crate::support::sshd::{Sshd, sshd_or_skip};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![BackendKind::EMULATORS;
        ssh_ends_with_the_exit_code_of_the_command,
        ssh_joins_words_and_passes_all_streams,
        ssh_refuses_another_host_key,
        ssh_without_published_host_key_names_the_flag,
        ssh_asks_the_cloud_once_if_the_host_key_is_known,
        ssh_of_vm_that_does_not_run_names_the_command,
        ssh_logs_in_as_the_user_of_image_or_key,
        ssh_obeys_jump_hosts_of_the_user,
        ssh_jumps_over_another_machine,
        ssh_ignores_weaker_settings_of_the_user,
        ssh_runs_command_in_all_selected_vms,
        ssh_goes_the_way_that_is_named,
        ssh_without_the_program_of_a_tunnel_names_it,
    ])
}

/// Starts a server, and creates a VM with its address that publishes its host key; `None` without OpenSSH's server.
pub(super) fn start_vm(backend: &Backend) -> Option<Sshd> {
    let server = sshd_or_skip()?;
    backend.set_boot_host_keys(&[&server.host_key()]);
    create_vm(backend);
    Some(server)
}

fn create_vm(backend: &Backend) {
    backend.set_public_address("127.0.0.1");
    backend.run("create web-1 --wait running").expect(0);
}

/// Runs `ssh web-1` with these arguments, as the user of the server.
fn ssh(backend: &Backend, server: &Sshd, arguments: &[&str]) -> Run {
    ssh_at_port(backend, server, server.port(), &[&["web-1"], arguments].concat())
}

/// Runs `ssh` with these arguments, as the user of the server.
fn ssh_at_port(backend: &Backend, server: &Sshd, port: u16, arguments: &[&str]) -> Run {
    let (port, identity_file) = (port.to_string(), server.identity_file().display().to_string());
    let (provider, user) = (backend.provider(), server.user());
    let own = [
        "ssh",
        "-p",
        provider,
        "--user",
        user,
        "-i",
        &identity_file,
        "--port",
        &port,
    ];
    backend.sandbox.run(&[&own, arguments].concat())
}

/// The words of bash that connect its input and output to a server.
pub(super) fn connect_with_bash(server: &Sshd) -> String {
    let port = server.port();
    format!("exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3 2>/dev/null & exec cat >&3")
}

fn ssh_ends_with_the_exit_code_of_the_command(backend: &Backend) {
    let Some(server) = start_vm(backend) else { return };
    for code in [0, 1, 3, 126, 254] {
        ssh(backend, &server, &["--", "exit", &code.to_string()]).expect(code);
    }
    ssh(backend, &server, &["--", "kill", "-9", "$$"]).expect(255);
}

fn ssh_joins_words_and_passes_all_streams(backend: &Backend) {
    let Some(server) = start_vm(backend) else { return };
    let run = ssh(backend, &server, &["--", "echo", "one   two;", "echo three >&2"]).expect(0);
    assert_eq!(run.stdout, "one two\n");
    run.expect_in_stderr("three\n");
}

fn ssh_refuses_another_host_key(backend: &Backend) {
    let Some(mut server) = start_vm(backend) else { return };
    ssh(backend, &server, &["--", "true"]).expect(0);
    let known = fingerprint(&server.host_key());
    server.replace_host_key();
    let marker = server.home().join("ran");
    let run = ssh(backend, &server, &["--", "touch", &marker.display().to_string()]).expect(6);
    run.expect_all_in_stderr([known, fingerprint(&server.host_key())]);
    run.expect_all_in_stderr(["nothing was sent", "ssh-keygen -R cloudctl/"]);
    assert!(!marker.exists());
}

fn fingerprint(key: &str) -> String {
    cloudctl::cloud::key_fingerprint(key).expect("a key")
}

fn ssh_without_published_host_key_names_the_flag(backend: &Backend) {
    let Some(mut server) = sshd_or_skip() else { return };
    create_vm(backend);
    let run = ssh(backend, &server, &["--timeout", "1s", "--", "true"]).expect(9);
    run.expect_in_stderr("--host-key new");
    ssh(backend, &server, &["--host-key", "new", "--", "true"]).expect(0);
    // It is known from now on.
    ssh(backend, &server, &["--", "true"]).expect(0);
    server.replace_host_key();
    ssh(backend, &server, &["--host-key", "new", "--", "true"]).expect(6);
}

fn ssh_asks_the_cloud_once_if_the_host_key_is_known(backend: &Backend) {
    let Some(server) = start_vm(backend) else { return };
    ssh(backend, &server, &["--", "true"]).expect(0);
    // EC2 is asked region by region.
    let place: &[&str] = match backend.kind {
        BackendKind::Ec2Emulator => &["-r", backend.home_region()],
        _ => &[],
    };
    let before = backend.calls().len();
    ssh(backend, &server, &[place, &["--", "true"]].concat()).expect(0);
    let calls = backend.calls().split_off(before);
    assert_eq!(calls.len(), 1, "{calls:?}");
}

fn ssh_of_vm_that_does_not_run_names_the_command(backend: &Backend) {
    let Some(server) = start_vm(backend) else { return };
    backend.run("stop web-1 -y --wait").expect(0);
    let run = ssh(backend, &server, &["--", "true"]).expect(6);
    run.expect_in_stderr("cloudctl start web-1");
}

fn ssh_logs_in_as_the_user_of_image_or_key(backend: &Backend) {
    let Some(server) = sshd_or_skip() else { return };
    backend.set_boot_host_keys(&[&server.host_key()]);
    backend.set_public_address("127.0.0.1");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS ada@laptop";
    backend
        .run(&["create", "web-1", "--wait", "running", "--ssh-key", key])
        .expect(0);
    let user = match backend.kind {
        BackendKind::GceEmulator => "ada",
        _ => "ubuntu",
    };
    let port = server.port().to_string();
    let command = ["ssh", "web-1", "-p", backend.provider(), "--port", &port, "--", "true"];
    // The second time the user is known. The server lets in only the user who runs the test.
    for _ in 0..2 {
        let run = backend.sandbox.run(&command).expect(255);
        run.expect_in_stderr(format!("{user}@127.0.0.1: Permission denied"));
    }
}

/// The VM cannot be reached from here, only from the machine in between, which is this one again.
fn ssh_obeys_jump_hosts_of_the_user(backend: &Backend) {
    let Some(server) = start_vm(backend) else { return };
    let folder = backend.sandbox.home().join(".ssh");
    fs::create_dir_all(&folder).expect("a folder");
    let (connect, marker) = (connect_with_bash(&server), server.home().join("jumped"));
    let config = format!(
        "Host 127.0.0.1\n  ProxyCommand bash -c 'touch {}; {connect}'\n",
        marker.display()
    );
    fs::write(folder.join("config"), config).expect("a file");
    ssh_at_port(backend, &server, 1, &["web-1", "--", "true"]).expect(0);
    assert!(marker.exists());
}

fn ssh_runs_command_in_all_selected_vms(backend: &Backend) {
    let Some(server) = sshd_or_skip() else { return };
    backend.set_boot_host_keys(&[&server.host_key()]);
    backend.set_public_address("127.0.0.1");
    backend.run("create web --count 3 -l role=web --wait running").expect(0);
    backend.run("create db --wait running").expect(0);
    let in_group = |arguments: &[&str]| ssh_at_port(backend, &server, server.port(), arguments);
    let run = in_group(&["-l", "role=web", "--parallel", "2", "--", "echo one; echo two >&2"]).expect(0);
    let mut lines: Vec<_> = run.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["web-1: one", "web-2: one", "web-3: one"]);
    run.expect_all_in_stderr(["web-1: two", "web-3: exit code 0"]);
    run.expect_not_in_stderr("db");
    // One of them finds the folder.
    let folder = server.home().join("taken");
    let run = in_group(&["-l", "role=web", "--", "mkdir", &folder.display().to_string()]).expect(1);
    assert_eq!(run.stderr.matches(": exit code 0\n").count(), 1, "{}", run.stderr);
    assert_eq!(run.stderr.matches(": exit code 1\n").count(), 2, "{}", run.stderr);
    in_group(&["-l", "role=web"]).expect(2).expect_in_stderr("no command");
    in_group(&["-l", "role=none", "--", "true"])
        .expect(0)
        .expect_in_stderr("nothing to");
}

fn ssh_goes_the_way_that_is_named(backend: &Backend) {
    let Some(server) = start_vm(backend) else { return };
    let way = server.home().join("way");
    let (shown_way, port) = (way.display(), server.port());
    let connect = connect_with_bash(&server);
    let command = format!("bash -c 'echo \"$0 $1\" > {shown_way}; {connect}' %h %p");
    let run = ssh(backend, &server, &["--via", "-oProxyCommand=x", "--", "true"]).expect(2);
    assert!(run.stdout.is_empty());
    let run = ssh(backend, &server, &["--via", "carrier", "--", "true"]).expect(2);
    run.expect_all_in_stderr(["carrier", "direct"]);
    let proxied = ssh(backend, &server, &["--via", &command, "--", "echo", "here"]).expect(0);
    assert_eq!(proxied.stdout, "here\n");
    let way = fs::read_to_string(way).expect("the command ran");
    assert_eq!(way.trim(), format!("127.0.0.1 {port}"));
}

fn ssh_without_the_program_of_a_tunnel_names_it(backend: &Backend) {
    let Some(server) = start_vm(backend) else { return };
    let (way, program) = match backend.kind {
        BackendKind::GceEmulator => ("iap", "gcloud"),
        _ => ("eice", "aws"),
    };
    let port = server.port().to_string();
    let mut command = backend.command(&[
        "ssh", "web-1", "--user", "ada", "--port", &port, "--via", way, "--", "true",
    ]);
    let bin = server.home().join("bin");
    fs::create_dir(&bin).expect("a folder");
    std::os::unix::fs::symlink("/usr/bin/ssh", bin.join("ssh")).expect("a link");
    command.env("PATH", &bin);
    let run = Run::of(&mut command).expect(2);
    run.expect_all_in_stderr([program, "install"]);
}

/// A user's own configuration cannot bring another key, another machine or another command in.
fn ssh_ignores_weaker_settings_of_the_user(backend: &Backend) {
    let Some(mut server) = start_vm(backend) else { return };
    ssh(backend, &server, &["--", "true"]).expect(0);
    server.replace_host_key();
    let folder = backend.sandbox.home().join(".ssh");
    fs::create_dir_all(&folder).expect("a folder");
    let key = server.host_key();
    let known_hosts = folder.join("known_hosts");
    fs::write(&known_hosts, format!("* {key}\n")).expect("a file");
    let weaker = [
        "StrictHostKeyChecking no",
        "HostKeyAlias elsewhere",
        "RemoteCommand true",
        "LogLevel QUIET",
        "HostName 127.0.0.2",
        "ForkAfterAuthentication yes",
        &format!("UserKnownHostsFile {}", known_hosts.display()),
        &format!("KnownHostsCommand /bin/echo %H {key}"),
        &format!("ControlPath {}/%h", folder.display()),
    ];
    fs::write(folder.join("config"), format!("Host *\n{}\n", weaker.join("\n"))).expect("a file");
    ssh(backend, &server, &["--", "true"])
        .expect(6)
        .expect_in_stderr("nothing was sent");
}

/// The machine in between has its own user, port and host key.
fn ssh_jumps_over_another_machine(backend: &Backend) {
    let Some(server) = start_vm(backend) else { return };
    let jump = sshd_or_skip().expect("it is installed");
    let folder = backend.sandbox.home().join(".ssh");
    fs::create_dir_all(&folder).expect("a folder");
    let (known_hosts, port) = (folder.join("known_hosts"), jump.port());
    fs::write(&known_hosts, format!("[127.0.0.1]:{port} {}\n", jump.host_key())).expect("a file");
    let config = format!(
        "Host 127.0.0.1\n  ProxyJump jump\nHost jump\n  HostName 127.0.0.1\n  Port {port}\n  User {}\n  IdentityFile {}\n  \
         UserKnownHostsFile {}\n",
        jump.user(),
        jump.identity_file().display(),
        known_hosts.display()
    );
    fs::write(folder.join("config"), config).expect("a file");
    let run = ssh(backend, &server, &["--", "echo", "here"]).expect(0);
    assert_eq!(run.stdout, "here\n");
    assert!(jump.log().contains("Accepted"), "{}", jump.log());
}
