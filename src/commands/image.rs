//! `cloudctl image`: lists the images of the image aliases.

use std::sync::Arc;

use clap::Subcommand;
use futures_util::future::join_all;

use super::create::own_key;
use super::instance_args::finish_listing;
use crate::catalog::{IMAGE_ALIASES, image_alias};
use crate::cloud::{Architecture, ErrorKind, ErrorLocation, Gap, Image, Provider, Result};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::resolve_region_or_area;
use crate::output::{IMAGES, Record};
use crate::settings::one_of;

/// Show the images that VMs can be made from
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Clone, Debug, Subcommand)]
enum Subcommands {
    /// List the current image of each image alias on each cloud, and the login user
    ///
    /// On EC2 an image has another id in each region. The ids are those of -r, or of the region where new VMs go.
    List {
        /// Only images for this instruction set
        #[arg(long, value_name = "ARCH", value_parser = one_of::<Architecture>(&["x86_64", "arm64"]))]
        arch: Option<Architecture>,
    },
}

/// Lists the images of each cloud.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let Subcommands::List { arch } = args.command;
    context.printer.check(&IMAGES)?;
    let providers = context.providers_to_query()?;
    let words = context.settings.regions.value.clone().unwrap_or_default();
    let zone = context.settings.zone.value.clone();
    let queries = providers
        .iter()
        .map(|provider| list_images(provider, &words, zone.as_deref()));
    let answers = join_all(queries).await;
    let (mut found, mut gaps, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    for (provider, answer) in providers.iter().zip(answers) {
        match answer {
            Ok(listed) => {
                if listed.is_region_guessed {
                    let (kind, region) = (provider.kind(), &listed.images[0].0);
                    context
                        .printer
                        .note(&format!("{kind}: no region is given; these are the images of {region}"));
                }
                for (region, images) in listed.images {
                    match images {
                        Ok(images) => found.extend(images.into_iter().map(|image| (region.clone(), image))),
                        Err(error) => gaps.push(Gap::new(error, ErrorLocation::new(provider.kind(), &region))),
                    }
                }
            }
            // The region may be one of another cloud.
            Err(error) if providers.len() > 1 && error.kind() == ErrorKind::InvalidSpec => refusals.push(error),
            Err(error) => gaps.push(Gap::new(error, provider.kind())),
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
    found.retain(|(_, image)| arch.is_none_or(|arch| arch == image.architecture));
    found.sort_by_cached_key(|(region, image)| {
        let position = IMAGE_ALIASES.iter().position(|alias| alias.name == image.alias);
        (image.provider, region.clone(), position, image.architecture.as_str())
    });
    let key = own_key(context);
    let login_user = |image: &Image| {
        let cloud = context.info(image.provider);
        let alias = image_alias(&image.alias);
        let image_user = alias.and_then(|alias| alias.login_user(cloud));
        let has_key_login = alias.is_none_or(|alias| alias.has_key_login());
        let key_user = || (cloud.key_user)(key.as_deref()).filter(|_| has_key_login);
        image_user.map(str::to_owned).or_else(key_user)
    };
    let items = found
        .iter()
        .map(|(region, image)| Record::from_image(image, region, login_user(image).as_deref()));
    let items = items.collect();
    finish_listing(items, gaps, &IMAGES, context)
}

/// The images of each region of a cloud.
struct RegionImages {
    /// Whether no region is set, so that the example region was used.
    is_region_guessed: bool,
    images: Vec<(String, Result<Vec<Image>>)>,
}

/// Lists the images of a cloud, in the regions and areas that `words` name, or in its default region.
async fn list_images(provider: &Arc<dyn Provider>, words: &[String], zone: Option<&str>) -> Result<RegionImages> {
    let mut regions = Vec::new();
    for word in words {
        let locations = match zone {
            None => resolve_region_or_area(provider.as_ref(), word).await?,
            Some(_) => vec![provider.resolve_location(Some(word), zone).await?],
        };
        regions.extend(locations.into_iter().map(|location| location.region));
    }
    if words.is_empty()
        && let Some(zone) = zone
    {
        regions.push(provider.resolve_location(None, Some(zone)).await?.region);
    }
    let mut is_region_guessed = false;
    if regions.is_empty() {
        let default = provider.default_location().await?.map(|location| location.region);
        is_region_guessed = default.is_none();
        // The query costs nothing, so the region may be guessed.
        regions.push(default.unwrap_or_else(|| provider.info().example_region.to_owned()));
    }
    regions.sort_unstable();
    regions.dedup();
    let answers = join_all(regions.iter().map(|region| provider.images(region))).await;
    Ok(RegionImages {
        is_region_guessed,
        images: regions.into_iter().zip(answers).collect(),
    })
}
