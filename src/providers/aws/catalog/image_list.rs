//! What the image aliases mean now, all at once.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types as ec2;
use aws_sdk_ec2::types::Filter;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::images::{bootable, newest};
use crate::catalog::IMAGE_ALIASES;
use crate::cloud::{Architecture, Image, ProviderKind, Result};
use crate::providers::aws::api::error::{Call, translate};
use crate::providers::aws::configuration::partition::Partition;
use crate::providers::aws::instances::convert::architecture_of;

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
    for alias in IMAGE_ALIASES {
        let Some(publisher) = &alias.aws else { continue };
        let Some(owner) = publisher.owner_in(partition) else {
            continue;
        };
        for architecture in [Architecture::X86_64, Architecture::Arm64] {
            if let Some(pattern) = publisher.pattern(architecture) {
                owners.entry(owner).or_default().push(Wanted {
                    alias: alias.name,
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
