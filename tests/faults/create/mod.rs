//! A create, and what goes wrong with it.

pub mod account_setup;
pub mod capacity;
pub mod delayed_listing;
pub mod gce_operations;
pub mod idempotency_tokens;
pub mod lost_replies;
pub mod races;

use crate::Row;

pub fn rows() -> Vec<Row> {
    let all = [
        capacity::rows(),
        gce_operations::rows(),
        delayed_listing::rows(),
        races::rows(),
        lost_replies::rows(),
        account_setup::rows(),
        idempotency_tokens::rows(),
    ];
    all.into_iter().flatten().collect()
}
