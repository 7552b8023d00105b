//! The word that somebody most likely meant.

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

/// How many characters must be put in, left out or replaced to make one word of the other.
/// <https://en.wikipedia.org/wiki/Levenshtein_distance>
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, character) in one.chars().enumerate() {
        let (mut diagonal, mut left) = (above, above + 1);
        row[0] = left;
        for (index, wanted) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(*wanted != character);
            diagonal = row[index + 1];
            left = replaced.min(diagonal + 1).min(left + 1);
            row[index + 1] = left;
        }
    }
    row[other.len()]
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

    #[test]
    fn changes_are_counted() {
        for (one, other, changes) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("a", "a", 0),
        ] {
            assert_eq!(distance(one, other), changes, "{one} {other}");
        }
    }
}
