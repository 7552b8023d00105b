//! Faults: what goes wrong with which calls, before or after they take effect.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::recorded_call::Operation;

/// What goes wrong. `…After` means that the call took its effect first.
#[derive(Clone, Debug)]
pub enum Effect {
    /// An error answer in the service's own shape; nothing happened.
    ErrorBefore {
        /// The HTTP status.
        status: u16,
        /// The error code.
        code: String,
    },
    /// The same, although the call took effect.
    ErrorAfter {
        /// The HTTP status.
        status: u16,
        /// The error code.
        code: String,
    },
    /// The connection is closed without an answer; nothing happened.
    ResetBefore,
    /// The same, although the call took effect.
    ResetAfter,
    /// No answer ever comes; nothing happened.
    HangBefore,
    /// The same, although the call took effect.
    HangAfter,
    /// The call takes effect; half the body arrives, then the connection closes.
    Truncate,
    /// The call takes effect; the body is not what the API promises.
    Garbage,
    /// Something on the way answers instead, a proxy say, with this status and body; nothing happened.
    ProxyBefore {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// The same, although the call took effect.
    ProxyAfter {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// The call takes effect; this is made of its answer's body.
    Rewrite(fn(String) -> String),
    /// The call takes effect and is answered late.
    Delay(Duration),
    /// The emulator's clock moves on, then the call takes effect.
    AdvanceClock(Duration),
    /// The call stops at a [`Gate`].
    Hold(Arc<Gate>),
}

/// On which side of its effect a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Before it reaches the service; what the client does meanwhile decides: a call whose client has died never does.
    Before,
    /// Before it reaches the service, but on its way there: it takes effect when the gate is opened, also if its
    /// client has died.
    InTransit,
    /// After its effect, before its answer.
    After,
}

/// Where a call is held until the test lets it go on.
#[derive(Debug)]
pub struct Gate {
    pub(crate) side: Side,
    state: Mutex<(bool, bool)>,
    arrival: Condvar,
    opening: Notify,
}

impl Gate {
    /// A closed gate.
    pub fn new(side: Side) -> Arc<Self> {
        Arc::new(Self {
            side,
            state: Mutex::default(),
            arrival: Condvar::new(),
            opening: Notify::new(),
        })
    }

    /// Whether a call stands at the gate by now, with its effect if that is the gate's side; waits for one for so long.
    pub fn has_arrival_within(&self, time: Duration) -> bool {
        let state = self.state.lock().expect("gate");
        let waiting = self.arrival.wait_timeout_while(state, time, |(arrived, _)| !*arrived);
        waiting.expect("gate").0.0
    }

    /// Lets go on what stands at the gate, and whatever comes.
    pub fn open(&self) {
        self.state.lock().expect("gate").1 = true;
        self.opening.notify_waiters();
    }

    /// Waits here until the gate is open.
    pub(crate) async fn pass(&self) {
        let opening = self.opening.notified();
        tokio::pin!(opening);
        opening.as_mut().enable();
        {
            let mut state = self.state.lock().expect("gate");
            state.0 = true;
            self.arrival.notify_all();
            if state.1 {
                return;
            }
        }
        opening.await;
    }
}

/// A rule: which calls an [`Effect`] strikes.
#[derive(Clone, Debug)]
pub struct Fault {
    /// An operation's name; `None` strikes them all.
    pub operation: Option<String>,
    /// A region or zone; `None` strikes everywhere.
    pub location: Option<String>,
    /// So many matching calls go through first.
    pub skip: usize,
    /// So many are struck; `None` is no end.
    pub times: Option<usize>,
    /// The share of the remaining calls that is struck, 0 to 1.
    pub probability: f64,
    /// When it is over; `None` is never.
    pub until: Option<Instant>,
    /// What it does.
    pub effect: Effect,
}

impl Fault {
    /// Strikes every call of `operation`.
    pub fn on(operation: &str, effect: Effect) -> Self {
        Self {
            operation: Some(operation.to_owned()),
            location: None,
            skip: 0,
            times: None,
            probability: 1.0,
            until: None,
            effect,
        }
    }

    /// Strikes every call of every operation.
    pub fn on_all(effect: Effect) -> Self {
        Self {
            operation: None,
            ..Self::on("", effect)
        }
    }

    /// Strikes so many calls and no more.
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Lets so many matching calls go through first.
    pub fn skip(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Strikes in this region or zone only.
    pub fn at(mut self, location: &str) -> Self {
        self.location = Some(location.to_owned());
        self
    }

    /// Strikes this share of the calls, 0 to 1.
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// Strikes from now on for so long, by the real clock.
    pub fn lasting(mut self, time: Duration) -> Self {
        self.until = Some(Instant::now() + time);
        self
    }
}

/// The faults that were injected, in that order.
pub(crate) struct FaultRules {
    faults: Vec<Fault>,
    /// State of a small xorshift generator, so that a run can be repeated.
    random: u64,
}

impl Default for FaultRules {
    fn default() -> Self {
        Self {
            faults: Vec::new(),
            random: 0x9E37_79B9_7F4A_7C15,
        }
    }
}

impl FaultRules {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    /// The effect of the first fault that strikes this call; counts the call for every fault that it matches.
    pub(crate) fn strike(&mut self, operation: &Operation) -> Option<Effect> {
        for index in 0..self.faults.len() {
            let roll = self.next_random();
            let fault = &mut self.faults[index];
            if fault.operation.as_ref().is_some_and(|name| *name != operation.name)
                || fault
                    .location
                    .as_ref()
                    .is_some_and(|location| *location != operation.location)
                || fault.until.is_some_and(|end| Instant::now() >= end)
            {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if fault.times == Some(0) || roll >= fault.probability {
                continue;
            }
            if let Some(times) = &mut fault.times {
                *times -= 1;
            }
            return Some(fault.effect.clone());
        }
        None
    }

    /// A number from 0 to 1.
    fn next_random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }
}
