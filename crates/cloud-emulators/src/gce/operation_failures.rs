//! How operations end badly: the errors that come after a call was accepted.

use serde_json::{Value, json};

use super::errors::quota_message;

/// Why an operation that was accepted ended badly.
#[derive(Clone, Debug)]
pub struct Failure {
    pub status: u16,
    pub status_text: &'static str,
    /// `error.errors[0]` of the operation.
    pub error: Value,
}

impl Failure {
    /// No machine of that type is free. `elsewhere` are zones that the service suggests.
    pub fn exhausted(project: &str, zone: &str, machine_type: &str, elsewhere: &[String]) -> Self {
        let message = format!(
            "The zone 'projects/{project}/zones/{zone}' does not have enough resources available \
             to fulfill the request.  '(resource type:compute)'."
        );
        let help = json!({"help": {"links": [{
            "description": "Troubleshooting documentation",
            "url": "https://cloud.google.com/compute/docs/resource-error",
        }]}});
        let localized = json!({"localizedMessage": {
            "locale": "en-US",
            "message": format!("A {machine_type} VM instance is currently unavailable in the {zone} zone."),
        }});
        let info = json!({"errorInfo": {
            "domain": "compute.googleapis.com",
            "reason": "resource_availability",
            "metadatas": {
                "attachment": "",
                "vmType": machine_type,
                "zone": zone,
                "zonesAvailable": elsewhere.join(","),
            },
        }});
        Self {
            status: 503,
            status_text: "SERVICE UNAVAILABLE",
            error: json!({
                "code": "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
                "message": message,
                "errorDetails": [help, localized, info],
            }),
        }
    }

    pub fn quota(region: &str) -> Self {
        Self {
            status: 403,
            status_text: "FORBIDDEN",
            error: json!({
                "code": "QUOTA_EXCEEDED",
                "message": quota_message(region),
                "errorDetails": [{"quotaInfo": {
                    "metricName": "compute.googleapis.com/cpus",
                    "limitName": "CPUS-per-project-region",
                    "dimensions": {"region": region},
                    "limit": 24.0,
                }}],
            }),
        }
    }

    pub fn already_exists(resource: &str) -> Self {
        Self {
            status: 409,
            status_text: "CONFLICT",
            error: json!({
                "code": "RESOURCE_ALREADY_EXISTS",
                "message": format!("The resource '{resource}' already exists"),
            }),
        }
    }

    /// The VM is not in the state that the operation needs.
    pub fn not_ready(resource: &str) -> Self {
        Self {
            status: 400,
            status_text: "BAD REQUEST",
            error: json!({
                "code": "RESOURCE_NOT_READY",
                "message": format!("The resource '{resource}' is not ready"),
            }),
        }
    }

    /// The VM was deleted while the operation was at work on it.
    pub fn cancelled() -> Self {
        Self {
            status: 409,
            status_text: "CONFLICT",
            error: json!({
                "code": "OPERATION_CANCELED_BY_USER",
                "message": "Operation was canceled by user.",
            }),
        }
    }
}
