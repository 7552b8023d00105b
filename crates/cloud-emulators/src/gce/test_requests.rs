//! Requests of unit tests, straight to the service.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Emulator, PROJECT};
use crate::http::Service;
use crate::recorded_call::Request;

/// Sends a request to a path below the project. Gives the status and the body.
pub fn ask(emulator: &Emulator, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    let reply = emulator.server.service.answer(&Request {
        method: method.to_owned(),
        path: format!("/compute/v1/projects/{PROJECT}/{path}"),
        query: query.to_owned(),
        headers: BTreeMap::from([("authorization".to_owned(), "Bearer a-token".to_owned())]),
        body,
    });
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or_default())
}

/// Makes a VM in us-east1-b, with these fields over those of a plain one, and waits until it runs.
pub fn insert(emulator: &Emulator, name: &str, fields: &Value) {
    let mut body = json!({
        "name": name,
        "machineType": "zones/us-east1-b/machineTypes/e2-micro",
        "disks": [{
            "boot": true,
            "autoDelete": true,
            "initializeParams": {"sourceImage": "projects/debian-cloud/global/images/family/debian-12"},
        }],
        "networkInterfaces": [{}],
    });
    for (field, value) in fields.as_object().into_iter().flatten() {
        body[field] = value.clone();
    }
    let (status, answer) = ask(emulator, "POST", "zones/us-east1-b/instances", &body);
    assert_eq!(status, 200, "{answer}");
    emulator.advance(Duration::from_secs(1));
}

/// Metadata of one item, as a field of an insert.
pub fn metadata(key: &str, value: &str) -> Value {
    json!({"metadata": {"items": [{"key": key, "value": value}]}})
}
