//! Makes the create request of a spec: fills in defaults, resolves aliases, and refuses what the cloud is known to
//! refuse.

use google_cloud_compute_v1::model::scheduling::{
    InstanceTerminationAction, OnHostMaintenance as ApiOnHostMaintenance, ProvisioningModel,
};
use google_cloud_compute_v1::model::{
    AdvancedMachineFeatures, AttachedDisk, AttachedDiskInitializeParams, CustomerEncryptionKey, Instance, MachineType,
    Scheduling, ServiceAccount, ShieldedInstanceConfig, Tags,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::instance_metadata::{allow_guest_attributes, build_metadata, find_metadata_warnings, select_ssh_keys};
use crate::catalog::DEFAULT_IMAGE;
use crate::cloud::{Architecture, Error, InstanceSpec, Labels, LaunchPreview, Location, ProviderKind, Result, quoted};
use crate::providers::common::spec_limits::check_disk_gib;
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::catalog::built_in_machine_types::{architecture_of_family, family_of};
use crate::providers::gcp::catalog::images::ResolvedImage;
use crate::providers::gcp::catalog::machine_types::with_gpu;
use crate::providers::gcp::catalog::{images, machine_types};
use crate::providers::gcp::instances::max_run_duration::{check_limit, with_run_limit};
use crate::providers::gcp::labels::{build_labels, check_network_tags, is_resource_name};
use crate::providers::gcp::native_options::{OnHostMaintenance, Options};
use crate::providers::gcp::network::firewall_rule::FirewallRules;
use crate::providers::gcp::network::{build_interface, find_own_network};

/// The machine type of an instance whose spec names none.
pub(crate) const DEFAULT_MACHINE_TYPE: &str = "e2-small";
/// The scope of everything that IAM grants. Scopes are an older mechanism that only reduces permissions.
const ALL_SCOPES: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The version of what a request id depends on.
const ID_VERSION: &str = "cloudctl-2";

/// A create call, ready to be sent.
pub(crate) struct Request {
    /// What the call would create.
    pub(crate) preview: LaunchPreview,
    pub(crate) project: String,
    pub(crate) zone: String,
    /// The id of this call: equal in every repetition of it, and in no other call.
    pub(crate) request_id: String,
    /// The instance; for a group, everything that its members share.
    pub(crate) body: Instance,
    pub(crate) firewall_rules: Option<FirewallRules>,
    pub(crate) machine_type: MachineType,
    /// Whether the machine type is taken from the built-in list: its zone may not have it.
    pub(crate) is_type_assumed: bool,
    /// What the user should know before the call is sent.
    warnings: Vec<String>,
}

impl Request {
    /// Shows the user what they should know before the call is sent.
    pub(crate) fn warn(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }
}

/// Where the data of a machine type comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TypeSource {
    /// The built-in list, if it has the type and the type has no GPU, or else the cloud. The zone may lack the type. Saves a
    /// call that others would wait for.
    BuiltIn,
    /// The cloud: the zone has the type.
    LookedUp,
}

impl TypeSource {
    /// The source for a create call. A single VM is requested in its preferred zone at once: nearly every zone has nearly
    /// every type, and a refusal has no effect. Groups and VMs with ingress rules are checked first: for them a refusal
    /// leaves more to undo.
    pub(crate) fn for_spec(spec: &InstanceSpec) -> Self {
        match spec.members.is_none() && spec.ingress_rules.is_empty() {
            true => Self::BuiltIn,
            false => Self::LookedUp,
        }
    }
}

/// Prepares the create call. Changes nothing.
///
/// # Errors
/// `InvalidSpec`, `Unsupported`, and those of any call.
pub(crate) async fn prepare_request(
    client: &Client,
    spec: &InstanceSpec,
    generation: u32,
    type_source: TypeSource,
) -> Result<Request> {
    let options = Options::from_spec(spec)?;
    let labels = build_labels(spec, generation)?;
    check_network_tags(&spec.firewalls)?;
    if let Some(ttl) = spec.ttl {
        check_limit(ttl)?;
    }
    let account = build_service_account(spec, &options)?;
    let interface = build_interface(spec, &options)?;
    let firewall_rules = match spec.ingress_rules.as_slice() {
        [] => None,
        wanted => FirewallRules::new(&find_own_network(client, spec).await?, wanted),
    };
    let project = client.project().await?.to_owned();
    let type_name = machine_type_to_use(spec);
    let wanted_image = spec.image.as_deref().unwrap_or(DEFAULT_IMAGE);
    // The image depends only on the architecture, which the type's name usually tells.
    let expected = architecture_of_family(family_of(type_name)).unwrap_or(Architecture::X86_64);
    let (found_type, image, ssh_keys) = tokio::join!(
        find_machine_type(client, spec, type_source),
        images::resolve_image(client, wanted_image, expected),
        select_ssh_keys(client, spec, &options)
    );
    let found_type = found_type?;
    let (zone, api_machine_type) = (found_type.zone, found_type.machine_type);
    let (machine, accelerator) = with_gpu(spec, &api_machine_type, type_name, &zone)?;
    let image = match machine.architecture == expected {
        true => image?,
        false => images::resolve_image(client, wanted_image, machine.architecture).await?,
    };
    let ssh_keys = ssh_keys?;
    let mut warnings = find_metadata_warnings(spec, &options, &image.project);
    warnings.extend(ssh_keys.warning.map(str::to_owned));
    let disk_type = spec
        .disk_type
        .as_deref()
        .unwrap_or_else(|| machine_types::default_disk_type(type_name));
    let migrates = accelerator.is_none() && !machine_types::cannot_migrate(&api_machine_type, type_name);
    let body = Instance::new()
        .set_name(spec.name.as_str())
        .set_machine_type(format!("zones/{zone}/machineTypes/{type_name}"))
        .set_labels(labels.clone())
        .set_disks([build_boot_disk(spec, &options, &image, &zone, disk_type, labels)?])
        .set_network_interfaces([interface])
        .set_scheduling(build_scheduling(spec, &options, type_name, migrates)?)
        .set_guest_accelerators(accelerator)
        .set_service_accounts(account)
        .set_deletion_protection(spec.protected)
        .set_or_clear_metadata(build_metadata(spec, &options, &image.project, ssh_keys.value)?)
        .set_or_clear_tags(build_network_tags(spec, firewall_rules.as_ref()));
    let mut body = with_native_options(body, &options);
    let api_method = if spec.members.is_some() { "bulkInsert" } else { "insert" };
    let request_id = derive_request_id(api_method, &project, &zone, spec, generation, &body);
    // Earlier versions did not allow them, and a rerun after an upgrade must have the same request id.
    body.metadata = allow_guest_attributes(body.metadata.take(), &options);
    let preview = LaunchPreview {
        provider: ProviderKind::Gcp,
        name: spec.name.clone(),
        location: Location::in_zone(spec.location.region.clone(), zone.clone()),
        machine_type: type_name.to_owned(),
        cpus: api_machine_type.guest_cpus.map(|_| machine.cpus),
        memory_gib: api_machine_type.memory_mb.map(|_| machine.memory_gib),
        gpu: machine.gpu,
        architecture: Some(machine.architecture),
        image: image.path,
        image_name: Some(image.name),
        disk_gib: spec.disk_gib.or(image.disk_gib),
        disk_type: disk_type.to_owned(),
        spot: spec.spot,
        price_usd_per_hour: None,
        ttl: spec.ttl,
    };
    Ok(Request {
        preview,
        request_id,
        project,
        zone,
        body,
        firewall_rules,
        machine_type: api_machine_type,
        is_type_assumed: found_type.is_assumed,
        warnings,
    })
}

/// The zone of a new instance, and its machine type there.
struct FoundType {
    zone: String,
    machine_type: MachineType,
    is_assumed: bool,
}

async fn find_machine_type(client: &Client, spec: &InstanceSpec, type_source: TypeSource) -> Result<FoundType> {
    let zones = client.list_candidate_zones(&spec.location, &spec.name).await?;
    let type_name = machine_type_to_use(spec);
    if type_source == TypeSource::BuiltIn
        && let Some(machine_type) = machine_types::built_in_type(type_name)
        && let Some(zone) = zones.first()
    {
        return Ok(FoundType {
            zone: zone.clone(),
            machine_type,
            is_assumed: true,
        });
    }
    let (zone, machine_type) = machine_types::find_in_first_zone(client, &zones, type_name).await?;
    Ok(FoundType {
        zone,
        machine_type,
        is_assumed: false,
    })
}

fn build_network_tags(spec: &InstanceSpec, firewall_rules: Option<&FirewallRules>) -> Option<Tags> {
    let mut tags = spec.firewalls.clone();
    if let Some(rules) = firewall_rules {
        tags.push(rules.tag.clone());
    }
    if tags.is_empty() {
        return None;
    }
    Some(Tags::new().set_items(tags))
}

fn with_native_options(body: Instance, options: &Options) -> Instance {
    let shielded_config = options
        .shielded_secure_boot
        .map(|on| ShieldedInstanceConfig::new().set_enable_secure_boot(on));
    let machine_features = options
        .nested_virtualization
        .map(|on| AdvancedMachineFeatures::new().set_enable_nested_virtualization(on));
    body.set_or_clear_can_ip_forward(options.can_ip_forward)
        .set_or_clear_min_cpu_platform(options.min_cpu_platform.clone())
        .set_or_clear_hostname(options.hostname.clone())
        .set_or_clear_shielded_instance_config(shielded_config)
        .set_or_clear_advanced_machine_features(machine_features)
}

/// Returns the machine type of a spec, or the default one.
pub(crate) fn machine_type_to_use(spec: &InstanceSpec) -> &str {
    spec.machine_type_to_use().unwrap_or(DEFAULT_MACHINE_TYPE)
}

/// Derives the request id of a create call: a UUID, as the API demands, of everything in the call. The same call has
/// the same id in every process; another zone, machine type, spec, part of a group or generation has another one.
/// Google does not document how long and how widely it keeps ids. The id is safe in each case:
///
/// - kept by project or by zone: no id comes twice with different requests, so none is refused for that, and a refused
///   call in one zone is not remembered for another zone or type;
/// - forgotten at once: a repeated call finds its instance by the name.
///
/// The name, not the id, keeps a name to one instance, so the spec may be in the id:
///
/// - a name is unique in a zone: the second call gets 409, reads the instance, and compares the specs;
/// - the zone follows from the hash of the name, so processes that race in a region meet in one zone, whatever their
///   specs (rows 52 and 53 of the fault matrix);
/// - before the call the name is searched in the whole region, because an earlier run may have used another zone;
/// - if two racing runs used different zones anyway, because a zone lacks a machine type or by `-z`, both read again
///   after the call, and the run that created the newer instance terminates it.
///
/// An instance of an earlier version, whose ids depended on the name only, is found by its name in the same way.
fn derive_request_id(
    api_method: &str,
    project: &str,
    zone: &str,
    spec: &InstanceSpec,
    generation: u32,
    body: &Instance,
) -> String {
    let name = &spec.name;
    let members = match &spec.members {
        Some(members) => members.to_string(),
        None => String::new(),
    };
    // JSON objects have sorted keys, so every process hashes the same text.
    let body_json = serde_json::to_value(body).unwrap_or(Value::Null);
    let text = format!("{ID_VERSION}\n{api_method}\n{project}\n{zone}\n{name}\n{members}\n{generation}\n{body_json}");
    let digest = Sha256::digest(text);
    let mut id_bytes = [0; 16];
    id_bytes.copy_from_slice(&digest[..16]);
    // UUIDs of hashes other than SHA-1 have no version of their own.
    uuid::Builder::from_bytes(id_bytes)
        .with_variant(uuid::Variant::RFC4122)
        .with_version(uuid::Version::Sha1)
        .into_uuid()
        .to_string()
}

fn build_boot_disk(
    spec: &InstanceSpec,
    options: &Options,
    image: &ResolvedImage,
    zone: &str,
    disk_type: &str,
    labels: Labels,
) -> Result<AttachedDisk> {
    check_disk_gib(spec.disk_gib, &image.name, image.disk_gib)?;
    if !is_resource_name(disk_type) {
        return Err(
            Error::invalid(format!("invalid disk type {} for gcp", quoted(disk_type)))
                .with_hint("use pd-balanced, pd-ssd, pd-standard or hyperdisk-balanced"),
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
        // Without this the disk stays, and is billed, when the instance is gone.
        .set_auto_delete(true)
        .set_initialize_params(parameters)
        .set_or_clear_disk_encryption_key(key))
}

/// Builds the service account. Without an identity the instance has none, and cannot act on the project.
fn build_service_account(spec: &InstanceSpec, options: &Options) -> Result<Option<ServiceAccount>> {
    let Some(email) = &spec.identity else { return Ok(None) };
    if email != "default" && !email.contains('@') {
        return Err(Error::invalid(format!("{} is not a service account", quoted(email)))
            .with_hint("give its e-mail, NAME@PROJECT.iam.gserviceaccount.com, or `default`"));
    }
    let scopes = options
        .service_account_scopes
        .clone()
        .unwrap_or_else(|| vec![ALL_SCOPES.to_owned()]);
    Ok(Some(ServiceAccount::new().set_email(email).set_scopes(scopes)))
}

/// Builds the scheduling of a new instance: spot capacity, run limit, and host maintenance. `migrates` says whether
/// such a machine can move to another host while it runs.
pub(crate) fn build_scheduling(
    spec: &InstanceSpec,
    options: &Options,
    type_name: &str,
    migrates: bool,
) -> Result<Scheduling> {
    let scheduling = Scheduling::new();
    let scheduling = match spec.ttl {
        Some(ttl) => with_run_limit(scheduling, ttl),
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
            "a VM of machine type {type_name} cannot be migrated, but the native option on_host_maintenance requests migration"
        ))
        .with_hint("use TERMINATE, or leave it out"));
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
pub(crate) mod tests {
    use super::*;
    use crate::cloud::ErrorKind;

    /// A spec with only a name and a region.
    pub(in crate::providers::gcp) fn spec(name: &str) -> InstanceSpec {
        InstanceSpec::new(name.parse().unwrap(), Location::in_region("us-central1"))
    }

    fn image() -> ResolvedImage {
        ResolvedImage {
            path: "projects/p/global/images/n".into(),
            project: "p".into(),
            name: "n".into(),
            disk_gib: Some(10),
        }
    }

    #[test]
    fn request_id_is_a_stable_uuid_of_the_whole_request() {
        let zone = "us-central1-f";
        let body = |machine_type: &str| {
            let labels = [("b", "2"), ("a", "1"), ("c", "3")];
            Instance::new()
                .set_name("web-1")
                .set_machine_type(machine_type)
                .set_labels(labels)
        };
        let plain = spec("web-1");
        let small = body("e2-small");
        let id = derive_request_id("insert", "acme", zone, &plain, 0, &small);
        // If this value changes, a rerun after an upgrade does not find the first call.
        assert_eq!(id, "906214f0-722c-5c07-a04f-b3ba86cfb58d");
        assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 5);
        for _ in 0..20 {
            assert_eq!(
                id,
                derive_request_id("insert", "acme", zone, &plain, 0, &body("e2-small"))
            );
        }
        let mut members = spec("web-1");
        let mut ids = vec![
            id,
            derive_request_id("insert", "acme", zone, &plain, 1, &small),
            derive_request_id("insert", "other", zone, &plain, 0, &small),
            derive_request_id("insert", "acme", "us-central1-a", &plain, 0, &small),
            derive_request_id("insert", "acme", zone, &plain, 0, &body("e2-medium")),
            derive_request_id("bulkInsert", "acme", zone, &plain, 0, &small),
        ];
        for text in ["1-3", "1-2"] {
            members.members = Some(text.parse().unwrap());
            ids.push(derive_request_id("bulkInsert", "acme", zone, &members, 0, &small));
        }
        let different: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len());
    }

    #[test]
    fn boot_disk_is_deleted_with_the_instance() {
        let labels = build_labels(&spec("web-1"), 0).unwrap();
        let disk = |spec: &InstanceSpec| {
            build_boot_disk(spec, &Options::default(), &image(), "z", "pd-balanced", labels.clone())
        };
        let created = disk(&spec("web-1")).unwrap();
        assert_eq!((created.boot, created.auto_delete), (Some(true), Some(true)));
        let parameters = created.initialize_params.unwrap();
        assert_eq!(parameters.labels["cloudctl-name"], "web-1");
        assert_eq!(parameters.disk_size_gb, None);
        let mut small = spec("web-1");
        small.disk_gib = Some(9);
        assert_eq!(disk(&small).unwrap_err().kind(), ErrorKind::InvalidSpec);
    }

    #[test]
    fn instance_without_identity_has_no_service_account() {
        let options = Options::default();
        assert_eq!(build_service_account(&spec("web-1"), &options).unwrap(), None);
        let mut identified = spec("web-1");
        identified.identity = Some("ci@acme.iam.gserviceaccount.com".into());
        let account = build_service_account(&identified, &options).unwrap().unwrap();
        assert_eq!(account.scopes, [ALL_SCOPES]);
        identified.identity = Some("my-profile".into());
        assert!(build_service_account(&identified, &options).is_err());
    }

    #[test]
    fn spot_instance_is_deleted_on_preemption() {
        let mut spot = spec("web-1");
        spot.spot = true;
        for migrates in [true, false] {
            let created = build_scheduling(&spot, &Options::default(), "e2-small", migrates).unwrap();
            assert_eq!(created.provisioning_model, Some(ProvisioningModel::Spot));
            assert_eq!(
                created.instance_termination_action,
                Some(InstanceTerminationAction::Delete)
            );
            assert_eq!(created.on_host_maintenance, Some(ApiOnHostMaintenance::Terminate));
            assert_eq!(created.automatic_restart, Some(false));
        }
    }

    #[test]
    fn machine_that_cannot_migrate_is_terminated() {
        let created = build_scheduling(&spec("web-1"), &Options::default(), "a2-highgpu-1g", false).unwrap();
        assert_eq!(created.on_host_maintenance, Some(ApiOnHostMaintenance::Terminate));
        assert_eq!(created.automatic_restart, None);
        let options = Options {
            on_host_maintenance: Some(OnHostMaintenance::Migrate),
            ..Options::default()
        };
        assert!(build_scheduling(&spec("web-1"), &options, "a2-highgpu-1g", false).is_err());
    }

    #[test]
    fn ttl_sets_the_run_limit_for_spot_and_standard() {
        for spot in [false, true] {
            let mut limited = spec("web-1");
            (limited.spot, limited.ttl) = (spot, Some(std::time::Duration::from_secs(7_200)));
            let created = build_scheduling(&limited, &Options::default(), "e2-small", true).unwrap();
            assert_eq!(created.max_run_duration.and_then(|limit| limit.seconds), Some(7_200));
            assert_eq!(
                created.instance_termination_action,
                Some(InstanceTerminationAction::Delete)
            );
        }
        let created = build_scheduling(&spec("web-1"), &Options::default(), "e2-small", true).unwrap();
        assert_eq!(
            (created.max_run_duration, created.instance_termination_action),
            (None, None)
        );
    }
}
