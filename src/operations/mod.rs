//! What cloudctl does with every cloud alike: list, resolve names, create, change, terminate, wait.
//! Everything here calls [`Provider`](crate::cloud::Provider) and no driver.

mod apply_action;
mod create;
mod expired_instances;
mod instance_costs;
mod instance_filter;
mod label_selector;
mod list_instances;
mod list_one_location;
mod list_selected;
mod listing_timeout;
mod remote_run;
mod resolve_instances;
mod selection;
mod set_labels;
mod ssh;
mod ssh_probe;
mod terminate;
mod wait;
mod watch_instances;

pub use apply_action::{apply, group_by_provider};
pub use create::closest_machine_type::suggest_closest_type;
pub use create::fallback::Fallback;
pub use create::offers::{CreateRequest, Offer, format_usd};
pub use create::placement_search::{
    PlacementRefusal, PlacementRules, ProviderLocation, SelectedOffer, deduplicate_providers,
};
pub use create::preview::{PreviewReport, preview_by_name};
pub use create::{CreateReport, CreatedInstance, create_all_by_name};
pub use expired_instances::{Expired, compute_extended_ttl, find_expired};
pub use instance_costs::{Cost, FILLED_IN_FIELDS, fill_in_all_prices, fill_in_prices, sum_costs};
pub use instance_filter::{Filter, SortOrder};
pub use label_selector::LabelSelector;
pub use list_instances::{Inventory, RegionSelection, list_all, list_all_with_progress, stream_all};
pub use list_one_location::{resolve_region_and_zone, resolve_region_or_area};
pub use list_selected::{SelectedListing, SelectionQuery};
pub use remote_run::{
    FileToCopy, FileToFetch, RemoteRun, RunInput, RunObserver, RunOutcome, RunParts, RunRecords, RunResult,
    compute_run_id, fetch_files, run_remotely,
};
pub use resolve_instances::{ResolvedInstances, ambiguous_error, resolve};
pub use selection::{MatchOutcome, Selection, SelectionMatcher};
pub use set_labels::{check_label_changes, set_labels};
pub use ssh::{
    Connection, CopyAttempt, CopyEnd, CopyOptions, GroupMember, KeyFiles, KnownHosts, KnownLogins, LocalSshSetup,
    OutputLine, OutputStream, SessionResult, SshConfigEntry, SshOptions, SshWay, check_local_paths, copy_files,
    find_config_entries, prepare_connection, run_in_group, run_session, try_copy_files, wait_until_it_answers,
    wait_until_running,
};
pub use ssh_probe::SSH_PORT;
pub use terminate::{
    SkipReason, SkippedInstance, TerminationPlan, check_account, check_expected_count, delete_unused_firewall_rules,
    leave_out_protected, plan_termination, report_kept_disks, terminate,
};
pub use wait::{WaitGoal, WaitObserver, WaitResult, run_first_listing, wait_for};
pub use watch_instances::{RowStatus, WatchUpdate, WatchedInstances, pause};
