//! A driver by itself, without the operations over it: the test binary runs itself again, in the sandbox's environment,
//! where the clouds' SDKs look for their settings.

// Each test binary uses another part of it.
#![allow(dead_code)]

use std::process::{Command, Stdio};
use std::sync::Arc;

use clap::Parser;
use cloudctl::cli::Cli;
use cloudctl::cloud::{Clock, InstanceSpec, Location, Provider, ProviderKind};
use cloudctl::providers::Drivers;
use cloudctl::settings::{Environment, Settings};
use serde_json::{Value, json};

use crate::support::backends::Backend;

/// The first argument of a test binary that shall be a driver.
pub const ARGUMENT: &str = "--drive";

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

impl Backend {
    /// What the driver of this backend answers, as JSON; an error is an object with its kind and message. What goes to
    /// stderr is under `warnings`.
    pub fn drive(&self, order: &Value) -> Value {
        let mut command = Command::new(std::env::current_exe().expect("the test binary"));
        command
            .args([ARGUMENT, self.provider(), &order.to_string()])
            .env_clear()
            .envs(self.sandbox.variables())
            .stdin(Stdio::null());
        let output = command.output().expect("the driver runs");
        let mut answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("warnings".to_owned(), String::from_utf8_lossy(&output.stderr).into());
        }
        answer
    }
}

/// Carries out one order in a process of its own, where that is what the arguments say.
pub fn main() -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [first, provider, order] = arguments.as_slice() else {
        return false;
    };
    if first != ARGUMENT {
        return false;
    }
    let drivers = Drivers::default();
    let cli = Cli::try_parse_from(["cloudctl", "list"]).expect("a command line");
    let environment = Environment::new(std::env::vars());
    let settings = Settings::resolve(&cli.global, environment, drivers.infos(), false).expect("settings");
    let kind: ProviderKind = provider.parse().expect("a provider");
    let driver = (drivers.get(kind).connect)(&settings, Arc::new(SystemClock));
    let order: Value = serde_json::from_str(order).expect("an order");
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let answer = runtime.block_on(carry_out(driver.as_ref(), &order)).unwrap_or_else(
        |error| json!({ "kind": error.kind().as_str(), "message": error.message(), "remedy": error.hint() }),
    );
    std::io::Write::write_all(&mut std::io::stdout(), answer.to_string().as_bytes()).expect("stdout");
    true
}

async fn carry_out(driver: &dyn Provider, order: &Value) -> cloudctl::cloud::Result<Value> {
    let text = |key: &str| order[key].as_str().map(str::to_owned);
    let region = text("region").unwrap_or_default();
    let place = Location {
        region: region.clone(),
        zone: text("zone"),
    };
    Ok(match text("do").expect("what to do").as_str() {
        "regions" => json!({ "regions": driver.regions().await? }),
        "machine_types" => {
            let among: Vec<String> = serde_json::from_value(order["among"].clone()).unwrap_or_default();
            let all = driver.machine_types(&region, &among).await?;
            let told = all.into_iter().map(|machine| {
                json!({
                    "name": machine.name,
                    "cpus": machine.cpus,
                    "memory_gib": machine.memory_gib,
                    "architecture": machine.architecture.to_string(),
                    "gpu": machine.gpu.map(|gpu| gpu.to_string()),
                    "is_current": machine.is_current,
                    "has_spot": machine.has_spot,
                })
            });
            json!({ "machine_types": told.collect::<Vec<_>>() })
        }
        "images" => {
            let told = driver.images(&region).await?.into_iter().map(|image| {
                json!({
                    "alias": image.alias,
                    "architecture": image.architecture.to_string(),
                    "id": image.id,
                    "name": image.name,
                    "disk_gib": image.disk_gib,
                    "created_at": image.created_at.map(|at| at.to_string()),
                })
            });
            json!({ "images": told.collect::<Vec<_>>() })
        }
        "spot_price" => {
            let machine = text("type").unwrap_or_default();
            json!({ "price": driver.spot_price(&place, &machine).await? })
        }
        "create_members" => {
            let spec = InstanceSpec {
                members: text("members").map(|members| members.parse().expect("members")),
                machine_type: text("type"),
                default_ssh_key: text("default_ssh_key"),
                ..InstanceSpec::new(text("name").expect("a name").parse()?, place)
            };
            let generation = u32::try_from(order["generation"].as_u64().unwrap_or(0)).unwrap_or(0);
            let created = driver.create(&spec, generation).await?.into_instances();
            let made = driver.confirm_created(&spec, created, &[]).await?;
            let mut made: Vec<_> = made
                .iter()
                .map(|made| (made.name.clone(), made.reference.id.clone(), made.managed))
                .collect();
            made.sort();
            json!({ "made": made })
        }
        other => panic!("the driver knows no {other}"),
    })
}
