//! What is true of every cloud: asking all of them at once, creating once, selecting, ending, waiting.
//! Everything here speaks to [`Provider`](crate::cloud::Provider) and to nothing more concrete.

mod adopt;
mod appraise;
mod area;
mod asking;
mod batch;
mod costs;
mod create;
mod everywhere;
mod expiry;
mod filter;
mod inventory;
mod look_up;
mod make;
mod market;
mod offer;
mod openings;
mod room;
mod select;
mod selector;
mod silence;
mod sort_order;
mod ssh;
mod standing;
mod subject;
mod terminate;
mod twins;
mod wait;
mod waiting;
mod widen;

pub use appraise::{APPRAISED_FIELDS, appraise};
pub use area::places_of;
pub use batch::{BatchAction, change_all};
pub use costs::{Cost, costs};
pub use create::{Creation, Creations, create_once};
pub use expiry::{Expired, extended_ttl, find_expired};
pub use filter::Filter;
pub use inventory::{Inventory, Scope, stream_inventory, take_inventory, watch_inventory};
pub use offer::{Offer, Wish, usd};
pub use openings::close_openings;
pub use select::{Selection, find_references};
pub use selector::{LabelSelector, Selectors};
pub use sort_order::SortOrder;
pub use ssh::SSH_PORT;
pub use standing::{Standing, look_at_names};
pub use terminate::{
    TerminationPlan, check_account, leave_out_protected, plan_termination, report_surviving_disks, terminate,
};
pub use wait::{Goal, Waited, in_time, wait_for};
pub use widen::{Fallback, Reach, Site, offers};
