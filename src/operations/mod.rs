//! What cloudctl does with every cloud alike: list, resolve names, create, change, terminate, wait.
//! Everything here calls [`Provider`](crate::cloud::Provider) and no driver.

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

pub use batch::apply;
pub use costs::{Cost, FILLED_IN_FIELDS, fill_in_prices, sum_costs};
pub use create::offers::{CreateRequest, Offer, format_usd};
pub use create::placement::{
    Fallback, PlacementRefusal, PlacementScope, ProviderLocation, SelectedOffer, deduplicate_providers,
};
pub use create::preview::{PreviewReport, preview_by_name};
pub use create::{CreateReport, CreatedInstance, create_by_name};
pub use expiry::{Expired, compute_extended_ttl, find_expired};
pub use filter::{Filter, SortOrder};
pub use inventory::{Inventory, RegionSelection, list_all, list_all_with_progress, stream_all};
pub use label_selector::{LabelSelector, Selectors};
pub use location_query::resolve_region_or_area;
pub use resolve::{ResolvedInstances, resolve};
pub use ssh::SSH_PORT;
pub use terminate::{
    SkipReason, SkippedInstance, TerminationPlan, check_account, delete_unused_firewall_rules, leave_out_protected,
    plan_termination, report_kept_disks, terminate,
};
pub use wait::{WaitGoal, WaitResult, run_first_listing, wait_for};
