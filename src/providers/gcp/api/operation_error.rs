//! Errors of operations that the cloud took on, by their codes and details and never by message text. Only Compute
//! Engine: EC2's calls are their own answer.

use google_cloud_compute_v1::model::Operation;
use google_cloud_compute_v1::model::operation::error::Errors;

use super::error::{is_stock_out, kind_of_status, location, sentence, zones_in};
use crate::cloud::{Error, ErrorKind};

/// The error of an operation that the cloud took on and that then failed; `None` if it did not fail.
pub(crate) fn of_operation(operation: &Operation, attempted: &str, place: &str) -> Option<Error> {
    let first = operation.error.as_ref().and_then(|error| error.errors.first());
    if first.is_none() && operation.error.is_none() && operation.http_error_status_code.is_none_or(|code| code < 400) {
        return None;
    }
    let code = first.and_then(|error| error.code.clone());
    let message = first.and_then(|error| error.message.as_deref());
    let message = message
        .or(operation.http_error_message.as_deref())
        .unwrap_or("the operation failed");
    let kind = match (&code, operation.http_error_status_code) {
        (Some(code), _) => kind_of_operation_code(code),
        (None, Some(status)) => u16::try_from(status).map_or(ErrorKind::Internal, kind_of_status),
        (None, None) => ErrorKind::Internal,
    };
    let mut made = Error::new(kind, format!("{attempted}: {}", sentence(message))).at(location(place));
    if let Some(code) = code {
        made = made.with_code(code);
    }
    let zones = operation.error.iter().flat_map(|error| &error.errors).map(room_of);
    if let Some(zones) = zones.into_iter().find(|zones| !zones.is_empty()) {
        made = made.with_room_in(zones);
    }
    if let Some(name) = &operation.name {
        // Operations are what the cloud's support asks for; calls have no ids of their own.
        made = made.with_request_id(name);
    }
    Some(made)
}

/// The zones that have room by the details of a lack of it: a list with commas.
/// <https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability>
fn room_of(error: &Errors) -> Vec<String> {
    let infos = error
        .error_details
        .iter()
        .filter_map(|detail| detail.error_info.as_ref());
    let zones = infos.filter_map(|info| info.metadatas.get("zonesAvailable"));
    zones.flat_map(|zones| zones_in(zones)).collect()
}

/// Codes of operations. <https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability>
fn kind_of_operation_code(code: &str) -> ErrorKind {
    match code {
        "QUOTA_EXCEEDED" | "LIMIT_EXCEEDED" => ErrorKind::Quota,
        "RATE_LIMIT_EXCEEDED" | "RESOURCE_OPERATION_RATE_EXCEEDED" => ErrorKind::Throttled,
        "RESOURCE_ALREADY_EXISTS" => ErrorKind::AlreadyExists,
        "RESOURCE_NOT_FOUND" => ErrorKind::NotFound,
        "PERMISSIONS_ERROR" | "PERMISSION_DENIED" | "FORBIDDEN" => ErrorKind::PermissionDenied,
        // Canceled: what was being made is deleted, or what was being changed.
        "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"
        | "RESOURCE_NOT_READY"
        | "CONDITION_NOT_MET"
        | "INVALID_USAGE"
        | "OPERATION_CANCELED_BY_USER" => ErrorKind::Refused,
        "UNSUPPORTED_OPERATION" | "INVALID_FIELD_VALUE" | "INVALID_PARAMETER_COMBINATION" | "INVALID_ARGUMENT" => {
            ErrorKind::InvalidSpec
        }
        "INTERNAL_ERROR" | "BACKEND_ERROR" | "UNAVAILABLE" | "TIMEOUT" => ErrorKind::Network,
        code if is_stock_out(code) => ErrorKind::Capacity,
        _ => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use google_cloud_compute_v1::model::operation::error::errors::ErrorDetails;
    use google_cloud_compute_v1::model::{ErrorInfo, operation};

    use super::*;

    #[test]
    fn operations_are_mapped_by_code() {
        for (code, kind) in [
            ("ZONE_RESOURCE_POOL_EXHAUSTED", ErrorKind::Capacity),
            ("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", ErrorKind::Capacity),
            ("QUOTA_EXCEEDED", ErrorKind::Quota),
            ("RATE_LIMIT_EXCEEDED", ErrorKind::Throttled),
            ("RESOURCE_OPERATION_RATE_EXCEEDED", ErrorKind::Throttled),
            ("RESOURCE_ALREADY_EXISTS", ErrorKind::AlreadyExists),
            ("INTERNAL_ERROR", ErrorKind::Network),
            ("SOMETHING_NEW", ErrorKind::Internal),
        ] {
            let errors = operation::Error::new().set_errors([operation::error::Errors::new().set_code(code)]);
            let failed = Operation::new().set_name("operation-1").set_error(errors);
            let error = of_operation(&failed, "cannot create web-1", "z").unwrap();
            assert_eq!((error.kind(), error.code()), (kind, Some(code)));
            assert_eq!(error.request_id(), Some("operation-1"));
        }
        assert!(of_operation(&Operation::new().set_name("operation-1"), "x", "z").is_none());
    }

    #[test]
    fn a_stock_out_names_the_zones_that_have_room() {
        let info = ErrorInfo::new().set_metadatas([("zonesAvailable", "us-central1-b, us-central1-f")]);
        let details = [ErrorDetails::new(), ErrorDetails::new().set_error_info(info)];
        let error = operation::error::Errors::new()
            .set_code("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS")
            .set_error_details(details);
        let failed = Operation::new().set_error(operation::Error::new().set_errors([error]));
        let error = of_operation(&failed, "cannot create web-1", "us-central1-a").unwrap();
        assert_eq!(error.room_in(), ["us-central1-b", "us-central1-f"]);
    }
}
