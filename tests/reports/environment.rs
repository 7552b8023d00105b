//! Variables with values that nobody meant.

use crate::support::ec2;
use crate::support::sandbox::Sandbox;

#[test]
fn empty_variable_counts_as_unset() {
    let emulator = ec2::Emulator::start();
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(&emulator.url());
    for name in [
        "AWS_ENDPOINT_URL_EC2",
        "AWS_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_CA_BUNDLE",
        "HTTPS_PROXY",
    ] {
        sandbox.set(name, "");
    }
    sandbox.run(&["list", "-p", "aws", "-r", "us-east-1"]).expect(0);
}
