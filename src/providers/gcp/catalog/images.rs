//! Finds the image that a user named: by alias, name, path or family.

use google_cloud_compute_v1::model::Image;
use google_cloud_compute_v1::model::image::Architecture as ImageArchitecture;

use crate::catalog::{image_alias, sort_aliases_by_similarity};
use crate::cloud::{Architecture, Error, ErrorKind, Result, quoted};
use crate::providers::common::image_alias_sources::{ImageSource, find_source};
use crate::providers::gcp::api::client::{Client, NO_ZONE, with_call_options};
use crate::providers::gcp::api::resource_name::last_segment;
use crate::providers::gcp::labels::is_resource_name;

/// The aliases that Compute Engine has: each is an image family of a project, one for each architecture. Sources: the
/// vendors' own pages, named at each row.
pub(crate) const IMAGE_SOURCES: &[ImageSource] = &[
    // https://documentation.ubuntu.com/gcp/google-how-to/gce/find-ubuntu-images/
    source(
        "ubuntu-26.04",
        "ubuntu-os-cloud",
        "ubuntu-2604-lts-amd64",
        Some("ubuntu-2604-lts-arm64"),
    ),
    source(
        "ubuntu-24.04",
        "ubuntu-os-cloud",
        "ubuntu-2404-lts-amd64",
        Some("ubuntu-2404-lts-arm64"),
    ),
    source(
        "ubuntu-22.04",
        "ubuntu-os-cloud",
        "ubuntu-2204-lts",
        Some("ubuntu-2204-lts-arm64"),
    ),
    // https://cloud.google.com/compute/docs/images/os-details
    source("debian-13", "debian-cloud", "debian-13", Some("debian-13-arm64")),
    source("debian-12", "debian-cloud", "debian-12", Some("debian-12-arm64")),
    source(
        "rocky-9",
        "rocky-linux-cloud",
        "rocky-linux-9",
        Some("rocky-linux-9-arm64"),
    ),
    // https://wiki.almalinux.org/cloud/Google.html
    source("alma-9", "almalinux-cloud", "almalinux-9", Some("almalinux-9-arm64")),
    source("rhel-9", "rhel-cloud", "rhel-9", Some("rhel-9-arm64")),
    source("suse-15", "suse-cloud", "sles-15", Some("sles-15-arm64")),
    // https://cloud.google.com/container-optimized-os/docs/concepts/versioning
    source("cos", "cos-cloud", "cos-stable", Some("cos-arm64-stable")),
    source("windows-2025", "windows-cloud", "windows-2025", None),
    source("windows-2022", "windows-cloud", "windows-2022", None),
];

const fn source(
    alias: &'static str,
    publisher: &'static str,
    x86_64: &'static str,
    arm64: Option<&'static str>,
) -> ImageSource {
    ImageSource {
        alias,
        publisher,
        x86_64,
        arm64,
    }
}

#[derive(Debug)]
pub(crate) struct ResolvedImage {
    /// `projects/P/global/images/NAME`.
    pub(crate) path: String,
    pub(crate) project: String,
    pub(crate) name: String,
    /// The smallest disk for the image, in GiB.
    pub(crate) disk_gib: Option<u32>,
}

/// What a user named: `kind`, the project unless it is the user's own, and the name.
#[derive(Debug, PartialEq, Eq)]
struct ImageRequest<'a> {
    kind: ImageKind,
    project: Option<&'a str>,
    name: &'a str,
}

/// Whether a name is that of a family or of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ImageKind {
    Family,
    Image,
    /// An image, or else a family.
    Either,
}

/// Finds an image. An alias means the newest image for the architecture of the machine type.
pub(crate) async fn resolve_image(client: &Client, wanted: &str, architecture: Architecture) -> Result<ResolvedImage> {
    let (found, project) = match image_alias(wanted) {
        Some(_) => find_image_of_alias(client, wanted, architecture).await?,
        None => find_named_image(client, wanted).await?,
    };
    let image = found.ok_or_else(|| unknown_image_error(wanted, "does not exist"))?;
    check_architecture(&image, wanted, architecture)?;
    Ok(to_resolved_image(image, project, wanted))
}

/// Finds the newest image of an alias, and the project it is in.
async fn find_image_of_alias(
    client: &Client,
    alias: &str,
    architecture: Architecture,
) -> Result<(Option<Image>, &'static str)> {
    let Some(source) = find_source(IMAGE_SOURCES, alias) else {
        return Err(unknown_image_error(alias, "is not on Compute Engine"));
    };
    let Some(family) = source.name_for(architecture) else {
        return Err(
            Error::invalid(format!("the image {alias} is not available for {architecture}"))
                .with_hint("use a machine type of the other architecture, or another image"),
        );
    };
    let image = find_newest_of_family(client, source.publisher, family).await?;
    Ok((image, source.publisher))
}

/// Finds the image of a name or path, and the project it is in.
async fn find_named_image<'a>(client: &'a Client, wanted: &'a str) -> Result<(Option<Image>, &'a str)> {
    let request = parse_image_request(wanted)
        .ok_or_else(|| unknown_image_error(wanted, "is not the name or path of an image"))?;
    let project = match request.project {
        Some(project) => project,
        None => client.project().await?,
    };
    let mut image = None;
    if request.kind != ImageKind::Family {
        image = find_image(client, project, request.name).await?;
    }
    if image.is_none() && request.kind != ImageKind::Image {
        image = find_newest_of_family(client, project, request.name).await?;
    }
    Ok((image, project))
}

/// Refuses an image that is for another architecture.
fn check_architecture(image: &Image, wanted: &str, architecture: Architecture) -> Result<()> {
    let image_architecture = match image.architecture {
        Some(ImageArchitecture::X8664) => Architecture::X86_64,
        Some(ImageArchitecture::Arm64) => Architecture::Arm64,
        _ => return Ok(()),
    };
    if image_architecture == architecture {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the image {wanted} is for {image_architecture}, and the machine type for {architecture}"
    ))
    .with_hint("use a machine type of the image's architecture, or another image"))
}

pub(crate) fn to_resolved_image(image: Image, project: &str, wanted: &str) -> ResolvedImage {
    let name = image.name.unwrap_or_else(|| last_segment(wanted).to_owned());
    ResolvedImage {
        path: format!("projects/{project}/global/images/{name}"),
        project: project.to_owned(),
        disk_gib: image.disk_size_gb.and_then(|size| size.try_into().ok()),
        name,
    }
}

async fn find_image(client: &Client, project: &str, name: &str) -> Result<Option<Image>> {
    let look_up = async {
        let images = client.images().await?;
        let answer = client.read("look up the image", NO_ZONE, || {
            with_call_options(images.get().set_project(project).set_image(name)).send()
        });
        none_if_not_found(answer.await)
    };
    let key = (project.to_owned(), name.to_owned());
    client.known_images.get_or_look_up(key, look_up).await
}

/// Finds the newest image of a family; `None` if the family has none.
pub(crate) async fn find_newest_of_family(client: &Client, project: &str, family: &str) -> Result<Option<Image>> {
    let look_up = async {
        let images = client.images().await?;
        let answer = client.read("look up the image family", NO_ZONE, || {
            with_call_options(images.get_from_family().set_project(project).set_family(family)).send()
        });
        none_if_not_found(answer.await)
    };
    let key = (project.to_owned(), family.to_owned());
    client.newest_images.get_or_look_up(key, look_up).await
}

fn none_if_not_found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Parses `NAME`, `family/F`, `PROJECT/NAME`, `PROJECT/family/F`, `global/images/…`, `projects/P/global/images/…`, and
/// the last as a URL.
fn parse_image_request(wanted: &str) -> Option<ImageRequest<'_>> {
    let path = wanted.split_once("/compute/v1/").map_or(wanted, |(_, path)| path);
    let parts: Vec<&str> = path.split('/').collect();
    let (kind, project, name) = match parts.as_slice() {
        [name] => (ImageKind::Either, None, *name),
        ["family", family] | ["global", "images", "family", family] => (ImageKind::Family, None, *family),
        ["global", "images", name] => (ImageKind::Image, None, *name),
        [project, name] => (ImageKind::Either, Some(*project), *name),
        [project, "family", family] | ["projects", project, "global", "images", "family", family] => {
            (ImageKind::Family, Some(*project), *family)
        }
        ["projects", project, "global", "images", name] => (ImageKind::Image, Some(*project), *name),
        _ => return None,
    };
    // Older projects have a domain before their name: `example.com:acme`.
    let is_project_id = |project: &str| {
        project.starts_with(|c: char| c.is_ascii_alphanumeric())
            && project.chars().all(|c| c.is_ascii_alphanumeric() || "-.:".contains(c))
    };
    if !is_resource_name(name) || !project.is_none_or(is_project_id) {
        return None;
    }
    Some(ImageRequest { kind, project, name })
}

fn unknown_image_error(wanted: &str, why: &str) -> Error {
    let mut aliases = sort_aliases_by_similarity(wanted, |alias| find_source(IMAGE_SOURCES, alias).is_some());
    aliases.truncate(3);
    Error::invalid(format!("the image {} {why}", quoted(wanted))).with_hint(format!(
        "use an alias such as {}, or projects/PROJECT/global/images/NAME",
        aliases.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::common::image_alias_sources::assert_complete;

    #[test]
    fn image_alias_has_a_source_or_is_absent_by_intent() {
        // Amazon publishes its own for EC2 alone.
        assert_complete(IMAGE_SOURCES, "amazon-linux-2023");
    }

    #[test]
    fn every_form_of_image_name_is_parsed() {
        let long = "https://www.googleapis.com/compute/v1/projects/debian-cloud/global/images/debian-12-v1";
        for (wanted, kind, project, name) in [
            ("base-1", ImageKind::Either, None, "base-1"),
            ("family/base", ImageKind::Family, None, "base"),
            (
                "debian-cloud/debian-12",
                ImageKind::Either,
                Some("debian-cloud"),
                "debian-12",
            ),
            (
                "debian-cloud/family/debian-12",
                ImageKind::Family,
                Some("debian-cloud"),
                "debian-12",
            ),
            ("global/images/base-1", ImageKind::Image, None, "base-1"),
            ("projects/p/global/images/n", ImageKind::Image, Some("p"), "n"),
            (
                "projects/example.com:p/global/images/family/f",
                ImageKind::Family,
                Some("example.com:p"),
                "f",
            ),
            (long, ImageKind::Image, Some("debian-cloud"), "debian-12-v1"),
        ] {
            let expected = ImageRequest { kind, project, name };
            assert_eq!(parse_image_request(wanted), Some(expected), "{wanted}");
        }
        for wanted in ["", "a/b/c", "ami-0abc/", "../x", "p/A B", "projects/p/zones/z"] {
            assert_eq!(parse_image_request(wanted), None, "{wanted}");
        }
    }

    #[test]
    fn image_of_other_architecture_is_refused() {
        let image = Image::new().set_name("n").set_architecture(ImageArchitecture::Arm64);
        assert!(check_architecture(&image, "n", Architecture::Arm64).is_ok());
        let error = check_architecture(&image, "n", Architecture::X86_64).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSpec);
        let resolved = to_resolved_image(image.set_disk_size_gb(10), "p", "n");
        assert_eq!(
            (resolved.path.as_str(), resolved.disk_gib),
            ("projects/p/global/images/n", Some(10))
        );
    }
}
