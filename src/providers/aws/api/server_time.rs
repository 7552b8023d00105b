//! The cloud's clock, from the `Date` header of its responses. Requests are dated by it where this machine's clock is
//! wrong.
//!
//! The SDK corrects dates too, but only after each of its clients was refused once, and it does not know
//! `RequestExpired`, the code that EC2 uses for this.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_ec2::Client;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::providers::common::http_date::parse_http_date;

/// The largest difference that is no error. A request must reach AWS within five minutes of its date.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(4);

/// The clock of AWS. Its clones share their state.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerTime(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    latest: Option<ServerDate>,
    has_warned: bool,
}

#[derive(Clone, Copy, Debug)]
struct ServerDate {
    date: Timestamp,
    received_at: Instant,
}

impl ServerDate {
    fn now(&self) -> Option<Timestamp> {
        let elapsed = SignedDuration::try_from(self.received_at.elapsed()).ok()?;
        self.date.checked_add(elapsed).ok()
    }
}

/// The difference between the date of a response and the other clocks. It is stored in the response.
#[derive(Clone, Copy, Debug)]
struct ClockDifferences {
    /// The server's clock minus this machine's clock.
    ahead_of_ours: SignedDuration,
    /// The server's clock minus the date of the request.
    ahead_of_request: SignedDuration,
}

impl ServerTime {
    /// The cloud's time, at most a second and the response's travel time late; `None` before the first response with
    /// a date.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner).latest;
        latest?.now()
    }

    /// Sets the clock by the date of a response to a request with the date `request_date`, whatever else the response
    /// says, and stores in the response how the clocks differ.
    pub(crate) fn update_and_annotate(&self, response: &mut HttpResponse, request_date: Timestamp) {
        // A response from a cache has an old date.
        let date = match response.headers().get("age") {
            Some(_) => None,
            None => response.headers().get("date").and_then(parse_http_date),
        };
        let Some(date) = date else { return };
        let differences = ClockDifferences {
            ahead_of_ours: date.duration_since(Timestamp::now()),
            ahead_of_request: date.duration_since(request_date),
        };
        response.add_extension(differences);
        let received_at = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.latest = Some(ServerDate { date, received_at });
        if differences.ahead_of_ours.abs() > MAX_SKEW && !state.has_warned {
            state.has_warned = true;
            tracing::warn!("this machine's clock is {}", describe_skew(differences.ahead_of_ours));
        }
    }
}

/// Requests are dated by this clock, and the expiry of credentials is compared with it: the cloud's clock once it is
/// known, this machine's clock before.
impl TimeSource for ServerTime {
    fn now(&self) -> SystemTime {
        ServerTime::now(self).map_or_else(SystemTime::now, SystemTime::from)
    }
}

/// The clock that requests are dated by: this machine's clock if the settings turn the correction off.
pub(crate) fn choose_time_source(config: &SdkConfig, clock: &ServerTime) -> SharedTimeSource {
    match config.disable_clock_skew_correction() {
        Some(true) => SharedTimeSource::default(),
        _ => SharedTimeSource::new(clock.clone()),
    }
}

/// The time that requests of this client are dated by.
pub(crate) fn server_time(client: &Client) -> Timestamp {
    let time = client.config().time_source().map(|source| source.now());
    time.and_then(|time| Timestamp::try_from(time).ok())
        .unwrap_or_else(Timestamp::now)
}

/// The date of a signed request. Only AWS gets signed requests; other servers that the client calls, such as for
/// credentials, need not have AWS's time.
pub(crate) fn read_request_date(request: &HttpRequest) -> Option<Timestamp> {
    let headers = request.headers();
    headers.get("authorization").filter(|text| text.starts_with("AWS4-"))?;
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", headers.get("x-amz-date")?).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Whether a request was refused because of its wrong date, before anything was done. The next attempt has the right
/// date.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
pub(crate) fn was_refused_for_date(response: &HttpResponse, code: Option<&str>) -> bool {
    let can_concern_date = matches!(
        code,
        Some("AuthFailure" | "RequestExpired" | "RequestTimeTooSkewed" | "SignatureDoesNotMatch")
    );
    let differences = response.extension::<ClockDifferences>();
    can_concern_date && differences.is_some_and(|differences| differences.ahead_of_request.abs() > MAX_SKEW)
}

/// The hint to correct this machine's clock, if a response shows that it is wrong.
pub(crate) fn clock_hint(response: &HttpResponse) -> Option<String> {
    let ahead = response.extension::<ClockDifferences>()?.ahead_of_ours;
    (ahead.abs() > MAX_SKEW).then(|| format!("set this machine's clock: it is {}", describe_skew(ahead)))
}

fn describe_skew(ahead: SignedDuration) -> String {
    let minutes = (ahead.abs().as_secs() + 30) / 60;
    let way = if ahead.is_positive() { "slow" } else { "fast" };
    format!("{minutes} minutes {way} by the time of aws")
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn response(ahead: SignedDuration, more: Option<(&'static str, &'static str)>) -> HttpResponse {
        let mut response = HttpResponse::new(400.try_into().unwrap(), SdkBody::empty());
        let date = (Timestamp::now() + ahead)
            .strftime("%a, %d %b %Y %H:%M:%S GMT")
            .to_string();
        response.headers_mut().insert("date", date);
        if let Some((name, value)) = more {
            response.headers_mut().insert(name, value);
        }
        response
    }

    fn is_near(time: Timestamp, ahead: SignedDuration) -> bool {
        let off = time.duration_since(Timestamp::now() + ahead);
        off.abs() < SignedDuration::from_secs(3)
    }

    #[test]
    fn latest_response_sets_server_time() {
        let clock = ServerTime::default();
        assert_eq!(clock.now(), None);
        for minutes in [0, 20, -20, 3] {
            let ahead = SignedDuration::from_mins(minutes);
            clock.update_and_annotate(&mut response(ahead, None), Timestamp::now());
            assert!(is_near(clock.clone().now().unwrap(), ahead), "{minutes}");
            let signed = Timestamp::try_from(TimeSource::now(&clock)).unwrap();
            assert!(is_near(signed, ahead), "{minutes}");
        }
        let cached = SignedDuration::from_hours(-5);
        clock.update_and_annotate(&mut response(cached, Some(("age", "18000"))), Timestamp::now());
        assert!(is_near(clock.now().unwrap(), SignedDuration::from_mins(3)));
    }

    #[test]
    fn request_with_wrong_date_is_refused_for_it() {
        let clock = ServerTime::default();
        let ahead = SignedDuration::from_mins(-20);
        let recorded = |requested| {
            let mut response = response(ahead, None);
            clock.update_and_annotate(&mut response, requested);
            response
        };
        let refused = recorded(Timestamp::now());
        assert!(was_refused_for_date(&refused, Some("RequestExpired")));
        assert!(!was_refused_for_date(&refused, Some("InvalidClientTokenId")));
        assert!(!was_refused_for_date(&response(ahead, None), Some("RequestExpired")));
        let corrected = recorded(Timestamp::now() + ahead);
        assert!(!was_refused_for_date(&corrected, Some("RequestExpired")));
        let hint = clock_hint(&corrected).unwrap();
        assert_eq!(
            hint,
            "set this machine's clock: it is 20 minutes fast by the time of aws"
        );
    }

    #[test]
    fn unsigned_request_has_no_date() {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.headers_mut().insert("x-amz-date", "20261124T202300Z");
        assert_eq!(read_request_date(&request), None);
        request
            .headers_mut()
            .insert("authorization", "AWS4-HMAC-SHA256 Credential=");
        assert_eq!(read_request_date(&request).unwrap().to_string(), "2026-11-24T20:23:00Z");
    }
}
