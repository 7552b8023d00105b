//! Image aliases, and how users log in to an instance created from one. An alias means the newest official image of a
//! system, on every cloud that has one.
//!
//! Each driver knows where to find the image of an alias: see its `catalog/images.rs`.

use crate::cloud::{Architecture, CloudInfo, ImageUser};

/// The image alias of an instance without a requested image.
pub const DEFAULT_IMAGE: &str = "ubuntu-24.04";

/// An image alias.
#[derive(Debug, PartialEq, Eq)]
pub struct ImageAlias {
    /// The alias.
    pub name: &'static str,
    /// How users log in.
    pub login: LoginMethod,
    /// The architectures that at least one cloud has it for.
    pub architectures: &'static [Architecture],
}

const X86_64: &[Architecture] = &[Architecture::X86_64];
const BOTH: &[Architecture] = &[Architecture::X86_64, Architecture::Arm64];

/// Every alias.
pub const IMAGE_ALIASES: &[ImageAlias] = &[
    ImageAlias {
        name: "ubuntu-26.04",
        login: LoginMethod::Key("ubuntu"),
        architectures: BOTH,
    },
    ImageAlias {
        name: "ubuntu-24.04",
        login: LoginMethod::Key("ubuntu"),
        architectures: BOTH,
    },
    ImageAlias {
        name: "ubuntu-22.04",
        login: LoginMethod::Key("ubuntu"),
        architectures: BOTH,
    },
    ImageAlias {
        name: "debian-13",
        login: LoginMethod::Key("admin"),
        architectures: BOTH,
    },
    ImageAlias {
        name: "debian-12",
        login: LoginMethod::Key("admin"),
        architectures: BOTH,
    },
    ImageAlias {
        name: "amazon-linux-2023",
        login: LoginMethod::Key("ec2-user"),
        architectures: BOTH,
    },
    ImageAlias {
        name: "rocky-9",
        login: LoginMethod::Key("rocky"),
        architectures: BOTH,
    },
    ImageAlias {
        name: "alma-9",
        login: LoginMethod::Key("ec2-user"),
        architectures: BOTH,
    },
    ImageAlias {
        name: "rhel-9",
        login: LoginMethod::Key("ec2-user"),
        architectures: BOTH,
    },
    ImageAlias {
        name: "suse-15",
        login: LoginMethod::Key("ec2-user"),
        architectures: BOTH,
    },
    ImageAlias {
        name: "cos",
        login: LoginMethod::Key("chronos"),
        architectures: BOTH,
    },
    ImageAlias {
        name: "windows-2025",
        login: LoginMethod::Password("Administrator"),
        architectures: X86_64,
    },
    ImageAlias {
        name: "windows-2022",
        login: LoginMethod::Password("Administrator"),
        architectures: X86_64,
    },
];

/// Whether an instance of an alias has a licence fee: the maker of the system charges for it by the hour.
/// <https://aws.amazon.com/ec2/pricing/on-demand/>, <https://cloud.google.com/compute/disks-image-pricing>
pub fn has_license_fee(alias: &str) -> bool {
    ["windows-", "rhel-", "suse-"]
        .iter()
        .any(|maker| alias.starts_with(maker))
}

/// Finds an alias by its name.
pub fn image_alias(name: &str) -> Option<&'static ImageAlias> {
    IMAGE_ALIASES.iter().find(|alias| alias.name == name)
}

/// Sorts the aliases for which `is_available` holds: those that share the most leading characters with `name` come first.
pub fn closest_alias(name: &str, is_available: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut names: Vec<_> = IMAGE_ALIASES
        .iter()
        .map(|alias| alias.name)
        .filter(|alias| is_available(alias))
        .collect();
    let shared_length = |alias: &str| {
        alias
            .chars()
            .zip(name.chars())
            .take_while(|(one, other)| one == other)
            .count()
    };
    names.sort_by_key(|alias| std::cmp::Reverse(shared_length(alias)));
    names
}

/// How users log in to an instance of an image.
#[derive(Debug, PartialEq, Eq)]
pub enum LoginMethod {
    /// With a key over SSH, as this user of the image. On Compute Engine the key decides the user.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/managing-users.html#ami-default-user-names>
    Key(&'static str),
    /// With a password from the cloud, as this user.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/connect-rdp.html>
    Password(&'static str),
}

impl ImageAlias {
    /// Whether users log in with a key.
    pub fn has_key_login(&self) -> bool {
        matches!(self.login, LoginMethod::Key(_))
    }

    /// The login user on a cloud; `None` if the key or the request for the password decides it.
    pub fn login_user(&self, cloud: &CloudInfo) -> Option<&'static str> {
        let (LoginMethod::Key(user) | LoginMethod::Password(user)) = self.login;
        (cloud.image_user == ImageUser::FromImage).then_some(user)
    }
}
