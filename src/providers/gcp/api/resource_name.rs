//! Parts of resource names and URLs.

/// The region that a zone's name has in itself: `us-central1` of `us-central1-a`.
/// <https://cloud.google.com/compute/docs/regions-zones>
pub(crate) fn region_of(zone: &str) -> &str {
    zone.rsplit_once('-').map_or(zone, |(region, _)| region)
}

/// The last part of a resource's URL, which is its name.
pub(crate) fn last_segment(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
