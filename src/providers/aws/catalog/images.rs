//! Images: finds the image of a spec, and lists the images of all aliases.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self as ec2, ArchitectureValues, DeviceType, Filter, ImageState};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::future;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::machine_types;
use super::machine_types::Machine;
use crate::catalog::{DEFAULT_IMAGE, image_alias, sort_aliases_by_similarity};
use crate::cloud::{Architecture, Error, ErrorKind, ErrorLocation, Image, InstanceSpec, ProviderKind, Result, quoted};
use crate::providers::aws::api::error::{Call, translate, with_sdk_details};
use crate::providers::aws::configuration::partition::Partition;
use crate::providers::aws::instances::from_api::architecture_of;
use crate::providers::common::image_alias_sources::{ImageSource, find_source};
use crate::providers::common::lookup_cache::LookupCache;

/// Words in an image's name that mean another product than the plain image, although the name pattern matches.
const VARIANTS: [&str; 9] = [
    "backports",
    "beta",
    "byos",
    "daily",
    "ecs",
    "eks",
    "minimal",
    "pro",
    "sap",
];

const CONCURRENT_OWNERS: usize = 4;

/// Writes a table of image sources: the alias, the account, and the name pattern for each architecture.
macro_rules! image_sources {
    ($($alias:literal of $publisher:literal x86_64 $x86_64:literal, arm64 $arm64:expr;)*) => {
        &[$(ImageSource {
            alias: $alias,
            publisher: $publisher,
            x86_64: $x86_64,
            arm64: $arm64,
        },)*]
    };
}

/// The aliases that EC2 has: each is the newest public image of an account whose name fits a pattern with EC2's
/// wildcards. The accounts are those of the commercial partition. Sources: the vendors' own pages, named at each row.
const IMAGE_SOURCES: &[ImageSource] = image_sources! {
    // https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/
    "ubuntu-26.04" of "099720109477"
        x86_64 "ubuntu/images/hvm-ssd-gp3/ubuntu-resolute-26.04-amd64-server-*",
        arm64 Some("ubuntu/images/hvm-ssd-gp3/ubuntu-resolute-26.04-arm64-server-*");
    "ubuntu-24.04" of "099720109477"
        x86_64 "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*",
        arm64 Some("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*");
    "ubuntu-22.04" of "099720109477"
        x86_64 "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*",
        arm64 Some("ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-arm64-server-*");
    // https://wiki.debian.org/Cloud/AmazonEC2Image
    "debian-13" of "136693071363"
        x86_64 "debian-13-amd64-*",
        arm64 Some("debian-13-arm64-*");
    "debian-12" of "136693071363"
        x86_64 "debian-12-amd64-*",
        arm64 Some("debian-12-arm64-*");
    // https://docs.aws.amazon.com/linux/al2023/ug/ec2.html
    "amazon-linux-2023" of "137112412989"
        x86_64 "al2023-ami-2023.*-kernel-6.1-x86_64",
        arm64 Some("al2023-ami-2023.*-kernel-6.1-arm64");
    // https://rockylinux.org/cloud-images
    "rocky-9" of "792107900819"
        x86_64 "Rocky-9-EC2-Base-9.*.x86_64",
        arm64 Some("Rocky-9-EC2-Base-9.*.aarch64");
    // https://wiki.almalinux.org/cloud/AWS.html
    "alma-9" of "764336703387"
        x86_64 "AlmaLinux OS 9.*x86_64*",
        arm64 Some("AlmaLinux OS 9.*aarch64*");
    // https://access.redhat.com/solutions/15356
    "rhel-9" of "309956199498"
        x86_64 "RHEL-9.*_HVM-*-x86_64-*-Hourly2-GP3",
        arm64 Some("RHEL-9.*_HVM-*-arm64-*-Hourly2-GP3");
    // https://pint.suse.com/
    "suse-15" of "013907871322"
        x86_64 "suse-sles-15-sp?-v*-hvm-ssd-x86_64",
        arm64 Some("suse-sles-15-sp?-v*-hvm-ssd-arm64");
    // https://docs.aws.amazon.com/ec2/latest/windows-ami-reference/
    "windows-2025" of "801119661308"
        x86_64 "Windows_Server-2025-English-Full-Base-*",
        arm64 None;
    "windows-2022" of "801119661308"
        x86_64 "Windows_Server-2022-English-Full-Base-*",
        arm64 None;
};

/// The accounts that publish in other partitions of AWS: by the account of the commercial one, in `aws-us-gov`, in
/// `aws-cn`. Nobody else is known to publish there. In the remaining partitions only Amazon is.
///
/// <https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/>,
/// <https://access.redhat.com/solutions/15356>,
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html>
const OWNERS_ELSEWHERE: [(&str, Option<&str>, Option<&str>); 3] = [
    ("099720109477", Some("513442679011"), Some("837727238323")),
    ("309956199498", Some("219670896067"), Some("841258680906")),
    ("013907871322", None, Some("841869936221")),
];
/// Amazon's accounts in the commercial partition, for Linux and Windows, and its name in every other.
const AMAZON: [&str; 2] = ["137112412989", "801119661308"];
const AMAZON_ELSEWHERE: &str = "amazon";

/// The account that publishes in a partition such as `aws-us-gov`, if one is known.
fn owner_in(source: &ImageSource, partition: &str) -> Option<&'static str> {
    if partition == "aws" {
        return Some(source.publisher);
    }
    if AMAZON.contains(&source.publisher) {
        return Some(AMAZON_ELSEWHERE);
    }
    let (_, gov_cloud, china) = OWNERS_ELSEWHERE.iter().find(|(owner, ..)| *owner == source.publisher)?;
    match partition {
        "aws-us-gov" => *gov_cloud,
        "aws-cn" => *china,
        _ => None,
    }
}

#[derive(Debug)]
pub(crate) struct ResolvedImage {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) root_device: String,
    /// The size of its own boot disk in GiB. A disk must be at least as large.
    pub(crate) disk_gib: Option<u32>,
    /// Whether it is a Windows image, which has no cloud-init.
    pub(crate) is_windows: bool,
}

/// One architecture of an alias: the pattern that its images' names match.
struct AliasPattern {
    alias: &'static str,
    architecture: Architecture,
    pattern: &'static str,
}

/// The machine types and images that were looked up, by region.
#[derive(Default)]
pub(crate) struct CatalogLookups {
    machines: LookupCache<(String, String), Machine>,
    /// By name, and the architecture where the name has several.
    images: LookupCache<(String, String, Option<Architecture>), ec2::Image>,
}

impl CatalogLookups {
    async fn find_machine_type(&self, client: &Client, region: &str, name: &str) -> Result<Machine> {
        let key = (region.to_owned(), name.to_owned());
        let look_up = machine_types::find_machine_type(client, region, name);
        self.machines.get_or_look_up(key, look_up).await
    }

    /// Finds the image of an id, or of an alias for an architecture.
    async fn find_image(
        &self,
        client: &Client,
        region: &str,
        image_name: &str,
        architecture: Architecture,
    ) -> Result<ec2::Image> {
        if is_image_id(image_name) {
            return self.get_image(client, region, image_name).await;
        }
        let key = (region.to_owned(), image_name.to_owned(), Some(architecture));
        let look_up = find_image_of_name(client, region, image_name, architecture);
        self.images.get_or_look_up(key, look_up).await
    }

    async fn get_image(&self, client: &Client, region: &str, id: &str) -> Result<ec2::Image> {
        let key = (region.to_owned(), id.to_owned(), None);
        self.images.get_or_look_up(key, get_image(client, region, id)).await
    }
}

/// Chooses the machine type: the requested one, otherwise the default for the image's architecture. An image id has
/// one architecture, which takes a call to find; an alias has several.
pub(crate) async fn choose_machine_type<'a>(
    client: &Client,
    lookups: &CatalogLookups,
    region: &str,
    spec: &'a InstanceSpec,
) -> Result<&'a str> {
    if let Some(requested) = spec.machine_type_to_use() {
        return Ok(requested);
    }
    let mut architecture = spec.requirements.architecture;
    if architecture.is_none()
        && let Some(id) = spec.image.as_deref().filter(|image| is_image_id(image))
    {
        let image = lookups.get_image(client, region, id).await?;
        architecture = image.architecture().and_then(architecture_of);
    }
    Ok(machine_types::default_type(
        architecture.unwrap_or(Architecture::X86_64),
    ))
}

/// Finds the alias that an image of an instance belongs to; `None` if no alias does, or the image is gone.
pub(crate) async fn find_alias_of_image(
    client: &Client,
    lookups: &CatalogLookups,
    region: &str,
    id: &str,
) -> Result<Option<&'static str>> {
    let image = match lookups.get_image(client, region, id).await {
        Err(error) if error.kind() == ErrorKind::InvalidSpec => return Ok(None),
        image => image?,
    };
    let partition = Partition::of_region(region).name;
    let (owners, name) = (
        [image.owner_id(), image.image_owner_alias()],
        image.name().unwrap_or_default(),
    );
    let is_source = |source: &&ImageSource| {
        let mut patterns = [Architecture::X86_64, Architecture::Arm64].into_iter();
        owner_in(source, partition).is_some_and(|owner| owners.contains(&Some(owner)))
            && patterns.any(|one| {
                source
                    .name_for(one)
                    .is_some_and(|pattern| matches_pattern(pattern, name))
            })
    };
    Ok(IMAGE_SOURCES.iter().find(is_source).map(|source| source.alias))
}

/// Looks up the machine type and the image for it at the same time.
pub(crate) async fn resolve_machine_and_image(
    client: &Client,
    lookups: &CatalogLookups,
    region: &str,
    machine_type: &str,
    image: Option<&str>,
) -> Result<(Machine, ResolvedImage)> {
    let image_name = image.unwrap_or(DEFAULT_IMAGE);
    let expected = machine_types::guess_architecture(machine_type);
    let (machine, image) = future::join(
        lookups.find_machine_type(client, region, machine_type),
        lookups.find_image(client, region, image_name, expected),
    )
    .await;
    let machine = machine?;
    // The image was looked up for a guessed architecture. If the guess was wrong, look it up again.
    let image = if machine.architecture == expected {
        image
    } else {
        lookups
            .find_image(client, region, image_name, machine.architecture)
            .await
    };
    // If an alias has images for one architecture only, the machine type is the one that does not match.
    let image = image.map_err(|error| match machine.architecture {
        Architecture::X86_64 => error,
        Architecture::Arm64 => error.context(format!("machine type {machine_type} is arm64")),
    })?;
    let image_architecture = image.architecture().map(architecture_of);
    if image_architecture
        .flatten()
        .is_some_and(|architecture| architecture != machine.architecture)
    {
        return Err(Error::invalid(format!(
            "image {image_name} is for {}, but machine type {machine_type} is {}",
            image
                .architecture()
                .map_or("another architecture", ArchitectureValues::as_str),
            machine.architecture
        ))
        .with_hint(match image_architecture.flatten() {
            Some(architecture) => format!(
                "leave the machine type out, or use one for {architecture} such as {}",
                machine_types::default_type(architecture)
            ),
            None => format!("use an image for {}", machine.architecture),
        }));
    }
    Ok((machine, resolve_bootable(&image, image_name)?))
}

/// Lists the images of all aliases, with one call for each publisher; see
/// [`CatalogSource::images`](crate::cloud::CatalogSource::images).
pub(crate) async fn list_images(client: &Client, region: &str) -> Result<Vec<Image>> {
    let partition = Partition::of_region(region).name;
    let mut owners: BTreeMap<&str, Vec<AliasPattern>> = BTreeMap::new();
    for publisher in IMAGE_SOURCES {
        let Some(owner) = owner_in(publisher, partition) else {
            continue;
        };
        for architecture in [Architecture::X86_64, Architecture::Arm64] {
            if let Some(pattern) = publisher.name_for(architecture) {
                owners.entry(owner).or_default().push(AliasPattern {
                    alias: publisher.alias,
                    architecture,
                    pattern,
                });
            }
        }
    }
    let calls: Vec<_> = owners
        .into_iter()
        .map(|(owner, patterns)| list_images_of_owner(client, region, owner, patterns))
        .collect();
    let found: Vec<Vec<Image>> = stream::iter(calls).buffered(CONCURRENT_OWNERS).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn list_images_of_owner(
    client: &Client,
    region: &str,
    owner: &str,
    patterns: Vec<AliasPattern>,
) -> Result<Vec<Image>> {
    let names = patterns.iter().map(|pattern| pattern.pattern.to_owned()).collect();
    let names = Filter::builder().name("name").set_values(Some(names));
    tracing::debug!(operation = "DescribeImages", place = region, owner, "call");
    let answer = client
        .describe_images()
        .owners(owner)
        .filters(names.build())
        .filters(Filter::builder().name("state").values("available").build())
        .send()
        .await;
    let output = answer.map_err(|error| {
        let failure_prefix = format!("cannot look up the images of {owner} in {region}");
        translate(&error, Call::Read, failure_prefix, region)
    })?;
    let images = output.images.unwrap_or_default();
    Ok(patterns
        .iter()
        .filter_map(|pattern| resolve_alias(&images, pattern))
        .collect())
}

fn resolve_alias(images: &[ec2::Image], pattern: &AliasPattern) -> Option<Image> {
    let fits = |image: &&ec2::Image| {
        image.architecture().and_then(architecture_of) == Some(pattern.architecture)
            && image.name().is_some_and(|name| matches_pattern(pattern.pattern, name))
    };
    let image = newest_image(images.iter().filter(fits).cloned(), pattern.pattern)?;
    let bootable = resolve_bootable(&image, pattern.alias).ok()?;
    Some(Image {
        provider: ProviderKind::Aws,
        alias: pattern.alias.to_owned(),
        architecture: pattern.architecture,
        id: bootable.id,
        name: bootable.name.unwrap_or_default(),
        disk_gib: bootable.disk_gib,
        created_at: image.creation_date().and_then(|date| date.parse().ok()),
    })
}

async fn find_image_of_name(
    client: &Client,
    region: &str,
    image_name: &str,
    architecture: Architecture,
) -> Result<ec2::Image> {
    let others =
        || sort_aliases_by_similarity(image_name, |alias| find_source(IMAGE_SOURCES, alias).is_some()).join(", ");
    if image_alias(image_name).is_none() {
        return Err(Error::invalid(format!("unknown image {}", quoted(image_name)))
            .with_hint(format!("use an id such as ami-0abc…, or one of {}", others())));
    }
    let Some(publisher) = find_source(IMAGE_SOURCES, image_name) else {
        let error = Error::unsupported(format!("there is no image {image_name} on ec2"));
        return Err(error.with_hint(format!("use one of {}", others())));
    };
    find_image_of_alias(client, region, image_name, publisher, architecture).await
}

fn is_image_id(text: &str) -> bool {
    text.strip_prefix("ami-")
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

async fn get_image(client: &Client, region: &str, id: &str) -> Result<ec2::Image> {
    let unknown_image_error = || {
        Error::invalid(format!("image {id} does not exist in {region}"))
            .at(ErrorLocation::new(ProviderKind::Aws, region))
            .with_hint("an image id is valid in one region only; an alias such as ubuntu-24.04 is valid in all")
    };
    tracing::debug!(operation = "DescribeImages", place = region, "call");
    let answer = client
        .describe_images()
        .image_ids(id)
        .include_deprecated(true)
        .send()
        .await;
    let output = answer.map_err(|error| match error.code() {
        Some(code) if code.starts_with("InvalidAMIID") => with_sdk_details(unknown_image_error(), &error),
        _ => translate(&error, Call::Read, format!("cannot look up image {id}"), region),
    })?;
    let found = output.images.unwrap_or_default();
    let image = found
        .into_iter()
        .find(|image| image.image_id() == Some(id))
        .ok_or_else(unknown_image_error)?;
    match image.state() {
        Some(ImageState::Available) | None => Ok(image),
        Some(state) => Err(Error::invalid(format!("image {id} is {}", state.as_str()))
            .at(ErrorLocation::new(ProviderKind::Aws, region))),
    }
}

/// Finds the newest image of a publisher for an alias.
async fn find_image_of_alias(
    client: &Client,
    region: &str,
    alias: &str,
    publisher: &ImageSource,
    architecture: Architecture,
) -> Result<ec2::Image> {
    let pattern = publisher
        .name_for(architecture)
        .ok_or_else(|| Error::invalid(format!("there is no image {alias} for {architecture}")))?;
    let partition = Partition::of_region(region).name;
    let Some(owner) = owner_in(publisher, partition) else {
        let has_publisher =
            |alias: &str| find_source(IMAGE_SOURCES, alias).is_some_and(|source| owner_in(source, partition).is_some());
        let others = sort_aliases_by_similarity(alias, has_publisher).join(", ");
        return Err(Error::unsupported(format!(
            "the publisher of {alias} in the partition {partition} is not known"
        ))
        .at(ErrorLocation::new(ProviderKind::Aws, region))
        .with_hint(format!("use an image id such as ami-0abc…, or one of {others}")));
    };
    let new_filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    tracing::debug!(operation = "DescribeImages", place = region, alias, "call");
    let answer = client
        .describe_images()
        .owners(owner)
        .filters(new_filter("name", pattern))
        .filters(new_filter("architecture", architecture.as_str()))
        .filters(new_filter("state", "available"))
        .send()
        .await;
    let output =
        answer.map_err(|error| translate(&error, Call::Read, format!("cannot look up image {alias}"), region))?;
    newest_image(output.images.unwrap_or_default(), pattern).ok_or_else(|| {
        Error::invalid(format!("there is no image {alias} for {architecture} in {region}"))
            .at(ErrorLocation::new(ProviderKind::Aws, region))
            .with_hint("use an image id such as ami-0abc…")
    })
}

/// The newest plain image. The dates are ISO 8601 in UTC, so their texts have the same order. The name breaks a tie,
/// so that every process picks the same image.
pub(crate) fn newest_image(images: impl IntoIterator<Item = ec2::Image>, pattern: &str) -> Option<ec2::Image> {
    images
        .into_iter()
        .filter(|image| image.name().is_some_and(|name| is_plain_image(name, pattern)))
        .max_by(|one, other| {
            let key = |image: &ec2::Image| {
                let date = image.creation_date().unwrap_or_default().to_owned();
                (date, image.name().unwrap_or_default().to_owned())
            };
            key(one).cmp(&key(other))
        })
}

/// Whether a name that matches the pattern has no word that means another product.
fn is_plain_image(name: &str, pattern: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|character: char| !character.is_ascii_alphanumeric())
            .map(str::to_ascii_lowercase)
            .collect()
    };
    let own = words(pattern);
    !words(name)
        .iter()
        .any(|word| VARIANTS.contains(&word.as_str()) && !own.contains(word))
}

/// Reads what is needed to boot from an image.
///
/// # Errors
/// `Unsupported` if it has no boot disk of its own.
pub(crate) fn resolve_bootable(image: &ec2::Image, image_name: &str) -> Result<ResolvedImage> {
    if image.root_device_type() == Some(&DeviceType::InstanceStore) {
        return Err(Error::unsupported(format!(
            "image {image_name} boots from an instance store, which cloudctl does not support"
        )));
    }
    let (Some(id), Some(root_device)) = (image.image_id(), image.root_device_name()) else {
        return Err(Error::new(
            ErrorKind::Internal,
            format!("ec2 names no root device of image {image_name}"),
        ));
    };
    let size = image
        .block_device_mappings()
        .iter()
        .find(|mapping| mapping.device_name() == Some(root_device))
        .and_then(|mapping| mapping.ebs()?.volume_size());
    Ok(ResolvedImage {
        id: id.to_owned(),
        name: image.name().map(str::to_owned),
        root_device: root_device.to_owned(),
        disk_gib: size.and_then(|size| u32::try_from(size).ok()),
        // The SDK has it as `Windows`; EC2 says `windows`.
        is_windows: image
            .platform()
            .is_some_and(|platform| platform.as_str().eq_ignore_ascii_case("windows")),
    })
}

/// Whether a name matches one of EC2's patterns, in which `*` stands for any characters and `?` for one.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut position) = (0, 0);
    // The place of the last star, and how far it has matched.
    let mut star: Option<(usize, usize)> = None;
    while position < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[position] => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((before, taken)) = star else { return false };
                star = Some((before, taken + 1));
                (at, position) = (before + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::common::image_alias_sources::assert_complete;

    #[test]
    fn image_alias_has_a_source_or_is_absent_by_intent() {
        // Google publishes cos for Compute Engine alone.
        assert_complete(IMAGE_SOURCES, "cos");
    }

    fn image(name: &str, date: &str) -> ec2::Image {
        ec2::Image::builder().name(name).creation_date(date).build()
    }

    #[test]
    fn newest_plain_image_is_chosen() {
        let pattern = "suse-sles-15-sp?-v*-hvm-ssd-x86_64";
        let images = vec![
            image("suse-sles-15-sp6-v20250101-hvm-ssd-x86_64", "2025-01-01T00:00:00.000Z"),
            image("suse-sles-15-sp6-v20250601-hvm-ssd-x86_64", "2025-06-01T00:00:00.000Z"),
            image(
                "suse-sles-15-sp6-v20250701-ecs-hvm-ssd-x86_64",
                "2025-07-01T00:00:00.000Z",
            ),
        ];
        let newest = newest_image(images, pattern).unwrap();
        assert_eq!(newest.name(), Some("suse-sles-15-sp6-v20250601-hvm-ssd-x86_64"));
        assert!(is_plain_image("my-minimal-1", "my-minimal-*"));
    }

    #[test]
    fn image_id_is_no_alias() {
        assert!(is_image_id("ami-0abc123"));
        assert!(!is_image_id("ami-"));
        assert!(!is_image_id("ubuntu-24.04"));
    }

    #[test]
    fn pattern_matches_like_ec2() {
        for (pattern, name, fits) in [
            ("debian-12-amd64-*", "debian-12-amd64-20250101-1", true),
            ("debian-12-amd64-*", "debian-12-arm64-20250101-1", false),
            (
                "suse-sles-15-sp?-v*-x86_64",
                "suse-sles-15-sp6-v20250101-hvm-x86_64",
                true,
            ),
            ("suse-sles-15-sp?-v*-x86_64", "suse-sles-15-sp-v20250101-x86_64", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b", "abc", false),
            ("plain", "plain", true),
            ("plain", "plainer", false),
            ("*", "", true),
        ] {
            assert_eq!(matches_pattern(pattern, name), fits, "{pattern} {name}");
        }
    }
}
