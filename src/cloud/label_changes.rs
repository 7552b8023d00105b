//! Changes of the labels of instances that exist.

use std::collections::BTreeSet;

use super::{Error, Instance, Labels, Result, format_label, format_removed_label, quote_for_shell, quoted};

/// Labels to set, and labels to remove. No key is in both.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelChanges {
    /// The labels to set.
    pub to_set: Labels,
    /// The keys of the labels to remove. An instance may lack them.
    pub to_remove: BTreeSet<String>,
}

impl LabelChanges {
    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.to_set.is_empty() && self.to_remove.is_empty()
    }

    /// Adds a label to set.
    ///
    /// # Errors
    /// `InvalidSpec` if the key is there already.
    pub fn add_label_to_set(&mut self, key: &str, value: &str) -> Result<()> {
        if self.to_remove.contains(key) {
            return Err(set_and_removed_error(key));
        }
        if self.to_set.contains_key(key) {
            return Err(Error::invalid(format!("the label {} is given twice", quoted(key)))
                .with_hint("give each key one value"));
        }
        self.to_set.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// Adds the key of a label to remove.
    ///
    /// # Errors
    /// `InvalidSpec` if the key is there already.
    pub fn add_label_to_remove(&mut self, key: &str) -> Result<()> {
        if self.to_set.contains_key(key) {
            return Err(set_and_removed_error(key));
        }
        if !self.to_remove.insert(key.to_owned()) {
            return Err(Error::invalid(format!("the label {} is removed twice", quoted(key)))
                .with_hint("name each label to remove once"));
        }
        Ok(())
    }

    /// Makes the changes in a set of labels.
    pub fn apply_to(&self, labels: &mut Labels) {
        labels.retain(|key, _| !self.to_remove.contains(key));
        labels.extend(self.to_set.clone());
    }

    /// Whether the labels would stay as they are.
    pub fn are_made_in(&self, labels: &Labels) -> bool {
        let has_label = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        self.to_set.iter().all(has_label) && !self.to_remove.iter().any(|key| labels.contains_key(key))
    }

    /// Whether the instance shows labels as they are after the changes.
    pub fn are_shown_by(&self, instance: &Instance) -> bool {
        let has_label = |(key, value): (&String, &String)| instance.label(key) == Some(value);
        self.to_set.iter().all(has_label) && !self.to_remove.iter().any(|key| instance.label(key).is_some())
    }

    /// Formats the changes as arguments of `cloudctl label`, quoted for a shell: `team=blue 'note=a b' old-`.
    pub fn format_as_arguments(&self) -> String {
        let set = self.to_set.iter().map(|(key, value)| format_label(key, value));
        let removed = self.to_remove.iter().map(|key| format_removed_label(key));
        let words: Vec<String> = set.chain(removed).map(|word| quote_for_shell(&word)).collect();
        words.join(" ")
    }
}

fn set_and_removed_error(key: &str) -> Error {
    Error::invalid(format!("the label {} is both set and removed", quoted(key))).with_hint("leave one of the two out")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let owned = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        owned.collect()
    }

    fn changes(set: &[(&str, &str)], removed: &[&str]) -> LabelChanges {
        LabelChanges {
            to_set: labels(set),
            to_remove: removed.iter().map(|key| (*key).to_owned()).collect(),
        }
    }

    #[test]
    fn changes_keep_other_labels() {
        let mut present = labels(&[("env", "ci"), ("old", "1"), ("team", "red")]);
        let wanted = changes(&[("team", "blue")], &["old", "absent"]);
        assert!(!wanted.are_made_in(&present));
        wanted.apply_to(&mut present);
        assert_eq!(present, labels(&[("env", "ci"), ("team", "blue")]));
        assert!(wanted.are_made_in(&present));
    }

    #[test]
    fn key_is_changed_once() {
        let mut wanted = changes(&[("team", "blue")], &["old"]);
        for (key, result) in [
            ("both set and removed", wanted.add_label_to_remove("team")),
            ("both set and removed", wanted.add_label_to_set("old", "1")),
            ("given twice", wanted.add_label_to_set("team", "blue")),
            ("removed twice", wanted.add_label_to_remove("old")),
        ] {
            let error = result.unwrap_err();
            assert!(error.message().ends_with(key), "{error}");
        }
    }

    #[test]
    fn arguments_are_quoted_for_a_shell() {
        let wanted = changes(&[("note", "it's a,b"), ("team", "blue"), ("x", "")], &["a,b", "old"]);
        assert_eq!(
            wanted.format_as_arguments(),
            r#"'note="it'\''s a,b"' team=blue x= '"a,b"-' old-"#
        );
    }
}
