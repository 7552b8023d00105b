//! Image aliases: one word for "the newest official image of this system" on every cloud that has one.
//!
//! Where an alias is found on a cloud is in that cloud's driver, in its `catalog/images.rs`.
//! Who logs in to what is made from an image, and how.

use crate::cloud::{Architecture, CloudInfo, ImageUser};

/// The image of an instance for which none was asked.
pub const DEFAULT_IMAGE: &str = "ubuntu-24.04";

/// One alias.
#[derive(Debug, PartialEq, Eq)]
pub struct ImageAlias {
    /// The alias.
    pub name: &'static str,
    /// Who logs in.
    pub login: LoginMethod,
    /// The architectures that some cloud has it for.
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

/// Whether what is made from an alias costs more than its machine: its maker charges for it by the hour.
/// <https://aws.amazon.com/ec2/pricing/on-demand/>, <https://cloud.google.com/compute/disks-image-pricing>
pub fn has_license_fee(alias: &str) -> bool {
    ["windows-", "rhel-", "suse-"]
        .iter()
        .any(|maker| alias.starts_with(maker))
}

/// Looks an alias up.
pub fn image_alias(name: &str) -> Option<&'static ImageAlias> {
    IMAGE_ALIASES.iter().find(|alias| alias.name == name)
}

/// The aliases for which `has` holds, those that share the most leading characters with `name` first.
pub fn closest_alias(name: &str, has: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut names: Vec<_> = IMAGE_ALIASES
        .iter()
        .map(|alias| alias.name)
        .filter(|alias| has(alias))
        .collect();
    let shared = |alias: &str| {
        alias
            .chars()
            .zip(name.chars())
            .take_while(|(one, other)| one == other)
            .count()
    };
    names.sort_by_key(|alias| std::cmp::Reverse(shared(alias)));
    names
}

/// How people log in to what is made from an image.
#[derive(Debug, PartialEq, Eq)]
pub enum LoginMethod {
    /// Over SSH, as this user of the image, who has the key. On Compute Engine the key brings its user along.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/managing-users.html#ami-default-user-names>
    Key(&'static str),
    /// By a password that the cloud is asked for, as this user.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/connect-rdp.html>
    Password(&'static str),
}

impl ImageAlias {
    /// Whether people log in with a key.
    pub fn has_key_login(&self) -> bool {
        matches!(self.login, LoginMethod::Key(_))
    }

    /// The user who logs in on a cloud; `None` where that hangs on the key or on who asks for the password.
    pub fn login_user(&self, cloud: &CloudInfo) -> Option<&'static str> {
        let (LoginMethod::Key(user) | LoginMethod::Password(user)) = self.login;
        (cloud.image_user == ImageUser::FromImage).then_some(user)
    }
}
