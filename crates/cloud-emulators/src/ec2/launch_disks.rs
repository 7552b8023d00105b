//! The disks of a launch: the image's own, and what the block device mappings change or add.

use super::errors::{Answer, Refusal};
use super::images::Image;
use super::query_protocol::Node;

#[derive(Clone, Debug)]
pub struct DiskSpec {
    pub device: String,
    pub size_gib: i64,
    pub kind: String,
    pub iops: Option<i64>,
    pub throughput: Option<i64>,
    pub encrypted: bool,
    pub key: Option<String>,
    pub snapshot: Option<String>,
    pub delete_on_termination: bool,
}

fn bad_mapping(message: String) -> Refusal {
    Refusal::new("InvalidBlockDeviceMapping", message)
}

pub fn read(query: &Node, image: &Image) -> Answer<Vec<DiskSpec>> {
    let mut disks = vec![DiskSpec {
        device: image.root_device.to_owned(),
        size_gib: image.root_gib,
        kind: image.volume_type.to_owned(),
        iops: None,
        throughput: None,
        encrypted: false,
        key: None,
        snapshot: Some(image.snapshot.clone()),
        delete_on_termination: true,
    }];
    let mut seen: Vec<&str> = Vec::new();
    for node in query.list("BlockDeviceMapping") {
        let device = node.need("DeviceName")?;
        if !is_device(device) {
            return Err(Refusal::value(format!(
                "Value ({device}) for parameter blockDeviceMapping is invalid. {device} is not a valid EBS device name."
            )));
        }
        if seen.contains(&device) {
            return Err(bad_mapping(format!(
                "The device '{device}' is used in more than one block-device mapping"
            )));
        }
        seen.push(device);
        let root = device == image.root_device;
        if node.get("NoDevice").is_some() {
            if root {
                return Err(bad_mapping(format!("The root device {device} cannot be left out")));
            }
            continue;
        }
        let base = if root {
            disks.remove(0)
        } else {
            // A name that is not the root's is one more disk, and says nothing about the root.
            DiskSpec {
                device: device.to_owned(),
                size_gib: 0,
                kind: "gp2".to_owned(),
                iops: None,
                throughput: None,
                encrypted: false,
                key: None,
                snapshot: None,
                delete_on_termination: false,
            }
        };
        let disk = changed(base, node)?;
        disks.insert(if root { 0 } else { disks.len() }, disk);
    }
    for disk in &mut disks {
        disk.settle_performance()?;
    }
    Ok(disks)
}

/// `/dev/sda1`, `/dev/sdf`, `/dev/xvda`, `xvdf` and the like.
fn is_device(name: &str) -> bool {
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    let Some(rest) = name.strip_prefix("sd").or_else(|| name.strip_prefix("xvd")) else {
        return false;
    };
    let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
    let digits = &rest[letters..];
    (1..=2).contains(&letters) && digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn changed(mut disk: DiskSpec, node: &Node) -> Answer<DiskSpec> {
    if let Some(snapshot) = node.get("Ebs.SnapshotId")
        && disk.snapshot.as_deref() != Some(snapshot)
    {
        return Err(Refusal::new(
            "InvalidSnapshot.NotFound",
            format!("The snapshot '{snapshot}' does not exist."),
        ));
    }
    let size = node.integer("Ebs.VolumeSize");
    if disk.snapshot.is_none() && size.is_none() {
        return Err(Refusal::missing("size or snapshotId"));
    }
    if let Some(size) = size {
        if let Some(snapshot) = disk.snapshot.as_deref().filter(|_| size < disk.size_gib) {
            return Err(bad_mapping(format!(
                "Volume of size {size}GB is smaller than snapshot '{snapshot}', expect size >= {}GB",
                disk.size_gib
            )));
        }
        disk.size_gib = size;
    }
    if let Some(kind) = node.get("Ebs.VolumeType") {
        kind.clone_into(&mut disk.kind);
    }
    disk.iops = node.integer("Ebs.Iops");
    disk.throughput = node.integer("Ebs.Throughput");
    disk.encrypted = node.flag("Ebs.Encrypted").unwrap_or(false);
    disk.key = node.get("Ebs.KmsKeyId").map(str::to_owned);
    if disk.key.is_some() && !disk.encrypted {
        return Err(Refusal::new(
            "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set.",
        ));
    }
    if let Some(goes) = node.flag("Ebs.DeleteOnTermination") {
        disk.delete_on_termination = goes;
    }
    Ok(disk)
}

impl DiskSpec {
    /// Checks size, iops and throughput against the type, and fills in its defaults.
    fn settle_performance(&mut self) -> Answer<()> {
        let kind = self.kind.clone();
        let sizes = match kind.as_str() {
            "gp2" | "standard" => 1..=16_384,
            "gp3" | "io2" => 1..=65_536,
            "io1" => 4..=16_384,
            "st1" | "sc1" => 125..=16_384,
            other => return Err(Refusal::value(format!("Invalid value '{other}' for VolumeType"))),
        };
        if !sizes.contains(&self.size_gib) {
            return Err(Refusal::value(format!(
                "Volume size of {} GiB is not within the range of {} to {} for the volume type {kind}",
                self.size_gib,
                sizes.start(),
                sizes.end()
            )));
        }
        let fixed = matches!(kind.as_str(), "standard" | "st1" | "sc1");
        match (kind.as_str(), self.iops) {
            ("gp3", None) => self.iops = Some(3000),
            ("gp3", Some(3000..=80_000)) | ("io1", Some(100..=64_000)) | ("io2", Some(100..=256_000)) => {}
            ("io1" | "io2", None) => return Err(Refusal::missing("iops")),
            ("gp2", None) => self.iops = Some((self.size_gib * 3).clamp(100, 16_000)),
            (_, None) if fixed => {}
            ("gp3" | "io1" | "io2", Some(iops)) => {
                return Err(Refusal::value(format!(
                    "Volume iops of {iops} is out of range for the volume type {kind}"
                )));
            }
            _ => {
                return Err(Refusal::combination(format!(
                    "The parameter iops is not supported for {kind} volumes."
                )));
            }
        }
        match (kind.as_str(), self.throughput) {
            ("gp3", None) => self.throughput = Some(125),
            ("gp3", Some(125..=2000)) | (_, None) => {}
            ("gp3", Some(throughput)) => {
                return Err(Refusal::value(format!(
                    "Volume throughput of {throughput} is out of range"
                )));
            }
            _ => {
                return Err(Refusal::combination(format!(
                    "The parameter throughput is not supported for {kind} volumes."
                )));
            }
        }
        Ok(())
    }
}
