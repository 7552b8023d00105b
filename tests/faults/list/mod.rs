//! Listings, and what goes wrong with them.

pub mod labels;
pub mod pages;
pub mod streaming;

use crate::Row;

pub fn rows() -> Vec<Row> {
    let all = [labels::rows(), pages::rows(), streaming::rows()];
    all.into_iter().flatten().collect()
}
