use aws_smithy_types::DateTime;

use super::*;

fn tag(key: &str, value: &str) -> ec2::Tag {
    ec2::Tag::builder().key(key).value(value).build()
}

fn tagged(tags: Vec<ec2::Tag>) -> Instance {
    let instance = ec2::Instance::builder().instance_id("i-1").set_tags(Some(tags)).build();
    from_ec2(&instance, "us-east-1", Some("123456789012")).unwrap()
}

#[test]
fn our_own_tags_are_fields_and_not_labels() {
    let instance = tagged(vec![
        tag("Name", "web-1"),
        tag("cloudctl-managed", "true"),
        tag("cloudctl-name", "web-1"),
        tag("cloudctl-spec", "fkd1cbac3mvztyb5"),
        tag("cloudctl-generation", "2"),
        tag("env", "ci"),
    ]);
    assert!(instance.managed);
    assert_eq!(instance.name.as_deref(), Some("web-1"));
    assert_eq!(instance.spec_fingerprint.as_deref(), Some("fkd1cbac3mvztyb5"));
    assert_eq!(instance.generation, Some(2));
    assert_eq!(instance.labels, Labels::from([("env".into(), "ci".into())]));
    assert_eq!(instance.reference.to_string(), "aws/us-east-1/i-1");
}

#[test]
fn a_name_tag_of_its_own_is_kept_and_a_forged_mark_is_not_ours() {
    let renamed = tagged(vec![tag("Name", "front"), tag("cloudctl-name", "web-1")]);
    assert_eq!(renamed.labels.get("Name").map(String::as_str), Some("front"));
    assert!(!renamed.managed);
    assert!(!tagged(vec![tag("cloudctl-managed", "true")]).managed);
    let foreign = tagged(vec![tag("Name", "db")]);
    assert_eq!(foreign.name.as_deref(), Some("db"));
    assert!(foreign.labels.is_empty());
}

#[test]
fn a_start_does_not_change_when_it_was_created() {
    let attachment = ec2::InstanceNetworkInterfaceAttachment::builder()
        .device_index(0)
        .attach_time(DateTime::from_secs(1_000))
        .build();
    let instance = ec2::Instance::builder()
        .instance_id("i-1")
        .launch_time(DateTime::from_secs(2_000))
        .network_interfaces(ec2::InstanceNetworkInterface::builder().attachment(attachment).build())
        .build();
    let created = from_ec2(&instance, "us-east-1", None).unwrap().created_at;
    assert_eq!(created, Timestamp::new(1_000, 0).ok());
}

#[test]
fn states_have_their_words() {
    for (native, state) in [
        ("pending", InstanceState::Pending),
        ("shutting-down", InstanceState::Terminating),
        ("terminated", InstanceState::Terminated),
        ("stopped", InstanceState::Stopped),
        ("hovering", InstanceState::Unknown),
    ] {
        assert_eq!(state_of(&InstanceStateName::from(native)), state, "{native}");
    }
}
