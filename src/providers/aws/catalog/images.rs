//! Images: from an alias or an id to what EC2 has.
//! What the image aliases mean now, all at once.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self as ec2, ArchitectureValues, DeviceType, Filter, ImageState};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::future;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::machine_types;
use super::machine_types::Machine;
use crate::catalog::{DEFAULT_IMAGE, closest_alias, image_alias};
use crate::cloud::{Architecture, Error, ErrorKind, Image, InstanceSpec, ProviderKind, Result, quoted};
use crate::providers::aws::api::error::{Call, told, translate};
use crate::providers::aws::configuration::partition::Partition;
use crate::providers::aws::instances::convert::architecture_of;

/// Words that set an image apart from the plain one whose name pattern it fits as well.
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

/// Where an alias is found: it is the newest public image of an account whose name fits a pattern.
#[derive(Debug)]
struct AliasSource {
    alias: &'static str,
    /// The account that publishes it in the commercial partition.
    owner: &'static str,
    /// Pattern of the image name for 64-bit x86, with EC2's wildcards.
    x86_64: &'static str,
    /// The same for 64-bit Arm, if there is one.
    arm64: Option<&'static str>,
}

/// The aliases that EC2 has. Sources: the vendors' own pages, named at each row.
const ALIAS_SOURCES: &[AliasSource] = &[
    // https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/
    AliasSource {
        alias: "ubuntu-26.04",
        owner: "099720109477",
        x86_64: "ubuntu/images/hvm-ssd-gp3/ubuntu-resolute-26.04-amd64-server-*",
        arm64: Some("ubuntu/images/hvm-ssd-gp3/ubuntu-resolute-26.04-arm64-server-*"),
    },
    AliasSource {
        alias: "ubuntu-24.04",
        owner: "099720109477",
        x86_64: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*",
        arm64: Some("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*"),
    },
    AliasSource {
        alias: "ubuntu-22.04",
        owner: "099720109477",
        x86_64: "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*",
        arm64: Some("ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-arm64-server-*"),
    },
    // https://wiki.debian.org/Cloud/AmazonEC2Image
    AliasSource {
        alias: "debian-13",
        owner: "136693071363",
        x86_64: "debian-13-amd64-*",
        arm64: Some("debian-13-arm64-*"),
    },
    AliasSource {
        alias: "debian-12",
        owner: "136693071363",
        x86_64: "debian-12-amd64-*",
        arm64: Some("debian-12-arm64-*"),
    },
    // https://docs.aws.amazon.com/linux/al2023/ug/ec2.html
    AliasSource {
        alias: "amazon-linux-2023",
        owner: "137112412989",
        x86_64: "al2023-ami-2023.*-kernel-6.1-x86_64",
        arm64: Some("al2023-ami-2023.*-kernel-6.1-arm64"),
    },
    // https://rockylinux.org/cloud-images
    AliasSource {
        alias: "rocky-9",
        owner: "792107900819",
        x86_64: "Rocky-9-EC2-Base-9.*.x86_64",
        arm64: Some("Rocky-9-EC2-Base-9.*.aarch64"),
    },
    // https://wiki.almalinux.org/cloud/AWS.html
    AliasSource {
        alias: "alma-9",
        owner: "764336703387",
        x86_64: "AlmaLinux OS 9.*x86_64*",
        arm64: Some("AlmaLinux OS 9.*aarch64*"),
    },
    // https://access.redhat.com/solutions/15356
    AliasSource {
        alias: "rhel-9",
        owner: "309956199498",
        x86_64: "RHEL-9.*_HVM-*-x86_64-*-Hourly2-GP3",
        arm64: Some("RHEL-9.*_HVM-*-arm64-*-Hourly2-GP3"),
    },
    // https://pint.suse.com/
    AliasSource {
        alias: "suse-15",
        owner: "013907871322",
        x86_64: "suse-sles-15-sp?-v*-hvm-ssd-x86_64",
        arm64: Some("suse-sles-15-sp?-v*-hvm-ssd-arm64"),
    },
    // https://docs.aws.amazon.com/ec2/latest/windows-ami-reference/
    AliasSource {
        alias: "windows-2025",
        owner: "801119661308",
        x86_64: "Windows_Server-2025-English-Full-Base-*",
        arm64: None,
    },
    AliasSource {
        alias: "windows-2022",
        owner: "801119661308",
        x86_64: "Windows_Server-2022-English-Full-Base-*",
        arm64: None,
    },
];

fn source_of(alias: &str) -> Option<&'static AliasSource> {
    ALIAS_SOURCES.iter().find(|source| source.alias == alias)
}

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

impl AliasSource {
    /// The account that publishes it in a partition such as `aws-us-gov`, if one is known.
    fn owner_in(&self, partition: &str) -> Option<&'static str> {
        if partition == "aws" {
            return Some(self.owner);
        }
        if AMAZON.contains(&self.owner) {
            return Some(AMAZON_ELSEWHERE);
        }
        let (_, gov_cloud, china) = OWNERS_ELSEWHERE.iter().find(|(owner, ..)| *owner == self.owner)?;
        match partition {
            "aws-us-gov" => *gov_cloud,
            "aws-cn" => *china,
            _ => None,
        }
    }

    /// The name pattern for an architecture.
    fn pattern(&self, architecture: Architecture) -> Option<&'static str> {
        match architecture {
            Architecture::X86_64 => Some(self.x86_64),
            Architecture::Arm64 => self.arm64,
        }
    }
}

/// An image.
#[derive(Debug)]
pub(crate) struct ResolvedImage {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) root_device: String,
    /// Size of its own boot disk in GiB, which no smaller disk can hold.
    pub(crate) disk_gib: Option<u32>,
    /// Whether it is Windows, which has no cloud-init.
    pub(crate) is_windows: bool,
}

/// The machine type to use: the one that was asked for, else the default for the image. An alias is there for more
/// than one architecture; an image by its id has one, and is looked at.
pub(crate) async fn machine_type<'a>(client: &Client, region: &str, spec: &'a InstanceSpec) -> Result<&'a str> {
    let needed = spec.requirements.architecture;
    let architecture = match (spec.machine_type_to_use(), spec.image.as_deref()) {
        (Some(asked), _) => return Ok(asked),
        (None, _) if needed.is_some() => needed,
        (None, Some(id)) if is_image_id(id) => {
            let image = by_id(client, region, id).await?;
            image.architecture().and_then(architecture_of)
        }
        (None, _) => None,
    };
    Ok(machine_types::default_type(
        architecture.unwrap_or(Architecture::X86_64),
    ))
}

/// Looks up the machine type and, at the same time, the image for it.
pub(crate) async fn resolve(
    client: &Client,
    region: &str,
    machine_type: &str,
    image: Option<&str>,
) -> Result<(Machine, ResolvedImage)> {
    let wanted = image.unwrap_or(DEFAULT_IMAGE);
    let expected = machine_types::expected_architecture(machine_type);
    let (machine, image) = future::join(
        machine_types::find(client, region, machine_type),
        find(client, region, wanted, expected),
    )
    .await;
    let machine = machine?;
    // An image is asked for before the type's architecture is known. If the name misled, ask again.
    let image = if machine.architecture == expected {
        image
    } else {
        find(client, region, wanted, machine.architecture).await
    };
    // Of an alias that is there for one architecture alone, it is the type that does not fit.
    let image = image.map_err(|error| match machine.architecture {
        Architecture::X86_64 => error,
        Architecture::Arm64 => error.context(format!("machine type {machine_type} is arm64")),
    })?;
    let of_image = image.architecture().map(architecture_of);
    if of_image
        .flatten()
        .is_some_and(|architecture| architecture != machine.architecture)
    {
        return Err(Error::invalid(format!(
            "image {wanted} is for {}, but machine type {machine_type} is {}",
            image
                .architecture()
                .map_or("another architecture", ArchitectureValues::as_str),
            machine.architecture
        ))
        .with_hint(match of_image.flatten() {
            Some(architecture) => format!(
                "leave the machine type out, or use one for {architecture} such as {}",
                machine_types::default_type(architecture)
            ),
            None => format!("use an image for {}", machine.architecture),
        }));
    }
    Ok((machine, bootable(&image, wanted)?))
}

/// The image that is meant by an id or an alias.
async fn find(client: &Client, region: &str, wanted: &str, architecture: Architecture) -> Result<ec2::Image> {
    if is_image_id(wanted) {
        return by_id(client, region, wanted).await;
    }
    let others = || closest_alias(wanted, |alias| source_of(alias).is_some()).join(", ");
    if image_alias(wanted).is_none() {
        return Err(Error::invalid(format!("unknown image {}", quoted(wanted)))
            .with_hint(format!("use an id such as ami-0abc…, or one of {}", others())));
    }
    let Some(publisher) = source_of(wanted) else {
        let error = Error::unsupported(format!("there is no image {wanted} on ec2"));
        return Err(error.with_hint(format!("use one of {}", others())));
    };
    by_alias(client, region, wanted, publisher, architecture).await
}

fn is_image_id(text: &str) -> bool {
    text.strip_prefix("ami-")
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

async fn by_id(client: &Client, region: &str, id: &str) -> Result<ec2::Image> {
    let absent = || {
        Error::invalid(format!("image {id} does not exist in {region}"))
            .at(format!("aws/{region}"))
            .with_hint("an image id holds for one region only; an alias such as ubuntu-24.04 holds everywhere")
    };
    tracing::debug!(operation = "DescribeImages", place = region, "call");
    let answer = client
        .describe_images()
        .image_ids(id)
        .include_deprecated(true)
        .send()
        .await;
    let output = answer.map_err(|error| match error.code() {
        Some(code) if code.starts_with("InvalidAMIID") => told(absent(), &error),
        _ => translate(&error, Call::Read, format!("cannot look up image {id}"), region),
    })?;
    let found = output.images.unwrap_or_default();
    let image = found
        .into_iter()
        .find(|image| image.image_id() == Some(id))
        .ok_or_else(absent)?;
    match image.state() {
        Some(ImageState::Available) | None => Ok(image),
        Some(state) => Err(Error::invalid(format!("image {id} is {}", state.as_str())).at(format!("aws/{region}"))),
    }
}

/// The newest image of a publisher that fits an alias.
async fn by_alias(
    client: &Client,
    region: &str,
    alias: &str,
    publisher: &AliasSource,
    architecture: Architecture,
) -> Result<ec2::Image> {
    let pattern = publisher
        .pattern(architecture)
        .ok_or_else(|| Error::invalid(format!("there is no image {alias} for {architecture}")))?;
    let partition = Partition::of_region(region).name();
    let Some(owner) = publisher.owner_in(partition) else {
        let there = |alias: &str| source_of(alias).is_some_and(|source| source.owner_in(partition).is_some());
        let others = closest_alias(alias, there).join(", ");
        return Err(Error::unsupported(format!(
            "who publishes {alias} in the partition {partition} is not known"
        ))
        .at(format!("aws/{region}"))
        .with_hint(format!("use an image id such as ami-0abc…, or one of {others}")));
    };
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    tracing::debug!(operation = "DescribeImages", place = region, alias, "call");
    let answer = client
        .describe_images()
        .owners(owner)
        .filters(filter("name", pattern))
        .filters(filter("architecture", architecture.as_str()))
        .filters(filter("state", "available"))
        .send()
        .await;
    let output =
        answer.map_err(|error| translate(&error, Call::Read, format!("cannot look up image {alias}"), region))?;
    newest(output.images.unwrap_or_default(), pattern).ok_or_else(|| {
        Error::invalid(format!("there is no image {alias} for {architecture} in {region}"))
            .at(format!("aws/{region}"))
            .with_hint("use an image id such as ami-0abc…")
    })
}

/// The newest plain image. The dates are ISO 8601 in UTC, so their order is that of their text; the name settles
/// a tie, so that every process picks the same.
pub(crate) fn newest(images: impl IntoIterator<Item = ec2::Image>, pattern: &str) -> Option<ec2::Image> {
    images
        .into_iter()
        .filter(|image| image.name().is_some_and(|name| is_plain(name, pattern)))
        .max_by(|one, other| {
            let key = |image: &ec2::Image| {
                let date = image.creation_date().unwrap_or_default().to_owned();
                (date, image.name().unwrap_or_default().to_owned())
            };
            key(one).cmp(&key(other))
        })
}

/// Whether a name that fits the pattern has none of the words that make it another product.
fn is_plain(name: &str, pattern: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|letter: char| !letter.is_ascii_alphanumeric())
            .map(str::to_ascii_lowercase)
            .collect()
    };
    let own = words(pattern);
    !words(name)
        .iter()
        .any(|word| VARIANTS.contains(&word.as_str()) && !own.contains(word))
}

/// What is needed of an image to boot from it.
///
/// # Errors
/// `Unsupported` if it has no disk of its own to boot from.
pub(crate) fn bootable(image: &ec2::Image, wanted: &str) -> Result<ResolvedImage> {
    if image.root_device_type() == Some(&DeviceType::InstanceStore) {
        return Err(Error::unsupported(format!(
            "image {wanted} boots from an instance store, which cloudctl does not support"
        )));
    }
    let (Some(id), Some(root_device)) = (image.image_id(), image.root_device_name()) else {
        return Err(Error::new(
            ErrorKind::Internal,
            format!("ec2 names no root device of image {wanted}"),
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
        // The SDK knows it as `Windows`; EC2 says `windows`.
        is_windows: image
            .platform()
            .is_some_and(|platform| platform.as_str().eq_ignore_ascii_case("windows")),
    })
}

const CONCURRENT_OWNERS: usize = 4;

/// One meaning of an alias: its images are those of a publisher whose names fit a pattern.
struct Wanted {
    alias: &'static str,
    architecture: Architecture,
    pattern: &'static str,
}

/// See [`Provider::images`](crate::cloud::Provider::images). One call for each publisher.
pub(crate) async fn images(client: &Client, region: &str) -> Result<Vec<Image>> {
    let partition = Partition::of_region(region).name();
    let mut owners: BTreeMap<&str, Vec<Wanted>> = BTreeMap::new();
    for publisher in ALIAS_SOURCES {
        let Some(owner) = publisher.owner_in(partition) else {
            continue;
        };
        for architecture in [Architecture::X86_64, Architecture::Arm64] {
            if let Some(pattern) = publisher.pattern(architecture) {
                owners.entry(owner).or_default().push(Wanted {
                    alias: publisher.alias,
                    architecture,
                    pattern,
                });
            }
        }
    }
    let calls: Vec<_> = owners
        .into_iter()
        .map(|(owner, wanted)| of_owner(client, region, owner, wanted))
        .collect();
    let found: Vec<Vec<Image>> = stream::iter(calls).buffered(CONCURRENT_OWNERS).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn of_owner(client: &Client, region: &str, owner: &str, wanted: Vec<Wanted>) -> Result<Vec<Image>> {
    let patterns = wanted.iter().map(|wanted| wanted.pattern.to_owned()).collect();
    let names = Filter::builder().name("name").set_values(Some(patterns));
    tracing::debug!(operation = "DescribeImages", place = region, owner, "call");
    let answer = client
        .describe_images()
        .owners(owner)
        .filters(names.build())
        .filters(Filter::builder().name("state").values("available").build())
        .send()
        .await;
    let output = answer.map_err(|error| {
        let attempted = format!("cannot look up the images of {owner} in {region}");
        translate(&error, Call::Read, attempted, region)
    })?;
    let images = output.images.unwrap_or_default();
    Ok(wanted.iter().filter_map(|wanted| meaning(&images, wanted)).collect())
}

fn meaning(images: &[ec2::Image], wanted: &Wanted) -> Option<Image> {
    let fits = |image: &&ec2::Image| {
        image.architecture().and_then(architecture_of) == Some(wanted.architecture)
            && image.name().is_some_and(|name| matches(wanted.pattern, name))
    };
    let image = newest(images.iter().filter(fits).cloned(), wanted.pattern)?;
    let bootable = bootable(&image, wanted.alias).ok()?;
    Some(Image {
        provider: ProviderKind::Aws,
        alias: wanted.alias.to_owned(),
        architecture: wanted.architecture,
        id: bootable.id,
        name: bootable.name.unwrap_or_default(),
        disk_gib: bootable.disk_gib,
        created_at: image.creation_date().and_then(|date| date.parse().ok()),
    })
}

/// Whether a name fits one of EC2's patterns, in which `*` stands for any letters and `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut position) = (0, 0);
    // Where the last star stood, and what it had taken by then.
    let mut star: Option<(usize, usize)> = None;
    while position < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(letter) if *letter == b'?' || *letter == name[position] => {
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
    pattern[at..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::IMAGE_ALIASES;

    /// Google publishes it for Compute Engine alone.
    const ABSENT: [&str; 1] = ["cos"];

    #[test]
    fn image_alias_has_a_source_or_is_absent_by_intent() {
        let known = |alias: &AliasSource| image_alias(alias.alias).is_some();
        assert!(ALIAS_SOURCES.iter().all(known));
        for alias in IMAGE_ALIASES {
            for architecture in [Architecture::X86_64, Architecture::Arm64] {
                let is_expected = alias.architectures.contains(&architecture) && !ABSENT.contains(&alias.name);
                let source = source_of(alias.name).and_then(|source| source.pattern(architecture));
                assert_eq!(source.is_some(), is_expected, "{} {architecture}", alias.name);
            }
        }
    }

    fn image(name: &str, date: &str) -> ec2::Image {
        ec2::Image::builder().name(name).creation_date(date).build()
    }

    #[test]
    fn the_newest_plain_image_wins() {
        let pattern = "suse-sles-15-sp?-v*-hvm-ssd-x86_64";
        let images = vec![
            image("suse-sles-15-sp6-v20250101-hvm-ssd-x86_64", "2025-01-01T00:00:00.000Z"),
            image("suse-sles-15-sp6-v20250601-hvm-ssd-x86_64", "2025-06-01T00:00:00.000Z"),
            image(
                "suse-sles-15-sp6-v20250701-ecs-hvm-ssd-x86_64",
                "2025-07-01T00:00:00.000Z",
            ),
        ];
        let newest = newest(images, pattern).unwrap();
        assert_eq!(newest.name(), Some("suse-sles-15-sp6-v20250601-hvm-ssd-x86_64"));
        assert!(is_plain("my-minimal-1", "my-minimal-*"));
    }

    #[test]
    fn an_image_id_is_told_from_an_alias() {
        assert!(is_image_id("ami-0abc123"));
        assert!(!is_image_id("ami-"));
        assert!(!is_image_id("ubuntu-24.04"));
    }
}

#[cfg(test)]
mod image_list_tests {
    use super::*;

    #[test]
    fn patterns_fit_as_ec2_has_them() {
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
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
