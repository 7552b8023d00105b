//! Images: what the vendors publish, under their real names and owners, and one of the account's own.

use std::sync::Arc;

use super::encoding::{identifier, is_identifier};
use super::errors::{Answer, Refusal};
use super::filters::{Filterable, Filters};
use super::image_publishers::PUBLISHED;
use super::paging::Page;
use super::regions::partition;
use super::state::{ACCOUNT, Context};
use super::tags;
use super::xml_writer::Xml;

#[derive(Debug)]
pub struct Image {
    pub id: String,
    pub name: String,
    pub owner: &'static str,
    pub alias: Option<&'static str>,
    pub architecture: &'static str,
    pub root_device: &'static str,
    pub root_gib: i64,
    pub volume_type: &'static str,
    pub snapshot: String,
    pub created: &'static str,
    pub public: bool,
    pub platform: Platform,
    /// Whether the image itself asks for version 2 of the metadata service.
    pub imds_v2: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    Linux,
    Windows,
    RedHat,
    Suse,
}

impl Platform {
    pub fn details(self) -> &'static str {
        match self {
            Self::Linux => "Linux/UNIX",
            Self::Windows => "Windows",
            Self::RedHat => "Red Hat Enterprise Linux",
            Self::Suse => "SUSE Linux",
        }
    }

    pub fn usage_operation(self) -> &'static str {
        match self {
            Self::Linux => "RunInstances",
            Self::Windows => "RunInstances:0002",
            Self::RedHat => "RunInstances:0010",
            Self::Suse => "RunInstances:000g",
        }
    }

    /// The old `platform` element, which only Windows has.
    pub fn short(self) -> Option<&'static str> {
        (self == Self::Windows).then_some("windows")
    }
}

/// The account by which a publisher goes in a partition, if it publishes there.
fn owner_in(partition: &str, owner: &'static str) -> Option<&'static str> {
    match (partition, owner) {
        ("aws", _) => Some(owner),
        ("aws-us-gov", "099720109477") => Some("513442679011"),
        ("aws-us-gov", "309956199498") => Some("219670896067"),
        ("aws-us-gov", "137112412989") => Some("045324592363"),
        ("aws-us-gov", "801119661308") => Some("077303321853"),
        ("aws-cn", "099720109477") => Some("837727238323"),
        ("aws-cn", "309956199498") => Some("841258680906"),
        ("aws-cn", "013907871322") => Some("841869936221"),
        ("aws-cn", "137112412989") => Some("141808717104"),
        ("aws-cn", "801119661308") => Some("016951021795"),
        _ => None,
    }
}

/// The images of a region. Their ids differ from region to region, as the real ones do.
pub fn catalogue(region: &str) -> Vec<Arc<Image>> {
    let images = PUBLISHED.iter().flat_map(|line| line.images());
    images
        .filter_map(|image| {
            let owner = owner_in(partition(region), image.owner)?;
            Some(Image { owner, ..image })
        })
        .map(|image| {
            Arc::new(Image {
                id: identifier("ami", (region, &image.name, image.owner)),
                snapshot: identifier("snap", (region, &image.name, image.owner)),
                ..image
            })
        })
        .collect()
}

impl Image {
    /// Public images fall out of the listing two years after they were made.
    fn deprecation(&self) -> String {
        let year = self.created[..4].parse().unwrap_or(0) + 2;
        format!("{year}{}T00:00:00.000Z", &self.created[4..])
    }

    fn is_visible(&self) -> bool {
        self.public || self.owner == ACCOUNT
    }

    fn boot_mode(&self) -> &'static str {
        if self.architecture == "arm64" {
            "uefi"
        } else {
            "uefi-preferred"
        }
    }
}

struct Listed<'a> {
    image: &'a Image,
    tags: Vec<(&'a str, &'a str)>,
}

impl Filterable for Listed<'_> {
    const NAMES: &'static [&'static str] = &[
        "architecture",
        "block-device-mapping.volume-type",
        "creation-date",
        "description",
        "ena-support",
        "hypervisor",
        "image-id",
        "image-type",
        "is-public",
        "name",
        "owner-alias",
        "owner-id",
        "platform",
        "platform-details",
        "root-device-name",
        "root-device-type",
        "state",
        "virtualization-type",
    ];

    fn field(&self, name: &str) -> Vec<String> {
        let image = self.image;
        let value = match name {
            "architecture" => image.architecture,
            "block-device-mapping.volume-type" => image.volume_type,
            "creation-date" => return vec![format!("{}T00:00:00.000Z", image.created)],
            "description" => return vec![description(image)],
            "ena-support" => "true",
            "hypervisor" => "xen",
            "image-id" => &image.id,
            "image-type" => "machine",
            "is-public" if image.public => "true",
            "is-public" => "false",
            "name" => &image.name,
            "owner-alias" => return image.alias.into_iter().map(str::to_owned).collect(),
            "owner-id" => image.owner,
            "platform" => {
                return image.platform.short().into_iter().map(str::to_owned).collect();
            }
            "platform-details" => image.platform.details(),
            "root-device-name" => image.root_device,
            "root-device-type" => "ebs",
            "state" => "available",
            _ => "hvm",
        };
        vec![value.to_owned()]
    }

    fn tags(&self) -> Vec<(&str, &str)> {
        self.tags.clone()
    }
}

fn description(image: &Image) -> String {
    format!("{} image, built on {}", image.name, image.created)
}

/// Checks the form of an image id.
pub fn well_formed(id: &str) -> Answer<()> {
    if is_identifier("ami", id) {
        return Ok(());
    }
    Err(Refusal::new(
        "InvalidAMIID.Malformed",
        format!("Invalid id: \"{id}\" (expecting \"ami-...\")"),
    ))
}

pub fn not_found(id: &str) -> Refusal {
    Refusal::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))
}

/// The image that a launch names.
pub fn find(context: &mut Context, id: &str) -> Answer<Arc<Image>> {
    well_formed(id)?;
    let image = context
        .region()
        .images
        .iter()
        .find(|image| image.id == id)
        .map(Arc::clone);
    let image = image.ok_or_else(|| not_found(id))?;
    if image.is_visible() {
        return Ok(image);
    }
    Err(Refusal::new(
        "AuthFailure",
        format!("Not authorized for images: [{id}]"),
    ))
}

pub fn describe_images(context: &mut Context) -> Answer<Xml> {
    let query = context.query;
    let (ids, owners) = (query.values("ImageId"), query.values("Owner"));
    if !ids.is_empty() && query.get("MaxResults").is_some() {
        return Err(Refusal::combination(
            "The parameter imagesSet cannot be used with the parameter maxResults",
        ));
    }
    let page = Page::of(context, 1..=1000)?;
    let filters = Filters::of::<Listed>(query)?;
    let executable_by = query.values("ExecutableBy");
    let deprecated = query.flag("IncludeDeprecated") == Some(true);
    let now = context.state.now();
    let today = super::encoding::time(now);
    for id in &ids {
        well_formed(id)?;
        let known = |image: &Arc<Image>| image.id == *id && image.is_visible();
        if !context.region().images.iter().any(known) {
            return Err(not_found(id));
        }
    }
    for owner in &owners {
        let alias = matches!(*owner, "self" | "amazon" | "aws-marketplace" | "aws-backup-vault");
        if !alias && (owner.len() != 12 || !owner.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(Refusal::new(
                "InvalidUserID.Malformed",
                format!("Invalid user id: \"{owner}\""),
            ));
        }
    }
    let owned = |image: &Image| {
        owners.is_empty()
            || owners.iter().any(|owner| match *owner {
                "self" => image.owner == ACCOUNT,
                owner => image.owner == owner || image.alias == Some(owner),
            })
    };
    // No image was shared with this account by name, so that `self` and account ids give none.
    let executable = |image: &Image| executable_by.is_empty() || (executable_by.contains(&"all") && image.public);
    let region = context.region();
    let listed = region
        .images
        .iter()
        .filter(|image| image.is_visible() && owned(image) && executable(image))
        .filter(|image| ids.is_empty() || ids.contains(&image.id.as_str()))
        .filter(|image| deprecated || !ids.is_empty() || image.owner == ACCOUNT || image.deprecation() > today)
        .map(|image| Listed {
            image,
            tags: region.visible_tags(&image.id, now),
        })
        .filter(|listed| filters.accept(listed));
    let (listed, token) = page.cut((1..).zip(listed));
    let mut xml = Xml::default();
    xml.set("imagesSet", listed, write);
    xml.maybe("nextToken", token);
    Ok(xml)
}

fn write(xml: &mut Xml, listed: Listed) {
    let image = listed.image;
    xml.text("imageId", &image.id);
    xml.text(
        "imageLocation",
        format!("{}/{}", image.alias.unwrap_or(image.owner), image.name),
    );
    xml.text("imageState", "available");
    xml.text("imageOwnerId", image.owner);
    xml.text("creationDate", format!("{}T00:00:00.000Z", image.created));
    xml.text("isPublic", image.public);
    xml.text("architecture", image.architecture);
    xml.text("imageType", "machine");
    xml.maybe("platform", image.platform.short());
    xml.maybe("imageOwnerAlias", image.alias);
    xml.text("name", &image.name);
    xml.text("description", description(image));
    xml.text("rootDeviceType", "ebs");
    xml.text("rootDeviceName", image.root_device);
    xml.set("blockDeviceMapping", [()], |xml, ()| {
        xml.text("deviceName", image.root_device);
        xml.inside("ebs", |xml| {
            xml.text("snapshotId", &image.snapshot);
            xml.text("volumeSize", image.root_gib);
            xml.text("deleteOnTermination", true);
            xml.text("volumeType", image.volume_type);
            xml.text("encrypted", false);
        });
    });
    xml.text("virtualizationType", "hvm");
    xml.text("hypervisor", "xen");
    xml.text("enaSupport", true);
    xml.text("sriovNetSupport", "simple");
    xml.text("bootMode", image.boot_mode());
    if image.imds_v2 {
        xml.text("imdsSupport", "v2.0");
    }
    xml.text("platformDetails", image.platform.details());
    xml.text("usageOperation", image.platform.usage_operation());
    if image.public {
        xml.text("deprecationTime", image.deprecation());
    }
    tags::write(xml, listed.tags);
}
