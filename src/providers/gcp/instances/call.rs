//! The API's calls that change an instance: which one a change takes, and how it is sent. Only Compute Engine: EC2's
//! calls take whatever state there is.

use google_cloud_compute_v1::client::Instances;
use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{self, Operation};
use google_cloud_gax::Result as SdkResult;

use super::change::Change;
use crate::cloud::Result;
use crate::providers::gcp::api::retry::prepared;

/// The API's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Delete,
    Start,
    Resume,
    Stop,
    Reset,
    Protect(bool),
}

/// Which call a change takes in this state: none if it is so already, an error's reason if the state forbids it.
pub(crate) fn call_for(change: Change, api: &model::Instance, going: bool) -> Result<Option<Call>, String> {
    let status = api.status.as_ref();
    let word = status.and_then(Status::name).unwrap_or("UNKNOWN");
    let wrong_state = || {
        if going {
            "it is being deleted".to_owned()
        } else {
            format!("it is {word}")
        }
    };
    match change {
        Change::Terminate if going => Ok(None),
        Change::Terminate if api.deletion_protection == Some(true) => Err("it is protected".to_owned()),
        Change::Terminate => Ok(Some(Call::Delete)),
        _ if going => Err(wrong_state()),
        Change::Protect(wanted) => {
            let is_so = api.deletion_protection.unwrap_or_default() == wanted;
            Ok((!is_so).then_some(Call::Protect(wanted)))
        }
        Change::Start => match status {
            Some(Status::Terminated | Status::Stopped) => Ok(Some(Call::Start)),
            Some(Status::Suspended) => Ok(Some(Call::Resume)),
            Some(Status::Running | Status::Repairing | Status::Pending | Status::Provisioning | Status::Staging) => {
                Ok(None)
            }
            _ => Err(wrong_state()),
        },
        Change::Stop => match status {
            Some(
                Status::Terminated
                | Status::Stopped
                | Status::Suspended
                | Status::Stopping
                | Status::PendingStop
                | Status::Suspending,
            ) => Ok(None),
            _ => Ok(Some(Call::Stop)),
        },
        Change::Reboot => match status {
            Some(Status::Running | Status::Repairing) => Ok(Some(Call::Reset)),
            _ => Err(wrong_state()),
        },
    }
}

pub(crate) async fn send(
    (project, instances): (&str, &Instances),
    call: Call,
    zone: &str,
    name: &str,
    request_id: &str,
) -> SdkResult<Operation> {
    macro_rules! send {
        ($call:expr) => {{
            let call = $call.set_project(project).set_zone(zone);
            prepared(call.set_request_id(request_id)).send().await
        }};
    }
    match call {
        Call::Delete => send!(instances.delete().set_instance(name)),
        Call::Start => send!(instances.start().set_instance(name)),
        Call::Resume => send!(instances.resume().set_instance(name)),
        Call::Stop => send!(instances.stop().set_instance(name)),
        Call::Reset => send!(instances.reset().set_instance(name)),
        Call::Protect(protected) => {
            let call = instances.set_deletion_protection().set_resource(name);
            send!(call.set_deletion_protection(protected))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_takes_the_call_that_its_state_needs() {
        let in_state = |word: &str| model::Instance::new().set_status(word);
        for (change, word, expected) in [
            (Change::Start, "TERMINATED", Ok(Some(Call::Start))),
            (Change::Start, "SUSPENDED", Ok(Some(Call::Resume))),
            (Change::Start, "RUNNING", Ok(None)),
            (Change::Start, "STAGING", Ok(None)),
            (Change::Start, "STOPPING", Err("it is STOPPING".to_owned())),
            (Change::Stop, "RUNNING", Ok(Some(Call::Stop))),
            (Change::Stop, "TERMINATED", Ok(None)),
            (Change::Stop, "STOPPING", Ok(None)),
            (Change::Reboot, "RUNNING", Ok(Some(Call::Reset))),
            (Change::Reboot, "TERMINATED", Err("it is TERMINATED".to_owned())),
            (Change::Terminate, "TERMINATED", Ok(Some(Call::Delete))),
        ] {
            assert_eq!(call_for(change, &in_state(word), false), expected, "{change:?} {word}");
        }
    }

    #[test]
    fn protection_is_set_once_and_in_any_state() {
        for (protected, wanted, expected) in [
            (Some(false), true, Ok(Some(Call::Protect(true)))),
            (None, true, Ok(Some(Call::Protect(true)))),
            (Some(true), true, Ok(None)),
            (Some(true), false, Ok(Some(Call::Protect(false)))),
            (None, false, Ok(None)),
        ] {
            let api = model::Instance::new()
                .set_status("TERMINATED")
                .set_or_clear_deletion_protection(protected);
            assert_eq!(call_for(Change::Protect(wanted), &api, false), expected);
        }
    }

    #[test]
    fn what_is_on_its_way_out_is_let_go() {
        let going = model::Instance::new()
            .set_status("STOPPING")
            .set_deletion_protection(true);
        assert_eq!(call_for(Change::Terminate, &going, true), Ok(None));
        assert!(call_for(Change::Start, &going, true).is_err());
        assert!(call_for(Change::Stop, &going, true).is_err());
        assert_eq!(
            call_for(Change::Terminate, &going, false),
            Err("it is protected".to_owned())
        );
    }
}
