//! The members of a group that one create call covers: some of the names `NAME-1` to `NAME-N`.

use std::fmt;
use std::str::FromStr;

use super::{Error, InstanceName, Result, quoted};

/// The indexes of members: ascending, each once, at least one. Printed as ranges joined by `_`, such as `1-98_100`, which
/// every cloud accepts as the value of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMembers(Vec<u32>);

/// The longest value of a Compute Engine label, in characters.
const MAX_TEXT_LENGTH: usize = 63;

impl GroupMembers {
    /// Splits indexes into as few sets as possible, each of at most `max_members` members and short enough for a label.
    pub fn split(indexes: &[u32], max_members: usize) -> Vec<Self> {
        let mut indexes = indexes.to_vec();
        indexes.sort_unstable();
        indexes.dedup();
        let mut groups: Vec<Self> = Vec::new();
        for index in indexes {
            match groups.last_mut() {
                Some(group) if group.0.len() < max_members => {
                    group.0.push(index);
                    if group.to_string().len() > MAX_TEXT_LENGTH {
                        group.0.pop();
                        groups.push(Self(vec![index]));
                    }
                }
                _ => groups.push(Self(vec![index])),
            }
        }
        groups
    }

    /// The indexes, ascending.
    pub fn indexes(&self) -> &[u32] {
        &self.0
    }

    /// The number of members.
    #[allow(clippy::len_without_is_empty, reason = "there is always at least one member")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The index of the member at a position, counted from 0.
    pub fn index_at(&self, position: usize) -> Option<u32> {
        self.0.get(position).copied()
    }

    /// The names of all members of the group `base`.
    ///
    /// # Errors
    /// `InvalidSpec` if one is too long for a name.
    pub fn names(&self, base: &InstanceName) -> Result<Vec<InstanceName>> {
        self.0.iter().map(|index| base.member_name(*index)).collect()
    }
}

impl fmt::Display for GroupMembers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.0.chunk_by(|one, next| one + 1 == *next);
        for (position, run) in runs.enumerate() {
            if position > 0 {
                formatter.write_str("_")?;
            }
            match run {
                [only] => write!(formatter, "{only}")?,
                [first, .., last] => write!(formatter, "{first}-{last}")?,
                [] => {}
            }
        }
        Ok(())
    }
}

impl FromStr for GroupMembers {
    type Err = Error;

    /// Parses what `to_string` writes, and refuses all else: people can edit labels.
    fn from_str(input: &str) -> Result<Self> {
        let invalid = || Error::invalid(format!("invalid members {}", quoted(input)));
        let mut indexes: Vec<u32> = Vec::new();
        for run in input.split('_') {
            let (first, last) = run.split_once('-').unwrap_or((run, run));
            let first: u32 = first.parse().map_err(|_| invalid())?;
            let last: u32 = last.parse().map_err(|_| invalid())?;
            let is_valid = first > 0 && first <= last && last <= 1_000_000 && last - first < 10_000;
            if !is_valid || indexes.last().is_some_and(|previous| *previous >= first) {
                return Err(invalid());
            }
            indexes.extend(first..=last);
        }
        Ok(Self(indexes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_parse_what_they_print() {
        for text in ["1", "1-100", "3_7", "1-98_100"] {
            assert_eq!(text.parse::<GroupMembers>().unwrap().to_string(), text);
        }
        for text in ["", "0", "2-1", "1_1", "5_3", "a", "1-", "-1", "1-99999999", "1,2"] {
            assert!(text.parse::<GroupMembers>().is_err(), "{text}");
        }
    }

    #[test]
    fn split_fits_call_and_label_limits() {
        let all: Vec<u32> = (1..=250).collect();
        let groups = GroupMembers::split(&all, 100);
        let texts: Vec<_> = groups.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["1-100", "101-200", "201-250"]);
        let odd: Vec<u32> = (1..=199).step_by(2).collect();
        let groups = GroupMembers::split(&odd, 100);
        assert!(groups.iter().all(|group| group.to_string().len() <= MAX_TEXT_LENGTH));
        assert_eq!(groups.iter().flat_map(|group| group.indexes()).count(), odd.len());
        assert!(GroupMembers::split(&[], 100).is_empty());
    }

    #[test]
    fn members_name_their_instances() {
        let members: GroupMembers = "2_4".parse().unwrap();
        let names = members.names(&"web".parse().unwrap()).unwrap();
        assert_eq!(
            names.iter().map(InstanceName::as_str).collect::<Vec<_>>(),
            ["web-2", "web-4"]
        );
        assert_eq!((members.index_at(1), members.index_at(2)), (Some(4), None));
    }
}
