//! Refusals, with the codes and HTTP statuses of the real service.

use super::xml_writer::Xml;
use crate::recorded_call::Reply;

/// An error answer.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
}

pub type Answer<T> = Result<T, Refusal>;

impl Refusal {
    /// The HTTP status follows from the code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        let status = match code {
            "AuthFailure" => 401,
            "MissingAuthenticationToken"
            | "UnauthorizedOperation"
            | "AccessDenied"
            | "InvalidClientTokenId"
            | "ExpiredToken" => 403,
            "DryRunOperation" => 412,
            "InsufficientInstanceCapacity" | "InternalError" => 500,
            "RequestLimitExceeded" | "Unavailable" => 503,
            _ => 400,
        };
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
        }
    }

    pub fn value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    pub fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }

    pub fn missing(parameter: &str) -> Self {
        Self::new(
            "MissingParameter",
            format!("The request must contain the parameter {parameter}"),
        )
    }

    /// For what the real service does and this emulator does not: loud, so that no test passes on a
    /// parameter that was silently dropped.
    pub fn not_emulated(what: &str) -> Self {
        Self::new("UnsupportedOperation", format!("The emulator does not emulate {what}"))
    }
}

/// EC2's error document.
pub fn ec2_reply(refusal: &Refusal, request_id: &str) -> Reply {
    let mut xml = Xml::document();
    xml.inside("Response", |xml| {
        xml.inside("Errors", |xml| {
            xml.inside("Error", |xml| {
                xml.text("Code", &refusal.code);
                xml.text("Message", &refusal.message);
            });
        });
        xml.text("RequestID", request_id);
    });
    reply(refusal.status, xml)
}

/// The error document of STS, whose protocol is the older query protocol.
pub fn sts_reply(refusal: &Refusal, request_id: &str) -> Reply {
    let mut xml = Xml::document();
    xml.tagged(
        "ErrorResponse",
        "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"",
        |xml| {
            xml.inside("Error", |xml| {
                let blame = if refusal.status >= 500 { "Receiver" } else { "Sender" };
                xml.text("Type", blame);
                xml.text("Code", &refusal.code);
                xml.text("Message", &refusal.message);
            });
            xml.text("RequestId", request_id);
        },
    );
    reply(refusal.status, xml)
}

pub fn reply(status: u16, xml: Xml) -> Reply {
    Reply {
        status,
        headers: vec![("content-type".to_owned(), "text/xml;charset=UTF-8".to_owned())],
        body: xml.finish().into_bytes(),
    }
}
