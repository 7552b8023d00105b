//! A terminate, and what goes wrong with it.

pub mod changes_before_deletion;
pub mod refused_selection;

use crate::Row;

pub fn rows() -> Vec<Row> {
    let all = [changes_before_deletion::rows(), refused_selection::rows()];
    all.into_iter().flatten().collect()
}
