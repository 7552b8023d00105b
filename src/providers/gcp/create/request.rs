//! From a spec to the request that makes the instance: every default filled in, every alias resolved, and everything
//! refused that the cloud would refuse, as far as that can be known before.

use google_cloud_compute_v1::model::{
    AdvancedMachineFeatures, AttachedDisk, AttachedDiskInitializeParams, CustomerEncryptionKey, Instance, MachineType,
    ServiceAccount, ShieldedInstanceConfig, Tags,
};

use sha2::{Digest, Sha256};

use super::metadata::metadata_of;
use super::os_login::keys_for;
use super::scheduling::scheduling;
use crate::catalog::DEFAULT_IMAGE;
use crate::cloud::{Error, InstanceSpec, Labels, Place, Plan, ProviderKind, Result, quoted};
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::catalog::accelerators::equipped;
use crate::providers::gcp::catalog::images;
use crate::providers::gcp::catalog::images::ResolvedImage;
use crate::providers::gcp::catalog::machine_types;
use crate::providers::gcp::instances::expiry::check_limit;
use crate::providers::gcp::labels::{check_network_tags, is_resource_name, labels_of};
use crate::providers::gcp::native_options::Options;
use crate::providers::gcp::network::firewall_rule::Openings;
use crate::providers::gcp::network::{network_interface, own_network};

/// The machine type of an instance for which none was asked.
pub(crate) const DEFAULT_MACHINE_TYPE: &str = "e2-small";
/// All that IAM grants the service account: scopes are the older mechanism and only cut down.
const ALL_SCOPES: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A create call, ready to be sent.
pub(crate) struct Request {
    /// What it would make.
    pub(crate) plan: Plan,
    /// The project it goes to.
    pub(crate) project: String,
    /// The zone it goes to.
    pub(crate) zone: String,
    /// The same for every replay of this very call, and of no other.
    pub(crate) request_id: String,
    /// The instance; of members, all of it but what each has for itself.
    pub(crate) body: Instance,
    /// What is to be opened to it.
    pub(crate) openings: Option<Openings>,
    /// What its machine type has.
    pub(crate) machine_type: MachineType,
}

/// Prepares the create call. Changes nothing.
///
/// # Errors
/// `InvalidSpec`, `Unsupported`, and those of any call.
pub(crate) async fn prepare(client: &Client, spec: &InstanceSpec, generation: u32) -> Result<Request> {
    let options = Options::of(spec)?;
    let labels = labels_of(spec, generation)?;
    check_network_tags(&spec.firewalls)?;
    spec.ttl.map_or(Ok(()), check_limit)?;
    let account = service_account(spec, &options)?;
    let interface = network_interface(spec, &options)?;
    let openings = match spec.openings.as_slice() {
        [] => None,
        wanted => Openings::of(&own_network(client, spec).await?, wanted),
    };
    let project = client.project().await?.to_owned();
    let zones = client.zones_for(&spec.place, &spec.name).await?;

    let type_name = machine_type_of(spec);
    let (zone, machine_type) = machine_types::first_with(client, &zones, type_name).await?;
    let (machine, accelerator) = equipped(spec, &machine_type, type_name, &zone)?;
    let wanted_image = spec.image.as_deref().unwrap_or(DEFAULT_IMAGE);
    let (image, ssh_keys) = tokio::try_join!(
        images::resolve(client, wanted_image, machine.architecture),
        keys_for(client, spec, &options)
    )?;
    let disk_type = spec
        .disk_type
        .as_deref()
        .unwrap_or_else(|| machine_types::default_disk_type(type_name));
    let migrates = accelerator.is_none() && !machine_types::cannot_migrate(&machine_type, type_name);
    let tags = spec
        .firewalls
        .iter()
        .chain(openings.as_ref().map(|openings| &openings.tag));
    let tags: Vec<String> = tags.cloned().collect();

    let body = Instance::new()
        .set_name(spec.name.as_str())
        .set_machine_type(format!("zones/{zone}/machineTypes/{type_name}"))
        .set_labels(labels.clone())
        .set_disks([boot_disk(spec, &options, &image, &zone, disk_type, labels)?])
        .set_network_interfaces([interface])
        .set_scheduling(scheduling(spec, &options, type_name, migrates)?)
        .set_guest_accelerators(accelerator)
        .set_service_accounts(account)
        .set_deletion_protection(spec.protected)
        .set_or_clear_metadata(metadata_of(spec, &options, &image.project, ssh_keys)?)
        .set_or_clear_tags((!tags.is_empty()).then(|| Tags::new().set_items(tags)))
        .set_or_clear_can_ip_forward(options.can_ip_forward)
        .set_or_clear_min_cpu_platform(options.min_cpu_platform.clone())
        .set_or_clear_hostname(options.hostname.clone())
        .set_or_clear_shielded_instance_config(
            options
                .shielded_secure_boot
                .map(|on| ShieldedInstanceConfig::new().set_enable_secure_boot(on)),
        )
        .set_or_clear_advanced_machine_features(
            options
                .nested_virtualization
                .map(|on| AdvancedMachineFeatures::new().set_enable_nested_virtualization(on)),
        );
    let call = if spec.members.is_some() { "bulkInsert" } else { "insert" };
    let request_id = request_id(call, &project, &zone, spec, generation, &body);
    Ok(Request {
        plan: Plan {
            provider: ProviderKind::Gcp,
            name: spec.name.clone(),
            place: Place {
                region: spec.place.region.clone(),
                zone: Some(zone.clone()),
            },
            machine_type: type_name.to_owned(),
            cpus: machine_type.guest_cpus.map(|_| machine.cpus),
            memory_gib: machine_type.memory_mb.map(|_| machine.memory_gib),
            gpu: machine.gpu,
            architecture: Some(machine.architecture),
            image: image.path,
            image_name: Some(image.name),
            disk_gib: spec.disk_gib.or(image.disk_gib),
            disk_type: disk_type.to_owned(),
            spot: spec.spot,
            price_usd_per_hour: None,
            ttl: spec.ttl,
        },
        request_id,
        project,
        zone,
        body,
        openings,
        machine_type,
    })
}

/// The machine type that a spec comes to.
pub(crate) fn machine_type_of(spec: &InstanceSpec) -> &str {
    spec.effective_type().unwrap_or(DEFAULT_MACHINE_TYPE)
}

/// The request id of a create call: a UUID, which is all that the API takes, of everything that the call says. The same
/// call has the same id in every process, and another zone, machine type, spec, part of a group or life of the name has
/// another one. So it is safe however long and however widely Google keeps ids, which it does not document:
///
/// - kept by project or by zone: no id comes twice with different requests, so none is refused for that, and a refused
///   call in one zone is not remembered against another zone or type;
/// - forgotten at once: a replayed call meets its own instance by the name.
///
/// The id is not what keeps a name to one instance, so that the spec may be in it. That is the name:
///
/// - in a zone it is unique, and whoever comes second is told 409, reads what is there, and compares the specs;
/// - the zone follows from the hash of the name, so processes that race in a region meet in one zone, whatever their
///   specs (rows 52 and 53 of the fault matrix);
/// - before the call the name is looked for in the whole region, in which an earlier run may have gone to another zone;
/// - where two that race were sent to different zones all the same, because a zone lacks one's machine type or by `-z`,
///   both look once more after the call, and the younger instance is ended by the run that made it.
///
/// An instance of an earlier version, whose ids were of the name alone, is met by its name in the same way.
fn request_id(call: &str, project: &str, zone: &str, spec: &InstanceSpec, generation: u32, body: &Instance) -> String {
    let members = spec.members.as_ref().map(ToString::to_string).unwrap_or_default();
    // The keys of JSON objects are sorted, so that every process hashes the same text.
    let body = serde_json::to_value(body).unwrap_or_default();
    let text = format!(
        "cloudctl-2\n{call}\n{project}\n{zone}\n{}\n{members}\n{generation}\n{body}",
        spec.name
    );
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(text)[..16]);
    uuid::Builder::from_sha1_bytes(bytes).into_uuid().to_string()
}

fn boot_disk(
    spec: &InstanceSpec,
    options: &Options,
    image: &ResolvedImage,
    zone: &str,
    disk_type: &str,
    labels: Labels,
) -> Result<AttachedDisk> {
    if let (Some(wanted), Some(least)) = (spec.disk_gib, image.disk_gib)
        && wanted < least
    {
        return Err(Error::invalid(format!(
            "a disk of {wanted} GiB is too small for the image {}, which needs {least}",
            image.name
        ))
        .with_remedy(format!("use --disk {least} or more")));
    }
    if !is_resource_name(disk_type) {
        return Err(
            Error::invalid(format!("invalid disk type {} for gcp", quoted(disk_type)))
                .with_remedy("use pd-balanced, pd-ssd, pd-standard or hyperdisk-balanced"),
        );
    }
    let parameters = AttachedDiskInitializeParams::new()
        .set_source_image(&image.path)
        .set_disk_type(format!("zones/{zone}/diskTypes/{disk_type}"))
        .set_or_clear_disk_size_gb(spec.disk_gib)
        .set_labels(labels);
    let key = options
        .disk_kms_key
        .as_ref()
        .map(|key| CustomerEncryptionKey::new().set_kms_key_name(key));
    Ok(AttachedDisk::new()
        .set_boot(true)
        // Without this, the disk stays, and costs money, when the instance is gone.
        .set_auto_delete(true)
        .set_initialize_params(parameters)
        .set_or_clear_disk_encryption_key(key))
}

/// Without an identity the instance has none: it cannot act on the project.
fn service_account(spec: &InstanceSpec, options: &Options) -> Result<Option<ServiceAccount>> {
    let Some(email) = &spec.identity else { return Ok(None) };
    if email != "default" && !email.contains('@') {
        return Err(Error::invalid(format!("{} is not a service account", quoted(email)))
            .with_remedy("give its e-mail, NAME@PROJECT.iam.gserviceaccount.com, or `default`"));
    }
    let scopes = options
        .service_account_scopes
        .clone()
        .unwrap_or_else(|| vec![ALL_SCOPES.to_owned()]);
    Ok(Some(ServiceAccount::new().set_email(email).set_scopes(scopes)))
}

#[cfg(test)]
#[path = "request_tests.rs"]
pub(crate) mod tests;
