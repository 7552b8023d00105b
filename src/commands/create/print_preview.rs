//! Prints what `create --dry-run` would create.

use serde_json::{Value, json};

use super::progress::{note_existing, note_selected};
use super::vm_request::VmRequest;
use crate::cloud::{Error, IngressRule, InstanceSpec, redact_value};
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
    let (mut present, mut details) = (Vec::new(), Vec::new());
    for request in requests {
        let preview = preview_by_name(&request.create, &request.placement(&catalog)).await;
        let spec = &request.create.spec;
        let first = preview.previews.first();
        let zone = first.and_then(|preview| preview.location.zone.as_deref());
        let name = (requests.len() > 1).then_some(&spec.name);
        note_selected(name, preview.selected.as_ref(), zone, context);
        if first.is_some() {
            details.extend(describe_request(spec));
        }
        let previews = preview.previews.iter();
        report
            .items
            .extend(previews.map(|preview| Record::from(preview).with_fields(request_fields(spec))));
        report.errors.extend(preview.errors);
        present.extend(preview.present);
    }
    note_existing(present.iter(), context);
    let status = match refused {
        Some(status) => status,
        None => ExitStatus::from_batch(report.items.len() + present.len(), &report.errors),
    };
    context.print_report(&report, &PREVIEWS)?;
    if context.printer.prints_pages() {
        details.iter().for_each(|text| context.printer.note(text));
    }
    context.printer.note("dry run: nothing was created");
    Ok(status)
}

/// What is requested beside the machine.
fn request_fields(spec: &InstanceSpec) -> Vec<(&'static str, Value)> {
    let rules = spec.ingress_rules.iter().map(IngressRule::to_string);
    vec![
        ("open", json!(rules.collect::<Vec<_>>())),
        ("user_data_bytes", json!(user_data_bytes(spec))),
        ("labels", json!(spec.labels)),
    ]
}

fn user_data_bytes(spec: &InstanceSpec) -> Option<usize> {
    spec.user_data.as_ref().map(|user_data| user_data.expose().len())
}

/// What is requested beside the machine, as a line below the table; `None` if there is nothing.
fn describe_request(spec: &InstanceSpec) -> Option<String> {
    let mut parts = Vec::new();
    if !spec.ingress_rules.is_empty() {
        let rules: Vec<_> = spec.ingress_rules.iter().map(IngressRule::to_string).collect();
        parts.push(format!("opens {}", rules.join(", ")));
    }
    if let Some(bytes) = user_data_bytes(spec) {
        parts.push(format!("user data of {bytes} bytes"));
    }
    if !spec.labels.is_empty() {
        let labels: Vec<_> = spec
            .labels
            .iter()
            .map(|(key, value)| format!("{}={}", redact_value(key), redact_value(value)))
            .collect();
        parts.push(format!("labels {}", labels.join(", ")));
    }
    if spec.protected {
        parts.push("protected".to_owned());
    }
    (!parts.is_empty()).then(|| format!("{}: {}", spec.name, parts.join("; ")))
}
