//! Many processes that create one name at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::Row;
use crate::process_under_test::{Process, assert_ours, id_of, only, only_ever, until};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault, Gate, Side};
use cloud_emulators::http::Endpoint;

pub fn rows() -> Vec<Row> {
    let mut rows = crate::rows![BackendKind::EMULATORS;
        52 => fifty_processes_create_one,
        53 => two_specs_at_once_create_one,
        53 => two_zones_at_once_keep_one,
        53 => two_zones_at_once_keep_one_although_listings_lag,
    ];
    rows.extend(crate::rows![&[BackendKind::Ec2Emulator];
        53 => duplicate_seen_once_is_terminated,
        53 => later_one_of_the_same_second_gives_way,
    ]);
    rows
}

const PROCESSES: usize = 50;
/// Nobody sees what another one made before the test says so.
const LAG: Duration = Duration::from_secs(600);

/// How many rounds; 1, or as CLOUDCTL_RACE_ROUNDS says.
fn rounds() -> usize {
    let asked = std::env::var("CLOUDCTL_RACE_ROUNDS").ok();
    asked.map_or(1, |text| text.parse().expect("CLOUDCTL_RACE_ROUNDS is a number"))
}

pub fn fifty_processes_create_one(backend: &Backend) {
    let rounds = rounds();
    let start = Instant::now();
    for round in 0..rounds {
        let name = format!("race-{round}");
        let arguments = ["create", name.as_str(), "-o", "json"];
        let runs = race(backend, std::iter::repeat_n(arguments.as_slice(), PROCESSES));
        let ids: BTreeSet<String> = runs.into_iter().map(|run| id_of(&run.expect(0))).collect();
        assert_eq!(ids.len(), 1, "the ids that {PROCESSES} processes printed: {ids:?}");
        let seen = only_ever(backend, &name);
        assert!(ids.contains(&seen.id), "{seen:?} in {ids:?}");
        assert_ours(&seen);
        assert_eq!(backend.alive().len(), round + 1);
    }
    assert_eq!(backend.orphaned_disks(), Vec::<String>::new());
    println!(
        "{}: {rounds} round(s) of {PROCESSES} processes creating one name: one VM each, {} s",
        backend.kind.name(),
        start.elapsed().as_secs()
    );
}

/// Starts all at once, lets none see what another one has made before every one has asked for it, and waits for all.
fn race<'a>(backend: &Backend, commands: impl Iterator<Item = &'a [&'a str]>) -> Vec<crate::support::sandbox::Run> {
    backend.set_listing_lag(LAG);
    let before = backend.count(backend.operations().create);
    let mut processes: Vec<Process> = commands
        .map(|arguments| {
            let arguments = [arguments, &["-p", backend.provider()]].concat();
            Process::start(&mut backend.sandbox.command(&arguments))
        })
        .collect();
    let all = processes.len();
    until("all processes have asked", || {
        // One that has lost may have ended by then.
        let ended = processes
            .iter_mut()
            .map(Process::has_ended)
            .filter(|ended| *ended)
            .count();
        std::thread::sleep(Duration::from_millis(20));
        ended == all || backend.count(backend.operations().create) - before >= all
    });
    backend.advance(LAG + Duration::from_secs(1));
    processes.into_iter().map(Process::end).collect()
}

fn two_specs_at_once_create_one(backend: &Backend) {
    let plain = ["create", "web-1", "-o", "json"];
    let other = ["create", "web-1", "-o", "json", "--type", backend.other_type()];
    let commands = (0..20).map(|number| if number % 2 == 0 { plain.as_slice() } else { &other });
    let runs = race(backend, commands);
    let winner = only(backend, "web-1");
    assert_eq!(backend.alive().len(), 1);
    assert_ours(&winner);
    let codes: Vec<_> = runs.iter().map(|run| run.code).collect();
    let side = |number: usize| codes.iter().skip(number).step_by(2).copied().collect::<BTreeSet<_>>();
    let (plain, other) = (side(0), side(1));
    assert!(
        (plain.contains(&0) || other.contains(&0)) && plain.union(&other).all(|code| [0, 6].contains(code)),
        "{codes:?}: {}",
        runs.iter().map(|run| run.stderr.as_str()).collect::<String>()
    );
    // Who asked for one spec is never given the other.
    assert!(!(plain.contains(&0) && other.contains(&0)), "{codes:?}");
    for run in runs.iter().filter(|run| run.code == 0) {
        assert_eq!(id_of(run), winner.id);
    }
    assert_eq!(backend.orphaned_disks(), Vec::<String>::new());
}

fn zones(backend: &Backend) -> [&'static str; 2] {
    let zones = backend.site().home_zones;
    [zones[0], zones[1]]
}

/// Nothing that the two share in the cloud tells one of the other: not a token, and not a name.
fn two_zones_at_once_keep_one(backend: &Backend) {
    let [one, other] = zones(backend);
    let cases: [(&str, [&[&str]; 2], bool); 2] = [
        // Two zones are two specs.
        ("apart", [&["-z", one], &["-z", other]], false),
        (
            "anywhere",
            [&["-z", one, "--fallback", "zone"], &["-z", other, "--fallback", "zone"]],
            true,
        ),
    ];
    for (name, places, converge) in cases {
        let endpoints = [backend.open_endpoint(), backend.open_endpoint()];
        let gates = [Gate::new(Side::After), Gate::new(Side::After)];
        let mut processes = Vec::new();
        for ((endpoint, gate), place) in endpoints.iter().zip(&gates).zip(places) {
            endpoint.reset([Fault::on(backend.operations().create, Effect::Hold(gate.clone())).times(1)]);
            let arguments = [&["create", name, "-o", "json"], place].concat();
            processes.push(Process::start(&mut backend.command_through(endpoint, &arguments)));
        }
        until("both have made one", || {
            let both = gates
                .iter()
                .all(|gate| gate.has_arrival_within(Duration::from_millis(20)));
            both || processes.iter_mut().any(Process::has_ended)
        });
        gates.iter().for_each(|gate| gate.open());
        let runs: Vec<_> = processes.into_iter().map(Process::end).collect();
        let seen = only(backend, name);
        assert_ours(&seen);
        let mut codes: Vec<_> = runs.iter().map(|run| run.code).collect();
        codes.sort_unstable();
        let all: String = runs.iter().map(|run| run.stderr.as_str()).collect();
        assert_eq!(codes, if converge { [0, 0] } else { [0, 6] }, "{all}");
        for run in runs.iter().filter(|run| run.code == 0) {
            assert_eq!(id_of(run), seen.id);
        }
    }
    assert_eq!(backend.alive().len(), cases.len());
    assert_eq!(backend.orphaned_disks(), Vec::<String>::new());
}

/// The later one makes its own when it can see neither; what it sees at last ends it.
fn two_zones_at_once_keep_one_although_listings_lag(backend: &Backend) {
    let [first, second] = zones(backend);
    backend.set_listing_lag(Duration::from_secs(2));
    let endpoint = backend.open_endpoint();
    let gate = Gate::new(Side::Before);
    endpoint.reset([Fault::on(backend.operations().create, Effect::Hold(gate.clone())).times(1)]);
    let later = ["create", "web-1", "-o", "json", "-z", second];
    let later = Process::start(&mut backend.command_through(&endpoint, &later));
    until("it creates", || gate.has_arrival_within(Duration::from_millis(20)));
    let elder = ["create", "web-1", "-o", "json", "-z", first, "--wait", "none"];
    let elder = id_of(&backend.run(&elder).expect(0));
    gate.open();
    let refused = later.end().expect(6);
    assert_eq!(refused.error_kinds(), ["already_exists"], "{}", refused.stderr);
    let stays = crate::process_under_test::only_one_at_all(backend, "web-1");
    assert_eq!(stays.id, elder);
}

/// The first look shows the elder and not yet what this run made; then nothing can be looked at any more.
fn duplicate_seen_once_is_terminated(backend: &Backend) {
    let [first, second] = zones(backend);
    let lag = Duration::from_secs(2);
    backend.set_listing_lag(lag);
    let endpoint = backend.open_endpoint();
    let gate = Gate::new(Side::Before);
    endpoint.reset([Fault::on(backend.operations().create, Effect::Hold(gate.clone())).times(1)]);
    let later = ["create", "web-1", "-o", "json", "-z", second, "--wait", "none"];
    let later = Process::start(&mut backend.command_through(&endpoint, &later));
    until("it creates", || gate.has_arrival_within(Duration::from_millis(20)));
    let elder = ["create", "web-1", "-o", "json", "-z", first, "--wait", "none"];
    let elder = id_of(&backend.run(&elder).expect(0));
    std::thread::sleep(lag);
    let denied = Effect::ErrorBefore {
        status: 403,
        code: "UnauthorizedOperation".to_owned(),
    };
    // One that reads it back, and the first look.
    endpoint.inject(Fault::on(backend.operations().list, denied).skip(2));
    gate.open();
    later.end().expect(6);
    assert_eq!(only(backend, "web-1").id, elder);
}

/// EC2 tells launch times in whole seconds, and the first run does not look again. Ids decide nothing here: of four pairs,
/// some have the lower id in the first run, and some in the later one.
fn later_one_of_the_same_second_gives_way(backend: &Backend) {
    let [first, second] = zones(backend);
    let names = ["web-a", "web-b", "web-c", "web-d"];
    let start = |name: &str, zone: &str, endpoint: &Endpoint| {
        let arguments = ["create", name, "-o", "json", "-z", zone, "--wait", "none"];
        Process::start(&mut backend.command_through(endpoint, &arguments))
    };
    let endpoints = names.map(|_| backend.open_endpoint());
    let held: Vec<_> = names
        .iter()
        .zip(&endpoints)
        .map(|(name, endpoint)| {
            let gate = Gate::new(Side::Before);
            endpoint.reset([Fault::on(backend.operations().create, Effect::Hold(gate.clone())).times(1)]);
            let process = start(name, second, endpoint);
            until("it creates", || gate.has_arrival_within(Duration::from_millis(20)));
            (process, gate)
        })
        .collect();
    // A whole second is long enough for all.
    let past_second = jiff::Timestamp::now().subsec_nanosecond().unsigned_abs();
    std::thread::sleep(Duration::from_nanos(1_000_000_000 - u64::from(past_second)));
    let endpoint = backend.open_endpoint();
    let elders: Vec<_> = names.iter().map(|name| start(name, first, &endpoint)).collect();
    let elders: Vec<_> = elders.into_iter().map(|run| id_of(&run.end().expect(0))).collect();
    held.iter().for_each(|(_, gate)| gate.open());
    for ((process, _), (name, elder)) in held.into_iter().zip(names.iter().zip(elders)) {
        let refused = process.end().expect(6);
        assert_eq!(refused.error_kinds(), ["already_exists"], "{}", refused.stderr);
        assert_eq!(only(backend, name).id, elder);
    }
    assert_eq!(backend.alive().len(), names.len());
}
