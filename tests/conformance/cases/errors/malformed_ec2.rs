//! Answers to EC2 calls that do not come from EC2, or that are damaged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::Case;
use crate::cases::{cases, names};
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::recorded_call::Call;

pub fn cases() -> Vec<Case> {
    Vec::from(cases![&[BackendKind::Ec2Emulator];
        change_answered_by_proxy_is_replayed,
        change_answered_by_proxy_only_is_unknown,
        terminate_answered_by_proxy_is_replayed,
        read_answered_by_proxy_says_so,
        refusal_of_ec2_keeps_its_kind,
        list_with_cdata_sections_is_complete,
        list_cut_short_is_incomplete,
        page_token_that_is_invalid_restarts_the_listing,
        page_token_that_stays_invalid_leaves_a_gap,
        region_check_without_answer_ends,
    ])
}

/// What a proxy, a captive portal or a balancer answers.
const FOREIGN: [(u16, &str); 6] = [
    (302, ""),
    (407, ""),
    (404, "<html><body>Not found</body></html>"),
    (403, "<!doctype html><title>Blocked</title>"),
    (200, "<html><body>Log in</body></html>"),
    (503, "<html><body>Try later</body></html>"),
];

fn tokens(calls: &[Call]) -> Vec<String> {
    let bodies = calls
        .iter()
        .filter(|call| call.operation.name == "RunInstances")
        .map(|call| String::from_utf8_lossy(&call.request.body).into_owned());
    let token = |body: String| {
        let (_, token) = body.split_once("ClientToken=").expect("a token");
        token.split('&').next().unwrap_or_default().to_owned()
    };
    bodies.map(token).collect()
}

#[track_caller]
fn says_plainly(run: &Run, status: u16) {
    run.expect_in_stderr("did not come from AWS");
    run.expect_in_stderr(format!("(HTTP {status})"));
    for dump in ["{", "parsing", "StartEl", ": Error"] {
        run.expect_not_in_stderr(dump);
    }
}

fn change_answered_by_proxy_is_replayed(backend: &Backend) {
    for (index, (status, body)) in FOREIGN.into_iter().enumerate() {
        let name = format!("web-{index}");
        let body = body.to_owned();
        backend.inject(Fault::on("RunInstances", Effect::ProxyAfter { status, body }).times(2));
        let before = tokens(&backend.calls()).len();
        let made = backend.json(&["create", &name]).expect(0).item();
        let tokens = tokens(&backend.calls()).split_off(before);
        assert_eq!(tokens.len(), 3, "{status}");
        assert!(tokens.iter().all(|token| *token == tokens[0]), "{status}: {tokens:?}");
        let alive = backend.alive();
        assert_eq!(alive.len(), index + 1, "{status}");
        assert!(alive.iter().any(|seen| made["id"] == seen.id.as_str()), "{status}");
    }
}

fn change_answered_by_proxy_only_is_unknown(backend: &Backend) {
    let (status, body) = (407, String::new());
    backend.inject(Fault::on("RunInstances", Effect::ProxyAfter { status, body }));
    let run = backend.json("create web-1").expect(8);
    assert_eq!(run.error_kinds(), ["unknown_outcome"]);
    says_plainly(&run, 407);
    let alive = backend.alive();
    assert_eq!(alive.len(), 1);
    assert_eq!(run.item()["id"], alive[0].id.as_str());
    backend.clear_faults();
    backend.run("create web-1").expect(0);
    assert_eq!(backend.alive().len(), 1);
}

fn terminate_answered_by_proxy_is_replayed(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let (status, body) = (302, String::new());
    backend.inject(Fault::on("TerminateInstances", Effect::ProxyBefore { status, body }).times(2));
    backend.run("terminate web-1 -y").expect(0);
    assert_eq!(backend.alive(), []);
}

fn read_answered_by_proxy_says_so(backend: &Backend) {
    for (status, body) in FOREIGN {
        let body = body.to_owned();
        backend.inject(Fault::on("DescribeInstances", Effect::ProxyBefore { status, body }));
        let run = backend.run("list -r us-east-1").expect(9);
        says_plainly(&run, status);
        let run = backend.json("list -r us-east-1").expect(9);
        assert_eq!(run.error_kinds(), ["network"], "{status}");
        backend.clear_faults();
    }
}

fn refusal_of_ec2_keeps_its_kind(backend: &Backend) {
    for (status, code, kind, exit) in [
        (400, "InvalidParameterValue", "invalid_spec", 2),
        (403, "UnauthorizedOperation", "permission_denied", 4),
        (400, "SomethingNew", "internal", 1),
    ] {
        let code = code.to_owned();
        backend.inject(Fault::on("RunInstances", Effect::ErrorBefore { status, code }));
        let run = backend.json("create web-1").expect(exit);
        assert_eq!(run.error_kinds(), [kind]);
        run.expect_in_stderr("injected");
        backend.clear_faults();
    }
    assert_eq!(backend.count("RunInstances"), 3);
}

/// Five of them in pages of two; gives their names and ids.
fn seed(backend: &Backend) -> BTreeMap<String, String> {
    let emulator = backend.ec2();
    let ids = emulator.seed_instances("us-east-1", 5);
    emulator.page_size_cap(2);
    let name = |id: &String| emulator.instance(id).expect("it").tags["Name"].clone();
    ids.iter().map(|id| (name(id), id.clone())).collect()
}

fn listed(run: &Run) -> BTreeMap<String, String> {
    let pair = |item: &serde_json::Value| {
        let text = |field: &str| item[field].as_str().unwrap_or_default().to_owned();
        (text("name"), text("id"))
    };
    run.items().iter().map(pair).collect()
}

fn list_with_cdata_sections_is_complete(backend: &Backend) {
    let seeded = seed(backend);
    let rewrites: [fn(String) -> String; 4] = [
        |body| {
            body.replace("<nextToken>", "<nextToken><![CDATA[")
                .replace("</nextToken>", "]]></nextToken>")
        },
        |body| {
            body.replace("<instanceId>", "<instanceId><![CDATA[")
                .replace("</instanceId>", "]]></instanceId>")
        },
        |body| body.replace("<instanceId>i-", "<instanceId>i-<!-- </instanceId> -->"),
        |body| {
            format!(
                "\u{feff}<!-- <DescribeInstancesResponse> -->{}",
                without_declaration(&body)
            )
        },
    ];
    for rewrite in rewrites {
        backend.inject(Fault::on("DescribeInstances", Effect::Rewrite(rewrite)));
        let run = backend.json("list -r us-east-1").expect(0);
        assert_eq!(listed(&run), seeded);
        backend.clear_faults();
    }
}

fn without_declaration(body: &str) -> &str {
    body.split_once("?>").map_or(body, |(_, document)| document)
}

fn half(body: &str) -> &str {
    let middle = body.rfind("<instancesSet>").unwrap_or(body.len() / 2);
    &body[..middle]
}

fn list_cut_short_is_incomplete(backend: &Backend) {
    seed(backend);
    let cuts: [fn(String) -> String; 3] = [
        |body| format!("{}<!-- </DescribeInstancesResponse>", half(&body)),
        |body| format!("{}<![CDATA[ </DescribeInstancesResponse>", half(&body)),
        |body| format!("\u{feff}{}", half(&body)),
    ];
    for cut in cuts {
        backend.inject(Fault::on("DescribeInstances", Effect::Rewrite(cut)));
        let run = backend.json("list -r us-east-1").expect(9);
        assert_eq!(run.error_kinds(), ["network"]);
        run.expect_in_stderr("cut short");
        backend.clear_faults();
    }
}

/// EC2 refuses one call after so many.
fn refused_after(calls: usize) -> Fault {
    let (status, code) = (400, "InvalidParameterValue".to_owned());
    let refusal = Fault::on("DescribeInstances", Effect::ErrorBefore { status, code });
    refusal.skip(calls).times(1)
}

fn page_token_that_is_invalid_restarts_the_listing(backend: &Backend) {
    let seeded: Vec<String> = seed(backend).into_keys().collect();
    for format in ["json", "jsonl"] {
        backend.inject(refused_after(1));
        let arguments = ["list", "-r", "us-east-1", "-o", format];
        let run = backend.run(&arguments).expect(0);
        let items = match format {
            "json" => run.items(),
            _ => run
                .stdout
                .lines()
                .map(|line| serde_json::from_str(line).expect("a line of JSON"))
                .collect(),
        };
        assert_eq!(names(&items), seeded, "{format}");
        backend.clear_faults();
    }
    assert_eq!(
        backend.count("DescribeInstances"),
        2 * (2 + 3),
        "a page, a refusal, and all pages"
    );
}

fn page_token_that_stays_invalid_leaves_a_gap(backend: &Backend) {
    seed(backend);
    // Its second and its fourth call have a token; a fault does not count what another one strikes.
    backend.inject(refused_after(1));
    backend.inject(refused_after(2));
    let run = backend.json("list -r us-east-1").expect(9);
    assert_eq!(run.error_kinds(), ["network"]);
    assert_eq!(backend.count("DescribeInstances"), 4, "twice a page and a refusal");
}

fn region_check_without_answer_ends(backend: &Backend) {
    backend.inject(Fault::on("DescribeRegions", Effect::HangBefore));
    let started = Instant::now();
    let run = backend.json("list -r xx-moon-1").expect(9);
    assert!(started.elapsed() < Duration::from_secs(75), "{:?}", started.elapsed());
    assert_eq!(run.error_kinds(), ["network"]);
    run.expect_in_stderr("no answer within 60 s");
}
