//! What `create` says and tries when there is no capacity.

use crate::support::sandbox::Sandbox;

fn sandbox_without_capacity(faults: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("CLOUDCTL_MOCK", &format!("slow-boot=0s,{faults}"));
    sandbox
}

#[test]
fn capacity_hint_names_fallbacks_before_the_remark_of_the_mock() {
    let sandbox = sandbox_without_capacity("capacity");
    let remark = "on mock: remove capacity from CLOUDCTL_MOCK, which causes this error";
    let run = sandbox.run("create web-1 -p mock").expect(5);
    run.expect_in_stderr(format!(
        "hint: allow more choices with --fallback zone,type,region, or try another -r; {remark}"
    ));
    let zones = sandbox.run("create web-1 -p mock --fallback zone").expect(5);
    zones.expect_in_stderr(format!(
        "hint: allow more choices with --fallback type,region, or try another -r; {remark}"
    ));
}

#[test]
fn start_without_capacity_names_no_fallback() {
    let mut sandbox = Sandbox::new();
    crate::create(&sandbox, &["web-1"]);
    sandbox.run("stop web-1 -p mock --wait").expect(0);
    sandbox.set("CLOUDCTL_MOCK", "capacity");
    let run = sandbox.run("start web-1 -p mock").expect(5);
    run.expect_not_in_stderr("--fallback");
}

#[test]
fn fallback_with_nothing_to_offer_is_told() {
    let sandbox = sandbox_without_capacity("capacity");
    for (arguments, reasons) in [
        (
            "--type gpu-large --fallback type",
            &["--fallback type: no other type that fits is offered in mock/us-east-1"][..],
        ),
        (
            "--type medium --fallback type",
            &[
                "--fallback type: the next type that fits in mock/us-east-1 is large at 0.16 USD an hour",
                "--max-price",
            ],
        ),
        (
            "--type medium --max-price 0.1 --fallback type",
            &["--fallback type: no other type that fits in mock/us-east-1 is known to cost 0.1 USD an hour or less"],
        ),
        (
            "-z us-east-1a --subnet default-us-east-1a --fallback zone",
            &["--fallback zone: us-east-1 has no other zone for it"],
        ),
        (
            "--fallback region",
            &["--fallback region: mock has no other region in us"],
        ),
        (
            "--fallback zone,region,provider",
            &[
                "--fallback region: mock has no other region in us",
                "--fallback provider: no credentials of another provider are found",
            ],
        ),
    ] {
        let run = sandbox.run(&format!("create web-1 -p mock {arguments}")).expect(5);
        run.expect_all_in_stderr(reasons);
        run.expect_in_stderr("nothing was created");
    }
}

#[test]
fn fallback_to_types_tries_all_within_the_price_rule() {
    let sandbox = sandbox_without_capacity("capacity");
    let tried = |arguments: &str| {
        let run = sandbox
            .run(&format!("create web-1 -p mock {arguments} --fallback type"))
            .expect(5);
        let lines = run.stderr.lines().filter(|line| line.starts_with("no capacity in "));
        let types = lines.filter_map(|line| line.split(['(', ')']).nth(1));
        types.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(tried("--type small"), ["small", "medium"]);
    assert_eq!(
        tried("--type small --max-price 0.5"),
        ["small", "medium", "large", "xlarge"]
    );
    assert_eq!(tried("--cpus 2 --max-price 0.2"), ["medium", "large"]);
}

#[test]
fn regions_of_equal_price_keep_the_order_of_the_user() {
    for regions in [["us-east-1", "eu-west-1"], ["eu-west-1", "us-east-1"]] {
        let sandbox = sandbox_without_capacity("quota@ap-south-1");
        let [first, second] = regions;
        let create = format!("create web-1 -p mock --type small -r {first} -r {second} -o json");
        let item = sandbox.run(&create).expect(0).item();
        assert_eq!(item["region"], first);
    }
}
