//! The disks of a new VM: made from an image, or there already.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::disks::{self, Disk};
use super::errors::ApiError;
use super::field_rules;
use super::images::{self, Image};
use super::machine_types::MachineType;
use super::state::{Key, State};

/// A disk of a VM that may be made.
pub struct Attachment {
    /// As the VM shows it.
    pub body: Value,
    /// To be made with the VM; its id and time of creation are set then.
    pub new: Option<Disk>,
    pub existing: Option<Key>,
}

pub fn check(
    state: &State,
    instance: &Key,
    body: &Value,
    machine_type: &MachineType,
) -> Result<Vec<Attachment>, ApiError> {
    let wanted = body["disks"].as_array().cloned().unwrap_or_default();
    let Some(boot) = wanted.first() else {
        return Err(ApiError::invalid("resource.disks", "", "No disks are specified."));
    };
    if boot["boot"] != true {
        let why = "Boot disk must be the first disk attached to the instance.";
        return Err(ApiError::invalid("resource.disks[0].boot", "false", why));
    }
    let mut attachments: Vec<Attachment> = Vec::new();
    for (index, disk) in wanted.iter().enumerate() {
        let attachment = Request {
            state,
            instance,
            machine_type,
            index,
            disk,
        }
        .check()?;
        let twin = |other: &Attachment| {
            let name = |disk: &Option<Disk>| disk.as_ref().map(|disk| disk.key.clone());
            name(&other.new).is_some() && name(&other.new) == name(&attachment.new)
        };
        if attachments.iter().any(twin) {
            let name = attachment.new.map(|disk| disk.key.name).unwrap_or_default();
            let field = format!("resource.disks[{index}].initializeParams.diskName");
            return Err(ApiError::invalid(&field, &name, "The disk name is used twice."));
        }
        attachments.push(attachment);
    }
    Ok(attachments)
}

struct Request<'r> {
    state: &'r State,
    instance: &'r Key,
    machine_type: &'r MachineType,
    index: usize,
    disk: &'r Value,
}

impl Request<'_> {
    fn field(&self, name: &str) -> String {
        format!("resource.disks[{}].{name}", self.index)
    }

    fn check(&self) -> Result<Attachment, ApiError> {
        let (source, parameters) = (&self.disk["source"], &self.disk["initializeParams"]);
        match (source.as_str(), parameters.is_object()) {
            (Some(source), false) => self.existing(source),
            (None, true) => self.new_disk(parameters),
            (Some(source), true) => {
                let why = "Only one of source and initializeParams may be given.";
                Err(ApiError::invalid(&self.field("source"), source, why))
            }
            (None, false) => {
                let why = "One of source and initializeParams must be given.";
                Err(ApiError::invalid(&self.field("source"), "", why))
            }
        }
    }

    fn existing(&self, source: &str) -> Result<Attachment, ApiError> {
        let form = format!("zones/{}/disks/", self.instance.zone);
        let (project, name) = field_rules::referred(&self.field("source"), source, &self.instance.project, &form)?;
        let key = Key::new(&project, &self.instance.zone, &name);
        let found = self.state.disks.get(&key);
        let disk = found.ok_or_else(|| ApiError::not_found(&key.path("disks")))?;
        if let Some(user) = &disk.user {
            return Err(ApiError::disk_in_use(&key.path("disks"), &user.path("instances")));
        }
        Ok(Attachment {
            body: self.attached(disk),
            new: None,
            existing: Some(key),
        })
    }

    fn new_disk(&self, parameters: &Value) -> Result<Attachment, ApiError> {
        let image = self.image(parameters)?;
        let kind = self.kind(parameters)?;
        let size = self.size(parameters, image.as_ref(), &kind)?;
        let name = match (parameters["diskName"].as_str(), self.index) {
            (Some(name), _) => name.to_owned(),
            (None, 0) => self.instance.name.clone(),
            (None, index) => format!("{}-{index}", self.instance.name),
        };
        field_rules::resource_name(&self.field("initializeParams.diskName"), &name, false)?;
        field_rules::labels(&self.field("initializeParams.labels"), &parameters["labels"])?;
        let labels: BTreeMap<String, String> = serde_json::from_value(parameters["labels"].clone()).unwrap_or_default();
        let disk = Disk {
            key: Key::new(&self.instance.project, &self.instance.zone, &name),
            id: 0,
            size_gb: size,
            kind,
            architecture: image.as_ref().map(Image::architecture),
            licenses: image.iter().map(Image::license).collect(),
            image: image.as_ref().map(Image::link),
            labels,
            description: parameters["description"].as_str().map(str::to_owned),
            created: Timestamp::UNIX_EPOCH,
            user: Some(self.instance.clone()),
        };
        Ok(Attachment {
            body: self.attached(&disk),
            new: Some(disk),
            existing: None,
        })
    }

    fn image(&self, parameters: &Value) -> Result<Option<Image>, ApiError> {
        let field = self.field("initializeParams.sourceImage");
        let Some(text) = parameters["sourceImage"].as_str() else {
            if self.index > 0 {
                return Ok(None);
            }
            return Err(ApiError::invalid(&field, "", "A boot disk must have a source image."));
        };
        let (project, name) = field_rules::referred(&field, text, &self.instance.project, "")?;
        let parts: Vec<&str> = name.split('/').collect();
        let image = match parts.as_slice() {
            ["global", "images", name] => images::find(&project, name),
            // The second form, which takes a zone's view of the family, is what gcloud sends.
            ["global", "images", "family", family] | ["zones", _, "imageFamilyViews", family] => {
                images::of_family(&project, family)
            }
            _ => return Err(ApiError::invalid(&field, text, "The URL is malformed.")),
        };
        let image = image.ok_or_else(|| ApiError::not_found(&format!("projects/{project}/{name}")))?;
        let (disk, machine) = (image.architecture(), self.machine_type.architecture());
        if self.index == 0 && disk != machine {
            return Err(ApiError::usage(&format!(
                "Requested boot disk architecture ({disk}) is not compatible with machine type architecture ({machine})."
            )));
        }
        Ok(Some(image))
    }

    fn kind(&self, parameters: &Value) -> Result<String, ApiError> {
        let hyperdisk_only = self.machine_type.takes_hyperdisk_only();
        let Some(text) = parameters["diskType"].as_str() else {
            let default = if hyperdisk_only {
                "hyperdisk-balanced"
            } else {
                "pd-standard"
            };
            return Ok(default.to_owned());
        };
        let field = self.field("initializeParams.diskType");
        let form = format!("zones/{}/diskTypes/", self.instance.zone);
        let (_, name) = field_rules::referred(&field, text, &self.instance.project, &form)?;
        if disks::smallest(&name).is_none() {
            let why = "The referenced diskType resource cannot be found.";
            return Err(ApiError::invalid(&field, text, why));
        }
        if hyperdisk_only && name.starts_with("pd-") {
            let message = format!(
                "[{name}] features and [instance_type: {}] features are not compatible for creating instance.",
                self.machine_type.name
            );
            return Err(ApiError::new(400, "badRequest", message));
        }
        Ok(name)
    }

    fn size(&self, parameters: &Value, image: Option<&Image>, kind: &str) -> Result<u64, ApiError> {
        let field = self.field("initializeParams.diskSizeGb");
        let least = image.map_or(0, Image::disk_size_gb);
        let Some(text) = parameters["diskSizeGb"].as_str() else {
            let default = if image.is_some() { least } else { 500 };
            return Ok(default.max(disks::smallest(kind).unwrap_or(10)));
        };
        let size: u64 = text
            .parse()
            .map_err(|_| ApiError::invalid(&field, text, "Must be a positive integer."))?;
        if size < least {
            let why = format!("Requested disk size cannot be smaller than the image size ({least} GB)");
            return Err(ApiError::invalid(&field, text, &why));
        }
        let smallest = disks::smallest(kind).unwrap_or(10);
        if size < smallest || size > 65_536 {
            let why = format!("Disk size for '{kind}' must be between {smallest} GB and 65536 GB, inclusive.");
            return Err(ApiError::invalid(&field, text, &why));
        }
        Ok(size)
    }

    /// The disk as its VM shows it. What it was made from is not shown there, only on the disk itself.
    fn attached(&self, disk: &Disk) -> Value {
        let device = format!("persistent-disk-{}", self.index);
        let mut body = json!({
            "kind": "compute#attachedDisk",
            "type": "PERSISTENT",
            "mode": self.disk["mode"].as_str().unwrap_or("READ_WRITE"),
            "source": disk.key.link("disks"),
            "deviceName": self.disk["deviceName"].as_str().unwrap_or(&device),
            "index": self.index,
            "boot": self.disk["boot"] == true,
            "autoDelete": self.disk["autoDelete"] == true,
            "interface": self.disk["interface"].as_str().unwrap_or("SCSI"),
            "diskSizeGb": disk.size_gb.to_string(),
        });
        if let Some(architecture) = disk.architecture {
            body["architecture"] = architecture.into();
        }
        if !disk.licenses.is_empty() {
            body["licenses"] = json!(disk.licenses);
        }
        body
    }
}
