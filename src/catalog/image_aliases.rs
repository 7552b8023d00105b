//! Image aliases, and how users log in to an instance created from one. An alias means the newest official image of a
//! system, on every cloud that has one.
//!
//! Each driver knows where to find the image of an alias: see its `catalog/images.rs`.

use crate::cloud::{Architecture, CloudInfo, ImageUser, LoginUser};

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

const fn key_alias(name: &'static str, user: &'static str) -> ImageAlias {
    ImageAlias {
        name,
        login: LoginMethod::Key(user),
        architectures: &Architecture::ALL,
    }
}

const fn windows_alias(name: &'static str) -> ImageAlias {
    ImageAlias {
        name,
        login: LoginMethod::Password("Administrator"),
        architectures: &[Architecture::X86_64],
    }
}

/// Every alias.
pub const IMAGE_ALIASES: &[ImageAlias] = &[
    key_alias("ubuntu-26.04", "ubuntu"),
    key_alias("ubuntu-24.04", "ubuntu"),
    key_alias("ubuntu-22.04", "ubuntu"),
    key_alias("debian-13", "admin"),
    key_alias("debian-12", "admin"),
    key_alias("amazon-linux-2023", "ec2-user"),
    key_alias("rocky-9", "rocky"),
    key_alias("alma-9", "ec2-user"),
    key_alias("rhel-9", "ec2-user"),
    key_alias("suse-15", "ec2-user"),
    key_alias("cos", "chronos"),
    windows_alias("windows-2025"),
    windows_alias("windows-2022"),
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
pub fn sort_aliases_by_similarity(name: &str, is_available: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut names: Vec<_> = IMAGE_ALIASES
        .iter()
        .map(|alias| alias.name)
        .filter(|alias| is_available(alias))
        .collect();
    let shared_length = |alias: &str| {
        let pairs = alias.chars().zip(name.chars());
        pairs.take_while(|(one, other)| one == other).count()
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

impl LoginMethod {
    /// Who logs in by SSH, where the image decides it.
    pub fn login_user(&self) -> LoginUser {
        match self {
            Self::Key(user) => LoginUser::Name((*user).to_owned()),
            Self::Password(_) => LoginUser::Windows,
        }
    }
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
