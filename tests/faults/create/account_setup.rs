//! Errors that a person has to fix in the account, and their hints.

use crate::Row;
use crate::process_under_test::nothing;
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::ec2::OptIn;

pub fn rows() -> Vec<Row> {
    let mut rows = crate::rows![&[BackendKind::GceEmulator];
        22 => missing_network_and_disabled_api_have_a_hint,
    ];
    rows.extend(crate::rows![&[BackendKind::Ec2Emulator];
        22 => missing_vpc_and_disabled_region_have_a_hint,
        // Only EC2 encodes what was missing.
        23 => encoded_refusal_comes_with_a_decode_command,
    ]);
    rows
}

fn hint(stderr: &str) -> &str {
    stderr
        .lines()
        .find_map(|line| line.strip_prefix("hint: "))
        .unwrap_or_default()
}

fn missing_vpc_and_disabled_region_have_a_hint(backend: &Backend) {
    let emulator = backend.ec2();
    emulator.disable_default_vpc("us-east-1");
    let run = backend.run("create web-1").expect(6);
    assert!(hint(&run.stderr).contains("--subnet"), "{}", run.stderr);
    assert!(hint(&run.stderr).contains("create-default-vpc"), "{}", run.stderr);

    emulator.set_opt_in("me-south-1", OptIn::NotOptedIn);
    let run = backend.run("create web-1 -r me-south-1").expect(4);
    let told = hint(&run.stderr);
    assert!(told.contains("region") && told.contains("enable"), "{}", run.stderr);
    nothing(backend);
}

fn missing_network_and_disabled_api_have_a_hint(backend: &Backend) {
    let emulator = backend.gce();
    emulator.remove_default_network();
    let run = backend.run("create web-1").expect(6);
    assert!(hint(&run.stderr).contains("--network"), "{}", run.stderr);

    emulator.set_api_disabled(true);
    let run = backend.run("create web-1").expect(4);
    assert!(
        hint(&run.stderr).contains("gcloud services enable compute.googleapis.com"),
        "{}",
        run.stderr
    );
    nothing(backend);
}

fn encoded_refusal_comes_with_a_decode_command(backend: &Backend) {
    let emulator = backend.ec2();
    emulator.remove_account_permission("RunInstances");
    let run = backend.json("create web-1").expect(4);
    assert_eq!(run.error_kinds(), ["permission_denied"]);
    assert!(
        hint(&run.stderr).contains("decode-authorization-message"),
        "{}",
        run.stderr
    );
    // What is to be decoded is there to be copied.
    run.expect_in_stderr("Encoded authorization failure message: ");
    assert_eq!(backend.count("RunInstances"), 1, "no retry");
    nothing(backend);
}
