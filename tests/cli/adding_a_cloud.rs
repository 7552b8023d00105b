//! Adding a cloud: a tiny one, made from the public contract alone, runs under the real command line.
//!
//! A cloud's word is a variant of `ProviderKind`, a closed enum. So the tiny cloud takes the word of the mock cloud, in a
//! table of drivers of its own. All else that cloudctl knows of it is in this file.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use cloudctl::cloud::{
    Access, Architecture, Area, BatchTracker, CatalogSource, Cleanup, Clock, CloudInfo, CreateOutcome, Error, Gap,
    Identity, Image, ImageUser, Instance, InstanceAction, InstanceRef, InstanceSink, InstanceSpec, InstanceState,
    Instances, LabelChanges, LaunchPreview, ListScope, Location, Locations, MachineType, NativeName, OrphanedDisk,
    Ownership, Provider, ProviderKind, Result, SettingKey, TargetOutcome, TokenScope, key_fingerprint,
    management_labels,
};
use cloudctl::command_context::Host;
use cloudctl::output::{Streams, Terminal};
use cloudctl::panic_report::PanicReport;
use cloudctl::providers::{Driver, Drivers};
use cloudctl::settings::{Environment, Settings};
use jiff::Timestamp;
use serde_json::Value;

use crate::support::command_line::split_words;
use crate::support::sandbox::Sandbox;

const KIND: ProviderKind = ProviderKind::Mock;
const REGION: &str = "north";
const MACHINE_TYPE: &str = "only-size";
const DATACENTER: &str = "datacenter";

static INFO: CloudInfo = CloudInfo {
    kind: KIND,
    title: "the tiny cloud",
    account_noun: "club",
    settings: &[SettingKey {
        name: DATACENTER,
        variable: None,
        example: "cellar",
        help: "",
    }],
    expected_account: None,
    variables: &[],
    vendor_prefixes: &[],
    vendor_variables: "",
    needs_credentials: false,
    example_region: REGION,
    max_instances_per_call: 1,
    token_scope: TokenScope::Region,
    default_machine_type: |_| MACHINE_TYPE,
    price_source: None,
    no_spot_price_note: None,
    sign_in_hint: "ring the bell",
    quota_hint: "ask the neighbours",
    area_of: |region| (region == REGION).then_some(Area::Europe),
    image_user: ImageUser::FromImage,
    key_user: |_| None,
    key_label: key_fingerprint,
    tunnels: &[],
    password_command: |_| None,
    missing_password_key_note: None,
};

const DRIVER: Driver = Driver {
    info: &INFO,
    connect,
    has_credentials: |_| false,
    cloud_tool_settings: &[],
    resolved_settings: |_| Ok(Vec::new()),
    offline_catalog: None,
};

/// The cloud itself: its instances outlive a run.
static INSTANCES: Mutex<Vec<Instance>> = Mutex::new(Vec::new());

fn instances() -> MutexGuard<'static, Vec<Instance>> {
    INSTANCES.lock().expect("no test panicked with it")
}

fn connect(_: &Settings, clock: Arc<dyn Clock>) -> Arc<dyn Provider> {
    Arc::new(Tiny { clock })
}

struct Tiny {
    clock: Arc<dyn Clock>,
}

fn home() -> Location {
    Location {
        region: REGION.to_owned(),
        zone: None,
    }
}

#[async_trait]
impl Instances for Tiny {
    async fn preview(&self, _: &InstanceSpec) -> Result<LaunchPreview> {
        Err(Error::unsupported("the tiny cloud has no previews"))
    }

    async fn create(&self, spec: &InstanceSpec, generation: u32) -> Result<CreateOutcome> {
        let mut instances = instances();
        let is_first = |instance: &&Instance| {
            instance.name.as_deref() == Some(spec.name.as_str()) && instance.generation == Some(generation)
        };
        if let Some(first) = instances.iter().find(is_first) {
            return Ok(match first.state.is_gone() {
                true => CreateOutcome::TokenAlreadyUsed,
                false => CreateOutcome::Created(vec![first.clone()]),
            });
        }
        let ownership = Ownership::from_labels(&management_labels(spec, generation), NativeName::Tag(None));
        let instance = Instance {
            name: ownership.name,
            managed: ownership.managed,
            spec_fingerprint: ownership.spec_fingerprint,
            generation: ownership.generation,
            state: InstanceState::Running,
            machine_type: Some(MACHINE_TYPE.to_owned()),
            created_at: Some(self.clock.now()),
            labels: spec.labels.clone(),
            ..Instance::with_id_only(KIND, REGION.to_owned(), format!("t-{}", instances.len()))
        };
        instances.push(instance.clone());
        Ok(CreateOutcome::Created(vec![instance]))
    }

    async fn get(&self, target: &InstanceRef) -> Result<Instance> {
        let instances = instances();
        let found = instances.iter().find(|instance| instance.reference == *target);
        found.cloned().ok_or_else(|| Error::not_found(target))
    }

    async fn list_into(&self, sink: &InstanceSink<'_>) -> Result<Vec<Gap>> {
        sink.push_page(instances().clone());
        Ok(Vec::new())
    }

    async fn apply(
        &self,
        action: InstanceAction,
        targets: &[InstanceRef],
        tracker: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome> {
        let apply_to = |target: &InstanceRef| {
            tracker.start(&target.scope, [target.id.as_str()])?;
            let mut instances = instances();
            let instance = instances.iter_mut().find(|instance| instance.reference == *target);
            let instance = instance.ok_or_else(|| Error::not_found(target))?;
            match action {
                InstanceAction::Terminate => instance.state = InstanceState::Terminated,
                _ => return Err(Error::unsupported("the tiny cloud only terminates")),
            }
            Ok(())
        };
        let outcomes = targets.iter().map(|target| TargetOutcome {
            target: target.clone(),
            result: apply_to(target).and_then(|()| tracker.record(target, Ok(()))),
        });
        outcomes.collect()
    }

    async fn set_ttl(&self, _: &InstanceRef, _: Duration) -> Result<()> {
        Err(Error::unsupported("the tiny cloud has no timers"))
    }

    fn check_label_changes(&self, _: &LabelChanges, _: &[Instance]) -> Result<()> {
        Ok(())
    }

    async fn set_labels(
        &self,
        targets: &[Instance],
        changes: &LabelChanges,
        tracker: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome> {
        let set_labels_of = |target: &InstanceRef| {
            tracker.start(&target.scope, [target.id.as_str()])?;
            let mut instances = instances();
            let instance = instances.iter_mut().find(|instance| instance.reference == *target);
            let instance = instance.ok_or_else(|| Error::not_found(target))?;
            changes.apply_to(&mut instance.labels);
            Ok(())
        };
        let outcomes = targets.iter().map(|target| TargetOutcome {
            target: target.reference.clone(),
            result: set_labels_of(&target.reference).and_then(|()| tracker.record(&target.reference, Ok(()))),
        });
        outcomes.collect()
    }

    async fn console_output(&self, _: &InstanceRef) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Locations for Tiny {
    async fn default_location(&self) -> Result<Option<Location>> {
        Ok(Some(home()))
    }

    async fn resolve_location(&self, region: Option<&str>, _: Option<&str>) -> Result<Location> {
        match region {
            Some(REGION) => Ok(home()),
            _ => Err(Error::invalid("the tiny cloud has the region north alone")),
        }
    }

    async fn regions(&self) -> Result<Vec<String>> {
        Ok(vec![REGION.to_owned()])
    }

    async fn list_scopes(&self) -> Result<Vec<ListScope>> {
        Ok(vec![ListScope::AllRegions])
    }

    async fn candidate_zones(&self, _: &InstanceSpec) -> Result<Vec<Location>> {
        Ok(vec![home()])
    }
}

#[async_trait]
impl CatalogSource for Tiny {
    async fn machine_types(&self, _: &str, _: &[String]) -> Result<Vec<MachineType>> {
        Ok(vec![MachineType {
            name: MACHINE_TYPE.to_owned(),
            cpus: 1,
            memory_gib: 1.0,
            architecture: Architecture::X86_64,
            gpu: None,
            is_current: true,
            has_spot: false,
        }])
    }

    async fn images(&self, _: &str) -> Result<Vec<Image>> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Access for Tiny {
    async fn identity(&self) -> Result<Identity> {
        Ok(Identity {
            account: "chess".to_owned(),
            principal: None,
        })
    }

    async fn server_time(&self) -> Result<Timestamp> {
        Ok(self.clock.now())
    }
}

#[async_trait]
impl Cleanup for Tiny {
    async fn delete_unused_firewall_rules(&self, _: &[Instance]) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn orphaned_disks(&self, _: &[Instance]) -> Result<Vec<OrphanedDisk>> {
        Ok(Vec::new())
    }
}

impl Provider for Tiny {
    fn info(&self) -> &'static CloudInfo {
        &INFO
    }
}

/// What a run writes to one stream.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("the output").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("the output")).into_owned()
    }
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Runs a command line over the tiny cloud, and gives what is on stdout.
fn run(sandbox: &Sandbox, line: &str) -> String {
    let (stdout, stderr) = (Output::default(), Output::default());
    let home = ("HOME".to_owned(), sandbox.home().to_string_lossy().into_owned());
    let host = Host {
        streams: Streams {
            stdout: Box::new(stdout.clone()),
            stderr: Box::new(stderr.clone()),
        },
        input: Box::new(io::empty()),
        environment: Environment::new([home]),
        terminal: Terminal::default(),
        clock: Arc::new(SystemClock),
        drivers: Drivers::default().with(DRIVER),
        panics: PanicReport::default(),
    };
    let words = split_words(&format!("cloudctl {line}")).into_iter().map(Into::into);
    let status = cloudctl::run(words, host);
    assert_eq!(status.code(), 0, "{line}: {}", stderr.text());
    stdout.text()
}

#[test]
fn fourth_cloud_creates_lists_and_terminates() {
    let sandbox = Sandbox::new();
    let create = &format!("create web-1 -p mock -r {REGION} -l team=chess -o ref");
    let reference = "mock/north/t-0\n";
    assert_eq!(run(&sandbox, create), reference);
    assert_eq!(run(&sandbox, create), reference, "a name is an idempotency key");
    let listed: Value = serde_json::from_str(&run(&sandbox, "list -p mock -o json")).unwrap();
    let [web] = listed["items"].as_array().unwrap().as_slice() else {
        panic!("{listed}")
    };
    for (field, value) in [("name", "web-1"), ("state", "running"), ("machine_type", MACHINE_TYPE)] {
        assert_eq!(web[field], value, "{field}");
    }
    assert_eq!(
        (&web["managed"], &web["labels"]["team"]),
        (&true.into(), &"chess".into())
    );
    run(&sandbox, "label web-1 team=go room=3 -p mock");
    let labelled: Value = serde_json::from_str(&run(&sandbox, "label web-1 room- -p mock -o json")).unwrap();
    assert_eq!(labelled["items"][0]["labels"], serde_json::json!({ "team": "go" }));
    run(&sandbox, "terminate web-1 -p mock --yes");
    assert_eq!(run(&sandbox, "list -p mock -o ref"), "");
    assert_eq!(run(&sandbox, create), "mock/north/t-1\n", "the name is free again");
}

#[test]
fn fourth_cloud_has_settings_and_area_of_its_own() {
    let sandbox = Sandbox::new();
    let context = format!("current = \"a\"\n[contexts.a.mock]\n{DATACENTER} = \"cellar\"\n");
    sandbox.write("home/.config/cloudctl/config.toml", &context);
    let shown: Value = serde_json::from_str(&run(&sandbox, "context show -o json")).unwrap();
    let rows = shown["items"].as_array().unwrap();
    let row = rows.iter().find(|row| row["setting"] == "mock.datacenter").unwrap();
    assert_eq!(row["value"], "cellar");
    assert_eq!(row["source"], "~/.config/cloudctl/config.toml:3, [contexts.a.mock]");
    let help = run(&sandbox, "help context-file");
    assert!(
        help.ends_with("\n  [contexts.dev.mock]\n  datacenter = \"cellar\"\n"),
        "{help}"
    );
    let regions = run(&sandbox, "region list -p mock -r europe -o columns=name");
    assert!(regions.contains(REGION), "{regions}");
}
