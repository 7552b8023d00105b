//! What goes over the wire, and the log entry that is kept of it.

use std::collections::BTreeMap;

/// A request, read to its end.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST` and the like.
    pub method: String,
    /// The path, without the query string.
    pub path: String,
    /// The raw query string, without the question mark.
    pub query: String,
    /// Header names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, read to its end.
    pub body: Vec<u8>,
}

/// What an emulator answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a request asks for, in the words of the emulated API: `RunInstances` in `us-east-1`, or
/// `instances.insert` in `us-central1-a`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// `RunInstances`, `instances.insert` and the like; empty where the request names none.
    pub name: String,
    /// Region or zone; empty where the call has none.
    pub location: String,
}

/// One call that was made, in order of arrival.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it asked for.
    pub operation: Operation,
    /// The request as it came.
    pub request: Request,
    /// The status answered; `None` while in flight, or where the connection was cut.
    pub status: Option<u16>,
}
