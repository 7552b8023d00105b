//! The word that somebody most likely meant.

use crate::cloud::distance;

/// The candidate that is fewest changes away from a word, if it is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, candidates: &'a [String]) -> Option<&'a str> {
    let plain = word.to_lowercase().replace('_', "-");
    let most = (plain.chars().count() / 3).max(2);
    let ranked = candidates
        .iter()
        .map(|candidate| (distance(&plain, candidate), candidate));
    let (changes, best) = ranked.min_by_key(|(changes, _)| *changes)?;
    (changes <= most && changes < plain.chars().count()).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_found() {
        let keys = ["image", "memory", "max-price", "provider", "label", "open"].map(str::to_owned);
        for (word, meant) in [
            ("imgae", Some("image")),
            ("provder", Some("provider")),
            ("max_price", Some("max-price")),
            ("labels", Some("label")),
            ("Memory", Some("memory")),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, &keys), meant, "{word}");
        }
    }
}
