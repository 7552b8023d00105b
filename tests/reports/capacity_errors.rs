//! EC2 error codes that look like a lack of capacity: fallback happens only where another zone can help.

use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use cloud_emulators::faults::{Effect, Fault};

const CONFIGURATION: &str = "The requested configuration is currently not supported. Please check the documentation for supported configurations.";
const IN_ZONE: &str = "Your requested instance type (t3.small) is not supported in your requested Availability Zone \
                       (us-east-1a). Please retry your request by not specifying an Availability Zone or choosing \
                       us-east-1b, us-east-1c.";
const CONSTRAINED: &str = "The requested Availability Zone is currently constrained and we are no longer accepting new \
                           customer requests for t3 instance types. Please retry your request by not specifying an \
                           Availability Zone or choosing us-east-1b.";
const MARKETPLACE: &str = "In order to use this AWS Marketplace product you need to accept terms and subscribe. To do \
                           so please visit https://aws.amazon.com/marketplace/pp?sku=aw0evgkw8e5c1q413zgy5pjce";

fn answer(status: u16, code: &str, message: &str) -> Effect {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code>\
         <Message>{message}</Message></Error></Errors><RequestID>ea966190-f9aa-478e-9ede-example</RequestID></Response>"
    );
    Effect::ProxyBefore { status, body }
}

/// `create web -z us-east-1a --fallback FALLBACK`, where RunInstances answers so, as often as it is asked.
fn create(code: &str, message: &str, fallback: &str) -> (Backend, Run) {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    backend.inject(Fault::on("RunInstances", answer(400, code, message)));
    let run = backend.run(&["create", "web", "-z", "us-east-1a", "--fallback", fallback]);
    (backend, run)
}

#[test]
fn configuration_that_is_not_supported_is_tried_once() {
    for fallback in ["zone", "zone,type", "zone,type,region"] {
        let (backend, run) = create("Unsupported", CONFIGURATION, fallback);
        let run = run.expect(6);
        run.expect_in_stderr("requested configuration is currently not supported");
        run.expect_not_in_stderr("no capacity in");
        assert_eq!(backend.count("RunInstances"), 1, "{fallback}");
    }
}

#[test]
fn other_reasons_of_unsupported_are_tried_once() {
    for message in [
        "The instance type t3.small does not support an AMI with a different architecture",
        "Spot is not supported for dedicated tenancy",
        "Windows is not supported on this instance type in this Region",
    ] {
        let (backend, run) = create("Unsupported", message, "zone");
        let run = run.expect(6);
        assert_eq!(backend.count("RunInstances"), 1, "{message}");
        run.expect_in_stderr("Unsupported");
    }
}

#[test]
fn type_that_the_zone_lacks_is_looked_for_in_the_next_zone() {
    for (code, message) in [
        ("Unsupported", IN_ZONE),
        ("Unsupported", CONSTRAINED),
        ("InvalidParameterValue", IN_ZONE),
        (
            "VolumeTypeNotAvailableInZone",
            "The specified Availability Zone does not support io2 volumes",
        ),
        (
            "InsufficientInstanceCapacity",
            "We currently do not have sufficient capacity",
        ),
        (
            "UnfulfillableCapacity",
            "At this time there is not enough spare capacity",
        ),
    ] {
        let backend = Backend::start(BackendKind::Ec2Emulator);
        backend.inject(Fault::on("RunInstances", answer(400, code, message)).times(1));
        let run = backend.json("create web -z us-east-1a --fallback zone");
        let item = run.expect(0).item();
        assert_ne!(item["zone"], "us-east-1a", "{code}: {message}");
        assert_eq!(backend.alive().len(), 1);
    }
}

#[test]
fn want_of_room_that_a_dry_run_tells_is_no_reason_to_stop() {
    // A fallback to other types asks EC2 for the default one by a dry run first.
    for fallback in ["zone,type", "type,region", "zone,type,region"] {
        let backend = Backend::start(BackendKind::Ec2Emulator);
        backend.inject(Fault::on("RunInstances", answer(400, "Unsupported", IN_ZONE)).times(2));
        let run = backend.json(&["create", "web", "-z", "us-east-1a", "--fallback", fallback]);
        run.expect(0);
        assert_eq!(backend.alive().len(), 1, "{fallback}");
    }
}

#[test]
fn type_that_the_zone_lacks_is_no_room_without_a_fallback() {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    backend.inject(Fault::on("RunInstances", answer(400, "Unsupported", IN_ZONE)));
    let run = backend.run("create web -z us-east-1a").expect(5);
    run.expect_in_stderr("--fallback zone");
}

#[test]
fn mistakes_of_the_spec_are_tried_once() {
    for code in [
        "InvalidParameterCombination",
        "UnsupportedOperation",
        "UnsupportedTenancy",
    ] {
        let (backend, run) = create(code, "The parameters do not go together", "zone");
        run.expect(2);
        assert_eq!(backend.count("RunInstances"), 1, "{code}");
    }
}

#[test]
fn marketplace_product_names_its_page() {
    for fallback in ["zone", "zone,region"] {
        let (backend, run) = create("OptInRequired", MARKETPLACE, fallback);
        let run = run.expect(4);
        let page = "https://aws.amazon.com/marketplace/pp?sku=aw0evgkw8e5c1q413zgy5pjce";
        let hint = run.stderr.lines().find(|line| line.starts_with("hint: ")).unwrap();
        assert!(hint.ends_with(page), "{hint}");
        assert!(!hint.contains("region"), "{hint}");
        assert_eq!(backend.count("RunInstances"), 1);
    }
}

#[test]
fn page_of_a_marketplace_product_may_be_without_tls() {
    let page = "http://aws.amazon.com/marketplace/pp?sku=abc";
    let (_, run) = create(
        "OptInRequired",
        &format!("To use this AWS Marketplace product, visit {page}."),
        "zone",
    );
    let run = run.expect(4);
    let hint = run.stderr.lines().find(|line| line.starts_with("hint: ")).unwrap();
    assert!(hint.ends_with(page), "{hint}");
}

#[test]
fn marketplace_product_without_a_page_is_not_called_a_region() {
    let (_, run) = create(
        "OptInRequired",
        "You must subscribe to this AWS Marketplace product.",
        "zone",
    );
    let run = run.expect(4);
    let hint = run.stderr.lines().find(|line| line.starts_with("hint: ")).unwrap();
    assert!(hint.contains("Marketplace") && !hint.contains("region"), "{hint}");
}

#[test]
fn region_that_is_not_opted_in_keeps_its_hint() {
    let message = "You are not subscribed to this service. Please go to http://aws.amazon.com to subscribe.";
    let (_, run) = create("OptInRequired", message, "zone");
    let run = run.expect(4);
    run.expect_in_stderr("hint: enable the region");
}

#[test]
fn account_that_is_held_up_gets_a_hint_of_its_own() {
    for (code, words) in [
        ("PendingVerification", "verified"),
        ("Blocked", "AWS Support"),
        ("AccountDisabled", "AWS Support"),
    ] {
        let (backend, run) = create(code, "Your account is held up", "zone");
        let run = run.expect(4);
        let hint = run.stderr.lines().find(|line| line.starts_with("hint: ")).unwrap();
        assert!(hint.contains(words), "{code}: {hint}");
        assert_eq!(backend.count("RunInstances"), 1, "{code}");
    }
}

/// A zone of a cloud that lacks a machine type, and that type.
const LACKING: [(BackendKind, &str, &str); 2] = [
    (BackendKind::Ec2Emulator, "us-east-1e", "t4g.small"),
    (BackendKind::GceEmulator, "us-central1-c", "t2a-standard-1"),
];

/// EC2 tells that a zone lacks a type only when the instance is created.
const TOLD_BY_DRY_RUN: BackendKind = BackendKind::GceEmulator;

#[test]
fn zone_that_lacks_the_type_is_no_room_on_both_clouds() {
    for (kind, zone, machine_type) in LACKING {
        for dry in [&[][..], &["--dry-run"]] {
            if !dry.is_empty() && kind != TOLD_BY_DRY_RUN {
                continue;
            }
            let backend = Backend::start(kind);
            let words = ["create", "web", "-z", zone, "--type", machine_type];
            let run = backend.run(&[&words, dry].concat()).expect(5);
            assert!(run.stderr.contains("--fallback zone"), "{kind:?}: {}", run.stderr);
            assert!(backend.alive().is_empty());
        }
    }
}

#[test]
fn zone_without_the_type_falls_back_to_one_with_it() {
    for (kind, zone, machine_type) in LACKING {
        for fallback in ["zone", "zone,region", "zone,type,region"] {
            for group in ["", "--count 2"] {
                let backend = Backend::start(kind);
                let create = format!("create web -z {zone} --type {machine_type} --fallback {fallback} {group}");
                let run = backend.json(&create).expect(0);
                for item in run.items() {
                    assert_eq!(item["region"], backend.home_region(), "{fallback}: {}", run.stderr);
                    assert_eq!(item["machine_type"], machine_type, "{fallback}");
                    assert_ne!(item["zone"], zone);
                }
                run.expect_not_in_stderr("no capacity in :");
                let backend = Backend::start(kind);
                backend.json(&format!("{create} --dry-run")).expect(0);
            }
        }
    }
}

#[test]
fn type_that_no_zone_has_is_a_mistake_on_both_clouds() {
    for (kind, zone, _) in LACKING {
        let backend = Backend::start(kind);
        let run = backend.run(&format!(
            "create web -z {zone} --type nosuch-standard-1 --fallback zone"
        ));
        run.expect(2);
    }
}
