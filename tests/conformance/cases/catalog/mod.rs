//! What the clouds offer: machine types, images, prices.

pub mod driver;
mod machine_types;
mod machine_types_gce;

use crate::Case;

pub fn cases() -> Vec<Case> {
    let all = [machine_types::cases(), machine_types_gce::cases()];
    all.into_iter().flatten().collect()
}
