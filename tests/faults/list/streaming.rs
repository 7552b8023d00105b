//! Listings of very many VMs: each is printed, and the memory does not grow with their number.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::Row;
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use crate::support::test_cloud::{ApiError, Labels};
use cloud_emulators::faults::Fault;

pub fn rows() -> Vec<Row> {
    crate::rows![BackendKind::EMULATORS;
        41 => fifty_thousand_vms_stream_in_bounded_memory,
        41 => stream_that_restarts_prints_each_vm_once,
        41 => stream_that_breaks_off_names_the_gap,
    ]
}

/// What a listing of very many printed, and the most memory that it took.
struct Streamed {
    ids: BTreeSet<String>,
    lines: usize,
    peak_kib: u64,
}

/// The most memory that a process has had so far; nothing once it has ended.
fn peak_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn watch(process: u32) -> u64 {
    let mut peak = 0;
    // A process that has ended but was not waited for has a status without memory.
    while let Some(now) = peak_kib(process) {
        peak = now;
        thread::sleep(Duration::from_millis(5));
    }
    peak
}

fn stream(backend: &Backend) -> Streamed {
    let arguments = ["list", "-p", backend.provider(), "-o", "jsonl"];
    let mut command = backend.sandbox.command(&arguments);
    let mut child: Child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let process = child.id();
    let watcher = thread::spawn(move || watch(process));
    let (mut ids, mut lines) = (BTreeSet::new(), 0);
    for line in BufReader::new(child.stdout.take().expect("its output")).lines() {
        let item: Value = serde_json::from_str(&line.expect("a line")).expect("an item");
        ids.insert(item["id"].as_str().expect("an id").to_owned());
        lines += 1;
    }
    let mut said = String::new();
    let mut errors = child.stderr.take().expect("its errors");
    errors.read_to_string(&mut said).expect("text");
    let peak_kib = watcher.join().expect("the watcher");
    let status = child.wait().expect("the binary ends");
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
    Streamed { ids, lines, peak_kib }
}

/// How much more memory ten times as many VMs may take: their ids, which are kept so that none is printed twice.
const ROOM_KIB: u64 = 12 * 1024;

fn fifty_thousand_vms_stream_in_bounded_memory(backend: &Backend) {
    let seed = |zone: &str, count: usize| backend.seed_many(zone, count, &|_| Labels::new());
    seed(backend.home_zone(), 5_000);
    let few = stream(backend);
    assert_eq!((few.lines, few.ids.len()), (5_000, 5_000));
    seed(backend.site().other_zone, 45_000);
    let many = stream(backend);
    assert_eq!((many.lines, many.ids.len()), (50_000, 50_000));
    assert!(few.ids.is_subset(&many.ids));
    assert!(
        few.peak_kib > 0 && many.peak_kib < few.peak_kib + ROOM_KIB,
        "5,000 VMs took {} KiB and 50,000 took {} KiB",
        few.peak_kib,
        many.peak_kib
    );
}

/// Three pages of VMs, and a fault on the second.
fn stream_with_fault(backend: &Backend, error: ApiError) -> Run {
    backend.set_page_size(10);
    backend.seed_many(backend.home_zone(), 25, &|_| Labels::new());
    backend.inject(Fault::on(backend.operations().list, error.before()).skip(1).times(1));
    backend.run(&["list", "-r", backend.home_region(), "-o", "jsonl"])
}

fn ids(run: &Run) -> Vec<String> {
    let ids = run.stdout.lines().map(|line| {
        let item: Value = serde_json::from_str(line).expect("an item");
        item["id"].as_str().expect("an id").to_owned()
    });
    ids.collect()
}

fn stream_that_restarts_prints_each_vm_once(backend: &Backend) {
    let run = stream_with_fault(backend, backend.errors().stale_page_token).expect(0);
    let distinct: BTreeSet<_> = ids(&run).into_iter().collect();
    assert_eq!((ids(&run).len(), distinct.len()), (25, 25));
    assert_eq!(backend.count(backend.operations().list), 5);
}

fn stream_that_breaks_off_names_the_gap(backend: &Backend) {
    let run = stream_with_fault(backend, backend.errors().listing_denied).expect(7);
    assert_eq!(ids(&run).len(), 10);
    let place = if backend.differences().lists_all_regions_at_once {
        backend.provider().to_owned()
    } else {
        format!("{}/{}", backend.provider(), backend.home_region())
    };
    run.expect_in_stderr(format!("warning: {place}"))
        .expect_in_stderr("the list is incomplete");
    // What is gathered is whole or not there at all.
    let denied = backend.errors().listing_denied.before();
    backend.inject(Fault::on(backend.operations().list, denied).skip(1));
    let gathered = backend.json(&["list", "-r", backend.home_region()]).expect(4);
    assert_eq!(gathered.items(), Vec::<Value>::new());
}
