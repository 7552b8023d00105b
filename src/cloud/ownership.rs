//! Ownership: the labels that cloudctl puts on what it makes, and what may be believed of those that are found.
//!
//! Anybody who may tag an instance can write them, and consoles copy them from one instance to the next. So an instance
//! is ours only if they all make sense together, and what does not make sense is said.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    Fingerprint, GroupMembers, InstanceName, InstanceSpec, LABEL_GENERATION, LABEL_MANAGED, LABEL_MEMBERS, LABEL_NAME,
    LABEL_SPEC, LABEL_TTL, Labels, format_duration, parse_duration, quoted,
};

/// The labels of cloudctl's own for a new instance and its disks. Part of the very call that makes them.
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
    labels
}

/// What cloudctl's own labels on an instance say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    /// Whether cloudctl made it: every label that it gives from birth is there and makes sense.
    pub managed: bool,
    /// The name that it was made under, whether or not that makes sense; a member's own, not that of its group.
    pub name: Option<String>,
    /// The fingerprint of the spec that it was made from.
    pub spec_fingerprint: Option<String>,
    /// Which life of its name it is.
    pub generation: Option<u32>,
    /// How long it may live, counted from its creation.
    pub ttl: Option<Duration>,
    /// Whether it was made with a TTL, so that what enforces one from birth is there.
    pub created_with_ttl: bool,
    /// Why these labels are not to be believed, if they are not: forged, copied or damaged.
    pub label_problem: Option<String>,
}

/// What a cloud itself knows of an instance's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeName<'a> {
    /// Names are labels and nothing more; this is its place, from 0, among those that one call made, where the cloud
    /// keeps it (EC2).
    Tag(Option<usize>),
    /// The cloud's own name of it, which is bound to be the one that it was made under (Compute Engine).
    Resource(&'a str),
}

/// The name of a group's member; nothing if the labels do not make sense for this one.
fn member_name(group: &str, members: &str, native: NativeName<'_>) -> Option<String> {
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

impl Ownership {
    /// Reads the labels of an instance. `native` says what the cloud itself knows of its name: a copy of our labels on
    /// another name is none of ours.
    pub fn from_labels(labels: &Labels, native: NativeName<'_>) -> Self {
        let text = |key: &str| labels.get(key).cloned();
        let fingerprint = text(LABEL_SPEC);
        let name = match labels.get(LABEL_MEMBERS) {
            Some(members) => text(LABEL_NAME).map(|group| member_name(&group, members, native).unwrap_or(group)),
            None => text(LABEL_NAME),
        };
        let is_marked = labels.get(LABEL_MANAGED).is_some_and(|value| value == "true");
        let ttl = labels.get(LABEL_TTL).map(|text| parse_duration(text));
        let wrong = |key: &str, value: Option<&String>| match value {
            Some(value) => format!("its label {key} is {}", quoted(value)),
            None => format!("it has no label {key}"),
        };
        let doubt = if !is_marked {
            // Labels can be listed later than the instance itself: none at all is no doubt.
            let has_any = [LABEL_NAME, LABEL_SPEC, LABEL_TTL]
                .iter()
                .any(|key| labels.contains_key(*key));
            (has_any || labels.contains_key(LABEL_MANAGED)).then(|| wrong(LABEL_MANAGED, labels.get(LABEL_MANAGED)))
        } else if name.as_ref().is_none_or(|name| name.parse::<InstanceName>().is_err()) {
            Some(wrong(LABEL_NAME, name.as_ref()))
        } else if matches!(native, NativeName::Resource(native) if Some(native) != name.as_deref()) {
            Some(wrong(LABEL_NAME, name.as_ref()) + ", which is not its name")
        } else if labels.contains_key(LABEL_MEMBERS) && name == text(LABEL_NAME) {
            Some(wrong(LABEL_MEMBERS, labels.get(LABEL_MEMBERS)))
        } else if !fingerprint.as_deref().is_some_and(Fingerprint::is_well_formed) {
            Some(wrong(LABEL_SPEC, fingerprint.as_ref()))
        } else {
            None
        };
        let managed = doubt.is_none() && is_marked;
        let doubt = doubt.or_else(|| {
            let damaged = matches!(&ttl, Some(Err(_)));
            damaged.then(|| wrong(LABEL_TTL, labels.get(LABEL_TTL)))
        });
        Self {
            managed,
            name,
            generation: labels.get(LABEL_GENERATION).and_then(|text| text.parse().ok()),
            ttl: ttl.and_then(Result::ok).filter(|_| managed),
            created_with_ttl: managed
                && fingerprint
                    .as_deref()
                    .is_some_and(|text| Fingerprint::is_set(text, "ttl")),
            spec_fingerprint: fingerprint,
            label_problem: doubt,
        }
    }

    /// When its time is over, by the time of its creation as the cloud has it; `None` if it has no TTL.
    pub fn expires_at(&self, created_at: Option<Timestamp>) -> Option<Timestamp> {
        let ttl = SignedDuration::try_from(self.ttl?).ok()?;
        created_at?.checked_add(ttl).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Location;

    const ANY: NativeName<'_> = NativeName::Tag(None);

    fn labels(ttl: Option<u64>) -> Labels {
        let place = Location {
            region: "us-east-1".into(),
            zone: None,
        };
        let mut spec = InstanceSpec::new("web-1".parse().unwrap(), place);
        spec.ttl = ttl.map(Duration::from_secs);
        management_labels(&spec, 2)
    }

    #[test]
    fn what_is_written_is_read() {
        let plain = Ownership::from_labels(&labels(None), ANY);
        assert!(plain.managed && plain.label_problem.is_none() && !plain.created_with_ttl);
        assert_eq!((plain.ttl, plain.generation), (None, Some(2)));
        let short = Ownership::from_labels(&labels(Some(7_200)), NativeName::Resource("web-1"));
        assert!(short.managed && short.created_with_ttl);
        let created = Timestamp::from_second(1_000).unwrap();
        assert_eq!(short.expires_at(Some(created)), Timestamp::from_second(8_200).ok());
        assert_eq!(Ownership::from_labels(&Labels::new(), ANY), Ownership::default());
    }

    #[test]
    fn what_is_forged_copied_or_damaged_is_not_ours() {
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
            let read = Ownership::from_labels(&forged, ANY);
            assert!(!read.managed && read.ttl.is_none(), "{key}={value:?}");
            assert!(
                read.label_problem.is_some_and(|doubt| doubt.contains(key)),
                "{key}={value:?}"
            );
        }
        assert!(!Ownership::from_labels(&labels(None), NativeName::Resource("web-1-copy")).managed);
    }

    #[test]
    fn a_member_has_the_name_of_its_place_in_the_group() {
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
    fn a_damaged_ttl_is_none_and_is_said() {
        let mut damaged = labels(Some(60));
        damaged.insert(LABEL_TTL.to_owned(), "banana".to_owned());
        let read = Ownership::from_labels(&damaged, ANY);
        assert!(read.managed && read.ttl.is_none());
        assert!(read.label_problem.unwrap().contains("banana"));
    }
}
