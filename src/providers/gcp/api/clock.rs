//! The cloud's own clock.
//!
//! The SDK shows an answer's headers only with an error, so the time is asked for by a call that must fail.

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use google_cloud_gax::error::Error as SdkError;

use super::client::Client;
use super::error::of_call;
use super::retry::prepared;
use crate::cloud::{Error, ErrorKind, Result};

/// Zones are called after their region, with a letter: this can be none.
const NO_ZONE: &str = "no-such-zone";

impl Client {
    /// The time by the cloud's clock, which is asked once; at most a second and an answer's way behind.
    ///
    /// # Errors
    /// Those of any call; `Network` if the answers have no time.
    pub(crate) async fn time(&self) -> Result<Timestamp> {
        let (then, asked) = self.clock.get_or_try_init(|| self.ask_the_time()).await?;
        let since = SignedDuration::try_from(asked.elapsed()).unwrap_or_default();
        then.checked_add(since)
            .map_err(|_| Error::new(ErrorKind::Network, "the cloud's time is out of all bounds").at("gcp"))
    }

    async fn ask_the_time(&self) -> Result<(Timestamp, Instant)> {
        let (project, zones) = (self.project().await?, self.zones().await?);
        let attempted = "ask the cloud for its time";
        let answer = self.probe(attempted, "", || {
            prepared(zones.get().set_project(project).set_zone(NO_ZONE)).send()
        });
        let without = || {
            Error::new(
                ErrorKind::Network,
                format!("cannot {attempted}: its answer has no date"),
            )
            .at("gcp")
        };
        let Err(failure) = answer.await else {
            return Err(without());
        };
        if let Some(time) = date_of(&failure.error) {
            return Ok((time, Instant::now()));
        }
        let error = of_call(failure.error, &format!("cannot {attempted}"), "");
        Err(match error.kind() {
            ErrorKind::NotFound | ErrorKind::InvalidSpec => without(),
            _ => error,
        })
    }
}

/// When an answer was given, by its `Date`. <https://www.rfc-editor.org/rfc/rfc9110#field.date>
pub(crate) fn date_of(error: &SdkError) -> Option<Timestamp> {
    let text = error.http_headers()?.get("date")?.to_str().ok()?;
    parse_date(text)
}

/// Reads the form that HTTP has for dates.
pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        let with = |value: &'static str| {
            let headers = HeaderMap::from_iter([(http::header::DATE, http::HeaderValue::from_static(value))]);
            date_of(&SdkError::http(404, headers, bytes::Bytes::new()))
        };
        let read = with("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(read.to_string(), "1994-11-06T08:49:37Z");
        assert_eq!(with("yesterday"), None);
        assert_eq!(
            date_of(&SdkError::http(404, HeaderMap::new(), bytes::Bytes::new())),
            None
        );
    }
}
