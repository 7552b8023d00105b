//! What goes wrong: kinds of error, invalid input, malformed answers.

mod gce;
mod invalid_input;
mod kinds;
mod malformed_ec2;
mod malformed_gce;

use crate::Case;

pub fn cases() -> Vec<Case> {
    let all = [
        gce::cases(),
        invalid_input::cases(),
        kinds::cases(),
        malformed_ec2::cases(),
        malformed_gce::cases(),
    ];
    all.into_iter().flatten().collect()
}
