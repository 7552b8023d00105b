//! The rows 1 to 4 in the large: many runs, each killed at a random HTTP boundary, some twice, some in a race, some of
//! them terminates; then each is run again to its end, and the cloud is counted through.
//!
//! `CLOUDCTL_KILL_POINTS=3000` is how many on each cloud, `CLOUDCTL_KILL_SEED` makes it the same ones again.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::Row;
use crate::process_under_test::{Process, calls_of, id_of, kill_at};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::Side;
use cloud_emulators::http::Endpoint;

pub fn rows() -> Vec<Row> {
    crate::rows![BackendKind::EMULATORS; 1 => random_kill_points,]
}

/// Names at work at once.
const THREADS: usize = 6;
/// An emulator is replaced after so many, so that it does not become slow.
const BATCH: usize = 250;
/// How long a new VM stays unseen: one of these at a time, for all names at work.
const LAGS: [Duration; 4] = [
    Duration::ZERO,
    Duration::ZERO,
    Duration::from_millis(150),
    Duration::from_millis(400),
];

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// What is wrong in the end, and how much of it there was.
#[derive(Default)]
struct Count {
    kills: usize,
    terminated: usize,
    duplicates: usize,
    orphan_vms: usize,
    orphan_disks: usize,
    others: Vec<String>,
}

fn random_kill_points(first: &Backend) {
    let points = number("CLOUDCTL_KILL_POINTS").map_or(200, |points| usize::try_from(points).expect("a usize"));
    let seed = number("CLOUDCTL_KILL_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.expect("after 1970").as_secs()
    });
    let start = Instant::now();
    let mut count = Count::default();
    for begin in (0..points).step_by(BATCH) {
        let batch = begin..points.min(begin + BATCH);
        if begin == 0 {
            run_batch(first, seed, batch, &mut count);
        } else {
            let backend = Backend::start(first.kind);
            run_batch(&backend, seed, batch, &mut count);
            backend.check_violations();
        }
    }
    let summary = format!(
        "{}: {points} kill points (seed {seed}): {} duplicates, {} orphan VMs, {} orphan disks; {} kills, {} terminated, {} s",
        first.kind.name(),
        count.duplicates,
        count.orphan_vms,
        count.orphan_disks,
        count.kills,
        count.terminated,
        start.elapsed().as_secs()
    );
    println!("{summary}");
    assert!(
        (count.duplicates, count.orphan_vms, count.orphan_disks) == (0, 0, 0) && count.others.is_empty(),
        "{summary}\n{}",
        count.others.join("\n")
    );
}

fn run_batch(backend: &Backend, seed: u64, points: std::ops::Range<usize>, count: &mut Count) {
    backend.set_transition(Duration::from_millis(20));
    let endpoint = backend.open_endpoint();
    let creating = calls_of(backend, &endpoint, &["create", "learnt"]);
    let terminating = calls_of(backend, &endpoint, &["terminate", "learnt", "-y"]);
    let next = AtomicUsize::new(points.start);
    // What each name must be in the end: an id, or nothing.
    let expected: Mutex<BTreeMap<String, Option<String>>> = Mutex::default();
    let (kills, complaints) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let (endpoint, other) = (backend.open_endpoint(), backend.open_endpoint());
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= points.end {
                        return;
                    }
                    let mut point = Point {
                        backend,
                        endpoints: [&endpoint, &other],
                        name: format!("p-{index}"),
                        random: Random::new(seed, index),
                        calls: [creating, terminating],
                        kills: &kills,
                    };
                    let result = catch_unwind(AssertUnwindSafe(|| point.run()));
                    match result {
                        Ok(end) => {
                            expected.lock().expect("names").insert(point.name, end);
                        }
                        Err(panic) => {
                            let why = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                            complaints
                                .lock()
                                .expect("complaints")
                                .push(format!("{}: {why}", point.name));
                        }
                    }
                }
            });
        }
    });
    count.kills += kills.into_inner();
    count.others.extend(complaints.into_inner().expect("complaints"));
    compare(backend, &expected.into_inner().expect("names"), count);
}

/// Counts the cloud through, by its own memory.
fn compare(backend: &Backend, expected: &BTreeMap<String, Option<String>>, count: &mut Count) {
    backend.set_listing_lag(Duration::ZERO);
    backend.advance(Duration::from_secs(60));
    let mut living: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seen in backend.alive() {
        living.entry(seen.name).or_default().push(seen.id);
    }
    let mut complain = |text: std::fmt::Arguments<'_>| {
        let mut line = String::new();
        let _ = line.write_fmt(text);
        count.others.push(line);
    };
    for (name, ids) in &living {
        if ids.len() > 1 {
            count.duplicates += ids.len() - 1;
            complain(format_args!("{name} is there as {ids:?}"));
        }
        match expected.get(name) {
            Some(Some(id)) if ids.contains(id) => {}
            Some(Some(id)) => complain(format_args!("{name} is {ids:?}, and {id} was printed")),
            // A point that failed has complained already.
            None if name.starts_with("p-") => {}
            Some(None) | None => {
                count.orphan_vms += ids.len();
                complain(format_args!("{name} should not be there: {ids:?}"));
            }
        }
    }
    for (name, id) in expected {
        match id {
            Some(id) if !living.contains_key(name) => complain(format_args!("{name} should be there, as {id}")),
            Some(_) => {}
            None => count.terminated += 1,
        }
    }
    let disks = backend.orphaned_disks();
    count.orphan_disks += disks.len();
    if !disks.is_empty() {
        complain(format_args!("disks of no VM: {disks:?}"));
    }
}

/// One name, and what befalls it.
struct Point<'a> {
    backend: &'a Backend,
    endpoints: [&'a Endpoint; 2],
    name: String,
    random: Random,
    /// How many calls a create makes, and a terminate.
    calls: [usize; 2],
    kills: &'a AtomicUsize,
}

impl Point<'_> {
    /// Gives the id that must be there in the end; nothing if it was terminated.
    fn run(&mut self) -> Option<String> {
        let name = self.name.clone();
        // Often the next run cannot see yet what the killed one has made.
        let lag = LAGS[self.random.below(LAGS.len())];
        self.backend.set_listing_lag(lag);
        self.kill_and_run_again(&["create", &name], self.calls[0]);
        let run = self.backend.json(&["create", &name]).expect(0);
        let id = id_of(&run);
        if self.random.below(5) > 0 {
            return Some(id);
        }
        let terminate = ["terminate", name.as_str(), "-y", "--ignore-not-found"];
        // What is not seen cannot be terminated by its name, and another thread may turn the lag up meanwhile: what one
        // read has seen the next one may miss, until the VM is older than the longest lag.
        std::thread::sleep(LAGS.into_iter().max().unwrap_or_default());
        self.kill_and_run_again(&terminate, self.calls[1]);
        None
    }

    /// Kills one or two runs, then runs to the end, now and then two at once.
    fn kill_and_run_again(&mut self, arguments: &[&str], calls: usize) {
        let [endpoint, other] = self.endpoints;
        let mut on_their_way = Vec::new();
        for _ in 0..=usize::from(self.random.below(4) == 0) {
            let call = self.random.below(calls);
            let side = [Side::Before, Side::After, Side::InTransit][self.random.below(3)];
            let gate = kill_at(self.backend, endpoint, arguments, call, side);
            self.kills.fetch_add(usize::from(gate.is_some()), Ordering::Relaxed);
            on_their_way.extend(gate.filter(|_| side == Side::InTransit));
        }
        let (soon, races) = (self.random.below(2) == 0, self.random.below(5) == 0);
        if soon {
            on_their_way.drain(..).for_each(|gate| gate.open());
        }
        endpoint.reset([]);
        let again = Process::start(&mut self.backend.command_through(endpoint, arguments));
        let racer = races.then(|| {
            other.reset([]);
            Process::start(&mut self.backend.command_through(other, arguments))
        });
        if !soon {
            std::thread::sleep(Duration::from_millis(self.random.below(80) as u64));
            on_their_way.drain(..).for_each(|gate| gate.open());
        }
        again.end().expect(0);
        if let Some(racer) = racer {
            racer.end().expect(0);
        }
    }
}

/// Of the seed and the point's number alone, whatever thread it is in.
struct Random(u64);

impl Random {
    fn new(seed: u64, index: usize) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (index as u64).wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    /// From 0 to `end`, without it (splitmix64).
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}
