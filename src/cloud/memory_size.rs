//! Sizes of memory and disks as people write them: in GiB, with or without a unit.

/// The units as other tools write them, each in GiB. GB and MB mean the same as GiB and MiB: no cloud sells by powers of ten.
const UNITS: [(&[&str], f64); 3] = [
    (&["tib", "ti"], 1024.0),
    (&["gib", "gb", "gi", "g"], 1.0),
    (&["mib", "mb", "mi", "m"], 1.0 / 1024.0),
];

/// The size in GiB: 16 of `16`, `16G`, `16GB`, `16Gi`, `16GiB`, `16384MiB`, in capitals or not. `None` if it is no size above
/// zero, or in MiB and not a multiple of half a GiB.
pub fn parse_gib(text: &str) -> Option<f64> {
    let (number, factor) = split_unit(text);
    let size = number.parse::<f64>().ok()? * factor;
    let is_size = size.is_finite() && size > 0.0;
    let is_exact = factor >= 1.0 || (size * 2.0).fract() == 0.0;
    (is_size && is_exact).then_some(size)
}

fn split_unit(text: &str) -> (&str, f64) {
    let lower = text.to_ascii_lowercase();
    for (names, factor) in UNITS {
        if let Some(number) = names.iter().find_map(|name| lower.strip_suffix(name)) {
            return (text.get(..number.len()).unwrap_or(text).trim_end(), factor);
        }
    }
    (text, 1.0)
}

/// The number in a size in GiB: `16` of `16`, `16G`, `16GB`, `16Gi` and `16GiB`, in capitals or not.
pub fn strip_gib_unit(text: &str) -> &str {
    match split_unit(text) {
        (number, 1.0) => number,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_has_a_unit_or_none() {
        for text in ["16", "16G", "16GB", "16Gi", "16GiB", "16g", "16gb", "16gib", "16 GiB"] {
            assert_eq!(strip_gib_unit(text), "16", "{text}");
            assert_eq!(parse_gib(text), Some(16.0), "{text}");
        }
        for (text, size) in [
            ("1TiB", 1024.0),
            ("2ti", 2048.0),
            ("8192MiB", 8.0),
            ("512Mi", 0.5),
            ("0.5", 0.5),
        ] {
            assert_eq!(parse_gib(text), Some(size), "{text}");
        }
        for text in ["1000M", "10TB", "", "sixteen", "0", "-1", "inf", "nan", "GiB", "1e999"] {
            assert_eq!(parse_gib(text), None, "{text}");
        }
        for text in ["16M", "16MiB", "", "sixteen"] {
            assert_eq!(strip_gib_unit(text), text);
        }
    }
}
