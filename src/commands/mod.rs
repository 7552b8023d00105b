//! One file for each command: its arguments, and the function that runs it.

pub mod catalog;
pub mod change_instances;
pub mod completion;
pub mod console;
pub mod context;
pub mod create;
pub mod describe;
pub mod doctor;
pub mod extend;
pub mod help;
pub mod image;
mod instance_args;
pub mod list;
pub mod machine_type;
mod machine_type_args;
mod machine_type_listing;
pub mod man;
pub mod price;
mod price_list;
pub mod region;
pub mod schema;
pub mod terminate;
mod vm_prices;
pub mod wait;
pub mod whoami;
