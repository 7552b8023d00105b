//! Words for places: a region by its name, or an area.

use crate::cloud::{Area, Error, Place, Provider, Result};

/// The places that a word means on a cloud: the region of that name, or all regions of that area that the account can
/// use.
///
/// # Errors
/// `InvalidSpec` if there is none; those of asking for the regions.
pub async fn places_of(provider: &dyn Provider, word: &str) -> Result<Vec<Place>> {
    let Ok(area) = word.parse::<Area>() else {
        return Ok(vec![provider.locate(Some(word), None).await?]);
    };
    let regions = provider.regions().await?.into_iter();
    let places: Vec<_> = regions
        .filter(|region| Area::of_region(provider.kind(), region) == Some(area))
        .map(|region| Place { region, zone: None })
        .collect();
    if places.is_empty() {
        let message = format!("{} has no region in {area} that this account can use", provider.kind());
        return Err(Error::invalid(message).with_remedy("name another area, or a region"));
    }
    Ok(places)
}
