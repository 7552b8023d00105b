//! cloudctl.
pub mod catalog;
pub mod cloud;
pub mod providers;
pub mod settings;
