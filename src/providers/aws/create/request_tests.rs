use crate::cloud::{ErrorKind, Place, Secret};

use super::*;

fn spec() -> InstanceSpec {
    InstanceSpec::plain(
        "web-1".parse().unwrap(),
        Place {
            region: "us-east-1".into(),
            zone: None,
        },
    )
}

fn refusal(change: impl FnOnce(&mut InstanceSpec)) -> Error {
    let mut spec = spec();
    change(&mut spec);
    check(&spec).unwrap_err()
}

#[test]
fn what_ec2_cannot_take_is_refused_without_asking_it() {
    check(&spec()).unwrap();
    let long = refusal(|spec| spec.user_data = Some(Secret::new(vec![b'x'; USER_DATA_BYTES + 1])));
    assert!(long.message().contains("16385 bytes"));
    let both = refusal(|spec| (spec.spot, spec.protected) = (true, true));
    assert_eq!(both.kind(), ErrorKind::Unsupported);
    let short = refusal(|spec| spec.ttl = Some(Duration::from_secs(59)));
    assert!(short.message().contains("at least 1m"), "{}", short.message());
    refusal(|spec| spec.disk_gib = Some(0));
    refusal(|spec| spec.identity = Some("arn:aws:iam::123456789012:role/web".into()));
    refusal(|spec| drop(spec.labels.insert("k".repeat(129), "v".into())));
    refusal(|spec| drop(spec.labels.insert("k".into(), "v".repeat(257))));
    refusal(|spec| drop(spec.labels.insert("aws:x".into(), "v".into())));
    refusal(|spec| spec.labels = (0..46).map(|number| (format!("k{number}"), String::new())).collect());
    refusal(|spec| spec.ssh_key = Some(SshKey::PublicKey("ecdsa-sha2-nistp256 AAAA me@here".into())));
}

#[test]
fn disk_types_that_boot() {
    assert_eq!(disk_type(None).unwrap(), VolumeType::Gp3);
    assert_eq!(disk_type(Some("io2")).unwrap(), VolumeType::Io2);
    for wrong in ["st1", "pd-ssd", ""] {
        assert!(disk_type(Some(wrong)).is_err(), "{wrong}");
    }
}
