//! Reads a fault from a command line: `RunInstances@us-east-1=error:503:Unavailable,times=2`.

use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use crate::faults::{Effect, Fault};

/// What is wrong with the text of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSyntaxError(String);

impl std::fmt::Display for FaultSyntaxError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for FaultSyntaxError {}

const EFFECTS: &str = "error:STATUS:CODE, error-after:STATUS:CODE, reset, reset-after, hang, hang-after, truncate, \
                       garbage, delay:TIME, advance:TIME";

/// `OPERATION[@LOCATION]=EFFECT[,times=N][,skip=N][,share=P]`; the operation `*` means every one.
impl FromStr for Fault {
    type Err = FaultSyntaxError;

    fn from_str(text: &str) -> Result<Self, FaultSyntaxError> {
        let parts = text.split_once('=').filter(|(target, _)| !target.is_empty());
        let (target, rest) = parts.ok_or_else(|| error("a fault is OPERATION=EFFECT"))?;
        let (operation, location) = match target.split_once('@') {
            Some((operation, location)) => (operation, Some(location)),
            None => (target, None),
        };
        if operation.is_empty() || location == Some("") {
            return Err(error("a fault is OPERATION@LOCATION=EFFECT"));
        }
        let mut words = rest.split(',');
        let effect = parse_effect(words.next().unwrap_or_default())?;
        let mut fault = match operation {
            "*" => Self::on_all(effect),
            operation => Self::on(operation, effect),
        };
        fault.location = location.map(str::to_owned);
        for word in words {
            fault = set_option(fault, word)?;
        }
        Ok(fault)
    }
}

fn set_option(fault: Fault, word: &str) -> Result<Fault, FaultSyntaxError> {
    let number = |value: &str| {
        let parsed = value.parse().ok().filter(|count| *count > 0);
        parsed.ok_or_else(|| error(&format!("`{word}` is not a whole number from 1 on")))
    };
    match word.split_once('=') {
        Some(("times", value)) => Ok(fault.times(number(value)?)),
        Some(("skip", value)) => Ok(fault.skip(number(value)?)),
        Some(("share", value)) => {
            let share = value.parse::<f64>().ok().filter(|share| *share > 0.0 && *share <= 1.0);
            let share = share.ok_or_else(|| error(&format!("`{word}` is not above 0 and at most 1")))?;
            Ok(fault.probability(share))
        }
        _ => Err(error(&format!(
            "unknown option `{word}`; there are times=N, skip=N, share=P"
        ))),
    }
}

fn parse_effect(text: &str) -> Result<Effect, FaultSyntaxError> {
    let (name, value) = match text.split_once(':') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    match (name, value) {
        ("error", Some(value)) => {
            let (status, code) = parse_answer(value)?;
            Ok(Effect::ErrorBefore { status, code })
        }
        ("error-after", Some(value)) => {
            let (status, code) = parse_answer(value)?;
            Ok(Effect::ErrorAfter { status, code })
        }
        ("delay", Some(value)) => parse_time(value).map(Effect::Delay).map_err(|message| error(&message)),
        ("advance", Some(value)) => parse_time(value)
            .map(Effect::AdvanceClock)
            .map_err(|message| error(&message)),
        ("reset", None) => Ok(Effect::ResetBefore),
        ("reset-after", None) => Ok(Effect::ResetAfter),
        ("hang", None) => Ok(Effect::HangBefore),
        ("hang-after", None) => Ok(Effect::HangAfter),
        ("truncate", None) => Ok(Effect::Truncate),
        ("garbage", None) => Ok(Effect::Garbage),
        _ => Err(error(&format!("unknown effect `{text}`; there are {EFFECTS}"))),
    }
}

/// `503:Unavailable`
fn parse_answer(text: &str) -> Result<(u16, String), FaultSyntaxError> {
    let parts = text.split_once(':').filter(|(_, code)| !code.is_empty());
    let answer = parts.and_then(|(status, code)| Some((status.parse::<u16>().ok()?, code)));
    match answer {
        Some((status, code)) if (400..600).contains(&status) => Ok((status, code.to_owned())),
        _ => Err(error(&format!(
            "`{text}` is not STATUS:CODE with a status from 400 to 599"
        ))),
    }
}

/// `200ms`, `3s`, `2m`: at least nothing and at most a day.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok();
    let time = parsed.and_then(|time| Duration::try_from(time).ok());
    let time = time.filter(|time| *time <= Duration::from_secs(24 * 60 * 60));
    time.ok_or_else(|| format!("`{text}` is not a time such as 200ms, 3s or 2m, of at most a day"))
}

fn error(message: &str) -> FaultSyntaxError {
    FaultSyntaxError(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        text.parse::<Fault>().expect_err(text).to_string()
    }

    #[test]
    fn fault_has_operation_location_effect_and_options() {
        let fault: Fault = "RunInstances@us-east-1=error:503:Unavailable,times=2,skip=1,share=0.5"
            .parse()
            .expect("a fault");
        assert_eq!(fault.operation.as_deref(), Some("RunInstances"));
        assert_eq!(fault.location.as_deref(), Some("us-east-1"));
        assert_eq!((fault.times, fault.skip, fault.probability), (Some(2), 1, 0.5));
        assert!(matches!(fault.effect, Effect::ErrorBefore { status: 503, code } if code == "Unavailable"));
    }

    #[test]
    fn fault_on_star_strikes_every_operation() {
        let fault: Fault = "*=delay:200ms".parse().expect("a fault");
        assert_eq!((fault.operation, fault.location), (None, None));
        assert!(matches!(fault.effect, Effect::Delay(time) if time == Duration::from_millis(200)));
        let fault: Fault = "*=advance:1h".parse().expect("a fault");
        assert!(matches!(fault.effect, Effect::AdvanceClock(time) if time == Duration::from_secs(3_600)));
    }

    #[test]
    fn fault_with_a_mistake_names_it() {
        assert_eq!(message("reset"), "a fault is OPERATION=EFFECT");
        assert_eq!(message("=reset"), "a fault is OPERATION=EFFECT");
        assert_eq!(message("A@=reset"), "a fault is OPERATION@LOCATION=EFFECT");
        assert!(message("A=explode").starts_with("unknown effect `explode`; there are error:STATUS:CODE"));
        assert!(message("A=reset:5").starts_with("unknown effect `reset:5`"));
        assert!(message("A=error:200:Fine").contains("a status from 400 to 599"));
        assert!(message("A=error:503:").contains("is not STATUS:CODE"));
        assert!(message("A=delay:-1s").contains("is not a time"));
        assert!(message("A=delay:1000h").contains("is not a time"));
        assert!(message("A=reset,times=0").contains("whole number from 1 on"));
        assert!(message("A=reset,share=2").contains("above 0 and at most 1"));
        assert!(message("A=reset,often").contains("unknown option `often`"));
    }
}
