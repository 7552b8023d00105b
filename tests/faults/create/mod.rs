//! A create, and what goes wrong with it.

pub mod capacity;
pub mod compute_engine;
pub mod lag;
pub mod races;
pub mod replies;
pub mod setup;
pub mod tokens;

use crate::Row;

pub fn rows() -> Vec<Row> {
    let all = [
        capacity::rows(),
        compute_engine::rows(),
        lag::rows(),
        races::rows(),
        replies::rows(),
        setup::rows(),
        tokens::rows(),
    ];
    all.into_iter().flatten().collect()
}
