//! Tests of the state file: many processes share it, it is replaced as a whole, and other files are left alone.

use std::fs::{self, File};

use super::*;

#[test]
fn racing_threads_create_one_instance_per_name() {
    let sandbox = Sandbox::new();
    let race = |racer: usize| -> Vec<InstanceRef> {
        sandbox.create(&spec(&format!("own-{racer}")));
        // Readers never see half a file.
        sandbox.list("us-east-1").unwrap();
        let shared = (0..5).map(|index| sandbox.create(&spec(&format!("web-{index}"))).reference);
        shared.collect()
    };
    let made: Vec<_> = std::thread::scope(|scope| {
        let race = &race;
        let racers: Vec<_> = (0..16).map(|racer| scope.spawn(move || race(racer))).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert!(made.iter().all(|references| *references == made[0]));
    assert_eq!(sandbox.list("us-east-1").unwrap().instances.len(), 16 + 5);
}

#[test]
fn held_lock_is_awaited_until_the_timeout() {
    let sandbox = Sandbox::new();
    sandbox.create(&spec("web-1"));
    let before = fs::read(sandbox.file()).unwrap();
    let holder = File::open(sandbox.file().with_file_name("mock.json.lock")).unwrap();
    holder.lock().unwrap();
    let hasty = Store::with_lock_timeout(Some(sandbox.file()), Duration::from_millis(50));
    let error = run(hasty.lock()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert!(error.message().contains("mock.json"));
    assert!(sandbox.list("us-east-1").is_ok(), "reading needs no lock");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| sandbox.create(&spec("web-2")));
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(fs::read(sandbox.file()).unwrap(), before);
        holder.unlock().unwrap();
        waiting.join().unwrap();
    });
    assert_eq!(sandbox.list("us-east-1").unwrap().instances.len(), 2);
}

/// Returns the error text for a file that is not the mock's, and checks that the file stays as it is.
fn complaint(sandbox: &Sandbox) -> String {
    let before = fs::read(sandbox.file()).ok();
    assert_eq!(kind(sandbox.list("us-east-1")), ErrorKind::Refused);
    let error = sandbox.refusal(&spec("new"));
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(fs::read(sandbox.file()).ok(), before);
    let text = format!("{error}; {}", error.hint().unwrap());
    let names_both = text.contains("CLOUDCTL_MOCK_STATE") && text.contains("mock.json");
    assert!(names_both, "{text}");
    text
}

#[test]
fn foreign_file_is_left_unchanged() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.file().parent().unwrap()).unwrap();
    let newer = "{\"schema\":\"cloudctl-mock/9\",\"addresses\":0,\"instances\":[]}";
    for (text, words) in [
        ("{\"schema\": \"cloudctl-mock/1\", \"inst", "line 1"),
        ("[]", "cloudctl"),
        ("\u{0}\u{1}", "line 1"),
        (newer, "cloudctl-mock/9"),
    ] {
        fs::write(sandbox.file(), text).unwrap();
        let complaint = complaint(&sandbox);
        assert!(complaint.contains(words), "{complaint}");
    }
    // An empty file, as from mktemp, means an empty cloud.
    fs::write(sandbox.file(), "").unwrap();
    sandbox.create(&spec("web-1"));
    fs::remove_file(sandbox.file()).unwrap();
    fs::create_dir(sandbox.file()).unwrap();
    assert!(complaint(&sandbox).contains("not a plain file"));
}

#[test]
fn error_says_that_the_folder_cannot_be_created() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.folder.path().join("deep"), "").unwrap();
    assert!(complaint(&sandbox).contains("cannot"));
}

#[cfg(unix)]
#[test]
fn file_is_private_and_links_and_foreign_files_refused() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

    let sandbox = Sandbox::new();
    sandbox.create(&spec("web-1"));
    let metadata = fs::metadata(sandbox.file()).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let folder = fs::read_dir(sandbox.file().parent().unwrap()).unwrap();
    assert_eq!(folder.count(), 2, "the file, its lock, and nothing else");

    // Only root can give a file away.
    if chown(sandbox.file(), Some(metadata.uid() + 1000), None).is_ok() {
        assert!(complaint(&sandbox).contains("another user"));
        chown(sandbox.file(), Some(metadata.uid()), None).unwrap();
    }
    let elsewhere = sandbox.folder.path().join("elsewhere.json");
    fs::rename(sandbox.file(), &elsewhere).unwrap();
    symlink(&elsewhere, sandbox.file()).unwrap();
    assert!(complaint(&sandbox).contains("symbolic link"));
    assert!(fs::symlink_metadata(sandbox.file()).unwrap().is_symlink());
}
