//! The body of the call that makes many: what one instance would be made from, in the form that it has there. Only
//! Compute Engine.

use google_cloud_compute_v1::model::{
    AcceleratorConfig, AttachedDisk, BulkInsertInstanceResource, BulkInsertInstanceResourcePerInstanceProperties,
    Instance, InstanceProperties,
};

use crate::cloud::{Error, InstanceName, Result, quoted};
use crate::providers::gcp::regions::last_segment;

/// The call for instances of these names, all or none, which are as `body` is.
///
/// # Errors
/// `InvalidSpec` for what they cannot all have.
pub(crate) fn bulk_of(body: Instance, names: &[InstanceName]) -> Result<BulkInsertInstanceResource> {
    if let Some(hostname) = &body.hostname {
        return Err(Error::invalid(format!(
            "the native option hostname gives {} to {} VMs, and each must have its own",
            quoted(hostname),
            names.len()
        ))
        .with_remedy("leave it out"));
    }
    let count = i64::try_from(names.len()).unwrap_or(i64::MAX);
    let own = names
        .iter()
        .map(|name| (name.as_str(), BulkInsertInstanceResourcePerInstanceProperties::new()));
    Ok(BulkInsertInstanceResource::new()
        .set_count(count)
        .set_min_count(count)
        .set_per_instance_properties(own)
        .set_instance_properties(properties_of(body)))
}

/// What all of them have. Protection against deletion is not among it; types are bare names there.
/// <https://cloud.google.com/compute/docs/reference/rest/v1/instances/bulkInsert>
fn properties_of(body: Instance) -> InstanceProperties {
    let bare = |path: Option<String>| path.map(|path| last_segment(&path).to_owned());
    let disk = |mut disk: AttachedDisk| {
        if let Some(parameters) = &mut disk.initialize_params {
            parameters.disk_type = bare(parameters.disk_type.take());
        }
        disk
    };
    let accelerator = |mut accelerator: AcceleratorConfig| {
        accelerator.accelerator_type = bare(accelerator.accelerator_type.take());
        accelerator
    };
    InstanceProperties::new()
        .set_or_clear_machine_type(bare(body.machine_type))
        .set_labels(body.labels)
        .set_disks(body.disks.into_iter().map(disk))
        .set_network_interfaces(body.network_interfaces)
        .set_or_clear_scheduling(body.scheduling)
        .set_guest_accelerators(body.guest_accelerators.into_iter().map(accelerator))
        .set_service_accounts(body.service_accounts)
        .set_or_clear_metadata(body.metadata)
        .set_or_clear_tags(body.tags)
        .set_or_clear_can_ip_forward(body.can_ip_forward)
        .set_or_clear_min_cpu_platform(body.min_cpu_platform)
        .set_or_clear_shielded_instance_config(body.shielded_instance_config)
        .set_or_clear_advanced_machine_features(body.advanced_machine_features)
}

#[cfg(test)]
mod tests {
    use google_cloud_compute_v1::model::AttachedDiskInitializeParams;

    use super::*;

    #[test]
    fn types_are_bare_names() {
        let parameters = AttachedDiskInitializeParams::new().set_disk_type("zones/z/diskTypes/pd-balanced");
        let gpu = AcceleratorConfig::new().set_accelerator_type("zones/z/acceleratorTypes/nvidia-tesla-t4");
        let body = Instance::new()
            .set_machine_type("zones/z/machineTypes/n1-standard-4")
            .set_disks([AttachedDisk::new().set_initialize_params(parameters)])
            .set_guest_accelerators([gpu]);
        let names = ["web-1".parse().unwrap(), "web-3".parse().unwrap()];
        let bulk = bulk_of(body, &names).unwrap();
        assert_eq!((bulk.count, bulk.min_count), (Some(2), Some(2)));
        let mut keys: Vec<_> = bulk.per_instance_properties.keys().collect();
        keys.sort();
        assert_eq!(keys, ["web-1", "web-3"]);
        let text = format!("{:?}", bulk.instance_properties);
        assert!(
            text.contains("\"n1-standard-4\"") && text.contains("\"pd-balanced\""),
            "{text}"
        );
        assert!(
            text.contains("\"nvidia-tesla-t4\"") && !text.contains("zones/"),
            "{text}"
        );
    }

    #[test]
    fn a_host_name_is_for_one() {
        let body = Instance::new().set_hostname("web.example.com");
        assert!(
            bulk_of(body, &["web-1".parse().unwrap()])
                .unwrap_err()
                .message()
                .contains("hostname")
        );
    }
}
