//! Errors as people read them.

use super::hints::hint_for;
use super::text::escape;
use crate::cloud::Error;

/// An error in parts: what failed, the cloud's own code and request id, what is left over, and the next step. Each is one
/// line without colours; the first has no prefix.
pub fn error_text(error: &Error) -> Vec<String> {
    let place = error
        .location()
        .filter(|place| !place.is_empty() && !error.message().contains(place));
    let mut lines = vec![match place {
        Some(place) => format!("{}: {}", escape(place), escape(error.message())),
        None => escape(error.message()),
    }];
    if let Some(code) = error.code() {
        let request = error.request_id().map(|id| format!(" (request {})", escape(id)));
        lines.push(format!("  {}{}", escape(code), request.unwrap_or_default()));
    }
    for leftover in error.leftovers() {
        let is_told = error
            .message()
            .contains(leftover.rsplit('/').next().unwrap_or_default());
        if !is_told {
            lines.push(format!("  it may exist: {}", escape(leftover)));
        }
    }
    lines.push(format!("hint: {}", escape(&hint_for(error))));
    lines
}
