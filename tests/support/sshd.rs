//! A real OpenSSH server on the loopback address, in the place of a VM's own.
//!
//! It has a folder of its own with all it needs, and lets in the user who runs the test, by one key. Commands run as that
//! user, in [`Sshd::home`] and with that as `HOME`, so that two servers are as far apart as two VMs.

// Each test binary uses another part of it.
#![allow(dead_code)]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What installs a missing server.
pub const INSTALL: &str = "apt-get install openssh-server";

/// A running server; it stops when this is dropped, and so do its sessions.
pub struct Sshd {
    program: PathBuf,
    folder: PathBuf,
    user: String,
    address: String,
    port: u16,
    process: Option<Child>,
    /// Ends the server if the test is killed, or never drops it.
    watcher: Option<Child>,
}

/// A server, or `None` where OpenSSH's is not installed: the test then says so and passes. In CI it fails instead.
#[track_caller]
pub fn sshd_or_skip() -> Option<Sshd> {
    let Some(program) = find_program() else {
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!in_ci, "sshd is not installed; `{INSTALL}` installs it");
        // Not a macro: those are captured, and a test that passes would say nothing.
        let _ = writeln!(
            io::stderr(),
            "not tested: sshd is not installed; `{INSTALL}` installs it"
        );
        return None;
    };
    Some(Sshd::start(program, "127.0.0.1", None))
}

/// The absolute path of the server, without which it refuses to start.
fn find_program() -> Option<PathBuf> {
    let usual = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = usual.into_iter().chain(std::env::split_paths(&path));
    let mut programs = folders
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("sshd"));
    programs.find(|program| program.is_file())
}

impl Sshd {
    /// Another server at the same port of another address, that lets in the same key; `None` if this machine has no such
    /// address.
    pub fn start_beside(&self, address: &str) -> Option<Self> {
        TcpListener::bind((address, 0)).ok()?;
        let other = Self::start(self.program.clone(), address, Some(self.port));
        fs::copy(self.path("client_key.pub"), other.path("authorized_keys")).expect("the key that may log in");
        Some(other)
    }

    /// Starts a server at an address, at this port or else at a free one.
    fn start(program: PathBuf, address: &str, port: Option<u16>) -> Self {
        let folder = make_folder();
        if output_of("id", &["-u"]) == "0" {
            // Where a server that root starts puts its unprivileged half.
            fs::create_dir_all("/run/sshd").expect("/run/sshd");
        }
        let mut server = Self {
            program,
            folder,
            user: output_of("id", &["-un"]),
            address: address.to_owned(),
            port: 0,
            process: None,
            watcher: None,
        };
        server.make_key("host_key");
        server.make_key("client_key");
        fs::copy(server.path("client_key.pub"), server.path("authorized_keys")).expect("the key that may log in");
        server.make_home();
        // Somebody else may take a free port before the server does.
        for _ in 0..10 {
            server.port = port.unwrap_or_else(free_port);
            if server.launch() {
                return server;
            }
        }
        panic!("sshd does not start:\n{}", server.log());
    }

    /// The port at its address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The public line of the host key, `ssh-ed25519 AAAA…`, without a comment.
    pub fn host_key(&self) -> String {
        self.read("host_key.pub").trim().to_owned()
    }

    /// The private key that may log in.
    pub fn identity_file(&self) -> PathBuf {
        self.path("client_key")
    }

    /// The public line of that key.
    pub fn client_key(&self) -> String {
        self.read("client_key.pub").trim().to_owned()
    }

    /// Who may log in: the user who runs the test.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The home folder of sessions, and where their commands start.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// What the server wrote so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("log")).unwrap_or_default()).into_owned()
    }

    /// Starts the server again on the same port, with another host key. Sessions are cut.
    pub fn replace_host_key(&mut self) {
        self.stop();
        for file in ["host_key", "host_key.pub"] {
            fs::remove_file(self.path(file)).expect("the old key");
        }
        self.make_key("host_key");
        self.restart();
    }

    /// Cuts all sessions, as a network that breaks does. What they started goes on, as far as it can without them.
    pub fn cut_sessions(&self) {
        if let Some(process) = &self.process {
            kill(&sessions_of(process.id()));
        }
    }

    /// Cuts all sessions and closes the port, as the end of a VM does.
    pub fn stop(&mut self) {
        // First: the number of a process that has ended may be another's soon.
        if let Some(mut watcher) = self.watcher.take() {
            let _ = watcher.kill();
            let _ = watcher.wait();
        }
        if let Some(mut process) = self.process.take() {
            let sessions = sessions_of(process.id());
            let _ = process.kill();
            let _ = process.wait();
            kill(&sessions);
        }
    }

    /// Opens the same port again after [`Sshd::stop`].
    pub fn restart(&mut self) {
        self.stop();
        assert!(self.launch(), "sshd does not start again:\n{}", self.log());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file of the server")
    }

    fn make_key(&self, name: &str) {
        let path = self.path(name);
        let output = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
            .arg(path)
            .stdin(Stdio::null())
            .output();
        expect_success(&output.expect("ssh-keygen"));
    }

    /// sshd starts commands in the user's real home folder; the shell leaves that for this one, once.
    fn make_home(&self) {
        let home = self.home();
        fs::create_dir(&home).expect("a home folder");
        let once = "if [ -n \"$TEST_SSHD\" ]; then unset TEST_SSHD BASH_ENV; cd \"$HOME\"; fi\n";
        for file in [".bashrc", ".zshenv"] {
            fs::write(home.join(file), once).expect("the shell's start");
        }
    }

    /// Starts the server on its port; whether it answers.
    fn launch(&mut self) -> bool {
        self.write_configuration();
        let mut log = File::options();
        let log = log.create(true).append(true).open(self.path("log")).expect("the log");
        let process = Command::new(&self.program)
            .args(["-D", "-e", "-f"])
            .arg(self.path("configuration"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let process = process.expect("sshd starts");
        self.watcher = Some(self.watch(process.id()));
        self.process = Some(process);
        let answers = self.wait_for_greeting();
        if !answers {
            self.stop();
        }
        answers
    }

    /// Starts a shell that waits until this process is gone, which closes the shell's input.
    fn watch(&self, server: u32) -> Child {
        let script = "trap '' INT; cat >/dev/null; kill -KILL \"$1\" 2>/dev/null; rm -rf \"$2\"";
        let watcher = Command::new("sh")
            .args(["-c", script, "sh", &server.to_string()])
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        watcher.expect("a shell")
    }

    fn wait_for_greeting(&mut self) -> bool {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            let process = self.process.as_mut().expect("it was started");
            if process.try_wait().expect("its state").is_some() {
                return false;
            }
            if greets(&self.address, self.port) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    fn write_configuration(&self) {
        let Self {
            folder, address, port, ..
        } = self;
        let folder = folder.display();
        let plain = format!(
            "ListenAddress {address}\n\
             Port {port}\n\
             HostKey \"{folder}/host_key\"\n\
             AuthorizedKeysFile \"{folder}/authorized_keys\"\n\
             PidFile \"{folder}/pid\"\n\
             Subsystem sftp internal-sftp -d \"{folder}/home\"\n\
             SetEnv HOME=\"{folder}/home\" BASH_ENV=\"{folder}/home/.bashrc\" TEST_SSHD=1\n\
             UsePAM no\n\
             StrictModes no\n\
             PermitRootLogin prohibit-password\n\
             PasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n\
             LogLevel VERBOSE\n\
             MaxStartups 1000\n\
             MaxSessions 1000\n\
             PrintMotd no\n\
             PrintLastLog no\n\
             UseDNS no\n"
        );
        // OpenSSH from 9.8 on refuses an address that leaves often before it logs in; OpenSSH before does not know the word.
        let patient = format!("{plain}PerSourcePenalties no\n");
        let path = self.path("configuration");
        fs::write(&path, patient).expect("the configuration");
        let mut check = Command::new(&self.program);
        let output = check.arg("-t").arg("-f").arg(&path).stdin(Stdio::null()).output();
        if !output.expect("sshd checks its configuration").status.success() {
            fs::write(&path, plain).expect("the configuration");
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A new folder that only this user can enter.
fn make_folder() -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-sshd-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return folder,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => panic!("{}: {error}", folder.display()),
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn greets(address: &str, port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((address, port)) else {
        return false;
    };
    let mut greeting = [0; 8];
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-2.0-"
}

/// The processes of the server's sessions: its children and theirs that are sshd themselves, not what they run.
fn sessions_of(server: u32) -> Vec<u32> {
    let listed = output_of("ps", &["-A", "-o", "pid=,ppid=,comm="]);
    let processes: Vec<(u32, u32)> = listed
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (pid, parent, program) = (words.next()?, words.next()?, words.next()?);
            let is_sshd = program.rsplit('/').next()?.starts_with("sshd");
            is_sshd.then_some((pid.parse().ok()?, parent.parse().ok()?))
        })
        .collect();
    let mut found = vec![server];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = processes.iter().filter(|(_, its)| *its == parent);
        found.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

fn kill(processes: &[u32]) {
    for process in processes {
        // One that has just ended is as good.
        let _ = Command::new("kill")
            .args(["-KILL", &process.to_string()])
            .stderr(Stdio::null())
            .status();
    }
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    expect_success(&output);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[track_caller]
fn expect_success(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
