//! The file: shared by many, replaced as a whole, and never somebody else's.

use std::fs::{self, File};

use super::*;

#[test]
fn threads_that_race_for_a_name_meet_in_one_instance() {
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
fn a_lock_that_is_held_is_waited_for_and_then_given_up() {
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

/// What is said of a file that is not the mock's, which must stay as it is.
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
fn a_file_that_is_not_the_mocks_is_left_alone() {
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
    // What mktemp leaves is nobody's state.
    fs::write(sandbox.file(), "").unwrap();
    sandbox.create(&spec("web-1"));
    fs::remove_file(sandbox.file()).unwrap();
    fs::create_dir(sandbox.file()).unwrap();
    assert!(complaint(&sandbox).contains("not a plain file"));
}

#[test]
fn a_folder_that_cannot_be_made_is_said() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.folder.path().join("deep"), "").unwrap();
    assert!(complaint(&sandbox).contains("cannot"));
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone_and_links_and_strangers_are_refused() {
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
