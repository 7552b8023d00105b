//! The actions on instances that exist.

use super::word_enum;

word_enum! {
    /// An action on instances that exist.
    pub enum InstanceAction {
        /// Starts stopped instances.
        Start = "start",
        /// Stops running instances and keeps their disks.
        Stop = "stop",
        /// Restarts running instances.
        Reboot = "reboot",
        /// Protects instances against termination.
        Protect = "protect",
        /// Removes that protection.
        Unprotect = "unprotect",
        /// Terminates instances.
        Terminate = "terminate",
    }
}
