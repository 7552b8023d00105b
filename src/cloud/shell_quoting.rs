//! Quotes words for a shell, so that a command in a hint can be copied as it is.

/// Puts a word into single quotes, unless a shell takes it as it is.
pub fn quote_for_shell(word: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "-_.@/:=+%,".contains(character);
    match word.chars().all(is_plain) && !word.is_empty() {
        true => word.to_owned(),
        false => always_quote_for_shell(word),
    }
}

/// Puts a word into single quotes, also one that a shell takes as it is: a script is read by shells that differ in that.
pub fn always_quote_for_shell(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_is_quoted_where_a_shell_would_change_it() {
        for (word, expected) in [
            ("web-1", "web-1"),
            ("env=ci", "env=ci"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(quote_for_shell(word), expected);
        }
    }
}
