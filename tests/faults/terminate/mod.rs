//! A terminate, and what goes wrong with it.

pub mod deletion;
pub mod selection;

use crate::Row;

pub fn rows() -> Vec<Row> {
    let all = [deletion::rows(), selection::rows()];
    all.into_iter().flatten().collect()
}
