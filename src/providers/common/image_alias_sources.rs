//! Where the image aliases of cloudctl are found on a cloud.

use crate::cloud::Architecture;

/// Where an alias is found. What the texts mean is up to the cloud.
#[derive(Debug)]
pub(crate) struct ImageSource {
    pub(crate) alias: &'static str,
    /// The account or project that publishes the images.
    pub(crate) publisher: &'static str,
    /// The name pattern or family of the images for 64-bit x86.
    pub(crate) x86_64: &'static str,
    /// The same for 64-bit Arm, if there are any.
    pub(crate) arm64: Option<&'static str>,
}

impl ImageSource {
    /// Returns the name pattern or family for an architecture.
    pub(crate) fn name_for(&self, architecture: Architecture) -> Option<&'static str> {
        match architecture {
            Architecture::X86_64 => Some(self.x86_64),
            Architecture::Arm64 => self.arm64,
        }
    }
}

pub(crate) fn find_source(sources: &'static [ImageSource], alias: &str) -> Option<&'static ImageSource> {
    sources.iter().find(|source| source.alias == alias)
}

/// Checks that every alias has a source for each of its architectures, except for `absent`.
#[cfg(test)]
pub(crate) fn assert_complete(sources: &'static [ImageSource], absent: &str) {
    use crate::catalog::{IMAGE_ALIASES, image_alias};

    assert!(sources.iter().all(|source| image_alias(source.alias).is_some()));
    for alias in IMAGE_ALIASES {
        for architecture in Architecture::ALL {
            let is_expected = alias.architectures.contains(&architecture) && alias.name != absent;
            let name = find_source(sources, alias.name).and_then(|source| source.name_for(architecture));
            assert_eq!(name.is_some(), is_expected, "{} {architecture}", alias.name);
        }
    }
}
