//! Runs many small cases, each a run of the binary, in a few threads.

// Each test binary uses another part of it.
#![allow(dead_code)]

use std::sync::Mutex;

/// More than there are processors: a run may wait for an answer.
const THREADS: usize = 6;

/// Runs `check` on each case. Each thread has a world of its own that `make` gives it.
pub fn in_threads<C: Send, W>(cases: Vec<C>, make: impl Fn() -> W + Sync, check: impl Fn(&mut W, &C) + Sync) {
    let cases = Mutex::new(cases.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut world = make();
                loop {
                    let case = cases.lock().expect("no thread panics with it").next();
                    match case {
                        Some(case) => check(&mut world, &case),
                        None => return,
                    }
                }
            });
        }
    });
}
