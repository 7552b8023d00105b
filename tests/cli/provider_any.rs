//! `--provider any`: one command compares two clouds, and one name means one VM on both of them.

use serde_json::Value;

use crate::support::sandbox::{Run, Sandbox};
use cloud_emulators::{ec2, gce};

/// Both clouds, and a sandbox that has credentials for both.
struct Clouds {
    sandbox: Sandbox,
    ec2: ec2::Emulator,
    gce: gce::Emulator,
}

impl Clouds {
    fn start() -> Self {
        let (ec2, gce) = (ec2::Emulator::start(), gce::Emulator::start());
        let mut sandbox = Sandbox::new();
        sandbox.point_at_aws(&ec2.url()).point_at_gcp(&gce.url(), gce::PROJECT);
        Self { sandbox, ec2, gce }
    }

    fn json(&self, arguments: &[&str]) -> Run {
        self.sandbox.run(&[arguments, &["-o", "json"]].concat())
    }

    /// How many VMs there are, on EC2 and on Compute Engine.
    fn count(&self) -> (usize, usize) {
        let is_alive = |state: &str| !["terminated", "shutting-down", "STOPPING"].contains(&state);
        let on_ec2 = self.ec2.instances().into_iter().filter(|one| is_alive(one.state));
        let on_gce = self.gce.instances().into_iter().filter(|one| is_alive(&one.status));
        (on_ec2.count(), on_gce.count())
    }

    /// Leaves no room in a region of a cloud.
    fn exhaust(&self, provider: &str) {
        for letter in ["a", "b", "c", "d", "e", "f"] {
            match provider {
                "aws" => self.ec2.exhaust_zone(&format!("us-east-1{letter}")),
                _ => self.gce.exhaust_zone(&format!("us-central1-{letter}")),
            }
        }
    }
}

const NEED: [&str; 6] = ["create", "a", "--cpus", "4", "--memory", "16"];

fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item[field].as_str().unwrap_or_default()
}

#[test]
fn dry_run_of_both_clouds_has_the_same_fields() {
    let clouds = Clouds::start();
    let plan = |provider: &str| {
        let arguments = [&NEED[..], &["--image", "ubuntu-24.04", "--dry-run", "-p", provider]].concat();
        clouds.json(&arguments).expect(0).item()
    };
    let (on_ec2, on_gce) = (plan("aws"), plan("gcp"));
    let fields = |plan: &Value| plan.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&on_ec2), fields(&on_gce));
    for plan in [on_ec2, on_gce] {
        assert!(plan["price_usd_per_hour"].as_f64() > Some(0.05), "{plan}");
        assert!(plan["cpus"].as_u64() >= Some(4) && plan["memory_gib"].as_f64() >= Some(16.0));
    }
    assert_eq!(clouds.count(), (0, 0));
}

#[test]
fn any_provider_uses_the_cheapest_and_says_why() {
    let clouds = Clouds::start();
    let run = clouds
        .json(&[&NEED[..], &["--dry-run", "-p", "any"]].concat())
        .expect(0);
    let plan = run.item();
    let price = |provider: &str| {
        let run = clouds.json(&[&NEED[..], &["--dry-run", "-p", provider]].concat());
        run.expect(0).item()["price_usd_per_hour"].as_f64().expect("a price")
    };
    let (on_ec2, on_gce) = (price("aws"), price("gcp"));
    assert_eq!(plan["price_usd_per_hour"].as_f64(), Some(on_ec2.min(on_gce)));
    run.expect_in_stderr("the cheapest x86_64 that fits is ");
    run.expect_in_stderr("; next is ");
    assert_eq!(clouds.count(), (0, 0));
}

#[test]
fn fallback_to_the_other_cloud_is_adopted_later() {
    let clouds = Clouds::start();
    let anywhere = [&NEED[..], &["-p", "any", "--ttl", "2h"]].concat();
    let plan = clouds.json(&[&anywhere[..], &["--dry-run"]].concat()).expect(0).item();
    clouds.exhaust(text(&plan, "provider"));
    let run = clouds.json(&anywhere).expect(0);
    let made = run.item();
    assert_ne!(made["provider"], plan["provider"]);
    run.expect_in_stderr("no capacity in ");
    clouds.ec2.restore_capacity();
    for letter in ["a", "b", "c", "f"] {
        clouds.gce.restock_zone(&format!("us-central1-{letter}"));
    }
    // There is room again, and the VM is where it is.
    assert_eq!(clouds.json(&anywhere).expect(0).item()["id"], made["id"]);
    let (on_ec2, on_gce) = clouds.count();
    assert_eq!(on_ec2 + on_gce, 1);
}

#[test]
fn fallback_uses_the_other_cloud_in_the_same_area() {
    let clouds = Clouds::start();
    clouds.exhaust("aws");
    let arguments = [&NEED[..], &["-p", "aws", "--fallback", "zone,provider"]].concat();
    let made = clouds.json(&arguments).expect(0).item();
    assert_eq!(made["provider"], "gcp");
    assert!(text(&made, "region").starts_with("us-"), "{made}");
    assert_eq!(clouds.json(&arguments).expect(0).item()["id"], made["id"]);
    assert_eq!(clouds.count(), (0, 1));
}

#[test]
fn silent_cloud_may_have_the_name() {
    let clouds = Clouds::start();
    let mut sandbox = Sandbox::new();
    // Nobody listens there.
    sandbox
        .point_at_aws("http://127.0.0.1:9")
        .point_at_gcp(&clouds.gce.url(), gce::PROJECT);
    let run = sandbox.run(&[&NEED[..], &["-p", "any"]].concat());
    assert!([4, 6, 7, 9].contains(&run.code), "{run:?}");
    assert_eq!(clouds.count(), (0, 0));
}
