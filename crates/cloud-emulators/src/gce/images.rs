//! Public images, with families that lead to the newest.

use serde_json::{Value, json};

use super::dispatch::Context;
use super::errors::ApiError;
use super::paging::{self, Paging};
use super::routing::Call;
use super::state::mix_bits;

/// A public image.
#[derive(Clone, Copy)]
pub struct Image {
    project: &'static str,
    family: &'static str,
    /// What its name ends in, after the family: a version.
    version: &'static str,
    arm: bool,
    disk_size_gb: u64,
    created: &'static str,
    deprecated: bool,
}

const fn image(project: &'static str, family: &'static str, disk_size_gb: u64, arm: bool) -> Image {
    Image {
        project,
        family,
        version: "v20261110",
        arm,
        disk_size_gb,
        created: "2026-11-10T04:11:07.391-08:00",
        deprecated: false,
    }
}

/// The one before the newest, as it stands when its successor is out.
const fn older(image: Image) -> Image {
    Image {
        version: "v20261012",
        created: "2026-10-12T05:30:41.118-07:00",
        deprecated: true,
        ..image
    }
}

/// A family also stands for some things in its names: `ubuntu-2404-noble-amd64-v20261110` is of the family
/// `ubuntu-2404-lts-amd64`. Only the families count here, so names are family and version.
const IMAGES: &[Image] = &[
    older(image("ubuntu-os-cloud", "ubuntu-2404-lts-amd64", 10, false)),
    image("ubuntu-os-cloud", "ubuntu-2404-lts-amd64", 10, false),
    older(image("ubuntu-os-cloud", "ubuntu-2404-lts-arm64", 10, true)),
    image("ubuntu-os-cloud", "ubuntu-2404-lts-arm64", 10, true),
    image("ubuntu-os-cloud", "ubuntu-2204-lts", 10, false),
    image("ubuntu-os-cloud", "ubuntu-2204-lts-arm64", 10, true),
    image("ubuntu-os-cloud", "ubuntu-minimal-2404-lts-amd64", 10, false),
    image("ubuntu-os-cloud", "ubuntu-minimal-2404-lts-arm64", 10, true),
    image("debian-cloud", "debian-11", 10, false),
    older(image("debian-cloud", "debian-12", 10, false)),
    image("debian-cloud", "debian-12", 10, false),
    image("debian-cloud", "debian-12-arm64", 10, true),
    image("debian-cloud", "debian-13", 10, false),
    image("debian-cloud", "debian-13-arm64", 10, true),
    image("rocky-linux-cloud", "rocky-linux-9", 20, false),
    image("rocky-linux-cloud", "rocky-linux-9-arm64", 20, true),
    image("rocky-linux-cloud", "rocky-linux-9-optimized-gcp", 20, false),
    image("rocky-linux-cloud", "rocky-linux-9-optimized-gcp-arm64", 20, true),
    image("rhel-cloud", "rhel-9", 20, false),
    image("rhel-cloud", "rhel-9-arm64", 20, true),
    image("rhel-cloud", "rhel-10", 20, false),
    image("rhel-cloud", "rhel-10-arm64", 20, true),
    image("centos-cloud", "centos-stream-9", 20, false),
    image("centos-cloud", "centos-stream-9-arm64", 20, true),
    image("fedora-cloud", "fedora-cloud-42-x86-64", 10, false),
    image("suse-cloud", "sles-15", 10, false),
    image("suse-cloud", "sles-15-arm64", 10, true),
    image("cos-cloud", "cos-stable", 10, false),
    image("cos-cloud", "cos-arm64-stable", 10, true),
    image("windows-cloud", "windows-2022", 50, false),
    image("windows-cloud", "windows-2025", 50, false),
];

impl Image {
    fn name(&self) -> String {
        format!("{}-{}", self.family, self.version)
    }

    pub fn architecture(&self) -> &'static str {
        if self.arm { "ARM64" } else { "X86_64" }
    }

    pub fn disk_size_gb(&self) -> u64 {
        self.disk_size_gb
    }

    pub fn link(&self) -> String {
        super::link(&format!("projects/{}/global/images/{}", self.project, self.name()))
    }

    pub fn license(&self) -> String {
        super::link(&format!("projects/{}/global/licenses/{}", self.project, self.family))
    }

    fn id(&self) -> u64 {
        self.name()
            .bytes()
            .fold(11, |seed, byte| mix_bits(seed ^ u64::from(byte)))
            >> 2
    }

    fn render(&self) -> Value {
        let mut body = json!({
            "kind": "compute#image",
            "id": self.id().to_string(),
            "creationTimestamp": self.created,
            "name": self.name(),
            "description": format!("{}, built for tests", self.family),
            "sourceType": "RAW",
            "status": "READY",
            "archiveSizeBytes": "1073741824",
            "diskSizeGb": self.disk_size_gb.to_string(),
            "family": self.family,
            "architecture": self.architecture(),
            "licenses": [self.license()],
            "licenseCodes": [(self.id() >> 1).to_string()],
            "labelFingerprint": "42WmSpB8rSM=",
            "guestOsFeatures": [{"type": "UEFI_COMPATIBLE"}, {"type": "GVNIC"}],
            "storageLocations": ["us", "eu", "asia"],
            "enableConfidentialCompute": false,
            "selfLink": self.link(),
        });
        if self.deprecated
            && let Some(successor) = of_family(self.project, self.family)
        {
            body["deprecated"] = json!({"state": "DEPRECATED", "replacement": successor.link()});
        }
        body
    }
}

fn in_project(project: &str) -> impl Iterator<Item = &'static Image> {
    IMAGES.iter().filter(move |image| image.project == project)
}

/// The newest image of a family that is not deprecated.
pub fn of_family(project: &str, family: &str) -> Option<Image> {
    in_project(project)
        .find(|image| image.family == family && !image.deprecated)
        .copied()
}

/// By name or id.
pub fn find(project: &str, name: &str) -> Option<Image> {
    in_project(project)
        .find(|image| image.name() == name || image.id().to_string() == name)
        .copied()
}

pub fn get(_: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let found = find(call.project(), call.parameter("image"));
    found
        .map(|image| image.render())
        .ok_or_else(|| ApiError::not_found(&call.resource()))
}

pub fn get_from_family(_: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let found = of_family(call.project(), call.parameter("family"));
    found
        .map(|image| image.render())
        .ok_or_else(|| ApiError::not_found(&call.resource()))
}

pub fn list(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let paging = Paging::of(call, context, "Image")?;
    let mut images: Vec<&Image> = in_project(call.project()).collect();
    images.sort_by_key(|image| image.name());
    let rows = images
        .into_iter()
        .map(|image| (String::new(), image.name(), || image.render()));
    let page = paging.fill(&mut context.state.controls, rows);
    Ok(paging::list(call, "compute#imageList", page))
}
