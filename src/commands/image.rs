//! `cloudctl image`: lists the images of the image aliases.

use std::sync::Arc;

use futures_util::future::join_all;

use super::create::read_default_key;
use super::instance_args::finish_listing;
use crate::catalog::{IMAGE_ALIASES, image_alias};
use crate::cloud::{Architecture, CloudInfo, ErrorKind, ErrorLocation, Gap, Image, Provider, Result};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{resolve_region_and_zone, resolve_region_or_area};
use crate::output::{IMAGES, Record};
use crate::settings::one_of;

/// Show the images that VMs can be made from
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Subcommands {
    /// List the current image of each image alias on each cloud, and the login user
    ///
    /// On EC2 an image has another id in each region. The ids are those of -r, or of the region where new VMs go.
    #[command(alias = "ls")]
    List {
        /// Only images for this instruction set: x86_64 or arm64
        #[arg(
            long,
            value_name = "ARCH",
            value_parser = one_of::<Architecture>(&["x86_64", "arm64"]),
            help_heading = "What"
        )]
        arch: Option<Architecture>,
    },
}

/// Lists the images of each cloud.
pub async fn run(subcommand: Subcommands, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let Subcommands::List { arch } = subcommand;
    context.printer.check_format(&IMAGES)?;
    let providers = context.providers_to_query()?;
    let words = context.settings.regions.value.clone().unwrap_or_default();
    let zone = context.settings.zone.value.clone();
    let queries = providers
        .iter()
        .map(|provider| list_images(provider, &words, zone.as_deref()));
    let answers = join_all(queries).await;
    let (mut images, mut gaps, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    for (provider, answer) in providers.iter().zip(answers) {
        let kind = provider.kind();
        match answer {
            Ok(listing) => {
                if let Some(region) = &listing.guessed_region {
                    let note = format!("{kind}: no region is given; these are the images of {region}");
                    context.printer.note(&note);
                }
                for (region, result) in listing.regions {
                    match result {
                        Ok(in_region) => images.extend(in_region.into_iter().map(|image| (region.clone(), image))),
                        Err(error) => gaps.push(Gap::new(error, ErrorLocation::new(kind, &region))),
                    }
                }
            }
            // The region may be one of another cloud.
            Err(error) if providers.len() > 1 && error.kind() == ErrorKind::InvalidSpec => refusals.push(error),
            Err(error) => gaps.push(Gap::new(error, kind)),
        }
    }
    if refusals.len() == providers.len()
        && let Some(refusal) = refusals.pop()
    {
        return Err(refusal.into());
    }
    for refusal in refusals {
        context.printer.note(&format!("a provider is left out: {refusal}"));
    }
    if let Some(architecture) = arch {
        images.retain(|(_, image)| image.architecture == architecture);
    }
    images.sort_by_cached_key(|(region, image)| {
        let position = IMAGE_ALIASES.iter().position(|alias| alias.name == image.alias);
        (image.provider, region.clone(), position, image.architecture.as_str())
    });
    let key = read_default_key(context);
    let mut items = Vec::new();
    for (region, image) in &images {
        let user = find_login_user(image, key.as_deref(), context.info(image.provider));
        items.push(Record::from_image(image, region, user.as_deref()));
    }
    finish_listing(items, gaps, &IMAGES, context)
}

/// The login user of an image: its own, else the one that the cloud makes for a key.
fn find_login_user(image: &Image, key: Option<&str>, cloud: &CloudInfo) -> Option<String> {
    if let Some(alias) = image_alias(&image.alias) {
        if let Some(user) = alias.login_user(cloud) {
            return Some(user.to_owned());
        }
        if !alias.has_key_login() {
            return None;
        }
    }
    (cloud.key_user)(key)
}

/// The images of a cloud.
struct ImageListing {
    /// The cloud's example region, if it was used because no region is set.
    guessed_region: Option<String>,
    /// Each region with its images.
    regions: Vec<(String, Result<Vec<Image>>)>,
}

/// Lists the images of a cloud, in the regions and areas that `words` name, or in its default region.
async fn list_images(provider: &Arc<dyn Provider>, words: &[String], zone: Option<&str>) -> Result<ImageListing> {
    let mut regions = Vec::new();
    for word in words {
        let locations = match zone {
            None => resolve_region_or_area(provider.as_ref(), word).await?,
            Some(_) => vec![resolve_region_and_zone(provider.as_ref(), Some(word), zone).await?],
        };
        regions.extend(locations.into_iter().map(|location| location.region));
    }
    if words.is_empty()
        && let Some(zone) = zone
    {
        regions.push(provider.resolve_location(None, Some(zone)).await?.region);
    }
    let mut guessed_region = None;
    if regions.is_empty() {
        match provider.default_location().await? {
            Some(location) => regions.push(location.region),
            None => {
                // The query costs nothing, so the region may be guessed.
                let region = provider.info().example_region.to_owned();
                guessed_region = Some(region.clone());
                regions.push(region);
            }
        }
    }
    regions.sort_unstable();
    regions.dedup();
    let answers = join_all(regions.iter().map(|region| provider.images(region))).await;
    Ok(ImageListing {
        guessed_region,
        regions: regions.into_iter().zip(answers).collect(),
    })
}
