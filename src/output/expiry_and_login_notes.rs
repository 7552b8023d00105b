//! Sentences about VMs: when they expire, and how to log in.

use jiff::Timestamp;

use super::terminal_text::time_left;
use crate::cloud::{CloudInfo, ExpiryEnforcer, Instance};

/// Says when VMs expire: `expires in 2h (guest timer)`. For several VMs it is the first to expire; `None` if none has a TTL.
pub fn format_expiry(instances: &[Instance], now: Timestamp) -> Option<String> {
    let alive = instances.iter().filter(|instance| !instance.state.is_gone());
    let first = alive
        .filter(|instance| instance.expires_at.is_some())
        .min_by_key(|instance| instance.expires_at)?;
    let time = time_left(now, first.expires_at?);
    let by = match first.expiry_enforcer {
        Some(ExpiryEnforcer::Cloud) => " (by its cloud)",
        Some(ExpiryEnforcer::Guest) => " (guest timer)",
        Some(ExpiryEnforcer::Tag) => " (only by `cloudctl terminate --expired`)",
        None => "",
    };
    match instances.len() {
        1 => Some(format!("expires in {time}{by}")),
        _ => Some(format!("the first expires in {time}{by}")),
    }
}

/// Warns about VMs that only `terminate --expired` terminates; `None` if there are none.
pub fn no_enforcer_warning(instances: &[Instance]) -> Option<String> {
    let alive = instances.iter().filter(|instance| !instance.state.is_gone());
    let unenforced: Vec<_> = alive
        .filter(|instance| instance.expiry_enforcer == Some(ExpiryEnforcer::Tag))
        .map(|instance| instance.reference.to_string())
        .collect();
    if unenforced.is_empty() {
        return None;
    }
    Some(format!(
        "nothing ends {} when its time is over: run `cloudctl terminate --expired` then",
        unenforced.join(", ")
    ))
}

/// The command that connects to a VM: `connect: ssh ubuntu@203.0.113.7`.
pub fn ssh_hint(user: Option<&str>, address: &str, port: u16) -> String {
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    match port {
        22 => format!("connect: ssh {user}{address}"),
        port => format!("connect: ssh -p {port} {user}{address}"),
    }
}

/// The command that asks the cloud for the password of a Windows VM; `None` where there is none.
pub fn password_hint(cloud: &CloudInfo, instance: &Instance, has_key: bool) -> Option<String> {
    let command = (cloud.password_command)(instance)?;
    match cloud.missing_password_key_note {
        Some(note) if !has_key => Some(note.to_owned()),
        _ => Some(format!(
            "to get the password, a few minutes after the VM starts: {command}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{InstanceState, ProviderKind};

    fn instance(left: i64, enforcer: ExpiryEnforcer) -> Instance {
        let mut one = Instance::with_id_only(ProviderKind::Aws, "us-east-1".into(), format!("i-{left}"));
        one.state = InstanceState::Running;
        one.expires_at = Timestamp::from_second(1_000 + left).ok();
        one.expiry_enforcer = Some(enforcer);
        one
    }

    #[test]
    fn expiry_names_time_and_enforcer() {
        let now = Timestamp::from_second(1_000).unwrap();
        let new = instance(5_395, ExpiryEnforcer::Guest);
        let old = instance(1_800, ExpiryEnforcer::Cloud);
        let expiry = |instances: &[Instance]| format_expiry(instances, now).unwrap_or_default();
        assert_eq!(expiry(std::slice::from_ref(&new)), "expires in 1h30m (guest timer)");
        assert_eq!(
            expiry(&[new.clone(), old.clone()]),
            "the first expires in 30m (by its cloud)"
        );
        assert_eq!(expiry(&[]), "");
        assert_eq!(no_enforcer_warning(&[new, old]), None);
        let tagged = instance(60, ExpiryEnforcer::Tag);
        assert!(expiry(std::slice::from_ref(&tagged)).contains("only by `cloudctl terminate --expired`"));
        let warning = no_enforcer_warning(&[tagged]).unwrap();
        assert!(
            warning.contains("aws/us-east-1/i-60") && warning.contains("terminate --expired"),
            "{warning}"
        );
    }
}
