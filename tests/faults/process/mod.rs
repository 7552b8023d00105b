//! What happens to the process itself: signals, kills, streams that close.

pub mod files;
pub mod kill_points;
pub mod kills;
pub mod signals;

use crate::Row;

pub fn rows() -> Vec<Row> {
    let all = [files::rows(), kill_points::rows(), kills::rows(), signals::rows()];
    all.into_iter().flatten().collect()
}
