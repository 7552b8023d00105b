//! Google's error shape, and the refusals that Compute Engine is known to give.
//!
//! Clients tell errors apart by HTTP status and `errors[].reason`; the texts follow the ones that
//! people quote in public issues, so that a test may also look at what a user would read.

use serde_json::{Value, json};

use crate::recorded_call::Reply;

/// A call refused before anything happened.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub status: u16,
    pub reason: String,
    pub message: Box<str>,
    domain: &'static str,
    /// The header at fault.
    header: Option<&'static str>,
    /// The `google.rpc` name of the status; only the newer error paths of the service send it.
    rpc_status: Option<&'static str>,
    details: Vec<Value>,
}

impl ApiError {
    pub fn new(status: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.to_owned(),
            message: message.into().into_boxed_str(),
            domain: "global",
            header: None,
            rpc_status: None,
            details: Vec::new(),
        }
    }

    /// `field` holds something that it may not hold.
    pub fn invalid(field: &str, value: &str, why: &str) -> Self {
        Self {
            details: vec![error_info(
                "INVALID_FIELD_VALUE",
                "compute.googleapis.com",
                json!({"field": field, "value": value, "reason": why}),
            )],
            ..Self::new(
                400,
                "invalid",
                format!("Invalid value for field '{field}': '{value}'. {why}"),
            )
        }
    }

    /// The same for what stands one level deeper in the body.
    pub fn within(mut self, part: &str) -> Self {
        for detail in &mut self.details {
            if let Some(field) = detail.pointer_mut("/metadata/field")
                && let Some(rest) = field.as_str().and_then(|field| field.strip_prefix("resource."))
            {
                *field = format!("resource.{part}.{rest}").into();
            }
        }
        self
    }

    /// `resource` is a path such as `projects/p/zones/z/instances/n`.
    pub fn not_found(resource: &str) -> Self {
        let message = format!("The resource '{resource}' was not found");
        Self::new(404, "notFound", message)
    }

    pub fn already_exists(resource: &str) -> Self {
        let message = format!("The resource '{resource}' already exists");
        Self::new(409, "alreadyExists", message)
    }

    /// The resource is between two states.
    pub fn not_ready(resource: &str) -> Self {
        let message = format!("The resource '{resource}' is not ready");
        Self::new(400, "resourceNotReady", message)
    }

    pub fn disk_in_use(disk: &str, instance: &str) -> Self {
        let message = format!("The disk resource '{disk}' is already being used by '{instance}'");
        Self::new(400, "resourceInUseByAnotherResource", message)
    }

    pub fn usage(what: &str) -> Self {
        let message = format!("Invalid resource usage: '{what}'.");
        Self::new(400, "invalidResourceUsage", message)
    }

    /// A fingerprint is missing or stale.
    pub fn condition_not_met(message: &str) -> Self {
        Self {
            header: Some("If-Match"),
            ..Self::new(412, "conditionNotMet", message)
        }
    }

    pub fn forbidden(permission: &str, resource: &str) -> Self {
        let message = format!("Required '{permission}' permission for '{resource}'");
        Self::new(403, "forbidden", message)
    }

    /// No token, or (`expired`) one that is no longer good.
    pub fn unauthenticated(expired: bool) -> Self {
        let (reason, start, code) = if expired {
            (
                "authError",
                "Request had invalid authentication credentials.",
                "ACCESS_TOKEN_EXPIRED",
            )
        } else {
            (
                "required",
                "Request is missing required authentication credential.",
                "CREDENTIALS_MISSING",
            )
        };
        let metadata = json!({"service": "compute.googleapis.com"});
        Self {
            header: Some("Authorization"),
            rpc_status: Some("UNAUTHENTICATED"),
            details: vec![error_info(code, "googleapis.com", metadata)],
            ..Self::new(
                401,
                reason,
                format!(
                    "{start} Expected OAuth 2 access token, login cookie or other valid \
                     authentication credential. See \
                     https://developers.google.com/identity/sign-in/web/devconsole-project."
                ),
            )
        }
    }

    pub fn api_disabled(project_number: u64) -> Self {
        let link = format!(
            "https://console.developers.google.com/apis/api/compute.googleapis.com/overview?project={project_number}"
        );
        let metadata = json!({
            "consumer": format!("projects/{project_number}"),
            "service": "compute.googleapis.com",
        });
        Self {
            domain: "usageLimits",
            rpc_status: Some("PERMISSION_DENIED"),
            details: vec![
                json!({
                    "@type": "type.googleapis.com/google.rpc.Help",
                    "links": [{"description": "Google developers console API activation", "url": link}],
                }),
                error_info("SERVICE_DISABLED", "googleapis.com", metadata),
            ],
            ..Self::new(
                403,
                "accessNotConfigured",
                format!(
                    "Compute Engine API has not been used in project {project_number} before or it \
                     is disabled. Enable it by visiting {link} then retry. If you enabled this API \
                     recently, wait a few minutes for the action to propagate to our systems and retry."
                ),
            )
        }
    }

    /// More requests than the project may make.
    pub fn rate_limited() -> Self {
        Self {
            message: "Rate Limit Exceeded".into(),
            ..Self::injected(403, "rateLimitExceeded", "")
        }
    }

    pub fn quota_exceeded(region: &str) -> Self {
        Self {
            domain: "usageLimits",
            ..Self::new(403, "quotaExceeded", quota_message(region))
        }
    }

    /// The body is not JSON, or not the JSON that the method takes.
    pub fn payload(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            rpc_status: Some("INVALID_ARGUMENT"),
            details: vec![json!({
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{"description": message}],
            })],
            ..Self::new(400, "badRequest", message)
        }
    }

    pub fn unreachable(scope: &str) -> Self {
        let message = format!("The scope '{scope}' is unreachable. Try again later.");
        Self {
            rpc_status: Some("UNAVAILABLE"),
            ..Self::new(503, "backendError", message)
        }
    }

    /// The error that an injected fault asks for; `code` is the reason.
    pub fn injected(status: u16, code: &str, message: &str) -> Self {
        let mut error = Self::new(status, code, message);
        match code {
            "rateLimitExceeded" | "userRateLimitExceeded" => {
                error.domain = "usageLimits";
                error.details = vec![error_info(
                    "RATE_LIMIT_EXCEEDED",
                    "googleapis.com",
                    json!({"service": "compute.googleapis.com"}),
                )];
            }
            "accessNotConfigured" | "quotaExceeded" => error.domain = "usageLimits",
            "authError" | "required" => error.header = Some("Authorization"),
            _ => {}
        }
        error.rpc_status = match status {
            401 => Some("UNAUTHENTICATED"),
            429 => Some("RESOURCE_EXHAUSTED"),
            500 => Some("INTERNAL"),
            503 => Some("UNAVAILABLE"),
            504 => Some("DEADLINE_EXCEEDED"),
            _ => None,
        };
        error
    }

    pub fn body(&self) -> Value {
        let mut entry = json!({
            "message": self.message,
            "domain": self.domain,
            "reason": self.reason,
        });
        if let Some(header) = self.header {
            entry["location"] = header.into();
            entry["locationType"] = "header".into();
        }
        let mut error = json!({
            "code": self.status,
            "message": self.message,
            "errors": [entry],
        });
        if let Some(status) = self.rpc_status {
            error["status"] = status.into();
        }
        if !self.details.is_empty() {
            error["details"] = self.details.clone().into();
        }
        json!({ "error": error })
    }

    pub fn reply(&self) -> Reply {
        reply(self.status, &self.body())
    }
}

/// An answer in JSON.
pub fn reply(status: u16, body: &Value) -> Reply {
    let kind = "application/json; charset=UTF-8".to_owned();
    Reply {
        status,
        headers: vec![("content-type".to_owned(), kind)],
        body: serde_json::to_vec(body).unwrap_or_default(),
    }
}

fn error_info(reason: &str, domain: &str, metadata: Value) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    })
}

/// The text of a quota error, refused at once or later.
pub fn quota_message(region: &str) -> String {
    format!("Quota 'CPUS' exceeded.  Limit: 24.0 in region {region}.")
}
