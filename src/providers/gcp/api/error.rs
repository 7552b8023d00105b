//! Errors of the SDK and of operations as `cloud::Error`, by HTTP status and reason code and never by message text.
//!
//! The reason of an answer is in `error.errors[].reason` (`alreadyExists`) or in an ErrorInfo (`SERVICE_DISABLED`). A
//! failed operation has codes and details of its own.
//! <https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-vm-creation>

use std::time::Duration;

use google_cloud_auth::errors::CredentialsError;
use google_cloud_compute_v1::model::Operation;
use google_cloud_compute_v1::model::operation::error::Errors;
use google_cloud_gax::error::Error as SdkError;
use google_cloud_gax::error::rpc::StatusDetails;
use jiff::Timestamp;

use crate::cloud::{Error, ErrorKind, ErrorLocation, ProviderKind};
use crate::providers::common::http_date::parse_http_date;
use crate::providers::common::retry::AttemptResult;
use crate::providers::gcp::connection_errors::{find_cause, format_message, is_permanent};
use crate::providers::gcp::credentials::access_token::TokenError;

pub(crate) fn classify(error: &SdkError) -> AttemptResult {
    if let Some(cause) = credentials_error(error) {
        return match cause.is_transient() {
            true => AttemptResult::NotSent,
            false => AttemptResult::Refused,
        };
    }
    if error.is_connect() {
        // A certificate that is not trusted, for example: nothing was sent, and nothing would be.
        return match is_permanent(error) {
            true => AttemptResult::Refused,
            false => AttemptResult::NotSent,
        };
    }
    match error.http_status_code() {
        Some(429) => AttemptResult::Throttled,
        Some(403) if kind_of_reason(reason(error)) == Some(ErrorKind::Throttled) => AttemptResult::Throttled,
        Some(408 | 500 | 502..=599) => AttemptResult::ServerError,
        Some(status) if status >= 300 => AttemptResult::Refused,
        _ if error.is_binding() || error.is_serialization() => AttemptResult::Refused,
        _ => AttemptResult::Unanswered,
    }
}

/// Returns how long the cloud asks to wait before the next attempt.
pub(crate) fn retry_after(error: &SdkError) -> Option<Duration> {
    let text = error.http_headers()?.get("retry-after")?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // A date is by the cloud's clock, as the date of the answer is.
    let until = parse_http_date(text)?.duration_since(response_date(error)?);
    Duration::try_from(until).ok()
}

/// Returns the cloud's code for the failure.
fn reason(error: &SdkError) -> Option<&str> {
    error.status()?.details.iter().find_map(|detail| match detail {
        StatusDetails::ErrorInfo(info) if !info.reason.is_empty() => Some(info.reason.as_str()),
        _ => None,
    })
}

/// Returns the field of the request that the cloud rejects, such as `requestId`, if the answer names it.
pub(crate) fn field_at_fault(error: &SdkError) -> Option<&str> {
    find_detail(error, "field")
}

fn find_detail<'e>(error: &'e SdkError, key: &str) -> Option<&'e str> {
    error.status()?.details.iter().find_map(|detail| match detail {
        StatusDetails::ErrorInfo(info) => info.metadata.get(key).map(String::as_str),
        _ => None,
    })
}

/// Splits a comma-separated list of zones, which is how error details name zones with capacity.
fn split_zones(list: &str) -> Vec<String> {
    let zones = list.split(',').map(str::trim).filter(|zone| !zone.is_empty());
    zones.map(str::to_owned).collect()
}

/// Makes the error of a failed call. `attempted` says what was attempted, such as `cannot stop web-1`; `scope` is the
/// region or zone of the call, or empty.
pub(crate) fn call_error(error: SdkError, attempted: &str, scope: &str) -> Error {
    let reason = reason(&error).map(str::to_owned);
    let kind = kind_of_call(&error, reason.as_deref());
    let why = describe_failure(&error, kind);
    let cause_hint = match token_error(&error) {
        Some(no_token) => no_token.hint().map(str::to_owned),
        None if error.http_status_code() == Some(407) => {
            Some("put them into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT".to_owned())
        }
        None if error.http_status_code().is_none() => find_cause(&error).and_then(|cause| cause.hint),
        None => None,
    };
    let mut result = Error::new(kind, format!("{attempted}: {why}")).at(error_location(scope));
    if let Some(hint) = cause_hint {
        result = result.with_hint(hint);
    }
    if let Some(hint) = reason.as_deref().and_then(hint_for_reason) {
        result = result.with_hint(hint);
    }
    if let Some(reason) = reason {
        result = result.with_code(reason);
    }
    if let Some(zones) = find_detail(&error, "zonesAvailable") {
        result = result.with_zones_with_capacity(split_zones(zones));
    }
    // The source would hold the whole answer. Its message is in the error already.
    let answered = error.http_status_code().is_some_and(|status| status >= 300);
    if answered { result } else { result.with_source(error) }
}

/// Says why a call failed, in words.
fn describe_failure(error: &SdkError, kind: ErrorKind) -> String {
    if let Some(status) = error.status()
        && !status.message.is_empty()
    {
        return format_message(&status.message);
    }
    let token_error = token_error(error).map(ToString::to_string);
    if kind == ErrorKind::Unauthenticated {
        return token_error.unwrap_or_else(|| "the credentials were not accepted".to_owned());
    }
    let connection_error = || find_cause(error).map(|cause| cause.text);
    match error.http_status_code() {
        Some(407) => "the proxy requires a user name and password".to_owned(),
        Some(status) if status >= 300 => format!("the answer was HTTP status {status}"),
        _ if error.is_timeout() => connection_error().unwrap_or_else(|| "there was no answer in time".to_owned()),
        _ if error.is_deserialization() => {
            "the response did not come from Compute Engine; it may be from a proxy or a captive portal".to_owned()
        }
        _ => token_error
            .or_else(connection_error)
            .unwrap_or_else(|| "Compute Engine could not be reached".to_owned()),
    }
}

/// Adds a hint to the error of a call for a whole project: only the project itself can be what is not found.
pub(crate) fn with_project_hint(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error.with_hint(
            "check the project: GOOGLE_CLOUD_PROJECT, CLOUDSDK_CORE_PROJECT or `gcloud config set project PROJECT` \
             names it, and `gcloud projects list` shows yours",
        ),
        _ => error,
    }
}

/// Formats the location of an error: `gcp/us-central1-a`, or `gcp` without a scope.
pub(crate) fn error_location(scope: &str) -> ErrorLocation {
    ErrorLocation::new(ProviderKind::Gcp, scope)
}

fn credentials_error(error: &SdkError) -> Option<&CredentialsError> {
    if !error.is_authentication() {
        return None;
    }
    std::error::Error::source(error)?.downcast_ref()
}

/// Returns why there is no token. The SDK's own message would quote the server's answer.
fn token_error(error: &SdkError) -> Option<&TokenError> {
    std::error::Error::source(credentials_error(error)?)?.downcast_ref()
}

fn kind_of_call(error: &SdkError, reason: Option<&str>) -> ErrorKind {
    match classify(error) {
        AttemptResult::Throttled => return ErrorKind::Throttled,
        AttemptResult::NotSent
        | AttemptResult::ServerError
        | AttemptResult::Unanswered
        | AttemptResult::UnansweredForGood => return ErrorKind::Network,
        AttemptResult::Refused | AttemptResult::RetryNow => {}
    }
    if error.is_authentication() {
        return match token_error(error) {
            Some(no_token) if no_token.is_caused_by_setting() => ErrorKind::InvalidSpec,
            _ => ErrorKind::Unauthenticated,
        };
    }
    if error.is_connect() {
        return ErrorKind::InvalidSpec;
    }
    if error.is_binding() {
        // A name that fits into no path came from the user.
        return ErrorKind::InvalidSpec;
    }
    if error.status().is_none()
        && matches!(
            error.http_status_code(),
            Some(402 | 404..=406 | 410 | 414..=421 | 431 | 451 | 501 | 511)
        )
    {
        // An answer that does not have Compute Engine's form came from something in between.
        return ErrorKind::Network;
    }
    kind_of_reason(reason).unwrap_or_else(|| error.http_status_code().map_or(ErrorKind::Internal, kind_of_status))
}

/// <https://cloud.google.com/storage/docs/json_api/v1/status-codes> lists the reasons that all these APIs share.
fn kind_of_reason(reason: Option<&str>) -> Option<ErrorKind> {
    Some(match reason? {
        "rateLimitExceeded"
        | "userRateLimitExceeded"
        | "RATE_LIMIT_EXCEEDED"
        | "RESOURCE_OPERATION_RATE_EXCEEDED"
        | "operationRateExceeded"
        | "resourceOperationRateExceeded" => ErrorKind::Throttled,
        "quotaExceeded" | "QUOTA_EXCEEDED" | "dailyLimitExceeded" | "limitExceeded" => ErrorKind::Quota,
        "authError" | "ACCESS_TOKEN_EXPIRED" | "CREDENTIALS_MISSING" | "ACCESS_TOKEN_TYPE_UNSUPPORTED" => {
            ErrorKind::Unauthenticated
        }
        "accessNotConfigured"
        | "SERVICE_DISABLED"
        | "BILLING_DISABLED"
        | "forbidden"
        | "IAM_PERMISSION_DENIED"
        | "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
        | "insufficientPermissions"
        | "CONSUMER_INVALID" => ErrorKind::PermissionDenied,
        "notFound" => ErrorKind::NotFound,
        "alreadyExists" | "duplicate" | "ALREADY_EXISTS" | "RESOURCE_ALREADY_EXISTS" => ErrorKind::AlreadyExists,
        "invalidResourceUsage" | "resourceNotReady" | "resourceInUseByAnotherResource" | "conditionNotMet" => {
            ErrorKind::Refused
        }
        code if is_stock_out(code) => ErrorKind::Capacity,
        _ => return None,
    })
}

fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        // 407 comes from a proxy: its setting is wrong.
        400 | 407 | 413 | 422 => ErrorKind::InvalidSpec,
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::PermissionDenied,
        404 | 410 => ErrorKind::NotFound,
        409 | 412 => ErrorKind::Refused,
        429 => ErrorKind::Throttled,
        501 => ErrorKind::Unsupported,
        500.. => ErrorKind::Network,
        _ => ErrorKind::Internal,
    }
}

/// Says whether a code means that there is no capacity. Compares prefixes, because `…_WITH_DETAILS` and others extend
/// them.
fn is_stock_out(code: &str) -> bool {
    let prefixes = [
        "ZONE_RESOURCE_POOL_EXHAUSTED",
        "RESOURCE_POOL_EXHAUSTED",
        "IP_SPACE_EXHAUSTED",
        "STOCKOUT",
    ];
    prefixes.iter().any(|prefix| code.starts_with(prefix))
}

fn hint_for_reason(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "accessNotConfigured" | "SERVICE_DISABLED" => {
            "enable the Compute Engine API: `gcloud services enable compute.googleapis.com`"
        }
        "BILLING_DISABLED" => "link a billing account to the project, then run the same command again",
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT" | "insufficientPermissions" => {
            "log in with the scope https://www.googleapis.com/auth/cloud-platform"
        }
        _ => return None,
    })
}

/// Returns the error of an operation that failed; `None` if it did not fail.
pub(crate) fn operation_error(operation: &Operation, attempted: &str, scope: &str) -> Option<Error> {
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
    let mut result = Error::new(kind, format!("{attempted}: {}", format_message(message))).at(error_location(scope));
    if let Some(code) = code {
        result = result.with_code(code);
    }
    let errors = operation.error.iter().flat_map(|error| &error.errors);
    if let Some(zones) = errors.map(list_zones_with_capacity).find(|zones| !zones.is_empty()) {
        result = result.with_zones_with_capacity(zones);
    }
    if let Some(name) = &operation.name {
        // Support asks for the name of the operation; calls have no ids of their own.
        result = result.with_request_id(name);
    }
    Some(result)
}

/// Returns the zones with capacity that the details of a capacity error name.
fn list_zones_with_capacity(error: &Errors) -> Vec<String> {
    let infos = error
        .error_details
        .iter()
        .filter_map(|detail| detail.error_info.as_ref());
    let zones = infos.filter_map(|info| info.metadatas.get("zonesAvailable"));
    zones.flat_map(|zones| split_zones(zones)).collect()
}

/// Codes of operations. <https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability>
fn kind_of_operation_code(code: &str) -> ErrorKind {
    match code {
        "QUOTA_EXCEEDED" | "LIMIT_EXCEEDED" => ErrorKind::Quota,
        "RATE_LIMIT_EXCEEDED" | "RESOURCE_OPERATION_RATE_EXCEEDED" => ErrorKind::Throttled,
        "RESOURCE_ALREADY_EXISTS" => ErrorKind::AlreadyExists,
        "RESOURCE_NOT_FOUND" => ErrorKind::NotFound,
        "PERMISSIONS_ERROR" | "PERMISSION_DENIED" | "FORBIDDEN" => ErrorKind::PermissionDenied,
        // Canceled: the resource was deleted while it was created or changed.
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

/// Returns when an answer was given, by its `Date` header. <https://www.rfc-editor.org/rfc/rfc9110#field.date>
pub(crate) fn response_date(error: &SdkError) -> Option<Timestamp> {
    let text = error.http_headers()?.get("date")?.to_str().ok()?;
    parse_http_date(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use google_cloud_compute_v1::model::operation::error::errors::ErrorDetails;
    use google_cloud_compute_v1::model::{ErrorInfo, operation};
    use google_cloud_gax::error::rpc::Status;
    use http::HeaderMap;
    use serde_json::json;

    fn answer(status: u16, error: serde_json::Value) -> SdkError {
        let body = bytes::Bytes::from(json!({ "error": error }).to_string());
        match Status::try_from(&body) {
            Ok(parsed) => SdkError::service_with_http_metadata(parsed, Some(status), Some(HeaderMap::new())),
            Err(_) => SdkError::http(status, HeaderMap::new(), body),
        }
    }

    fn with_reason(status: u16, reason: &str) -> SdkError {
        let errors = json!([{ "message": "No.", "domain": "global", "reason": reason }]);
        answer(status, json!({ "code": status, "message": "No.", "errors": errors }))
    }

    #[test]
    fn call_errors_are_mapped_by_status_and_reason() {
        for (status, reason, kind) in [
            (400, "invalid", ErrorKind::InvalidSpec),
            (400, "invalidResourceUsage", ErrorKind::Refused),
            (400, "resourceNotReady", ErrorKind::Refused),
            (401, "authError", ErrorKind::Unauthenticated),
            (401, "required", ErrorKind::Unauthenticated),
            (403, "forbidden", ErrorKind::PermissionDenied),
            (403, "accessNotConfigured", ErrorKind::PermissionDenied),
            (403, "rateLimitExceeded", ErrorKind::Throttled),
            (403, "userRateLimitExceeded", ErrorKind::Throttled),
            (403, "RESOURCE_OPERATION_RATE_EXCEEDED", ErrorKind::Throttled),
            (403, "quotaExceeded", ErrorKind::Quota),
            (403, "QUOTA_EXCEEDED", ErrorKind::Quota),
            (404, "notFound", ErrorKind::NotFound),
            (409, "alreadyExists", ErrorKind::AlreadyExists),
            (412, "conditionNotMet", ErrorKind::Refused),
            (429, "rateLimitExceeded", ErrorKind::Throttled),
            (500, "backendError", ErrorKind::Network),
            (503, "backendError", ErrorKind::Network),
        ] {
            let error = call_error(with_reason(status, reason), "cannot do it", "us-central1-a");
            assert_eq!(error.kind(), kind, "{status} {reason}");
            assert_eq!(error.code(), Some(reason));
            assert_eq!(error.message(), "cannot do it: no");
            assert_eq!(error.location(), Some(&error_location("us-central1-a")));
        }
    }

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        let with = |wait: &'static str| {
            let value = |text: &'static str| http::HeaderValue::from_static(text);
            let headers = HeaderMap::from_iter([
                (http::header::DATE, value("Sun, 06 Nov 1994 08:49:37 GMT")),
                (http::header::RETRY_AFTER, value(wait)),
            ]);
            retry_after(&SdkError::http(429, headers, bytes::Bytes::new()))
        };
        assert_eq!(with("7"), Some(Duration::from_secs(7)));
        assert_eq!(with("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(with("Sun, 06 Nov 1994 08:49:27 GMT"), None);
        assert_eq!(with("soon"), None);
    }

    #[test]
    fn disabled_api_error_hints_how_to_enable_it() {
        let details = json!([
            { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "domain": "googleapis.com" },
        ]);
        let error = answer(
            403,
            json!({ "code": 403, "message": "x", "status": "PERMISSION_DENIED", "details": details }),
        );
        let error = call_error(error, "cannot list", "");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.hint().is_some_and(|hint| hint.contains("compute.googleapis.com")));
    }

    #[test]
    fn html_answer_is_not_quoted() {
        let error = SdkError::http(502, HeaderMap::new(), bytes::Bytes::from("<html>secret</html>"));
        assert_eq!(classify(&error), AttemptResult::ServerError);
        let error = call_error(error, "cannot list", "");
        assert_eq!(error.message(), "cannot list: the answer was HTTP status 502");
        assert!(std::error::Error::source(&error).is_none());
    }

    #[test]
    fn cloud_message_becomes_one_plain_line() {
        for (message, expected) in [
            (
                "The resource 'x' was not found.\nmore",
                "the resource 'x' was not found",
            ),
            ("Compute Engine API is off.", "Compute Engine API is off"),
            ("VM instance is gone", "VM instance is gone"),
            ("Quota 'CPUS' exceeded.", "quota 'CPUS' exceeded"),
            ("", ""),
        ] {
            assert_eq!(format_message(message), expected);
        }
    }

    #[test]
    fn foreign_answer_is_a_network_error() {
        let page = |status| SdkError::http(status, HeaderMap::new(), bytes::Bytes::from("<html>Log in</html>"));
        for error in [SdkError::deser("x"), page(404), page(410), page(501)] {
            assert_eq!(call_error(error, "cannot list", "").kind(), ErrorKind::Network);
        }
        let error = call_error(with_reason(501, "notImplemented"), "cannot list", "");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn failures_are_classified() {
        for (error, expected) in [
            (with_reason(429, "x"), AttemptResult::Throttled),
            (with_reason(403, "rateLimitExceeded"), AttemptResult::Throttled),
            (with_reason(403, "quotaExceeded"), AttemptResult::Refused),
            (with_reason(500, "x"), AttemptResult::ServerError),
            (SdkError::connect("x"), AttemptResult::NotSent),
            (SdkError::io("x"), AttemptResult::Unanswered),
            (SdkError::timeout("x"), AttemptResult::Unanswered),
            (SdkError::deser("x"), AttemptResult::Unanswered),
            (
                SdkError::authentication(CredentialsError::from_msg(true, "x")),
                AttemptResult::NotSent,
            ),
            (
                SdkError::authentication(CredentialsError::from_msg(false, "x")),
                AttemptResult::Refused,
            ),
        ] {
            assert_eq!(classify(&error), expected, "{error}");
        }
    }

    #[test]
    fn operation_errors_are_mapped_by_code() {
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
            let error = operation_error(&failed, "cannot create web-1", "z").unwrap();
            assert_eq!((error.kind(), error.code()), (kind, Some(code)));
            assert_eq!(error.request_id(), Some("operation-1"));
        }
        assert!(operation_error(&Operation::new().set_name("operation-1"), "x", "z").is_none());
    }

    #[test]
    fn capacity_error_names_zones_with_capacity() {
        let info = ErrorInfo::new().set_metadatas([("zonesAvailable", "us-central1-b, us-central1-f")]);
        let details = [ErrorDetails::new(), ErrorDetails::new().set_error_info(info)];
        let error = operation::error::Errors::new()
            .set_code("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS")
            .set_error_details(details);
        let failed = Operation::new().set_error(operation::Error::new().set_errors([error]));
        let error = operation_error(&failed, "cannot create web-1", "us-central1-a").unwrap();
        assert_eq!(error.zones_with_capacity(), ["us-central1-b", "us-central1-f"]);
    }
}
