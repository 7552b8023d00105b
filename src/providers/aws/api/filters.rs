//! Filters of requests to EC2.

use std::collections::HashSet;

use aws_sdk_ec2::types::Filter;

use crate::cloud::{LABEL_NAME, ListFilter};

/// The maximum number of values in one filter.
pub(crate) const MAX_FILTER_VALUES: usize = 200;

/// The filter on the values of tags, whatever their keys.
/// <https://docs.aws.amazon.com/cli/latest/reference/ec2/describe-instances.html#examples>
const TAG_VALUE: &str = "tag-value";

/// The filters to send, each in a call of its own, because EC2 combines the filters of one call with AND. `None`
/// means that all instances are listed: more ids than one filter takes are looked up in the full listing.
pub(crate) fn build_query_filters(filter: &ListFilter) -> Vec<Option<Filter>> {
    let ids: Vec<&String> = filter.ids.iter().filter(|id| is_instance_id(id)).collect();
    if filter.names.is_empty() && filter.ids.is_empty() || ids.len() > MAX_FILTER_VALUES {
        return vec![None];
    }
    let by_id = (!ids.is_empty()).then(|| build_filter("instance-id", ids));
    // An instance that cloudctl does not manage has only the `Name` tag: one filter on the values of all tags finds both.
    // The sink drops what has a name as the value of another tag.
    let name_filter = match filter.managed {
        true => tag_filter_name(LABEL_NAME),
        false => TAG_VALUE.to_owned(),
    };
    let tag_values = list_name_tag_values(&filter.names);
    let by_name = tag_values
        .chunks(MAX_FILTER_VALUES)
        .map(|names| build_filter(&name_filter, names));
    by_id.into_iter().chain(by_name).map(Some).collect()
}

/// The values that the `cloudctl-name` tag can have on instances with these names. The members of a group have the
/// group's name in it.
fn list_name_tag_values(names: &[String]) -> Vec<&str> {
    let groups = names.iter().filter_map(|name| find_group_name(name));
    let mut seen = HashSet::new();
    let all = names.iter().map(String::as_str).chain(groups);
    all.filter(|name| seen.insert(*name)).collect()
}

/// The group that an instance with this name can be a member of: `web` for `web-7`.
fn find_group_name(name: &str) -> Option<&str> {
    let (group, index) = name.rsplit_once('-')?;
    let is_index = index.bytes().all(|digit| digit.is_ascii_digit()) && !index.is_empty() && !index.starts_with('0');
    (is_index && !group.is_empty()).then_some(group)
}

fn is_instance_id(text: &str) -> bool {
    text.strip_prefix("i-")
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// The name of the filter on a tag's value.
pub(crate) fn tag_filter_name(key: &str) -> String {
    format!("tag:{key}")
}

/// Creates a filter for exactly these values.
pub(crate) fn build_filter<T: AsRef<str>>(name: &str, values: impl IntoIterator<Item = T>) -> Filter {
    let values = values
        .into_iter()
        .map(|value| escape_wildcards(value.as_ref()))
        .collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// Escapes EC2's wildcards.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>
fn escape_wildcards(value: &str) -> String {
    let mut literal = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, '*' | '?' | '\\') {
            literal.push('\\');
        }
        literal.push(character);
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_escapes_wildcards() {
        assert_eq!(escape_wildcards(r"web-*?\"), r"web-\*\?\\");
        assert_eq!(escape_wildcards("web-1"), "web-1");
    }

    #[test]
    fn instance_id_is_recognized() {
        assert!(is_instance_id("i-0ab12cd34"));
        for text in ["i-", "web-1", "i-xyz", "4711"] {
            assert!(!is_instance_id(text), "{text}");
        }
    }

    #[test]
    fn names_and_ids_have_separate_filters() {
        let both = ListFilter {
            ids: vec!["i-1".into(), "web-1".into()],
            names: vec!["web-1".into()],
            managed: false,
        };
        let names: Vec<_> = build_query_filters(&both)
            .into_iter()
            .map(|filter| filter.unwrap().name.unwrap())
            .collect();
        assert_eq!(names, ["instance-id", "tag-value"]);
        assert_eq!(build_query_filters(&ListFilter::managed_name("web-1")).len(), 1);
        assert_eq!(build_query_filters(&ListFilter::default()), [None]);
    }

    #[test]
    fn too_many_ids_list_all_instances() {
        let filter = |count| ListFilter {
            ids: (0..count).map(|number| format!("i-{number:x}")).collect(),
            ..ListFilter::default()
        };
        let all_of_them: Vec<_> = build_query_filters(&filter(200));
        assert_eq!(all_of_them.len(), 1);
        assert_eq!(all_of_them[0].as_ref().unwrap().values().len(), 200);
        assert_eq!(build_query_filters(&filter(201)), [None]);
        // A text that is no id is a name.
        let names: Vec<String> = (0..201).map(|number| format!("web{number}")).collect();
        let typed = ListFilter {
            ids: names.clone(),
            names,
            managed: true,
        };
        assert_eq!(build_query_filters(&typed).len(), 2);
    }

    #[test]
    fn member_name_adds_group_name_once() {
        let names: Vec<String> = (1..=150).map(|index| format!("web-{index}")).collect();
        let tag_values = list_name_tag_values(&names);
        assert_eq!(tag_values.len(), 151);
        assert_eq!(tag_values.last(), Some(&"web"));
        for (name, group) in [
            ("web-7", Some("web")),
            ("web-1-2", Some("web-1")),
            ("web", None),
            ("web-07", None),
            ("web-x1", None),
            ("-7", None),
        ] {
            assert_eq!(find_group_name(name), group, "{name}");
        }
        let filter = ListFilter {
            names: (1..=250).map(|index| format!("web-{index}")).collect(),
            managed: true,
            ..ListFilter::default()
        };
        let sizes: Vec<_> = build_query_filters(&filter)
            .into_iter()
            .map(|filter| filter.unwrap().values().len())
            .collect();
        assert_eq!(sizes, [200, 51]);
    }
}
