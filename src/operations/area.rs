//! The regions of an area.

use crate::cloud::{Area, Error, Provider, Result};

/// The regions that a cloud has in an area, as far as the account can use them.
///
/// # Errors
/// `InvalidSpec` if there is none; those of asking for the regions.
pub async fn regions_in(provider: &dyn Provider, area: Area) -> Result<Vec<String>> {
    let mut regions = provider.regions().await?;
    regions.retain(|region| Area::of_region(provider.kind(), region) == Some(area));
    if regions.is_empty() {
        let message = format!("{} has no region in {area} that this account can use", provider.kind());
        return Err(Error::invalid(message).with_remedy("name another area, or a region"));
    }
    Ok(regions)
}
