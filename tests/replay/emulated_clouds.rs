//! The emulated clouds. Only this file of the replay tests knows how they are started.

pub use cloud_emulators::price_lists::Emulator as PriceLists;
pub use cloud_emulators::{ec2, gce};

use crate::sandbox::{aws_environment, gcp_environment};

/// A cloud that runs for as long as this is kept.
pub enum RunningCloud {
    Ec2(ec2::Emulator),
    Gce(gce::Emulator),
    Prices(PriceLists),
}

impl RunningCloud {
    /// Starts a cloud by its word in the corpus.
    pub fn start(word: &str) -> Self {
        match word {
            "ec2" => Self::Ec2(ec2::Emulator::start()),
            "gce" => Self::Gce(gce::Emulator::start()),
            "prices" => Self::Prices(PriceLists::start()),
            other => panic!("there is no emulator {other}"),
        }
    }

    /// The variables that point the binary at it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Ec2(emulator) => aws_environment(&emulator.url()),
            Self::Gce(emulator) => gcp_environment(&emulator.url(), gce::PROJECT),
            Self::Prices(lists) => {
                let billing = (
                    "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBILLING",
                    format!("{}/", lists.url()),
                );
                [
                    aws_environment(&lists.url()),
                    gcp_environment(&lists.url(), gce::PROJECT),
                    vec![billing],
                ]
                .concat()
            }
        }
    }
}
