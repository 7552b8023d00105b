//! Tests of the merged user data and of the timer script in it.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::*;

const TTL: Duration = Duration::from_secs(7_200);

/// Reads a message like cloud-init: every part that is no container, by its type and decoded.
const READER: &str = r#"
import base64, email, gzip, json, sys
data = sys.stdin.buffer.read()
if data[:2] == b"\x1f\x8b":
    data = gzip.decompress(data)
assert b"mime-version:" in data[:4096].lower(), "no message"
parts = []
for part in email.message_from_string(data.decode("utf-8")).walk():
    assert not part.defects or not part.is_multipart(), part.defects
    if part.get_content_maintype() != "multipart":
        payload = part.get_payload(decode=True)
        if part.get_content_type() == "application/gzip":
            payload = gzip.decompress(payload)
        parts.append([part.get_content_type(), base64.b64encode(payload).decode()])
json.dump(parts, sys.stdout)
"#;

/// The parts beside the timer: their types and contents.
#[track_caller]
fn parts(data: &[u8]) -> Vec<(String, Vec<u8>)> {
    let merged = merge_timer(TTL, data).unwrap();
    let again = merge_timer(TTL, data).unwrap();
    assert_eq!(again, merged, "the same bytes each time");
    let read = python(READER, &merged);
    let mut parts: Vec<(String, String)> = serde_json::from_slice(&read).unwrap();
    let (kind, timer) = parts.remove(0);
    let timer = String::from_utf8(base64::decode(&timer).unwrap()).unwrap();
    assert_eq!(kind, "text/cloud-boothook");
    assert!(
        timer.starts_with("#cloud-boothook\n#!/bin/sh\n") && timer.contains("\nseconds 2h\n"),
        "{timer}"
    );
    assert!(timer.ends_with("done\n"), "{timer}");
    parts
        .into_iter()
        .map(|(kind, content)| (kind, base64::decode(&content).unwrap()))
        .collect()
}

#[track_caller]
fn python(script: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn compress_with_python(data: &[u8]) -> Vec<u8> {
    python(
        "import gzip, sys; sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read()))",
        data,
    )
}

#[test]
fn text_data_is_kept_byte_for_byte() {
    for data in [
        "#!/bin/sh\necho hello\n",
        "#!/bin/sh\r\necho hello\r\n",
        "#!/bin/sh\necho no new line at the end",
        "#!/bin/sh\necho ends in a return\r",
        "#!/bin/sh\necho 'naïve — ☃'\n",
        "#cloud-config\npackages: [nginx]\n",
        "#cloud-boothook\n#!/bin/sh\necho early\n",
        "#include\nhttps://example.com/more\n",
        "## template: jinja\n#cloud-config\nfqdn: {{ v1.instance_id }}\n",
        "#part-handler\ndef list_types(): return []\n",
        "\n\n--looks-like-a-boundary--\n\n",
    ] {
        let kept = ("text/plain".to_owned(), data.as_bytes().to_vec());
        assert_eq!(parts(data.as_bytes()), [kept], "{data:?}");
    }
    assert_eq!(parts(b""), []);
}

#[test]
fn binary_data_is_kept_byte_for_byte() {
    let mut script = b"#!/bin/sh\ntail -n +3 \"$0\" | tar x\n".to_vec();
    script.extend([0, 159, 146, 150, b'\r', b'\n']);
    assert_eq!(parts(&script), [("text/plain".to_owned(), script.clone())]);
    let blob: Vec<u8> = (0..=255).collect();
    assert_eq!(parts(&blob), [("application/octet-stream".to_owned(), blob.clone())]);
}

const MESSAGE: &str = "Content-Type: multipart/mixed; boundary=\"==B==\"\nMIME-Version: 1.0\n\n--==B==\n\
    Content-Type: text/x-shellscript\n\n#!/bin/sh\necho one\n--==B==\nContent-Type: text/cloud-config\n\n\
    #cloud-config\nfqdn: web\n--==B==--\n";

#[test]
fn message_becomes_part_with_its_own_parts() {
    let inner = [
        ("text/x-shellscript".to_owned(), b"#!/bin/sh\necho one".to_vec()),
        ("text/cloud-config".to_owned(), b"#cloud-config\nfqdn: web".to_vec()),
    ];
    assert_eq!(parts(MESSAGE.as_bytes()), inner);
    assert_eq!(parts(MESSAGE.replace("MIME-Version: 1.0\n", "").as_bytes()), inner);
    assert_eq!(parts(MESSAGE.replace('\n', "\r\n").as_bytes()).len(), 2);
    let single = "MIME-Version: 1.0\nContent-Type: text/x-shellscript\n\n#!/bin/sh\necho one\n";
    let script = ("text/x-shellscript".to_owned(), b"#!/bin/sh\necho one\n".to_vec());
    assert_eq!(parts(single.as_bytes()), [script]);
    // cloud-init treats this one as a message too, and finds the script in it.
    let script = "#!/bin/sh\nsendmail <<END\nMIME-Version: 1.0\nEND\n";
    assert_eq!(
        parts(script.as_bytes()),
        [("text/plain".to_owned(), script.as_bytes().to_vec())]
    );
}

#[test]
fn compressed_data_stays_compressed() {
    let script = b"#!/bin/sh\necho packed\n".repeat(500);
    assert_eq!(
        parts(&compress_with_python(&script)),
        [("application/gzip".to_owned(), script.clone())]
    );
    // cloud-init decompresses a part, but does not look for parts in it: the message must not be one.
    let long = MESSAGE.replace("echo one", &"echo one\n".repeat(2_000));
    let inner = parts(&compress_with_python(long.as_bytes()));
    let kinds: Vec<&str> = inner.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["text/x-shellscript", "text/cloud-config"]);
    assert!(inner[0].1.len() > 16_000);
    let damaged = [GZIP_MAGIC, b"not really"].concat();
    assert_eq!(UserDataFormat::detect(&damaged), UserDataFormat::Compressed);
}

#[test]
fn boundary_is_not_in_data() {
    let plain = choose_boundary(b"", "");
    let digits = choose_boundary(plain.as_bytes(), "");
    assert_ne!(choose_boundary(b"", &plain), plain);
    assert!(digits.starts_with("cloudctl-") && digits.len() == 33, "{digits}");
}

#[test]
fn data_too_long_with_timer_is_refused() {
    let error = merge_timer(TTL, &vec![b'x'; MAX_USER_DATA_BYTES]).unwrap_err();
    let own = merge_timer(TTL, b"#!/bin/sh\n").unwrap().len() - 10;
    assert!(
        error.message().contains(&format!("takes {own} more")),
        "{}",
        error.message()
    );
    assert!(own < 3_072, "{own} bytes");
    let fits = vec![b'x'; MAX_USER_DATA_BYTES - own];
    assert_eq!(merge_timer(TTL, &fits).unwrap().len(), MAX_USER_DATA_BYTES);
}

#[test]
fn only_prefix_of_compressed_data_is_read() {
    let long = "abc ".repeat(100_000);
    assert_eq!(
        decompress_prefix(&compress(&long).unwrap()).unwrap(),
        long.as_bytes()[..MIME_PREFIX_BYTES]
    );
    // Several gzip members are one text.
    let members = [compress("one ").unwrap(), compress_with_python(b"two")].concat();
    assert_eq!(decompress_prefix(&members).unwrap(), b"one two");
}

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
        let script = merge_timer(TTL, b"").unwrap();
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
