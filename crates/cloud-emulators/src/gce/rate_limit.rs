//! The limit on requests.

use std::time::Instant;

/// A bucket of tokens, one for each request; real time fills it.
pub struct Rate {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Rate {
    pub fn of(per_second: f64) -> Self {
        Self {
            per_second,
            tokens: per_second,
            filled: Instant::now(),
        }
    }

    /// Whether one more request is within the rate. A second's worth may come at once.
    pub fn admits(&mut self) -> bool {
        let now = Instant::now();
        let fresh = now.duration_since(self.filled).as_secs_f64() * self.per_second;
        (self.tokens, self.filled) = ((self.tokens + fresh).min(self.per_second), now);
        let admitted = self.tokens >= 1.0;
        if admitted {
            self.tokens -= 1.0;
        }
        admitted
    }
}
