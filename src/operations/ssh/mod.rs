//! Logs in to instances with the system's OpenSSH. The host keys come from the cloud, before the first connection.
//!
//! No text of a cloud reaches ssh as an argument, except addresses that were parsed and ids that were checked: everything
//! else is in a configuration file of its own.

mod client_config;
mod config_entry;
mod connection;
mod group;
mod known_hosts;
mod known_logins;
mod local_setup;
mod route;
mod session;

pub use config_entry::{SshConfigEntry, find_config_entries};
pub use connection::{SshOptions, prepare_connection, wait_until_it_answers, wait_until_running};
pub use group::{GroupMember, OutputLine, run_in_group};
pub use known_hosts::KnownHosts;
pub use known_logins::KnownLogins;
pub use local_setup::LocalSshSetup;
pub use route::SshWay;
pub use session::{Connection, OutputStream, SessionResult, run_session};
