//! How near words are to each other, to find the one that was meant.

use strsim::{levenshtein, osa_distance};

/// The candidates that are nearest to a word, at most so many.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>, max_count: usize) -> Vec<&'a str> {
    let mut candidates: Vec<_> = candidates.into_iter().collect();
    candidates.sort_by_cached_key(|candidate| (levenshtein(word, candidate), *candidate));
    candidates.truncate(max_count);
    candidates
}

/// The candidate that a mistyped word most likely stands for, if one is near enough: a few changes away (two letters in the wrong order are one change), or one that
/// contains the word. Hyphens and underscores count as the same.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let normalize = |text: &str| text.to_lowercase().replace('_', "-");
    let mistyped = normalize(word);
    let length = mistyped.chars().count();
    let ranked = candidates.into_iter().map(|candidate| {
        let normalized = normalize(candidate);
        let is_part = length > 3 && normalized.contains(&mistyped);
        let changes = if is_part {
            0
        } else {
            osa_distance(&mistyped, &normalized)
        };
        (changes, candidate)
    });
    let (changes, best) = ranked.min_by_key(|(changes, _)| *changes)?;
    let max_changes = match length {
        0..=4 => 1,
        _ => (length / 3).max(2),
    };
    (changes <= max_changes && changes < length).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_found() {
        let keys = [
            "image",
            "memory",
            "max-price",
            "provider",
            "label",
            "open",
            "machine_type",
        ];
        for (word, meant) in [
            ("imgae", Some("image")),
            ("provder", Some("provider")),
            ("max_price", Some("max-price")),
            ("labels", Some("label")),
            ("Memory", Some("memory")),
            ("type", Some("machine_type")),
            ("colour", None),
            ("opne", Some("open")),
            ("lean", None),
            ("x", None),
        ] {
            assert_eq!(did_you_mean(word, keys), meant, "{word}");
        }
    }

    #[test]
    fn the_nearest_takes_the_fewest_changes() {
        assert_eq!(closest("imge", ["count", "image", "name"], 2), ["image", "name"]);
    }
}
