//! Prints what `create --dry-run` would create.

use super::progress::{note_existing, note_selected};
use super::vm_request::VmRequest;
use crate::cloud::Error;
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::preview_by_name;
use crate::output::{PREVIEWS, Record, Report};

/// Prints what would be created, and creates nothing. The exit code is that of the refusal if there is one, and otherwise
/// the one that creating would have.
pub(super) async fn print_previews(
    requests: &[VmRequest],
    refusal: Option<Error>,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    let refused = refusal.as_ref().map(|refusal| ExitStatus::from_kind(refusal.kind()));
    let mut report = Report {
        errors: refusal.into_iter().collect(),
        ..Report::default()
    };
    let catalog = context.catalog();
    let mut present = Vec::new();
    for request in requests {
        let preview = preview_by_name(&request.create, &request.placement(&catalog)).await;
        note_selected(preview.selected.as_ref(), context);
        report.items.extend(preview.previews.iter().map(Record::from));
        report.errors.extend(preview.errors);
        present.extend(preview.present);
    }
    note_existing(present.iter(), context);
    let status = match refused {
        Some(status) => status,
        None => ExitStatus::from_batch(report.items.len() + present.len(), &report.errors),
    };
    context.print_report(&report, &PREVIEWS)?;
    context.printer.note("dry run: nothing was created");
    Ok(status)
}
