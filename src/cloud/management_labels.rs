//! Ownership: the management labels that cloudctl sets on what it creates, and how it verifies those of an instance.
//!
//! Everybody who can tag an instance can write these labels, and consoles copy them to other instances. So an instance
//! counts as managed only if all of them are valid and fit each other. Otherwise the problem is reported.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    Fingerprint, GroupMembers, InstanceName, InstanceSpec, LABEL_GENERATION, LABEL_MANAGED, LABEL_MEMBERS, LABEL_NAME,
    LABEL_RUN, LABEL_SPEC, LABEL_TTL, Labels, format_duration, parse_duration, quoted,
};

/// Creates the management labels of a new instance and its disks. The create call itself sets them.
pub fn management_labels(spec: &InstanceSpec, generation: u32) -> Labels {
    let mut labels = Labels::from([
        (LABEL_MANAGED.to_owned(), "true".to_owned()),
        (LABEL_NAME.to_owned(), spec.name.to_string()),
        (LABEL_SPEC.to_owned(), Fingerprint::of(spec).as_str().to_owned()),
        (LABEL_GENERATION.to_owned(), generation.to_string()),
    ]);
    if let Some(members) = &spec.members {
        labels.insert(LABEL_MEMBERS.to_owned(), members.to_string());
    }
    if let Some(ttl) = spec.ttl {
        labels.insert(LABEL_TTL.to_owned(), format_duration(ttl));
    }
    if let Some(run_id) = &spec.run_id {
        labels.insert(LABEL_RUN.to_owned(), run_id.clone());
    }
    labels
}

/// What the management labels of an instance say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    /// Whether cloudctl created it: every label that a create call sets exists and is valid.
    pub managed: bool,
    /// The name in the labels, valid or not; a member's own, not that of its group.
    pub name: Option<String>,
    /// The fingerprint of the spec that it was created from.
    pub spec_fingerprint: Option<String>,
    /// The generation of its name.
    pub generation: Option<u32>,
    /// The digest of the command that it was created to run.
    pub run_id: Option<String>,
    /// How long it may live, counted from its creation.
    pub ttl: Option<Duration>,
    /// Whether it was created with a TTL, and so with the timer that enforces one.
    pub created_with_ttl: bool,
    /// The reason not to trust these labels: they are forged, copied or damaged.
    pub label_problem: Option<String>,
}

/// What the cloud itself knows about an instance's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeName<'a> {
    /// Names are only tags. The number is the position, from 0, of the instance among those of its create call, if the
    /// cloud keeps it (EC2).
    Tag(Option<usize>),
    /// The cloud's own name, which must be the one in the labels (Compute Engine).
    Resource(&'a str),
}

/// Finds the name of a group's member; `None` if the labels are not valid for this instance.
fn find_member_name(group: &str, members: &str, native: NativeName<'_>) -> Option<String> {
    let (group, members): (InstanceName, GroupMembers) = (group.parse().ok()?, members.parse().ok()?);
    let index = match native {
        NativeName::Tag(position) => members.index_at(position?)?,
        NativeName::Resource(name) => {
            let index = name.strip_prefix(group.as_str())?.strip_prefix('-')?.parse().ok()?;
            members.indexes().binary_search(&index).ok()?;
            index
        }
    };
    group.member_name(index).ok().map(|name| name.to_string())
}

/// The problem with the labels of an instance that is marked as managed.
fn find_label_problem(labels: &Labels, native: NativeName<'_>, name: Option<&String>) -> Option<String> {
    let fingerprint = labels.get(LABEL_SPEC);
    if name.is_none_or(|name| name.parse::<InstanceName>().is_err()) {
        return Some(describe_label(LABEL_NAME, name));
    }
    if matches!(native, NativeName::Resource(resource_name) if Some(resource_name) != name.map(String::as_str)) {
        return Some(describe_label(LABEL_NAME, name) + ", which is not its name");
    }
    if labels.contains_key(LABEL_MEMBERS) && name == labels.get(LABEL_NAME) {
        return Some(describe_label(LABEL_MEMBERS, labels.get(LABEL_MEMBERS)));
    }
    if !fingerprint.is_some_and(|text| Fingerprint::is_well_formed(text)) {
        return Some(describe_label(LABEL_SPEC, fingerprint));
    }
    None
}

fn describe_label(key: &str, value: Option<&String>) -> String {
    match value {
        Some(value) => format!("its label {key} is {}", quoted(value)),
        None => format!("it has no label {key}"),
    }
}

impl Ownership {
    /// Reads and verifies the labels of an instance. With `native` it finds labels that were copied from an instance of
    /// another name.
    pub fn from_labels(labels: &Labels, native: NativeName<'_>) -> Self {
        let fingerprint = labels.get(LABEL_SPEC).cloned();
        let name_label = labels.get(LABEL_NAME).cloned();
        let name = match labels.get(LABEL_MEMBERS) {
            Some(members) => name_label.map(|group| find_member_name(&group, members, native).unwrap_or(group)),
            None => name_label,
        };
        let is_marked = labels.get(LABEL_MANAGED).is_some_and(|value| value == "true");
        let problem = if is_marked {
            find_label_problem(labels, native, name.as_ref())
        } else {
            // A listing can have the instance before its labels: no labels at all are no problem.
            let own_labels = [LABEL_MANAGED, LABEL_NAME, LABEL_SPEC, LABEL_TTL];
            let has_own_label = own_labels.iter().any(|key| labels.contains_key(*key));
            has_own_label.then(|| describe_label(LABEL_MANAGED, labels.get(LABEL_MANAGED)))
        };
        let managed = is_marked && problem.is_none();
        let ttl = labels.get(LABEL_TTL).map(|text| parse_duration(text));
        let ttl_problem = match &ttl {
            Some(Err(_)) => Some(describe_label(LABEL_TTL, labels.get(LABEL_TTL))),
            Some(Ok(_)) | None => None,
        };
        let had_ttl = |fingerprint: &str| Fingerprint::is_set(fingerprint, "ttl");
        Self {
            managed,
            name,
            run_id: labels.get(LABEL_RUN).cloned(),
            generation: labels.get(LABEL_GENERATION).and_then(|text| text.parse().ok()),
            ttl: if managed { ttl.and_then(Result::ok) } else { None },
            created_with_ttl: managed && fingerprint.as_deref().is_some_and(had_ttl),
            spec_fingerprint: fingerprint,
            label_problem: problem.or(ttl_problem),
        }
    }

    /// The time when the TTL is over, counted from the cloud's creation time; `None` if it has no TTL.
    pub fn expires_at(&self, created_at: Option<Timestamp>) -> Option<Timestamp> {
        let ttl = SignedDuration::try_from(self.ttl?).ok()?;
        created_at?.checked_add(ttl).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Location;

    const UNKNOWN: NativeName<'_> = NativeName::Tag(None);

    fn labels(ttl: Option<u64>) -> Labels {
        let location = Location::in_region("us-east-1");
        let mut spec = InstanceSpec::new("web-1".parse().unwrap(), location);
        spec.ttl = ttl.map(Duration::from_secs);
        management_labels(&spec, 2)
    }

    #[test]
    fn ownership_reads_created_labels() {
        let plain = Ownership::from_labels(&labels(None), UNKNOWN);
        assert!(plain.managed && plain.label_problem.is_none() && !plain.created_with_ttl);
        assert_eq!((plain.ttl, plain.generation), (None, Some(2)));
        let short = Ownership::from_labels(&labels(Some(7_200)), NativeName::Resource("web-1"));
        assert!(short.managed && short.created_with_ttl);
        let created = Timestamp::from_second(1_000).unwrap();
        assert_eq!(short.expires_at(Some(created)), Timestamp::from_second(8_200).ok());
        assert_eq!(Ownership::from_labels(&Labels::new(), UNKNOWN), Ownership::default());
    }

    #[test]
    fn forged_labels_are_not_managed() {
        for (key, value) in [
            (LABEL_MANAGED, Some("yes")),
            (LABEL_MANAGED, None),
            (LABEL_NAME, Some("Not A Name")),
            (LABEL_NAME, None),
            (LABEL_SPEC, Some("?")),
            (LABEL_SPEC, None),
        ] {
            let mut forged = labels(Some(60));
            match value {
                Some(value) => forged.insert(key.to_owned(), value.to_owned()),
                None => forged.remove(key),
            };
            let read = Ownership::from_labels(&forged, UNKNOWN);
            assert!(!read.managed && read.ttl.is_none(), "{key}={value:?}");
            assert!(
                read.label_problem.is_some_and(|problem| problem.contains(key)),
                "{key}={value:?}"
            );
        }
        assert!(!Ownership::from_labels(&labels(None), NativeName::Resource("web-1-copy")).managed);
    }

    #[test]
    fn group_member_is_named_by_position_or_name() {
        let mut member = labels(None);
        member.insert(LABEL_MEMBERS.to_owned(), "1-2_7".to_owned());
        let name = |labels: &Labels, native| {
            let read = Ownership::from_labels(labels, native);
            (read.managed, read.name.unwrap_or_default())
        };
        assert_eq!(name(&member, NativeName::Tag(Some(2))), (true, "web-1-7".to_owned()));
        assert_eq!(
            name(&member, NativeName::Resource("web-1-2")),
            (true, "web-1-2".to_owned())
        );
        for native in [
            NativeName::Tag(None),
            NativeName::Tag(Some(3)),
            NativeName::Resource("web-1-3"),
            NativeName::Resource("web-1"),
        ] {
            assert!(!name(&member, native).0, "{native:?}");
        }
        member.insert(LABEL_MEMBERS.to_owned(), "all".to_owned());
        assert!(!name(&member, NativeName::Tag(Some(0))).0);
    }

    #[test]
    fn damaged_ttl_is_reported_and_ignored() {
        let mut damaged = labels(Some(60));
        damaged.insert(LABEL_TTL.to_owned(), "banana".to_owned());
        let read = Ownership::from_labels(&damaged, UNKNOWN);
        assert!(read.managed && read.ttl.is_none());
        assert!(read.label_problem.unwrap().contains("banana"));
    }
}
