//! One file for each command: its arguments, and the function that runs it.

pub mod catalog;
pub mod completion;
pub mod console;
pub mod context;
pub mod create;
pub mod describe;
pub mod doctor;
pub mod extend;
pub mod help;
pub mod image;
pub mod list;
mod machine_args;
pub mod machine_type;
mod machine_type_listing;
pub mod man;
pub mod power;
pub mod price;
pub mod region;
pub mod schema;
mod targets;
pub mod terminate;
pub mod wait;
pub mod whoami;
