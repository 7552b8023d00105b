//! What is true of every cloud: asking all of them at once, creating once, selecting, ending, waiting.
//! Everything here speaks to [`Provider`](crate::cloud::Provider) and to nothing more concrete.

mod batch;
mod create;
mod duration;
mod filter;
mod inventory;
mod select;
mod selector;
mod terminate;
mod wait;

pub use batch::{BatchAction, change_power};
pub use create::{Creation, create_once};
pub use duration::parse_duration;
pub use filter::{Filter, SortOrder};
pub use inventory::{Inventory, Scope, take_inventory};
pub use select::{Selection, find_references};
pub use selector::LabelSelector;
pub use terminate::{TerminationPlan, check_account, plan_termination, terminate};
pub use wait::{Goal, Waited, wait_for};
