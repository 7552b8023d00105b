//! What changes between the question and the answer: only the VMs that were shown are terminated.

use super::on_terminal_while;
use crate::support::sandbox::{Run, Sandbox};
use crate::{create, leave_to_the_label, names};

const MANY: &[&str] = &["terminate", "-p", "mock", "-l", "env=ci"];

fn with_two() -> Sandbox {
    let sandbox = Sandbox::new();
    create(&sandbox, &["one", "-l", "env=ci"]);
    create(&sandbox, &["two", "-l", "env=ci"]);
    sandbox
}

fn ask(sandbox: &Sandbox, arguments: &[&str], meanwhile: &str) -> Run {
    on_terminal_while(sandbox, 100, "y\n", arguments, meanwhile)
}

#[test]
fn confirmed_name_created_again_is_not_terminated() {
    let sandbox = with_two();
    let first = create(&sandbox, &["one", "-l", "env=ci"]);
    let meanwhile =
        "$CLOUDCTL terminate one -y -p mock; $CLOUDCTL create one -l env=ci --native boot_seconds=0 -p mock";
    ask(&sandbox, &["terminate", "one", "-p", "mock"], meanwhile).expect(0);
    assert_eq!(names(&sandbox), ["one", "two"]);
    assert_ne!(create(&sandbox, &["one", "-l", "env=ci"])["id"], first["id"]);
}

#[test]
fn vm_that_matches_after_the_question_stays() {
    let sandbox = with_two();
    ask(&sandbox, MANY, "$CLOUDCTL create three -l env=ci -p mock").expect(0);
    assert_eq!(names(&sandbox), ["three"]);
}

#[test]
fn vm_protected_after_the_question_stays() {
    let sandbox = with_two();
    let run = ask(&sandbox, MANY, "$CLOUDCTL protect one -p mock").expect(7);
    assert!(run.stdout.contains("is protected"), "{}", run.stdout);
    assert_eq!(names(&sandbox), ["one"]);
}

#[test]
fn terminate_stops_if_a_vm_becomes_unmanaged() {
    let sandbox = with_two();
    let disown = "sed -i 's/cloudctl-managed/owner/' $HOME/.local/state/cloudctl/mock.json";
    let run = ask(&sandbox, MANY, disown).expect(6);
    assert!(run.stdout.contains("nothing was terminated"), "{}", run.stdout);
    assert_eq!(names(&sandbox).len(), 2);
}

#[test]
fn terminate_stops_if_a_second_look_fails() {
    let sandbox = with_two();
    let run = ask(&sandbox, MANY, "echo '[]' > $HOME/.local/state/cloudctl/mock.json").expect(6);
    assert!(run.stdout.contains("nothing was terminated"), "{}", run.stdout);
}

#[test]
fn terminate_expired_skips_extended_vm() {
    let sandbox = with_two();
    leave_to_the_label(&sandbox, "one");
    leave_to_the_label(&sandbox, "two");
    let expired = ["terminate", "--expired", "-p", "mock"];
    let run = ask(&sandbox, &expired, "$CLOUDCTL extend one --ttl 1h -p mock").expect(7);
    assert!(run.stdout.contains("was extended in the meantime"), "{}", run.stdout);
    assert_eq!(names(&sandbox), ["one"]);
    // Who names a VM means it, however much time it has.
    ask(
        &sandbox,
        &["terminate", "one", "-p", "mock"],
        "$CLOUDCTL extend one --ttl 2h -p mock",
    )
    .expect(0);
    assert_eq!(names(&sandbox), [""; 0]);
}

#[test]
fn question_names_what_is_left_out() {
    let sandbox = with_two();
    sandbox.run("protect one -p mock").expect(0);
    let run = ask(&sandbox, MANY, ":").expect(7);
    let question = run.stdout.split("[y/N]").next().unwrap_or_default();
    assert!(
        question.contains("1 VM in") && question.contains("left out:"),
        "{question}"
    );
    assert_eq!(names(&sandbox), ["one"]);
}
