//! Scheduling: spare capacity, the limit on a run, and what happens when the host is serviced.

use google_cloud_compute_v1::model::Scheduling;
use google_cloud_compute_v1::model::scheduling::{
    InstanceTerminationAction, OnHostMaintenance as ApiOnHostMaintenance, ProvisioningModel,
};

use crate::cloud::{Error, InstanceSpec, Result};
use crate::providers::gcp::instances::expiry::limited;
use crate::providers::gcp::native_options::{OnHostMaintenance, Options};

/// How a new instance is scheduled. `migrates` says whether such a machine can move to another host while it runs.
///
/// # Errors
/// `InvalidSpec` if it shall migrate and cannot.
pub(crate) fn scheduling(
    spec: &InstanceSpec,
    options: &Options,
    type_name: &str,
    migrates: bool,
) -> Result<Scheduling> {
    let scheduling = Scheduling::new();
    let scheduling = match spec.ttl {
        Some(ttl) => limited(scheduling, ttl),
        None => scheduling,
    };
    if spec.spot {
        // <https://cloud.google.com/compute/docs/instances/create-use-spot>
        return Ok(scheduling
            .set_provisioning_model(ProvisioningModel::Spot)
            .set_instance_termination_action(InstanceTerminationAction::Delete)
            .set_on_host_maintenance(ApiOnHostMaintenance::Terminate)
            .set_automatic_restart(false));
    }
    if !migrates && options.on_host_maintenance == Some(OnHostMaintenance::Migrate) {
        return Err(Error::invalid(format!(
            "this machine of type {type_name} cannot migrate, as the native option on_host_maintenance wants it to"
        ))
        .with_remedy("use TERMINATE, or leave it out"));
    }
    let on_host_maintenance = match options.on_host_maintenance {
        Some(OnHostMaintenance::Migrate) => Some(ApiOnHostMaintenance::Migrate),
        Some(OnHostMaintenance::Terminate) => Some(ApiOnHostMaintenance::Terminate),
        None => (!migrates).then_some(ApiOnHostMaintenance::Terminate),
    };
    Ok(scheduling
        .set_provisioning_model(ProvisioningModel::Standard)
        .set_or_clear_on_host_maintenance(on_host_maintenance)
        .set_or_clear_automatic_restart(options.automatic_restart))
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::spec;
    use super::*;

    #[test]
    fn spot_is_deleted_when_it_is_taken_back() {
        let mut spot = spec("web-1");
        spot.spot = true;
        for migrates in [true, false] {
            let made = scheduling(&spot, &Options::default(), "e2-small", migrates).unwrap();
            assert_eq!(made.provisioning_model, Some(ProvisioningModel::Spot));
            assert_eq!(
                made.instance_termination_action,
                Some(InstanceTerminationAction::Delete)
            );
            assert_eq!(made.on_host_maintenance, Some(ApiOnHostMaintenance::Terminate));
            assert_eq!(made.automatic_restart, Some(false));
        }
    }

    #[test]
    fn a_machine_that_cannot_migrate_is_not_asked_to() {
        let made = scheduling(&spec("web-1"), &Options::default(), "a2-highgpu-1g", false).unwrap();
        assert_eq!(made.on_host_maintenance, Some(ApiOnHostMaintenance::Terminate));
        assert_eq!(made.automatic_restart, None);
        let options = Options {
            on_host_maintenance: Some(OnHostMaintenance::Migrate),
            ..Options::default()
        };
        assert!(scheduling(&spec("web-1"), &options, "a2-highgpu-1g", false).is_err());
    }

    #[test]
    fn a_ttl_limits_the_run_of_every_kind_of_machine() {
        for spot in [false, true] {
            let mut limited = spec("web-1");
            (limited.spot, limited.ttl) = (spot, Some(std::time::Duration::from_secs(7_200)));
            let made = scheduling(&limited, &Options::default(), "e2-small", true).unwrap();
            assert_eq!(made.max_run_duration.and_then(|limit| limit.seconds), Some(7_200));
            assert_eq!(
                made.instance_termination_action,
                Some(InstanceTerminationAction::Delete)
            );
        }
        let made = scheduling(&spec("web-1"), &Options::default(), "e2-small", true).unwrap();
        assert_eq!((made.max_run_duration, made.instance_termination_action), (None, None));
    }
}
