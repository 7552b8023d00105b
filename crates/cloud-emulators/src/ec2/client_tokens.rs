//! ClientToken: what RunInstances remembers of its launches.

use super::encoding::hash;
use super::errors::{Answer, Refusal};
use super::instance::Phase;
use super::query_protocol::Node;
use super::state::Context;

/// A launch that was asked for with a token. It is remembered for longer than its instances.
pub struct Launch {
    /// Of all parameters but the token.
    print: u64,
    /// None at first, and as long as there is no capacity.
    ids: Vec<String>,
}

/// A token, in its scope: the zone, if the launch names one, else the region.
pub type Scope = (Option<String>, String);

pub enum Replay {
    /// Nobody used the token: launch.
    New,
    /// These came of it.
    Old(Vec<String>),
}

/// Looks a token up before anything else is judged, so that a replay succeeds even if, say, the key pair
/// is gone by now.
pub fn replay(context: &mut Context, scope: &Scope) -> Answer<Replay> {
    let (_, token) = scope;
    if token.len() > 64 || !token.is_ascii() {
        return Err(Refusal::value(format!(
            "Value ({token}) for parameter clientToken is invalid. Client tokens are limited to 64 ASCII characters"
        )));
    }
    let print = print(context.query);
    let lenient = context.state.controls.return_old_for_changed_launch;
    let returns_terminated = context.state.controls.return_terminated_for_old_token;
    let region = context.region();
    let Some(launch) = region.launches.get(scope) else {
        return Ok(Replay::New);
    };
    let forgiven = lenient && !launch.ids.is_empty();
    if launch.print != print && !forgiven {
        return Err(Refusal::new(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
        ));
    }
    if launch.ids.is_empty() {
        return Ok(Replay::New);
    }
    let present: Vec<String> = launch
        .ids
        .iter()
        .filter(|id| region.serials.contains_key(*id))
        .cloned()
        .collect();
    let is_terminated = |id: &String| {
        region
            .instance(id)
            .is_some_and(|instance| instance.phase == Phase::Terminated)
    };
    if present.is_empty() || (present.iter().all(is_terminated) && !returns_terminated) {
        return Err(Refusal::new(
            "IdempotentInstanceTerminated",
            "The instance that was launched with this client token has been terminated.",
        ));
    }
    Ok(Replay::Old(present))
}

/// Remembers that a token was used, and what came of it so far.
pub fn remember(context: &mut Context, scope: Scope, ids: Vec<String>) {
    let print = print(context.query);
    context.region().launches.insert(scope, Launch { print, ids });
}

/// The parameters that a launch is compared by.
fn print(query: &Node) -> u64 {
    hash(query.text_without(&["ClientToken", "DryRun", "Version"]))
}
