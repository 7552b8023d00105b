//! What cloudctl itself costs, without clouds and without starting: reading a page, putting 10,000 VMs in order, and
//! printing them in each format. `cargo bench --bench inside`; the program beside its peers is `benches/peers`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a benchmark may end by a panic"
)]

mod pages;

use std::collections::HashMap;
use std::io;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use cloudctl::cli::Cli;
use cloudctl::cloud::{Clock, Instance, ListFilter, ListScope, Provider, ProviderKind};
use cloudctl::operations::SortOrder;
use cloudctl::output::{INSTANCES, Printer, Record, Report, Streams, Terminal};
use cloudctl::providers::Drivers;
use cloudctl::settings::{Environment, Settings};
use criterion::{BatchSize, Criterion, Throughput};
use jiff::Timestamp;

/// How many VMs are sorted and printed.
const MANY: usize = 10_000;
/// In how many regions they are.
const REGIONS: usize = 30;

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// The SDKs take where to ask from the environment of their process. So this process answers, and a second one, started
/// with that environment, asks and measures.
fn main() -> ExitCode {
    if std::env::var_os("AWS_ENDPOINT_URL").is_some() {
        measure();
        return ExitCode::SUCCESS;
    }
    let address = pages::serve();
    let endpoint = format!("http://{address}");
    let itself = std::env::current_exe().expect("the path of this program");
    let status = Command::new(itself)
        .args(std::env::args_os().skip(1))
        .env("AWS_ENDPOINT_URL", &endpoint)
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_REGION", "us-east-1")
        .env(
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
            format!("{endpoint}/compute/v1/"),
        )
        .env("GOOGLE_OAUTH_ACCESS_TOKEN", "token")
        .env("GOOGLE_CLOUD_PROJECT", "peers")
        .status()
        .expect("the second process");
    if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn measure() {
    let mut criterion = Criterion::default()
        .configure_from_args()
        .sample_size(20)
        .measurement_time(Duration::from_secs(8));
    read_a_page(&mut criterion);
    let many = many();
    sort(&mut criterion, &many);
    render(&mut criterion, many);
    criterion.final_summary();
}

fn driver(kind: ProviderKind) -> Arc<dyn Provider> {
    let command_line = Cli::try_parse_from(["cloudctl", "list"]).expect("a command line");
    let environment = Environment::new(std::env::vars());
    let drivers = Drivers::default();
    let settings = Settings::resolve(&command_line.global, environment, drivers.infos(), false).expect("settings");
    (drivers.get(kind).connect)(&settings, Arc::new(At(Timestamp::now())))
}

fn list(runtime: &tokio::runtime::Runtime, provider: &dyn Provider, location: &ListScope) -> Vec<Instance> {
    let listing = runtime.block_on(provider.list(location, &ListFilter::default()));
    listing.expect("a listing").instances
}

/// From the socket to cloudctl's own instances, with the SDK between.
fn read_a_page(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut group = criterion.benchmark_group("read a page");
    for (kind, location, size) in [
        (
            ProviderKind::Aws,
            ListScope::Region("us-east-1".to_owned()),
            pages::EC2_PAGE,
        ),
        (ProviderKind::Gcp, ListScope::AllRegions, pages::COMPUTE_PAGE),
    ] {
        let provider = driver(kind);
        assert_eq!(list(&runtime, provider.as_ref(), &location).len(), size);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(format!("{kind}, {size} VMs"), |bencher| {
            bencher.iter(|| list(&runtime, provider.as_ref(), &location));
        });
    }
    group.finish();
}

/// The page of EC2 again and again, as if from many regions.
fn many() -> Vec<Instance> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let page = list(
        &runtime,
        driver(ProviderKind::Aws).as_ref(),
        &ListScope::Region("us-east-1".to_owned()),
    );
    (0..MANY)
        .map(|number| {
            let mut instance = page[number % page.len()].clone();
            instance.region = format!("region-{:02}", number % REGIONS);
            instance.reference.scope.clone_from(&instance.region);
            instance
        })
        .collect()
}

/// What a list over all regions does with its parts: one after the other, then in the order of a table.
fn sort(criterion: &mut Criterion, many: &[Instance]) {
    let mut by_region: HashMap<&str, Vec<Instance>> = HashMap::new();
    for instance in many {
        by_region.entry(&instance.region).or_default().push(instance.clone());
    }
    let parts: Vec<Vec<Instance>> = by_region.into_values().collect();
    let order: SortOrder = "provider,region,name,id".parse().expect("an order");
    let now = Timestamp::now();
    let mut group = criterion.benchmark_group("merge and sort");
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function(format!("{MANY} VMs of {REGIONS} regions"), |bencher| {
        bencher.iter_batched(
            || parts.clone(),
            |parts| {
                let mut all: Vec<Instance> = parts.into_iter().flatten().collect();
                all.sort_by(|one, other| one.reference.cmp(&other.reference));
                order.sort(&mut all, now);
                all
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn render(criterion: &mut Criterion, many: Vec<Instance>) {
    let now = Timestamp::now();
    let report = Report {
        items: many.iter().map(Record::from).collect(),
        errors: Vec::new(),
    };
    let mut group = criterion.benchmark_group("render 10,000 VMs");
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function("records", |bencher| {
        bencher.iter(|| many.iter().map(Record::from).collect::<Vec<_>>());
    });
    for format in [
        "table",
        "wide",
        "json",
        "jsonl",
        "yaml",
        "csv",
        "name",
        "columns=name,state,labels",
    ] {
        let streams = Streams {
            stdout: Box::new(io::sink()),
            stderr: Box::new(io::sink()),
        };
        let mut printer = Printer::new(streams, Terminal::default());
        printer.set_format(Some(format), false).expect("a format");
        group.bench_function(format, |bencher| {
            bencher.iter(|| printer.print_items(&report, &INSTANCES, now).expect("printed"));
        });
    }
    group.finish();
}
