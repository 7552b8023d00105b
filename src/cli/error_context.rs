//! Reads what clap says about a mistake.

use clap::error::{ContextKind, ContextValue};

/// The texts that clap gives for an error; empty if it gives none of this kind.
pub(super) fn strings_of(error: &clap::Error, kind: ContextKind) -> &[String] {
    match error.get(kind) {
        Some(ContextValue::String(one)) => std::slice::from_ref(one),
        Some(ContextValue::Strings(several)) => several,
        _ => &[],
    }
}
