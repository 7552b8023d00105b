//! The emulated clouds. Only this file of the replay tests knows how they are started.

pub use cloud_emulators::price_lists::Emulator as PriceLists;
pub use cloud_emulators::{ec2, gce};

/// Certificate authorities that nobody has: quick to read.
pub const ROOTS: &str = include_str!("../support/roots.pem");

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
            Self::Ec2(emulator) => aws_variables(&emulator.url()),
            Self::Gce(emulator) => gcp_variables(&emulator.url()),
            Self::Prices(lists) => {
                let billing = (
                    "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBILLING",
                    format!("{}/", lists.url()),
                );
                [aws_variables(&lists.url()), gcp_variables(&lists.url()), vec![billing]].concat()
            }
        }
    }
}

fn aws_variables(url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", url.to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "a-secret".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]
}

fn gcp_variables(url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", format!("{url}/compute/v1/")),
        ("CLOUDSDK_AUTH_ACCESS_TOKEN", "a-token".to_owned()),
        ("CLOUDSDK_CORE_PROJECT", gce::PROJECT.to_owned()),
        ("CLOUDSDK_COMPUTE_REGION", "us-central1".to_owned()),
    ]
}
