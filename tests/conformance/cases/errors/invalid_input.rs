//! Input that only the cloud or its driver can check: one error, exit code 2, nothing created.

use crate::Case;
use crate::cases::cases;
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::ALL;
        create_refuses_unknown_type_by_name,
        create_refuses_unknown_image_by_name,
        create_refuses_unknown_location_by_name,
        create_refuses_zone_outside_region,
        create_refuses_unknown_native_option_by_name,
        create_refuses_user_data_that_is_too_long,
        describe_of_absent_ref_is_not_found,
    ]);
    all.extend(cases![BackendKind::STEERED;
        create_refuses_unknown_network_by_name,
        create_refuses_arm_image_on_x86_type,
        create_refuses_disk_smaller_than_image,
    ]);
    all
}

fn refused(backend: &Backend, arguments: &[&str], names: &[&str]) {
    let run = backend.run(arguments).expect(2);
    for name in names {
        run.expect_in_stderr(name);
    }
    assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    assert_eq!(backend.instances(), []);
}

fn create_refuses_unknown_type_by_name(backend: &Backend) {
    refused(backend, &["create", "web-1", "--type", "z9.gigantic"], &["z9.gigantic"]);
    refused(
        backend,
        &["create", "web-1", "--type", "z9.gigantic", "--dry-run"],
        &["z9.gigantic"],
    );
}

fn create_refuses_unknown_image_by_name(backend: &Backend) {
    refused(
        backend,
        &["create", "web-1", "--image", "ubuntu-99.04"],
        &["ubuntu-99.04", "hint: "],
    );
}

fn create_refuses_unknown_location_by_name(backend: &Backend) {
    refused(
        backend,
        &["create", "web-1", "-r", "moon-east-1"],
        &["moon-east-1", "hint: "],
    );
    refused(
        backend,
        &["create", "web-1", "-z", "moon-east-1z"],
        &["moon-east-1z", "hint: "],
    );
    refused(backend, &["list", "-r", "moon-east-1"], &["moon-east-1"]);
}

fn create_refuses_zone_outside_region(backend: &Backend) {
    let (region, zone) = (backend.other_region(), backend.home_zone());
    refused(backend, &["create", "web-1", "-r", region, "-z", zone], &[region, zone]);
}

fn create_refuses_unknown_native_option_by_name(backend: &Backend) {
    refused(
        backend,
        &["create", "web-1", "--native", "warp_speed=9"],
        &["warp_speed"],
    );
}

fn create_refuses_user_data_that_is_too_long(backend: &Backend) {
    let data = backend.sandbox.write("long", &"x".repeat(300 * 1024));
    refused(backend, &["create", "web-1", "--user-data", &data], &["user data"]);
}

fn describe_of_absent_ref_is_not_found(backend: &Backend) {
    backend.run(&["describe", backend.site().absent_ref]).expect(3);
    backend.run("describe no-such-vm").expect(3);
}

fn create_refuses_unknown_network_by_name(backend: &Backend) {
    let network = backend.site().absent_network;
    refused(backend, &["create", "web-1", "--network", network], &[network]);
}

fn create_refuses_arm_image_on_x86_type(backend: &Backend) {
    let image = backend.arm_image();
    refused(
        backend,
        &["create", "web-1", "--type", backend.other_type(), "--image", &image],
        &["arm64"],
    );
}

fn create_refuses_disk_smaller_than_image(backend: &Backend) {
    refused(backend, &["create", "web-1", "--disk", "1"], &["1 GiB"]);
}
