//! Answers to Compute Engine calls that are incomplete or come from elsewhere, and access tokens that do not come.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Case;
use crate::cases::{cases, names, text};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::gce::{Emulator, PROJECT, TokenServer};
use cloud_emulators::http::Server;

pub fn cases() -> Vec<Case> {
    Vec::from(cases![&[BackendKind::GceEmulator];
        gce_batch_without_answer_is_unknown,
        gce_warning_makes_a_listing_incomplete,
        gce_partial_list_does_not_mean_absent,
        gce_missing_access_token_is_requested_again,
        gce_access_token_that_never_comes_is_reported,
        gce_answer_of_a_proxy_is_a_network_error,
        gce_unknown_project_is_named,
    ])
}

const ZONE: &str = "us-central1-a";

fn emulator(backend: &Backend) -> &Emulator {
    backend.gce()
}

/// Every call of a method, and of that method alone, is answered with this, and has no effect.
fn answer_instead(backend: &Backend, method: &str, status: u16, body: &str) {
    let body = body.to_owned();
    backend.clear_faults();
    backend.inject(Fault::on(method, Effect::ProxyBefore { status, body }));
}

fn first_error(run: &crate::support::sandbox::Run) -> Value {
    run.json()["errors"][0].clone()
}

fn gce_batch_without_answer_is_unknown(backend: &Backend) {
    let cloud = emulator(backend);
    let all = ["web-1", "web-2", "web-3"];
    for name in all {
        backend.run(&["create", name, "-z", ZONE]).expect(0);
    }
    for (verb, method) in [("stop", "instances.stop"), ("terminate", "instances.delete")] {
        answer_instead(backend, method, 200, "{}");
        let arguments = [&[verb][..], &all, if verb == "stop" { &[] } else { &["-y"] }].concat();
        let run = backend.json(&arguments).expect(8);
        assert_eq!(run.error_kinds(), ["unknown_outcome"; 3], "{verb}");
        assert!(text(&first_error(&run), "leftover").contains(ZONE), "{}", run.stdout);
        assert!(cloud.instances().iter().all(|one| one.status == "RUNNING"));
    }
    // What the instances show counts.
    cloud.forget_calls();
    std::thread::scope(|scope| {
        let terminate = scope.spawn(|| backend.json("terminate web-1 web-2 -y"));
        while backend.count("instances.delete") < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        cloud.delete_from_outside("web-1");
        cloud.delete_from_outside("web-2");
        terminate.join().expect("the run").expect(0);
    });
}

fn gce_warning_makes_a_listing_incomplete(backend: &Backend) {
    let warning = |code: &str| json!({"code": code, "message": "Some of it is missing."});
    let there = json!({"name": "web-1", "id": "7", "zone": format!("zones/{ZONE}"), "status": "RUNNING"});
    for code in [
        "PARTIAL_SUCCESS",
        "UNREACHABLE",
        "LIST_OVERHEAD_QUOTA_EXCEED",
        "SOMETHING_NEW",
    ] {
        let of_scope = json!({"items": {
            format!("zones/{ZONE}"): {"instances": [there]},
            "zones/europe-west1-b": {"warning": warning(code)},
            "zones/us-east1-b": {"warning": warning("NO_RESULTS_ON_PAGE")},
        }});
        answer_instead(backend, "instances.aggregatedList", 200, &of_scope.to_string());
        let run = backend.json("list --all").expect(7);
        assert_eq!(names(&run.items()), ["web-1"]);
        let error = first_error(&run);
        assert_eq!(text(&error, "location"), "gcp/europe-west1-b", "{error}");
        assert_eq!(text(&error, "code"), code, "{error}");
        backend.json("list --all -r us-central1").expect(0);

        let of_all = json!({
            "items": {format!("zones/{ZONE}"): {"instances": [there]}},
            "warning": warning(code),
        });
        answer_instead(backend, "instances.aggregatedList", 200, &of_all.to_string());
        let run = backend.json("list --all -r us-central1").expect(7);
        assert_eq!(names(&run.items()), ["web-1"]);

        let of_zone = json!({"items": [there], "warning": warning(code)});
        answer_instead(backend, "instances.list", 200, &of_zone.to_string());
        let run = backend.json(&["list", "--all", "-z", ZONE]).expect(7);
        assert_eq!(names(&run.items()), ["web-1"]);
        assert_eq!(text(&first_error(&run), "location"), format!("gcp/{ZONE}"));
    }
    let empty = json!({"warning": warning("NO_RESULTS_ON_PAGE")}).to_string();
    answer_instead(backend, "instances.aggregatedList", 200, &empty);
    backend.json("list --all").expect(0);
    answer_instead(backend, "instances.list", 200, &empty);
    backend.json(&["list", "--all", "-z", ZONE]).expect(0);
}

fn gce_partial_list_does_not_mean_absent(backend: &Backend) {
    let cloud = emulator(backend);
    let partial = json!({"warning": {"code": "PARTIAL_SUCCESS", "message": "Some of it is missing."}}).to_string();
    for name in ["web-1", "web-2"] {
        backend.run(&["create", name, "-z", ZONE]).expect(0);
    }
    // Neither before a change nor after it.
    answer_instead(backend, "instances.list", 200, &partial);
    let run = backend.json("terminate web-1 web-2 -y").expect(9);
    assert!(
        text(&first_error(&run), "message").contains("PARTIAL_SUCCESS"),
        "{}",
        run.stdout
    );
    assert_eq!((cloud.instance_count(), backend.count("instances.delete")), (2, 0));
    backend.clear_faults();
    // A zone that is missing would make the name free elsewhere.
    answer_instead(backend, "zones.list", 200, &partial);
    let run = backend.json("create web-3").expect(9);
    assert!(
        text(&first_error(&run), "message").contains("PARTIAL_SUCCESS"),
        "{}",
        run.stdout
    );
    assert_eq!(cloud.instance_count(), 2);
    backend.clear_faults();
    // A disk that is missing may be left.
    answer_instead(backend, "disks.list", 200, &partial);
    let run = backend.run("terminate web-1 -y --wait").expect(0);
    run.expect_in_stderr("cannot list the disks");
    assert_eq!(cloud.instance_count(), 1);
}

/// Makes cloudctl get its tokens from a server, by a credentials file.
fn with_token_server(backend: &Backend, tokens: &Server<TokenServer>) -> std::process::Command {
    let file = json!({
        "type": "authorized_user",
        "client_id": "a-client",
        "client_secret": "hunter2",
        "refresh_token": "a-refresh-token",
        "token_uri": format!("{}/token", tokens.url()),
    });
    let path = backend.sandbox.write("credentials.json", &file.to_string());
    let mut command = backend.command("list -o json");
    command
        .env_remove("CLOUDSDK_AUTH_ACCESS_TOKEN")
        .env("GOOGLE_APPLICATION_CREDENTIALS", path);
    command
}

fn unavailable() -> Effect {
    Effect::ErrorBefore {
        status: 503,
        code: "unavailable".to_owned(),
    }
}

fn gce_missing_access_token_is_requested_again(backend: &Backend) {
    let tokens = Server::start(TokenServer);
    tokens.inject(Fault::on("token", unavailable()).times(2));
    let output = with_token_server(backend, &tokens).output().expect("the run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_eq!(tokens.count("token"), 3);
}

fn gce_access_token_that_never_comes_is_reported(backend: &Backend) {
    let tokens = Server::start(TokenServer);
    tokens.inject(Fault::on("token", unavailable()));
    let output = with_token_server(backend, &tokens).output().expect("the run");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(9), "{stderr}");
    assert!(tokens.count("token") > 3, "{}", tokens.count("token"));
    let host = tokens.url().replace("http://", "");
    assert!(
        stderr.contains("could not get a token: ") && stderr.contains(&host),
        "{stderr}"
    );
    assert!(!stderr.contains("Compute Engine could not be reached"), "{stderr}");
    let said = format!("{stdout}{stderr}");
    assert!(!said.contains("hunter2") && !said.contains("a-refresh-token"), "{said}");
    assert_eq!(backend.calls().len(), 0);
}

fn gce_answer_of_a_proxy_is_a_network_error(backend: &Backend) {
    for body in ["<html>Log in, please</html>", "", "null", "[]", "{\"items\""] {
        answer_instead(backend, "instances.aggregatedList", 200, body);
        let run = backend.json("list").expect(9);
        assert_eq!(run.error_kinds(), ["network"], "{body:?}");
        let error = first_error(&run);
        assert!(text(&error, "message").contains("proxy"), "{error}");
        assert!(!text(&error, "hint").contains("report"), "{error}");
    }
    for status in [404, 501] {
        answer_instead(backend, "instances.aggregatedList", status, "<html>Not here</html>");
        let run = backend.json("list").expect(9);
        assert_eq!(run.error_kinds(), ["network"], "{status}");
    }
    // Nothing is gone because of it.
    backend.clear_faults();
    backend.run(&["create", "web-1", "-z", ZONE]).expect(0);
    answer_instead(backend, "instances.get", 404, "<html>Not here</html>");
    backend.run("terminate web-1 -y").expect(9);
    backend.run("describe web-1").expect(9);
    assert_eq!(emulator(backend).instance_count(), 1);
}

fn gce_unknown_project_is_named(backend: &Backend) {
    let cloud = emulator(backend);
    cloud.only_projects(&["another-project"]);
    for arguments in [
        &["list"][..],
        &["list", "-r", "us-central1"],
        &["list", "-z", ZONE],
        &["describe", "web-1"],
    ] {
        let run = backend.json(arguments).expect(3);
        let hint = text(&first_error(&run), "hint").to_owned();
        assert!(
            hint.contains("project") && hint.contains("GOOGLE_CLOUD_PROJECT"),
            "{arguments:?}: {hint}"
        );
    }
    cloud.only_projects(&[PROJECT]);
    backend.run("list").expect(0);
}
