//! Logs in to instances with the system's OpenSSH. The host keys come from the cloud, before the first connection.
//!
//! No text of a cloud reaches ssh as an argument, except addresses that were parsed and ids that were checked: everything
//! else is in a configuration file of its own.

mod arriving_file;
mod client_config;
mod config_entry;
mod connection;
mod copy;
mod copy_paths;
mod group;
mod key_files;
mod known_hosts;
mod known_logins;
mod local_setup;
mod remote_shell;
mod route;
mod scp_failure;
mod session;

pub use config_entry::{SshConfigEntry, find_config_entries};
pub use connection::{SshOptions, prepare_connection, wait_until_it_answers, wait_until_running};
pub use copy::{CopyAttempt, CopyEnd, CopyOptions, copy_files, try_copy_files};
pub use copy_paths::check_local_paths;
pub use group::{GroupMember, OutputLine, run_in_group};
pub use key_files::KeyFiles;
pub use known_hosts::KnownHosts;
pub use known_logins::KnownLogins;
pub use local_setup::LocalSshSetup;
pub(in crate::operations) use remote_shell::RemoteShell;
pub use route::SshWay;
pub use session::{Connection, OutputStream, SessionResult, run_session};
