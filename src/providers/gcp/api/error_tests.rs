//! Tests of [`super`]: the tables of statuses, reasons and codes.

use google_cloud_gax::error::rpc::Status;
use http::HeaderMap;
use serde_json::json;

use super::*;

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
fn calls_are_mapped_by_status_and_reason() {
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
        let error = of_call(with_reason(status, reason), "cannot do it", "us-central1-a");
        assert_eq!(error.kind(), kind, "{status} {reason}");
        assert_eq!(error.code(), Some(reason));
        assert_eq!(error.message(), "cannot do it: no");
        assert_eq!(error.location(), Some("gcp/us-central1-a"));
    }
}

#[test]
fn the_cloud_says_when_to_come_again() {
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
fn a_disabled_api_names_what_to_enable() {
    let details = json!([
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "domain": "googleapis.com" },
    ]);
    let error = answer(
        403,
        json!({ "code": 403, "message": "x", "status": "PERMISSION_DENIED", "details": details }),
    );
    let error = of_call(error, "cannot list", "");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(
        error
            .remedy()
            .is_some_and(|remedy| remedy.contains("compute.googleapis.com"))
    );
}

#[test]
fn a_page_of_html_is_not_quoted() {
    let error = SdkError::http(502, HeaderMap::new(), bytes::Bytes::from("<html>secret</html>"));
    assert_eq!(fate(&error), Fate::Faulty);
    let error = of_call(error, "cannot list", "");
    assert_eq!(error.message(), "cannot list: the answer was HTTP status 502");
    assert!(std::error::Error::source(&error).is_none());
}

#[test]
fn messages_are_brought_into_form() {
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
        assert_eq!(sentence(message), expected);
    }
}

#[test]
fn what_is_not_of_compute_engine_is_the_networks_fault() {
    let page = |status| SdkError::http(status, HeaderMap::new(), bytes::Bytes::from("<html>Log in</html>"));
    for error in [SdkError::deser("x"), page(404), page(410), page(501)] {
        assert_eq!(of_call(error, "cannot list", "").kind(), ErrorKind::Network);
    }
    let error = of_call(with_reason(501, "notImplemented"), "cannot list", "");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn fates() {
    for (error, expected) in [
        (with_reason(429, "x"), Fate::Throttled),
        (with_reason(403, "rateLimitExceeded"), Fate::Throttled),
        (with_reason(403, "quotaExceeded"), Fate::Refused),
        (with_reason(500, "x"), Fate::Faulty),
        (SdkError::connect("x"), Fate::NotSent),
        (SdkError::io("x"), Fate::Unanswered),
        (SdkError::timeout("x"), Fate::Unanswered),
        (SdkError::deser("x"), Fate::Unanswered),
        (
            SdkError::authentication(CredentialsError::from_msg(true, "x")),
            Fate::NotSent,
        ),
        (
            SdkError::authentication(CredentialsError::from_msg(false, "x")),
            Fate::Refused,
        ),
    ] {
        assert_eq!(fate(&error), expected, "{error}");
    }
}
