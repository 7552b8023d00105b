//! Amounts of memory as people write them: in GiB, with or without the unit.

/// The unit as other tools write it. All of them mean GiB: no cloud sells memory by powers of ten.
const UNITS: [&str; 4] = ["gib", "gb", "gi", "g"];

/// The number in an amount of memory: `16` of `16`, `16G`, `16GB`, `16Gi` and `16GiB`, in capitals or not.
pub fn strip_gib_unit(text: &str) -> &str {
    let lower = text.to_ascii_lowercase();
    for unit in UNITS {
        if let Some(number) = lower.strip_suffix(unit) {
            return text.get(..number.len()).unwrap_or(text).trim_end();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_a_unit_or_none() {
        for text in ["16", "16G", "16GB", "16Gi", "16GiB", "16g", "16gb", "16gib", "16 GiB"] {
            assert_eq!(strip_gib_unit(text), "16", "{text}");
        }
        for text in ["16M", "16MiB", "", "sixteen"] {
            assert_eq!(strip_gib_unit(text), text);
        }
    }
}
