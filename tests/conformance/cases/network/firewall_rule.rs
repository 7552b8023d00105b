//! Access on Compute Engine: firewall rules that open ports and are deleted with the last VM, and SSH keys with OS
//! Login.

use cloudctl::cloud::InstanceSpec;

use crate::Case;
use crate::cases::catalog::driver::{ZONE, emulator, provider, run, spec};
use crate::cases::{cases, text};
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![&[BackendKind::GceEmulator];
        gce_firewall_rule_is_shared_and_deleted_with_last_vm,
        gce_firewall_rule_for_each_ip_version,
        gce_firewall_rule_deleted_meanwhile_is_created_again,
        gce_firewall_rule_of_others_is_not_changed,
        gce_firewall_rule_of_a_refused_vm_is_deleted,
        gce_firewall_rule_stays_while_a_zone_does_not_answer,
        gce_firewall_of_another_project_is_refused,
        gce_subnet_implies_its_network,
        gce_missing_default_network_is_named,
        gce_key_that_os_login_ignores_is_refused,
        gce_default_key_is_left_out_with_os_login,
    ])
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS ada@laptop";

fn gce_firewall_rule_is_shared_and_deleted_with_last_vm(backend: &Backend) {
    let cloud = emulator(backend);
    backend.run("create web-1 --open 22,443 --dry-run").expect(0);
    assert!(cloud.firewall_rules().is_empty());
    backend.run("create web-1 --open 22,443 --firewall theirs").expect(0);
    backend.run("create web --count 2 --open 443,22").expect(7);
    backend.run("create db-1 --open 5432/10.0.0.0/8").expect(0);
    let rules = cloud.firewall_rules();
    assert_eq!(rules.len(), 2, "{rules:?}");
    let shared = rules
        .iter()
        .find(|rule| rule.allowed == ["tcp:22", "tcp:443"])
        .expect("the rule");
    assert_eq!(
        (shared.network.as_str(), &shared.source_ranges[..]),
        ("default", &["0.0.0.0/0".to_owned()][..])
    );
    assert_eq!(shared.target_tags, [shared.name.as_str()]);
    assert_eq!(cloud.instance("web-1").expect("the VM").tags, ["theirs", &shared.name]);
    assert_eq!(cloud.instance("web-2").expect("the VM").tags, [shared.name.as_str()]);

    backend.run("terminate web-1 -y").expect(0);
    assert_eq!(cloud.firewall_rules().len(), 2);
    // Somebody gave the tag to a VM of their own.
    backend.run("terminate web-2 -y").expect(0);
    let left: Vec<_> = cloud.firewall_rules().into_iter().map(|rule| rule.allowed).collect();
    assert_eq!(left, [["tcp:5432"]]);
    backend.run("terminate db-1 -y --wait").expect(0);
    assert!(cloud.firewall_rules().is_empty());
}

fn gce_firewall_rule_for_each_ip_version(backend: &Backend) {
    let cloud = emulator(backend);
    let sources = "22/0.0.0.0/0,22/::/0,8080/10.0.0.0/8,8080/192.168.0.0/16";
    backend.run(&["create", "web-1", "--open", sources]).expect(0);
    let rules = cloud.firewall_rules();
    assert_eq!(rules.len(), 3, "{rules:?}");
    let tag = &cloud.instance("web-1").expect("the VM").tags[0];
    assert!(
        rules
            .iter()
            .all(|rule| rule.name.starts_with(tag.as_str()) && rule.target_tags == [tag.clone()])
    );
    backend.run("terminate web-1 -y --wait").expect(0);
    assert!(cloud.firewall_rules().is_empty());
}

fn gce_firewall_rule_deleted_meanwhile_is_created_again(backend: &Backend) {
    let cloud = emulator(backend);
    std::thread::scope(|scope| {
        let create = scope.spawn(|| backend.run("create web-1 --open 22"));
        // Whoever terminates the last other VM sees none that has the tag.
        while cloud.instance_count() == 0 {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let name = cloud.firewall_rules()[0].name.clone();
        cloud.delete_firewall_rule(&name);
        create.join().expect("the run").expect(0);
    });
    assert_eq!(cloud.firewall_rules().len(), 1);
}

fn gce_firewall_rule_of_others_is_not_changed(backend: &Backend) {
    let cloud = emulator(backend);
    backend.run("create web-1 --open 22").expect(0);
    let rule = cloud.firewall_rules().remove(0);
    backend.run("terminate web-1 -y --wait").expect(0);

    let mut theirs = rule.resource.clone();
    theirs["description"] = "by hand".into();
    let mut changed = rule.resource.clone();
    changed["sourceRanges"] = serde_json::json!(["10.0.0.0/8"]);
    let mut off = rule.resource.clone();
    off["disabled"] = true.into();
    for (body, says) in [
        (theirs, "did not create it"),
        (changed, "was changed"),
        (off, "was changed"),
    ] {
        cloud.put_firewall_rule(&rule.name, body);
        let run = backend.json("create web-1 --open 22").expect(6);
        let error = &run.json()["errors"][0];
        assert!(text(error, "message").contains(says), "{error}");
        assert!(text(error, "hint").contains(&rule.name), "{error}");
        assert_eq!((cloud.instance_count(), cloud.firewall_rules().len()), (0, 1));
    }
    // One of ours that was left is as good as new.
    cloud.put_firewall_rule(&rule.name, rule.resource.clone());
    backend.run("create web-1 --open 22").expect(0);
    // Nor is it removed if it is not ours.
    let mut theirs = rule.resource.clone();
    theirs["description"] = "mine now".into();
    cloud.put_firewall_rule(&rule.name, theirs);
    backend.run("terminate web-1 -y --wait").expect(0);
    assert_eq!(cloud.firewall_rules().len(), 1);
}

fn gce_firewall_rule_of_a_refused_vm_is_deleted(backend: &Backend) {
    let cloud = emulator(backend);
    cloud.exhaust_zone(ZONE);
    backend.run(&["create", "web-1", "-z", ZONE, "--open", "22"]).expect(5);
    backend
        .run(&["create", "web", "--count", "2", "-z", ZONE, "--open", "22"])
        .expect(5);
    assert_eq!((cloud.instance_count(), cloud.firewall_rules().len()), (0, 0));
    // Not if another VM needs it.
    backend.run("create web-1 -z us-central1-b --open 22").expect(0);
    backend.run(&["create", "web-2", "-z", ZONE, "--open", "22"]).expect(5);
    assert_eq!(cloud.firewall_rules().len(), 1);
}

fn gce_firewall_rule_stays_while_a_zone_does_not_answer(backend: &Backend) {
    let cloud = emulator(backend);
    backend.run(&["create", "web-1", "-z", ZONE, "--open", "22"]).expect(0);
    let provider = provider(backend);
    run(async {
        let location = cloudctl::cloud::ListScope::AllRegions;
        let listing = provider.list(&location, &Default::default()).await.expect("the VM");
        let gone = listing.instances;
        cloud.delete_from_outside("web-1");
        cloud.mark_unreachable("europe-west1-b");
        let tag = cloud.firewall_rules()[0].name.clone();
        assert_eq!(
            provider.delete_unused_firewall_rules(&gone).await.expect("an answer"),
            [tag]
        );
        assert_eq!(cloud.firewall_rules().len(), 1);
        cloud.mark_reachable("europe-west1-b");
        assert!(
            provider
                .delete_unused_firewall_rules(&gone)
                .await
                .expect("an answer")
                .is_empty()
        );
        assert!(cloud.firewall_rules().is_empty());
        assert!(
            provider
                .delete_unused_firewall_rules(&gone)
                .await
                .expect("an answer")
                .is_empty()
        );
    });
}

fn gce_firewall_of_another_project_is_refused(backend: &Backend) {
    for flag in [
        ["--network", "projects/host/global/networks/shared"],
        ["--subnet", "projects/host/regions/us-central1/subnetworks/shared"],
    ] {
        let run = backend
            .run(&[&["create", "web-1", "--open", "22"], &flag[..]].concat())
            .expect(2);
        run.expect_in_stderr("host");
    }
    assert_eq!(backend.count("firewalls.insert") + backend.count("instances.insert"), 0);
}

fn gce_subnet_implies_its_network(backend: &Backend) {
    let cloud = emulator(backend);
    cloud.add_network("inner", &[("us-central1", "apps")]);
    backend.run("create web-1 --subnet apps --open 22").expect(0);
    assert_eq!(cloud.firewall_rules()[0].network, "inner");
    let run = backend.run("create web-2 --subnet nowhere --open 22").expect(2);
    run.expect_in_stderr("nowhere");
}

fn gce_missing_default_network_is_named(backend: &Backend) {
    let cloud = emulator(backend);
    cloud.remove_default_network();
    for arguments in [
        &["create", "web-1"][..],
        &["create", "web-1", "--open", "22"],
        &["create", "web-1", "--type", "n1-standard-4", "--gpu", "t4"],
        &["create", "web", "--count", "2"],
        &["create", "web-1", "--disk", "30", "--spot"],
    ] {
        let run = backend.json(arguments).expect(6);
        assert_eq!(run.error_kinds(), ["refused"], "{arguments:?}");
        let hint = text(&run.json()["errors"][0], "hint").to_owned();
        assert!(
            hint.contains("networks create default") && hint.contains("--network"),
            "{hint}"
        );
    }
    // As newer parts of the service have it.
    backend.inject(
        cloud_emulators::faults::Fault::on(
            "instances.insert",
            cloud_emulators::faults::Effect::ErrorBefore {
                status: 404,
                code: "notFound".to_owned(),
            },
        )
        .times(1),
    );
    let run = backend.json("create web-1 --disk 30").expect(6);
    assert_eq!(run.error_kinds(), ["refused"]);
    assert_eq!((cloud.instance_count(), cloud.firewall_rules().len()), (0, 0));
}

fn gce_key_that_os_login_ignores_is_refused(backend: &Backend) {
    let cloud = emulator(backend);
    let key = backend.sandbox.write("key.pub", KEY);
    let arguments = ["create", "web-1", "--ssh-key", &key];
    cloud.set_common_metadata("enable-oslogin", "TRUE");
    let run = backend.json(&arguments).expect(6);
    let error = &run.json()["errors"][0];
    assert!(text(error, "hint").contains("os-login ssh-keys add"), "{error}");
    assert_eq!(cloud.instance_count(), 0);
    // The VM's own metadata comes before the project's.
    let off = [&arguments[..], &["--native", "metadata=enable-oslogin=FALSE"]].concat();
    backend.run(&off).expect(0);
    assert_eq!(
        cloud.instance("web-1").expect("the VM").metadata["ssh-keys"],
        format!("ada:{KEY}")
    );
    cloud.set_common_metadata("enable-oslogin", "FALSE");
    let on = [
        "create",
        "web-2",
        "--ssh-key",
        &key,
        "--native",
        "metadata=enable-oslogin=TRUE",
    ];
    backend.run(&on).expect(6);
    // Who may not ask goes on.
    cloud.deny("compute.projects.get");
    backend.run(&["create", "web-3", "--ssh-key", &key]).expect(0);
    let asked = backend.count("projects.get");
    backend.run("create web-4").expect(0);
    assert_eq!(backend.count("projects.get"), asked);
}

fn gce_default_key_is_left_out_with_os_login(backend: &Backend) {
    let (cloud, provider) = (emulator(backend), provider(backend));
    let with_key = |name: &str, key: &str| InstanceSpec {
        default_ssh_key: Some(key.to_owned()),
        ..spec(name)
    };
    run(async {
        provider.create(&with_key("web-1", KEY), 0).await.expect("a VM");
        cloud.set_common_metadata("enable-oslogin", "true");
        provider.create(&with_key("web-2", KEY), 0).await.expect("a VM");
        provider
            .create(&with_key("web-3", "no key at all\n"), 0)
            .await
            .expect("a VM");
    });
    let has_key = |name: &str| cloud.instance(name).expect("the VM").metadata.contains_key("ssh-keys");
    assert_eq!(["web-1", "web-2", "web-3"].map(has_key), [true, false, false]);
}
