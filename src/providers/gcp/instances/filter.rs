//! The filters of listings: what of them the API does. Only Compute Engine: EC2's filters are lists.
//!
//! <https://cloud.google.com/compute/docs/reference/rest/v1/instances/list>

use crate::cloud::ListFilter;
use crate::providers::gcp::labels::is_resource_name;

/// Beyond these, more is fetched and looked through here, so that no URL gets too long.
pub(crate) const MOST_TERMS: usize = 30;

/// What of the filter the API can do. Its language joins terms by one operator only, without nesting: names and ids
/// come first, because they cut down the most.
pub(crate) fn expression(filter: &ListFilter) -> Option<String> {
    // A name begins with a letter; what does not is an id.
    let plain = |text: &&String| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let numeric = |text: &&String| text.parse::<u64>().is_ok();
    let names = filter
        .names
        .iter()
        .filter(plain)
        .map(|name| format!("(name = \"{name}\")"));
    let ids = filter.ids.iter().filter(numeric).map(|id| format!("(id = {id})"));
    let terms: Vec<_> = names.chain(ids).collect();
    let managed = || filter.managed.then(|| "labels.cloudctl-managed = \"true\"".to_owned());
    match terms.len() {
        0 => managed(),
        1..=MOST_TERMS => Some(terms.join(" OR ")),
        // More come from groups, if anything: of one group, one pattern has them all.
        _ if filter.ids.is_empty() => group_of(&filter.names).map_or_else(managed, |group| Some(members_of(group))),
        _ => managed(),
    }
}

/// The group whose members these names are, if they are of one.
fn group_of(names: &[String]) -> Option<&str> {
    let group = |name: &str| {
        let (group, index) = name.rsplit_once('-')?;
        let is_index = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
        (is_index && is_resource_name(group)).then_some(group.len())
    };
    let first = names.first()?;
    let first = &first[..group(first)?];
    let all = names
        .iter()
        .all(|name| group(name).is_some_and(|length| name[..length] == *first));
    all.then_some(first)
}

/// The instances of a zone, or of all, whose names are those of a group's members: the older form, in which text is a
/// pattern for the whole name.
pub(crate) fn members_of(group: &str) -> String {
    format!("name eq \"{group}-[0-9]+\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_pushed_down_as_far_as_the_api_goes() {
        let filter = |names: &[&str], ids: &[&str], managed| ListFilter {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            managed,
        };
        let web = "(name = \"web\")";
        assert_eq!(expression(&filter(&[], &[], false)), None);
        assert_eq!(expression(&filter(&["web"], &[], true)).as_deref(), Some(web));
        assert_eq!(
            expression(&filter(&["web"], &["7", "i-7"], false)),
            Some(format!("{web} OR (id = 7)"))
        );
        assert_eq!(expression(&filter(&["7"], &["7"], false)).as_deref(), Some("(id = 7)"));
        assert_eq!(
            expression(&filter(&[], &[], true)).as_deref(),
            Some("labels.cloudctl-managed = \"true\"")
        );
        assert_eq!(expression(&filter(&["a\" OR \"b"], &[], false)), None);
        assert_eq!(expression(&filter(&["a"; 31], &[], false)), None);
        let managed = "labels.cloudctl-managed = \"true\"";
        assert_eq!(expression(&filter(&["a"; 31], &[], true)).as_deref(), Some(managed));
    }

    #[test]
    fn the_members_of_a_group_are_one_term() {
        let of = |names: Vec<String>| {
            expression(&ListFilter {
                names,
                managed: true,
                ..ListFilter::default()
            })
        };
        let mut names: Vec<String> = (1..=1_000).map(|index| format!("web-1-{index}")).collect();
        assert_eq!(of(names.clone()).as_deref(), Some("name eq \"web-1-[0-9]+\""));
        names.push("web-12".to_owned());
        assert_eq!(of(names).as_deref(), Some("labels.cloudctl-managed = \"true\""));
    }
}
