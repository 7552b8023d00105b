//! What happens to the process itself: signals, kills, streams that close.

pub mod kill_at_each_call;
pub mod local_files;
pub mod random_kills;
pub mod signals;

use crate::Row;

pub fn rows() -> Vec<Row> {
    let all = [
        local_files::rows(),
        random_kills::rows(),
        kill_at_each_call::rows(),
        signals::rows(),
    ];
    all.into_iter().flatten().collect()
}
