//! What goes over the wire, and the log entry that is kept of it.

use std::collections::BTreeMap;
use std::time::Instant;

/// A request, read to its end.
#[derive(Clone, Debug, Default)]
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
    /// When the request came.
    pub arrived_at: Instant,
    /// When the answer was sent; `None` where the status is.
    pub answered_at: Option<Instant>,
}

/// Counts the round trips that a client waited for in a row. It is the length of the longest chain of answered calls in
/// which each call came after the answer to the call before it. With a latency on every answer, calls that a client sends
/// side by side overlap.
pub fn count_serial_round_trips(calls: &[Call]) -> usize {
    let answered = calls
        .iter()
        .filter_map(|call| Some((call.answered_at?, call.arrived_at)));
    let mut times: Vec<(Instant, Instant)> = answered.collect();
    times.sort();
    let mut chain: Option<Instant> = None;
    let mut length = 0;
    // The earliest answer leaves the most room for the rest of the chain.
    for (answered_at, arrived_at) in times {
        if chain.is_none_or(|last_answer| arrived_at >= last_answer) {
            chain = Some(answered_at);
            length += 1;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn overlapping_calls_are_one_round_trip() {
        let start = Instant::now();
        let call = |from: u64, to: u64| Call {
            operation: Operation::default(),
            request: Request::default(),
            status: Some(200),
            arrived_at: start + Duration::from_millis(from),
            answered_at: Some(start + Duration::from_millis(to)),
        };
        assert_eq!(count_serial_round_trips(&[]), 0);
        assert_eq!(
            count_serial_round_trips(&[call(0, 100), call(10, 110), call(20, 500)]),
            1
        );
        assert_eq!(
            count_serial_round_trips(&[call(0, 100), call(5, 90), call(101, 200)]),
            2
        );
        assert_eq!(
            count_serial_round_trips(&[call(0, 100), call(50, 400), call(120, 220), call(410, 500)]),
            3
        );
    }
}
