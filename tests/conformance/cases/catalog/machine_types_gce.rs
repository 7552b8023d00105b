//! Machine types of Compute Engine: what a region has, built-in and attached GPUs, and zones with capacity.

use std::collections::BTreeSet;

use cloudctl::cloud::{Architecture, ErrorKind};

use crate::Case;
use crate::cases::catalog::driver::{emulator, provider, run, spec};
use crate::cases::{cases, text};
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![&[BackendKind::GceEmulator];
        gce_region_has_the_types_of_all_its_zones,
        gce_images_come_from_families,
        gce_gpu_is_attached_to_n1,
        gce_built_in_gpu_meets_requirements_or_is_refused,
        gce_zone_without_the_gpu_has_no_capacity,
        gce_stockout_names_zones_with_capacity,
        gce_dry_run_shows_what_the_machine_has,
    ])
}

fn gce_region_has_the_types_of_all_its_zones(backend: &Backend) {
    let provider = provider(backend);
    run(async {
        let regions = provider.regions().await.expect("the regions");
        assert!(
            regions.contains(&"us-central1".to_owned()) && regions.is_sorted(),
            "{regions:?}"
        );
        assert_eq!(regions.iter().collect::<BTreeSet<_>>().len(), regions.len());
        let types = provider.machine_types("us-central1", &[]).await.expect("the types");
        let names: BTreeSet<_> = types.iter().map(|machine| machine.name.as_str()).collect();
        assert_eq!(names.len(), types.len(), "each once");
        let named = |name: &str| types.iter().find(|machine| machine.name == name).expect("the type");
        let e2 = named("e2-standard-4");
        assert_eq!(
            (e2.cpus, e2.memory_gib, e2.gpu.clone(), e2.is_current),
            (4, 16.0, None, true)
        );
        // No zone has all of them.
        assert_eq!(named("c4a-standard-4").architecture, Architecture::Arm64);
        assert_eq!(named("a2-highgpu-2g").gpu, Some("a100:2".parse().expect("a GPU")));
        assert!(!named("n1-standard-4").is_current && !named("f1-micro").is_current);
        assert_eq!(backend.count("machineTypes.list"), 4);

        let some = ["g2-standard-4".to_owned(), "z9-huge".to_owned()];
        let some = provider.machine_types("us-central1", &some).await.expect("the types");
        assert_eq!(some.len(), 1);
        assert_eq!(some[0].gpu, Some("l4".parse().expect("a GPU")));
        let error = provider
            .machine_types("moon-east1", &[])
            .await
            .expect_err("no such region");
        assert_eq!(error.kind(), ErrorKind::InvalidSpec);
    });
}

fn gce_images_come_from_families(backend: &Backend) {
    let provider = provider(backend);
    run(async {
        let images = provider.images("us-central1").await.expect("the images");
        let of = |alias: &str, architecture| {
            let found = images
                .iter()
                .find(|image| image.alias == alias && image.architecture == architecture);
            found.map(|image| (image.id.as_str(), image.disk_gib))
        };
        assert_eq!(
            of("ubuntu-24.04", Architecture::Arm64),
            Some((
                "projects/ubuntu-os-cloud/global/images/ubuntu-2404-lts-arm64-v20261110",
                Some(10)
            ))
        );
        assert_eq!(
            of("windows-2025", Architecture::X86_64).and_then(|image| image.1),
            Some(50)
        );
        assert_eq!(of("windows-2025", Architecture::Arm64), None);
        assert_eq!(of("amazon-linux-2023", Architecture::X86_64), None);
        assert!(images.iter().all(|image| image.created_at.is_some()));
        assert_eq!(
            provider
                .spot_price(&spec("web-1").location, "e2-small")
                .await
                .expect("an answer"),
            None
        );
    });
}

fn gce_gpu_is_attached_to_n1(backend: &Backend) {
    let cloud = emulator(backend);
    for (name, spot) in [("web-1", false), ("web-2", true)] {
        let mut arguments = vec![
            "create",
            name,
            "-z",
            "us-central1-a",
            "--type",
            "n1-standard-4",
            "--gpu",
            "t4:2",
        ];
        arguments.extend(spot.then_some("--spot"));
        backend.run(&arguments).expect(0);
        let vm = cloud.instance(name).expect("the VM");
        assert_eq!(vm.accelerators, ["nvidia-tesla-t4:2"]);
        assert_eq!(vm.scheduling.on_host_maintenance, "TERMINATE");
        assert_eq!(vm.scheduling.automatic_restart, !spot);
    }
}

fn gce_built_in_gpu_meets_requirements_or_is_refused(backend: &Backend) {
    let cloud = emulator(backend);
    let place = ["-z", "us-central1-a"];
    let create = |name: &str, kind: &str, gpu: &str| {
        backend.run(&[&["create", name, "--type", kind, "--gpu", gpu], &place[..]].concat())
    };
    create("web-1", "g2-standard-4", "l4").expect(0);
    let vm = cloud.instance("web-1").expect("the VM");
    assert!(vm.accelerators.is_empty());
    assert_eq!(vm.scheduling.on_host_maintenance, "TERMINATE");
    for (kind, gpu, says) in [
        ("g2-standard-4", "l4:2", "l4"),
        ("g2-standard-4", "t4", "n1"),
        ("e2-standard-4", "t4", "n1"),
        ("n1-standard-4", "l4", "g2"),
        ("n1-standard-4", "t4:3", "1, 2, 4"),
    ] {
        let refused = create("web-2", kind, gpu).expect(2);
        assert!(refused.stderr.contains(says), "{kind} {gpu}: {}", refused.stderr);
    }
    assert_eq!(cloud.instance_count(), 1);
}

fn gce_zone_without_the_gpu_has_no_capacity(backend: &Backend) {
    let cloud = emulator(backend);
    let gpu = ["--type", "n1-standard-4", "--gpu", "p100"];
    // The zone has the machine type, and no such GPU.
    let run = backend
        .json(&[&["create", "web-1", "-z", "us-central1-a"], &gpu[..]].concat())
        .expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    assert!(text(&run.json()["errors"][0], "hint").contains("--fallback zone"));
    let run = backend.json(&[&["create", "web", "--count", "2", "-z", "us-central1-a"], &gpu[..]].concat());
    assert_eq!(run.expect(5).error_kinds(), ["capacity"]);
    let fallback = [
        &["create", "web-1", "-z", "us-central1-a", "--fallback", "zone"],
        &gpu[..],
    ]
    .concat();
    let made = backend.json(&fallback).expect(0).item();
    assert!(
        ["us-central1-c", "us-central1-f"].contains(&text(&made, "zone")),
        "{made}"
    );
    assert_eq!(cloud.instance_count(), 1);
}

fn gce_stockout_names_zones_with_capacity(backend: &Backend) {
    let cloud = emulator(backend);
    for zone in ["us-central1-a", "us-central1-c"] {
        cloud.exhaust_zone(zone);
    }
    let error = run(provider(backend).create(&spec("web-1"), 0)).expect_err("no room");
    assert_eq!(error.kind(), ErrorKind::Capacity);
    assert_eq!(error.zones_with_capacity(), ["us-central1-b", "us-central1-f"]);
    assert_eq!(cloud.instance_count(), 0);
}

fn gce_dry_run_shows_what_the_machine_has(backend: &Backend) {
    let arguments = ["create", "a", "--type", "n1-standard-4", "--gpu", "t4:2", "--dry-run"];
    let plan = backend.json(&arguments).expect(0).item();
    assert_eq!((&plan["cpus"], &plan["memory_gib"]), (&4.into(), &15.0.into()));
    assert_eq!(plan["gpu"], "t4:2", "{plan}");
    assert_eq!(plan["disk_gib"], 10);
    assert_eq!(backend.instances(), []);
}
