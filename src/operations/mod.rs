//! What is true of every cloud: asking all of them at once, creating once, selecting, ending, waiting.
//! Everything here speaks to [`Provider`](crate::cloud::Provider) and to nothing more concrete.

mod batch;
mod costs;
mod create;
mod expiry;
mod filter;
mod idle_timeout;
mod inventory;
mod label_selector;
mod location_query;
mod resolve;
mod ssh;
mod terminate;
mod wait;

pub use batch::{BatchAction, change_all};
pub use costs::{APPRAISED_FIELDS, appraise};
pub use costs::{Cost, costs};
pub use create::existing::{NameStatus, look_at_names};
pub use create::offers::{CreateRequest, Offer, usd};
pub use create::placement::{Fallback, PlacementScope, ProviderLocation, offers};
pub use create::{CreateReport, CreatedInstance, create_once};
pub use expiry::{Expired, extended_ttl, find_expired};
pub use filter::Filter;
pub use filter::SortOrder;
pub use inventory::{Inventory, RegionSelection, stream_inventory, take_inventory, watch_inventory};
pub use label_selector::{LabelSelector, Selectors};
pub use location_query::places_of;
pub use resolve::{ResolvedInstances, find_references};
pub use ssh::SSH_PORT;
pub use terminate::close_openings;
pub use terminate::{
    TerminationPlan, check_account, leave_out_protected, plan_termination, report_surviving_disks, terminate,
};
pub use wait::{WaitGoal, WaitResult, in_time, wait_for};
