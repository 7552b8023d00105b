//! Regions of other AWS partitions: who publishes images there, and where calls go.

use crate::aws_credentials::Answers;
use crate::support::sandbox::Sandbox;
use cloud_emulators::ec2;

/// What EC2 was asked for, as text.
fn asked_of(emulator: &ec2::Emulator, operation: &str) -> Vec<String> {
    let calls = emulator
        .calls()
        .into_iter()
        .filter(|call| call.operation.name == operation);
    calls
        .map(|call| String::from_utf8(call.request.body).unwrap())
        .collect()
}

/// The hosts that were asked over TLS, as a proxy sees them that lets nobody through.
fn hosts(sandbox: &mut Sandbox, arguments: &[&str]) -> Vec<String> {
    let proxy = Answers::start(502, "");
    sandbox.set("HTTPS_PROXY", &proxy.url()).set("AWS_MAX_ATTEMPTS", "1");
    let _ = sandbox.run(arguments);
    let requests = proxy.service.requests.lock().unwrap();
    let mut hosts: Vec<_> = requests.iter().map(|request| request.headers["host"].clone()).collect();
    hosts.dedup();
    hosts
}

fn real_cloud() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox
        .set("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .set("AWS_SECRET_ACCESS_KEY", "secret");
    sandbox
}

#[test]
fn image_is_looked_for_at_the_publisher_of_the_partition() {
    for (region, image, owner) in [
        ("us-east-1", "ubuntu-24.04", "099720109477"),
        ("us-gov-west-1", "ubuntu-24.04", "513442679011"),
        ("us-gov-east-1", "ubuntu-22.04", "513442679011"),
        ("cn-north-1", "ubuntu-24.04", "837727238323"),
        ("us-gov-west-1", "rhel-9", "219670896067"),
        ("cn-northwest-1", "rhel-9", "841258680906"),
        ("cn-north-1", "suse-15", "841869936221"),
        ("us-gov-west-1", "amazon-linux-2023", "amazon"),
        ("cn-north-1", "windows-2022", "amazon"),
    ] {
        let emulator = ec2::Emulator::start();
        let mut sandbox = Sandbox::new();
        sandbox.point_at_aws(&emulator.url()).unset("AWS_REGION");
        let run = sandbox.run(&format!("create web-1 -p aws -r {region} --image {image} --dry-run"));
        assert_eq!(run.code, 0, "{region} {image}: {}", run.stderr);
        let asked = asked_of(&emulator, "DescribeImages");
        assert!(!asked.is_empty(), "{region} {image}");
        assert!(
            asked.iter().all(|body| body.contains(&format!("Owner.1={owner}&"))),
            "{region} {image}: {asked:?}"
        );
    }
}

#[test]
fn alias_whose_publisher_is_unknown_there_is_refused_by_name() {
    for (region, partition, image) in [
        ("us-gov-west-1", "aws-us-gov", "debian-12"),
        ("cn-north-1", "aws-cn", "rocky-9"),
        ("us-gov-west-1", "aws-us-gov", "suse-15"),
        ("cn-northwest-1", "aws-cn", "alma-9"),
    ] {
        let emulator = ec2::Emulator::start();
        let mut sandbox = Sandbox::new();
        sandbox.point_at_aws(&emulator.url()).unset("AWS_REGION");
        let arguments = format!("create web-1 -p aws -r {region} --image {image} --dry-run");
        let run = sandbox.run(&arguments).expect(2);
        for part in [image, partition, "ubuntu-24.04"] {
            run.expect_in_stderr(part);
        }
        let run = sandbox.run(&["image", "list", "-p", "aws", "-r", region]).expect(0);
        assert!(
            run.stdout.contains("ubuntu-24.04") && !run.stdout.contains(image),
            "{}",
            run.stdout
        );
        let asked = asked_of(&emulator, "DescribeImages");
        assert!(asked.iter().all(|body| !body.contains("136693071363")), "{asked:?}");
    }
}

#[test]
fn calls_about_no_region_go_to_the_partition_of_the_command() {
    for (region, host) in [
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn:443"),
        ("cn-northwest-1", "sts.cn-northwest-1.amazonaws.com.cn:443"),
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com:443"),
        ("eu-west-1", "sts.us-east-1.amazonaws.com:443"),
    ] {
        for home in [None, Some("us-east-1")] {
            let mut sandbox = real_cloud();
            sandbox.set("CLOUDCTL_EXPECT_ACCOUNT", "123456789012");
            if let Some(home) = home {
                sandbox.set("AWS_REGION", home);
            }
            let arguments = ["create", "web-1", "-p", "aws", "-r", region, "--image", "ami-0abc"];
            assert_eq!(hosts(&mut sandbox, &arguments)[0], host, "{region} {home:?}");
            assert_eq!(
                hosts(&mut sandbox, &["whoami", "-p", "aws", "-r", region])[0],
                host,
                "{region} {home:?}"
            );
        }
    }
    let mut sandbox = real_cloud();
    sandbox.set("CLOUDCTL_ZONE", "cn-north-1a");
    assert_eq!(
        hosts(&mut sandbox, &["whoami", "-p", "aws"])[0],
        "sts.cn-north-1.amazonaws.com.cn:443"
    );
}

#[test]
fn account_of_a_partition_has_its_regions() {
    for (home, all) in [
        ("us-gov-west-1", ["us-gov-east-1", "us-gov-west-1"]),
        ("cn-north-1", ["cn-north-1", "cn-northwest-1"]),
    ] {
        let mut sandbox = real_cloud();
        sandbox.set("AWS_REGION", home);
        let mut hosts = hosts(&mut sandbox, &["list", "-p", "aws"]);
        hosts.sort();
        hosts.dedup();
        assert!(
            hosts
                .iter()
                .all(|host| all.iter().any(|region| host.starts_with(&format!("ec2.{region}.")))),
            "{hosts:?}"
        );
        for region in all {
            assert!(hosts.iter().any(|host| host.contains(region)), "{region}: {hosts:?}");
        }
    }
}

#[test]
fn prices_are_not_requested_from_another_partition() {
    for region in ["cn-north-1", "us-gov-west-1"] {
        let mut sandbox = real_cloud();
        sandbox.set("AWS_REGION", region);
        let path = sandbox.folder().join("prices.tsv");
        sandbox.set("CLOUDCTL_CATALOG", &path.to_string_lossy());
        let run = sandbox.run("catalog update -p aws").expect(2);
        run.expect_in_stderr("no list in US dollars");
    }
}
