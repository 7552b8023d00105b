//! `ssh-config`: plain ssh reaches VMs by name with the file, and refuses another host key.

use std::process::Command;

use super::ssh::{connect_with_bash, start_vm};
use crate::Case;
use crate::cases::cases;
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use crate::support::sshd::{Sshd, sshd_or_skip};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![BackendKind::EMULATORS;
        ssh_config_lets_plain_ssh_reach_vms_by_name,
        ssh_config_names_what_it_leaves_out,
        ssh_config_has_only_running_vms_of_ours_by_default,
        ssh_config_goes_the_way_that_is_named,
        ssh_config_tells_vms_of_one_name_apart,
        ssh_config_takes_no_name_that_is_no_plain_word,
        ssh_config_says_what_did_not_answer,
        ssh_arguments_of_inventory_pin_the_host_key,
    ])
}

/// Runs `ssh-config` with these arguments for VMs that the server stands for.
fn ssh_config(backend: &Backend, server: &Sshd, arguments: &[&str]) -> Run {
    let (port, identity_file) = (server.port().to_string(), server.identity_file().display().to_string());
    let own = [
        "ssh-config",
        "--user",
        server.user(),
        "-i",
        &identity_file,
        "--port",
        &port,
    ];
    backend.run(&[&own, arguments].concat())
}

/// Writes a configuration that was printed, and gives its path.
fn keep(backend: &Backend, run: &Run) -> String {
    backend.sandbox.write("cloudctl.conf", &run.stdout)
}

/// Runs the system's own program with a configuration.
fn plain(program: &str, config: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new(program);
    command.args(["-F", config, "-o", "BatchMode=yes"]).args(arguments);
    Run::of(&mut command)
}

fn lines_of(run: &Run, word: &str) -> Vec<String> {
    let lines = run.stdout.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with(&format!("{word} ")))
        .map(str::to_owned)
        .collect()
}

fn ssh_config_lets_plain_ssh_reach_vms_by_name(backend: &Backend) {
    let Some(mut server) = start_vm(backend) else { return };
    let id = backend.alive().remove(0).id;
    let run = ssh_config(backend, &server, &[]).expect(0);
    assert_eq!(lines_of(&run, "ControlPath"), ["ControlPath none"]);
    let config = keep(backend, &run);
    for name in ["web-1.cloudctl", &format!("{id}.cloudctl")] {
        let run = plain("ssh", &config, &[name, "echo here"]).expect(0);
        assert_eq!(run.stdout, "here\n", "{name}");
    }
    let file = backend.sandbox.write("file", "content");
    plain("scp", &config, &[&file, "web-1.cloudctl:copied"]).expect(0);
    assert!(server.home().join("copied").is_file());
    server.replace_host_key();
    let run = plain("ssh", &config, &["web-1.cloudctl", "touch ran"]).expect(255);
    run.expect_in_stderr("Host key verification failed.");
    assert!(!server.home().join("ran").exists());
}

fn ssh_config_names_what_it_leaves_out(backend: &Backend) {
    let Some(server) = start_vm(backend) else { return };
    backend.run("create db-1 --wait running").expect(0);
    backend.run("stop db-1 -y --wait").expect(0);
    backend.set_boot_host_keys(&[]);
    backend.run("create mute-1 --wait running").expect(0);
    let run = ssh_config(backend, &server, &["web-1", "db-1", "mute-1"]).expect(7);
    assert_eq!(lines_of(&run, "Host").len(), 1, "{}", run.stdout);
    run.expect_all_in_stderr(["db-1 is left out", "is stopped", "mute-1 is left out", "no host key"]);
    run.expect_in_stderr("--host-key new");
    // Nothing but failures ends with the code of the first.
    let run = ssh_config(backend, &server, &["mute-1"]).expect(9);
    assert_eq!(run.stdout, "");
    let run = ssh_config(backend, &server, &["mute-1", "--host-key", "new"]).expect(0);
    assert_eq!(
        lines_of(&run, "StrictHostKeyChecking"),
        ["StrictHostKeyChecking accept-new"]
    );
    let config = keep(backend, &run);
    plain("ssh", &config, &["mute-1.cloudctl", "true"]).expect(0);
    // The key that answered first is known from now on.
    let run = ssh_config(backend, &server, &["mute-1"]).expect(0);
    assert_eq!(lines_of(&run, "StrictHostKeyChecking"), ["StrictHostKeyChecking yes"]);
}

fn ssh_config_has_only_running_vms_of_ours_by_default(backend: &Backend) {
    let Some(server) = start_vm(backend) else { return };
    backend.create_unmanaged("theirs");
    backend.run("create db-1 -l role=db --wait running").expect(0);
    backend.run("stop db-1 -y --wait").expect(0);
    let run = ssh_config(backend, &server, &[]).expect(0);
    run.expect_in_stderr("1 VM that does not run is left out");
    assert_eq!(lines_of(&run, "Host").len(), 1, "{}", run.stdout);
    assert!(run.stdout.contains("Host web-1.cloudctl "), "{}", run.stdout);
    ssh_config(backend, &server, &["-l", "role=db"]).expect(6);
    let run = ssh_config(backend, &server, &["-l", "role=none"]).expect(0);
    assert_eq!(run.stdout, "");
    run.expect_in_stderr("nothing to print");
    ssh_config(backend, &server, &["nobody"]).expect(3);
    ssh_config(backend, &server, &["web-1", "-l", "role=db"]).expect(2);
}

fn ssh_config_goes_the_way_that_is_named(backend: &Backend) {
    let Some(server) = start_vm(backend) else { return };
    let way = format!("bash -c '{}'", connect_with_bash(&server));
    let run = ssh_config(backend, &server, &["--via", &way]).expect(0);
    assert_eq!(lines_of(&run, "ProxyCommand"), [format!("ProxyCommand {way}")]);
    let config = keep(backend, &run);
    plain("ssh", &config, &["web-1.cloudctl", "true"]).expect(0);
    ssh_config(backend, &server, &["--via", "carrier"]).expect(2);
}

fn ssh_config_tells_vms_of_one_name_apart(backend: &Backend) {
    let Some(server) = start_vm(backend) else { return };
    let (home, other) = (backend.home_region(), backend.other_region());
    backend
        .run(&["create", "web-1", "-r", other, "--wait", "running"])
        .expect(0);
    let run = ssh_config(backend, &server, &[]).expect(0);
    let names = [format!("web-1.{home}.cloudctl"), format!("web-1.{other}.cloudctl")];
    let hosts = lines_of(&run, "Host");
    assert_eq!(hosts.len(), 2, "{}", run.stdout);
    for name in &names {
        assert!(
            hosts.iter().any(|line| line.contains(&format!(" {name} "))),
            "{hosts:?}"
        );
    }
    assert!(!run.stdout.contains(" web-1.cloudctl "), "{}", run.stdout);
    run.expect_in_stderr("2 VMs are called web-1")
        .expect_all_in_stderr(&names);
    let config = keep(backend, &run);
    plain("ssh", &config, &[&names[0], "true"]).expect(0);
    // One of them runs: its name still does not mean the other tomorrow.
    let stopped = format!("{}/{other}", backend.provider());
    let reference = backend.json("list").expect(0).items().into_iter().find_map(|item| {
        let reference = item["ref"].as_str()?.to_owned();
        reference.starts_with(&stopped).then_some(reference)
    });
    let reference = reference.expect("the other VM");
    backend.sandbox.run(&["stop", &reference, "-y", "--wait"]).expect(0);
    let run = ssh_config(backend, &server, &[]).expect(0);
    assert!(run.stdout.contains(&format!("Host {} ", names[0])), "{}", run.stdout);
}

fn ssh_config_takes_no_name_that_is_no_plain_word(backend: &Backend) {
    // The names of Compute Engine are plain words.
    if backend.kind != BackendKind::Ec2Emulator {
        return;
    }
    let Some(server) = start_vm(backend) else { return };
    let id = backend.create_unmanaged("theirs");
    for name in [
        "* evil",
        "a\nProxyCommand touch ran",
        "-oProxyCommand=x",
        "$(touch ran)",
        "!web-1",
        "web-1 %h",
    ] {
        assert!(backend.force_label(&id, "Name", name));
        let run = ssh_config(backend, &server, &[&id]).expect(0);
        assert_eq!(lines_of(&run, "Host"), [format!("Host {id}.cloudctl")], "{name}");
        assert_eq!(lines_of(&run, "ProxyCommand"), Vec::<String>::new(), "{name}");
        assert!(
            !run.stdout.contains("evil") && !run.stdout.contains("touch"),
            "{}",
            run.stdout
        );
        run.expect_in_stderr("no plain word");
    }
    // The id of another VM as a name.
    let id = backend
        .alive()
        .into_iter()
        .find(|one| one.name == "web-1")
        .expect("it")
        .id;
    let imposter = backend.create_unmanaged(&id);
    let run = ssh_config(backend, &server, &["web-1", &imposter]).expect(0);
    let hosts = lines_of(&run, "Host").join("\n");
    assert_eq!(hosts.matches(&format!(" {id}.cloudctl")).count(), 1, "{hosts}");
}

fn ssh_config_says_what_did_not_answer(backend: &Backend) {
    let Some(server) = start_vm(backend) else { return };
    ssh_config(backend, &server, &[]).expect(0);
    backend.hide_other_region();
    let run = ssh_config(backend, &server, &[]).expect(7);
    assert_eq!(lines_of(&run, "Host").len(), 1, "{}", run.stdout);
    run.expect_in_stderr("the configuration is incomplete");
}

/// As Ansible does: it cuts the arguments like a shell, and puts them before the address.
fn ssh_arguments_of_inventory_pin_the_host_key(backend: &Backend) {
    let Some(mut server) = sshd_or_skip() else { return };
    backend.set_boot_host_keys(&[&server.host_key()]);
    backend.set_public_address("127.0.0.1");
    // The key is the user's own, so that it is found.
    let key_file = backend.sandbox.write("home/.ssh/id_ed25519", "private");
    let key = format!("{} ada@laptop\n", server.client_key());
    backend.sandbox.write("home/.ssh/id_ed25519.pub", &key);
    backend.run("create web-1 --wait running").expect(0);
    let inventory = || {
        let run = backend.run("list -o ansible").expect(0);
        let found: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        (found["_meta"]["hostvars"]["web-1"].clone(), run.stderr)
    };
    let connect = |server: &Sshd, host: &serde_json::Value| {
        let arguments = host["ansible_ssh_common_args"].as_str().expect("a text");
        let (identity_file, port) = (server.identity_file(), server.port());
        let line = format!(
            "ssh -F /dev/null -o BatchMode=yes {arguments} -i {} -p {port} {}@{} true",
            identity_file.display(),
            server.user(),
            host["ansible_host"].as_str().expect("an address"),
        );
        Run::of(Command::new("sh").args(["-c", &line]))
    };
    let (host, notes) = inventory();
    assert_eq!(host["ansible_ssh_private_key_file"], key_file);
    if backend.kind == BackendKind::GceEmulator {
        assert_eq!(host["ansible_user"], "ada");
    }
    assert!(notes.contains("without a known host key"), "{notes}");
    connect(&server, &host).expect(255);
    ssh_config(backend, &server, &[]).expect(0);
    let (host, notes) = inventory();
    assert!(!notes.contains("without a known host key"), "{notes}");
    connect(&server, &host).expect(0);
    server.replace_host_key();
    connect(&server, &host)
        .expect(255)
        .expect_in_stderr("Host key verification failed.");
}
