//! What `create` prints last: how to log in, how to remove the VM, what it costs, and when it ends.

use crate::support::sandbox::Sandbox;
use cloud_emulators::ec2;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKiYCsVa8XTmmJFzMkBbT2mGZyiRz8rVLBj0s1hgT3qI me@here\n";

fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once();
    sandbox
}

/// The lines on stderr.
fn notes(sandbox: &Sandbox, line: &str) -> Vec<String> {
    let run = sandbox.run(line).expect(0);
    run.stderr.lines().map(str::to_owned).collect()
}

#[test]
fn create_ends_with_login_removal_cost_and_end() {
    let sandbox = sandbox();
    let key = sandbox.write("key.pub", KEY);
    let lines = notes(&sandbox, &format!("create web-1 -p mock --ttl 2h --ssh-key {key}"));
    let [login, removal, cost] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert!(login.starts_with("connect: ssh "), "{login}");
    assert_eq!(removal, "remove: cloudctl terminate web-1 -p mock -r us-east-1");
    assert_eq!(cost, "cost: 0.02 USD an hour; expires in 2h (by its cloud)");
    // The command does what it says.
    let removal = removal.trim_start_matches("remove: cloudctl ");
    sandbox.run(&format!("{removal} -y")).expect(0);
}

#[test]
fn create_without_ttl_says_that_the_vm_runs_on() {
    let lines = notes(&sandbox(), "create web-1 -p mock -o name");
    let last = lines.last().map(String::as_str);
    assert_eq!(last, Some("cost: 0.02 USD an hour; runs until it is terminated"));
}

#[test]
fn create_of_several_prints_one_summary() {
    let sandbox = sandbox();
    let key = sandbox.write("key.pub", KEY);
    let lines = notes(
        &sandbox,
        &format!("create web -p mock --count 3 --ttl 2h --ssh-key {key}"),
    );
    let [login, removal, cost] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert!(
        login.ends_with("(for web-1; the others are reached the same way)"),
        "{login}"
    );
    assert_eq!(
        removal,
        "remove: cloudctl terminate web-1 web-2 web-3 -p mock -r us-east-1"
    );
    assert_eq!(
        cost,
        "cost: 0.06 USD an hour for 3 VMs; the first expires in 2h (by its cloud)"
    );
}

#[test]
fn create_with_quiet_prints_the_id_alone() {
    let run = sandbox().run("create web-1 -p mock --ttl 2h -q").expect(0);
    assert_eq!(run.stderr, "");
    assert!(
        run.stdout.starts_with("m-") && run.stdout.lines().count() == 1,
        "{}",
        run.stdout
    );
}

#[test]
fn create_says_why_a_price_is_not_known() {
    let emulator = ec2::Emulator::start();
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(&emulator.url());
    let run = sandbox.run("create a -p aws --type t3.small").expect(0);
    run.expect_in_stderr("cost: 0.0208 USD an hour; runs until");
    let run = sandbox.run("create b -p aws --type t3.small --spot").expect(0);
    run.expect_in_stderr("cost: not known, because spot prices on EC2 change from hour to hour");
    run.expect_in_stderr("cloudctl create --spot --cpus N --dry-run -p aws");
    let run = sandbox
        .run("create c -p aws --type t3.small --image windows-2022")
        .expect(0);
    run.expect_in_stderr("cost: not known, because the catalog price of t3.small lacks the licence fee");
}
