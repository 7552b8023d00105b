use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::*;

const TTL: Duration = Duration::from_secs(7_200);

/// A machine for the timer: a folder as its root, test programs instead of those with an effect, and a clock that
/// only `sleep` moves.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            root: tempfile::tempdir().unwrap(),
        };
        let script = merge_timer(TTL, None).unwrap();
        let script = String::from_utf8(script).unwrap();
        let start = script.find("#!/bin/sh").unwrap();
        let end = script.rfind("\n--cloudctl-").unwrap();
        machine.write("timer", &script[start..end]);
        machine.write("proc/uptime", "30.51 12.00\n");
        machine.write("now", "1000030\n");
        machine.program("date", "cat $CLOUDCTL_ROOT/now");
        machine.program(
            "sleep",
            "now=$(cat $CLOUDCTL_ROOT/now); echo $((now + $1)) >$CLOUDCTL_ROOT/now",
        );
        machine.program(
            "curl",
            "case \"$*\" in *api/token*) echo key ;; *) cat $CLOUDCTL_ROOT/tag ;; esac",
        );
        machine.program(
            "shutdown",
            "echo \"$(cat $CLOUDCTL_ROOT/now) shutdown $*\" >>$CLOUDCTL_ROOT/log",
        );
        machine.program(
            "poweroff",
            "echo \"$(cat $CLOUDCTL_ROOT/now) poweroff $*\" >>$CLOUDCTL_ROOT/log; kill $PPID",
        );
        machine.program("systemd-run", "echo \"systemd-run $*\" >>$CLOUDCTL_ROOT/log; exit 1");
        machine.program("setsid", "echo \"setsid $*\" >>$CLOUDCTL_ROOT/log");
        machine
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn program(&self, name: &str, script: &str) {
        let path = format!("bin/{name}");
        self.write(&path, &format!("#!/bin/sh\n{script}\n"));
        let path = self.root.path().join(path);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.path().join(path)).unwrap_or_default()
    }

    /// Runs the timer to its end.
    fn run(&self, arguments: &[&str]) {
        let start = "PATH=$CLOUDCTL_ROOT/bin:$PATH exec sh \"$CLOUDCTL_ROOT/timer\" \"$@\"";
        let status = Command::new("sh")
            .args(["-c", start, "sh"])
            .args(arguments)
            .env("CLOUDCTL_ROOT", self.root.path())
            .env("INSTANCE_ID", "i-1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        // The timer itself never ends: the test's `poweroff` ends it.
        assert_eq!(status.code(), if arguments.is_empty() { Some(0) } else { None });
    }

    /// The log, once it has so many lines: the timer continues in the background.
    fn log(&self, lines: usize) -> String {
        for _ in 0..200 {
            let log = self.read("log");
            if log.lines().count() >= lines {
                return log;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.read("log")
    }
}

#[test]
fn timer_remembers_first_boot_and_runs_detached() {
    let machine = Machine::new();
    machine.run(&[]);
    assert_eq!(machine.read("var/lib/cloudctl/i-1/born"), "1000000\n");
    let log = machine.log(2);
    let timer = machine.root.path().join("timer");
    let command = format!("/bin/sh {} watch 1000000", timer.display());
    assert!(log.starts_with("systemd-run --no-block --collect "), "{log}");
    assert!(log.lines().all(|line| line.ends_with(&command)), "{log}");
    // A later boot keeps the time of the first.
    machine.write("now", "1005000\n");
    machine.run(&[]);
    assert!(machine.log(4).lines().all(|line| line.ends_with(&command)));
}

#[test]
fn timer_shuts_down_then_forces_poweroff() {
    let machine = Machine::new();
    machine.write("tag", "2h\n");
    machine.write("now", "1006900\n");
    machine.run(&["watch", "1000000"]);
    assert_eq!(machine.read("log"), "1007200 shutdown -P now\n1007260 poweroff -f\n");
}

#[test]
fn timer_follows_tag_and_remembers_last_value() {
    let machine = Machine::new();
    machine.write("tag", "1d2h3m4s\n");
    machine.write("now", "1093500\n");
    machine.run(&["watch", "1000000"]);
    assert_eq!(machine.read("log"), "1093784 shutdown -P now\n1093844 poweroff -f\n");
    // The metadata service does not answer after a reboot: the longer TTL still holds, and the machine ends after it.
    machine.write("now", "1093600\n");
    machine.write("log", "");
    std::fs::remove_file(machine.root.path().join("tag")).unwrap();
    machine.run(&["watch", "1000000"]);
    let log = machine.read("log");
    assert!(log.starts_with("1093799 shutdown"), "{log}");
    assert_eq!(machine.read("var/lib/cloudctl/i-1/ttl"), "1d2h3m4s\n");
}

#[test]
fn timer_uses_own_ttl_without_valid_tag() {
    for tag in [
        None,
        Some("soon"),
        Some("08h"),
        Some("h"),
        Some("5"),
        Some("0s"),
        Some("99999999999d"),
        Some("1h$(reboot)"),
    ] {
        let machine = Machine::new();
        machine.write("now", "1007000\n");
        if let Some(tag) = tag {
            machine.write("tag", tag);
        }
        machine.run(&["watch", "1000000"]);
        let at: u64 = machine.read("log").split(' ').next().unwrap().parse().unwrap();
        assert!((1_007_200..1_007_230).contains(&at), "{tag:?}: {at}");
    }
}

#[test]
fn timer_powers_off_at_boot_after_expiry() {
    let machine = Machine::new();
    machine.write("tag", "2h\n");
    machine.write("now", "2000000\n");
    machine.run(&["watch", "1000000"]);
    assert!(machine.read("log").starts_with("2000000 shutdown -P now\n"));
    // Unless it was extended while it was off.
    let machine = Machine::new();
    machine.write("tag", "11d13h56m40s\n");
    machine.write("now", "2000000\n");
    machine.run(&["watch", "1000000"]);
    assert!(machine.read("log").starts_with("2000600 shutdown -P now\n"));
}

#[test]
fn ttl_timer_ignores_state_of_another_instance() {
    // An image of an instance has the files of that instance's disk.
    let machine = Machine::new();
    machine.write("var/lib/cloudctl/i-0/born", "10\n");
    machine.run(&[]);
    assert_eq!(machine.read("var/lib/cloudctl/i-1/born"), "1000000\n");
}
