//! The mock's own options, `--native key=value`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::Value;

use crate::cloud::{Error, Result, parser_message, plain};

/// What `native` of a spec can say on the mock cloud. On the command line every value is text.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Options {
    /// How many seconds the instance is pending before it runs, from 0 to 86400, fractions allowed; default 1.
    #[serde(deserialize_with = "seconds")]
    pub(super) boot_seconds: Option<f64>,
    /// After how many seconds the instance dies by itself, as one does whose spare capacity is taken back.
    #[serde(deserialize_with = "seconds")]
    pub(super) fail_after_seconds: Option<f64>,
}

const KNOWN: &str = "the mock has boot_seconds and fail_after_seconds, each a number from 0 to 86400";
const DAY_SECONDS: f64 = 86_400.0;

impl Options {
    /// Reads the options.
    ///
    /// # Errors
    /// `InvalidSpec` for an unknown key or a value that makes no sense, naming the key.
    pub(super) fn read(native: &BTreeMap<String, Value>) -> Result<Self> {
        // Each key is first read alone: serde names an unknown key, but not the key of a wrong value.
        for (key, value) in native {
            let alone = Value::Object([(key.clone(), value.clone())].into_iter().collect());
            if let Err(error) = serde_json::from_value::<Self>(alone) {
                return Err(invalid(key, &error.to_string()));
            }
        }
        let all = native.clone().into_iter().collect();
        let options: Self =
            serde_json::from_value(Value::Object(all)).map_err(|error| invalid("native", &error.to_string()))?;
        for (key, seconds) in [
            ("boot_seconds", options.boot_seconds),
            ("fail_after_seconds", options.fail_after_seconds),
        ] {
            if seconds.is_some_and(|seconds| !(0.0..=DAY_SECONDS).contains(&seconds)) {
                return Err(invalid(key, "out of range"));
            }
        }
        Ok(options)
    }

    /// How long the instance is pending, if that was said.
    pub(super) fn boot(&self) -> Option<Duration> {
        self.boot_seconds.map(Duration::from_secs_f64)
    }

    /// After how long the instance dies by itself, if it does.
    pub(super) fn fail_after(&self) -> Option<Duration> {
        self.fail_after_seconds.map(Duration::from_secs_f64)
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    match number.filter(|number| number.is_finite()) {
        Some(number) => Ok(Some(number)),
        None => Err(D::Error::custom(format!("`{value}` is not a number"))),
    }
}

fn invalid(key: &str, reason: &str) -> Error {
    Error::invalid(format!(
        "invalid native option {}: {}",
        plain(key),
        parser_message(reason)
    ))
    .with_remedy(KNOWN)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(key: &str, value: Value) -> Result<Options> {
        Options::read(&[(key.to_owned(), value)].into_iter().collect())
    }

    #[test]
    fn reads_seconds() {
        assert_eq!(read("boot_seconds", json!("0")).unwrap().boot(), Some(Duration::ZERO));
        assert_eq!(
            read("boot_seconds", json!(0.5)).unwrap().boot(),
            Some(Duration::from_millis(500))
        );
        assert_eq!(
            read("fail_after_seconds", json!(3)).unwrap().fail_after(),
            Some(Duration::from_secs(3))
        );
        assert_eq!(Options::read(&BTreeMap::new()).unwrap().boot(), None);
    }

    #[test]
    fn refuses_the_rest_by_its_key() {
        for (key, value) in [
            ("boot_second", json!(1)),
            ("boot_seconds", json!("soon")),
            ("boot_seconds", json!("nan")),
            ("boot_seconds", json!(-1)),
            ("fail_after_seconds", json!(1e9)),
        ] {
            assert!(read(key, value).unwrap_err().message().contains(key));
        }
    }
}
