//! Requests of unit tests, straight to the service.

use std::collections::BTreeMap;

use super::test_controls::Emulator;
use crate::http::Service;
use crate::recorded_call::Request;

/// Sends a request of these parameters, whose values need no encoding. Gives the document, be it an answer or a refusal.
pub fn ask(emulator: &Emulator, region: &str, action: &str, parameters: &[(&str, &str)]) -> Result<String, String> {
    let mut body = format!("Action={action}&Version=2016-11-15");
    for (name, value) in parameters {
        body.push_str(&format!("&{name}={value}"));
    }
    let date = jiff::Timestamp::now();
    let scope = format!(
        "AKIAIOSFODNN7EXAMPLE/{}/{region}/ec2/aws4_request",
        date.strftime("%Y%m%d")
    );
    let headers = BTreeMap::from([
        (
            "authorization".to_owned(),
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none"),
        ),
        ("x-amz-date".to_owned(), date.strftime("%Y%m%dT%H%M%SZ").to_string()),
    ]);
    let reply = emulator.service.answer(&Request {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers,
        body: body.into_bytes(),
    });
    let document = String::from_utf8(reply.body).expect("UTF-8");
    if reply.status == 200 {
        Ok(document)
    } else {
        Err(document)
    }
}

/// The id of some image of an x86 machine in us-east-1.
pub fn x86_image(emulator: &Emulator) -> String {
    emulator.with(|state| {
        let mut images = state.region("us-east-1").images.iter();
        let image = images.find(|image| image.architecture == "x86_64");
        image.expect("an image").id.clone()
    })
}
