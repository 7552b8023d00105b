//! Who calls, and from when: what the signature's headers say. Signatures themselves are not verified.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::errors::{Answer, Refusal};
use super::region_state::OptIn;
use super::state::State;
use crate::recorded_call::Request;

/// How far the clocks may be apart.
const TOLERANCE_SECONDS: i64 = 300;

/// The credential scope of a request.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub region: String,
    pub service: String,
}

impl Caller {
    /// `AWS4-HMAC-SHA256 Credential=AKID/20261123/eu-west-1/ec2/aws4_request, SignedHeaders=…, Signature=…`
    pub fn of(request: &Request) -> Option<Self> {
        let header = request
            .headers
            .get("authorization")?
            .strip_prefix("AWS4-HMAC-SHA256 ")?;
        let part = |name: &str| header.split(',').find_map(|part| part.trim().strip_prefix(name));
        part("SignedHeaders=")?;
        part("Signature=")?;
        let scope: Vec<&str> = part("Credential=")?.split('/').collect();
        let [key, date, region, service, "aws4_request"] = scope.as_slice() else {
            return None;
        };
        let dated = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        (!key.is_empty() && dated).then(|| Self {
            region: (*region).to_owned(),
            service: (*service).to_owned(),
        })
    }
}

/// Lets a request in, or not.
pub fn check(state: &State, request: &Request) -> Answer<Caller> {
    if !request.headers.contains_key("authorization") {
        return Err(Refusal::new(
            "MissingAuthenticationToken",
            "Request is missing Authentication Token",
        ));
    }
    let failure = |message: &str| Refusal::new("AuthFailure", message);
    let caller =
        Caller::of(request).ok_or_else(|| failure("AWS was not able to validate the provided access credentials"))?;
    let sts = caller.service == "sts";
    if !sts && caller.service != "ec2" {
        return Err(failure("Credential should be scoped to correct service: 'ec2'."));
    }
    let Some(region) = state.regions.get(caller.region.as_str()) else {
        return Err(failure("Credential should be scoped to a valid region."));
    };
    let date = request
        .headers
        .get("x-amz-date")
        .map(String::as_str)
        .unwrap_or_default();
    let sent = moment(date).ok_or_else(|| failure("The request has no valid X-Amz-Date header"))?;
    if state.date().duration_since(sent).as_secs().abs() > TOLERANCE_SECONDS {
        return Err(Refusal::new("RequestExpired", "Request has expired."));
    }
    if state.controls.credentials_expired {
        return Err(if sts {
            Refusal::new("ExpiredToken", "The security token included in the request is expired")
        } else {
            Refusal::new("RequestExpired", "Request has expired.")
        });
    }
    if region.opt_in == OptIn::NotOptedIn {
        // A region that is off does not know the account.
        return Err(if sts {
            Refusal::new(
                "InvalidClientTokenId",
                "The security token included in the request is invalid",
            )
        } else {
            failure("AWS was not able to validate the provided access credentials")
        });
    }
    Ok(caller)
}

fn moment(date: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
