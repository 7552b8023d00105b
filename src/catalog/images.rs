//! Image aliases: one word for "the newest official image of this system" on every cloud that has one.
//!
//! On EC2 that is the newest public image of the vendor's account whose name fits a pattern; on Compute Engine it
//! is an image family. Sources: the vendors' own pages, named at each row.
//! Who logs in to what is made from an image, and how.

use crate::cloud::{Architecture, ProviderKind};

/// The image of an instance for which none was asked.
pub const DEFAULT_IMAGE: &str = "ubuntu-24.04";

/// Where an alias is found on EC2.
#[derive(Debug, PartialEq, Eq)]
pub struct AwsImage {
    /// The account that publishes it in the commercial partition.
    pub owner: &'static str,
    /// Pattern of the image name for 64-bit x86, with EC2's wildcards.
    pub x86_64: &'static str,
    /// The same for 64-bit Arm, if there is one.
    pub arm64: Option<&'static str>,
}

/// Where an alias is found on Compute Engine.
#[derive(Debug, PartialEq, Eq)]
pub struct GcpImage {
    /// The project that publishes it.
    pub project: &'static str,
    /// Image family for 64-bit x86.
    pub x86_64: &'static str,
    /// The same for 64-bit Arm, if there is one.
    pub arm64: Option<&'static str>,
}

/// One alias.
#[derive(Debug, PartialEq, Eq)]
pub struct ImageAlias {
    /// The alias.
    pub name: &'static str,
    /// Who logs in.
    pub login: LoginMethod,
    /// Its image on EC2, if there is one.
    pub aws: Option<AwsImage>,
    /// Its image on Compute Engine, if there is one.
    pub gcp: Option<GcpImage>,
}

/// The accounts that publish in other partitions of AWS: by the account of the commercial one, in `aws-us-gov`, in
/// `aws-cn`. Nobody else is known to publish there. In the remaining partitions only Amazon is.
///
/// <https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/>,
/// <https://access.redhat.com/solutions/15356>,
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html>
const OWNERS_ELSEWHERE: [(&str, Option<&str>, Option<&str>); 3] = [
    ("099720109477", Some("513442679011"), Some("837727238323")),
    ("309956199498", Some("219670896067"), Some("841258680906")),
    ("013907871322", None, Some("841869936221")),
];
/// Amazon's accounts in the commercial partition, for Linux and Windows, and its name in every other.
const AMAZON: [&str; 2] = ["137112412989", "801119661308"];
const AMAZON_ELSEWHERE: &str = "amazon";

impl AwsImage {
    /// The account that publishes it in a partition such as `aws-us-gov`, if one is known.
    pub fn owner_in(&self, partition: &str) -> Option<&'static str> {
        if partition == "aws" {
            return Some(self.owner);
        }
        if AMAZON.contains(&self.owner) {
            return Some(AMAZON_ELSEWHERE);
        }
        let (_, gov_cloud, china) = OWNERS_ELSEWHERE.iter().find(|(owner, ..)| *owner == self.owner)?;
        match partition {
            "aws-us-gov" => *gov_cloud,
            "aws-cn" => *china,
            _ => None,
        }
    }

    /// The name pattern for an architecture.
    pub fn pattern(&self, architecture: Architecture) -> Option<&'static str> {
        match architecture {
            Architecture::X86_64 => Some(self.x86_64),
            Architecture::Arm64 => self.arm64,
        }
    }
}

impl GcpImage {
    /// The family for an architecture.
    pub fn family(&self, architecture: Architecture) -> Option<&'static str> {
        match architecture {
            Architecture::X86_64 => Some(self.x86_64),
            Architecture::Arm64 => self.arm64,
        }
    }
}

/// Every alias.
pub const IMAGE_ALIASES: &[ImageAlias] = &[
    // https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/
    // https://documentation.ubuntu.com/gcp/google-how-to/gce/find-ubuntu-images/
    ImageAlias {
        name: "ubuntu-26.04",
        login: LoginMethod::Key("ubuntu"),
        aws: Some(AwsImage {
            owner: "099720109477",
            x86_64: "ubuntu/images/hvm-ssd-gp3/ubuntu-resolute-26.04-amd64-server-*",
            arm64: Some("ubuntu/images/hvm-ssd-gp3/ubuntu-resolute-26.04-arm64-server-*"),
        }),
        gcp: Some(GcpImage {
            project: "ubuntu-os-cloud",
            x86_64: "ubuntu-2604-lts-amd64",
            arm64: Some("ubuntu-2604-lts-arm64"),
        }),
    },
    ImageAlias {
        name: "ubuntu-24.04",
        login: LoginMethod::Key("ubuntu"),
        aws: Some(AwsImage {
            owner: "099720109477",
            x86_64: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*",
            arm64: Some("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*"),
        }),
        gcp: Some(GcpImage {
            project: "ubuntu-os-cloud",
            x86_64: "ubuntu-2404-lts-amd64",
            arm64: Some("ubuntu-2404-lts-arm64"),
        }),
    },
    ImageAlias {
        name: "ubuntu-22.04",
        login: LoginMethod::Key("ubuntu"),
        aws: Some(AwsImage {
            owner: "099720109477",
            x86_64: "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*",
            arm64: Some("ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-arm64-server-*"),
        }),
        gcp: Some(GcpImage {
            project: "ubuntu-os-cloud",
            x86_64: "ubuntu-2204-lts",
            arm64: Some("ubuntu-2204-lts-arm64"),
        }),
    },
    // https://wiki.debian.org/Cloud/AmazonEC2Image
    // https://cloud.google.com/compute/docs/images/os-details
    ImageAlias {
        name: "debian-13",
        login: LoginMethod::Key("admin"),
        aws: Some(AwsImage {
            owner: "136693071363",
            x86_64: "debian-13-amd64-*",
            arm64: Some("debian-13-arm64-*"),
        }),
        gcp: Some(GcpImage {
            project: "debian-cloud",
            x86_64: "debian-13",
            arm64: Some("debian-13-arm64"),
        }),
    },
    ImageAlias {
        name: "debian-12",
        login: LoginMethod::Key("admin"),
        aws: Some(AwsImage {
            owner: "136693071363",
            x86_64: "debian-12-amd64-*",
            arm64: Some("debian-12-arm64-*"),
        }),
        gcp: Some(GcpImage {
            project: "debian-cloud",
            x86_64: "debian-12",
            arm64: Some("debian-12-arm64"),
        }),
    },
    // https://docs.aws.amazon.com/linux/al2023/ug/ec2.html
    ImageAlias {
        name: "amazon-linux-2023",
        login: LoginMethod::Key("ec2-user"),
        aws: Some(AwsImage {
            owner: "137112412989",
            x86_64: "al2023-ami-2023.*-kernel-6.1-x86_64",
            arm64: Some("al2023-ami-2023.*-kernel-6.1-arm64"),
        }),
        gcp: None,
    },
    // https://rockylinux.org/cloud-images
    ImageAlias {
        name: "rocky-9",
        login: LoginMethod::Key("rocky"),
        aws: Some(AwsImage {
            owner: "792107900819",
            x86_64: "Rocky-9-EC2-Base-9.*.x86_64",
            arm64: Some("Rocky-9-EC2-Base-9.*.aarch64"),
        }),
        gcp: Some(GcpImage {
            project: "rocky-linux-cloud",
            x86_64: "rocky-linux-9",
            arm64: Some("rocky-linux-9-arm64"),
        }),
    },
    // https://wiki.almalinux.org/cloud/AWS.html
    // https://wiki.almalinux.org/cloud/Google.html
    ImageAlias {
        name: "alma-9",
        login: LoginMethod::Key("ec2-user"),
        aws: Some(AwsImage {
            owner: "764336703387",
            x86_64: "AlmaLinux OS 9.*x86_64*",
            arm64: Some("AlmaLinux OS 9.*aarch64*"),
        }),
        gcp: Some(GcpImage {
            project: "almalinux-cloud",
            x86_64: "almalinux-9",
            arm64: Some("almalinux-9-arm64"),
        }),
    },
    // https://access.redhat.com/solutions/15356
    ImageAlias {
        name: "rhel-9",
        login: LoginMethod::Key("ec2-user"),
        aws: Some(AwsImage {
            owner: "309956199498",
            x86_64: "RHEL-9.*_HVM-*-x86_64-*-Hourly2-GP3",
            arm64: Some("RHEL-9.*_HVM-*-arm64-*-Hourly2-GP3"),
        }),
        gcp: Some(GcpImage {
            project: "rhel-cloud",
            x86_64: "rhel-9",
            arm64: Some("rhel-9-arm64"),
        }),
    },
    // https://pint.suse.com/
    ImageAlias {
        name: "suse-15",
        login: LoginMethod::Key("ec2-user"),
        aws: Some(AwsImage {
            owner: "013907871322",
            x86_64: "suse-sles-15-sp?-v*-hvm-ssd-x86_64",
            arm64: Some("suse-sles-15-sp?-v*-hvm-ssd-arm64"),
        }),
        gcp: Some(GcpImage {
            project: "suse-cloud",
            x86_64: "sles-15",
            arm64: Some("sles-15-arm64"),
        }),
    },
    // https://cloud.google.com/container-optimized-os/docs/concepts/versioning
    ImageAlias {
        name: "cos",
        login: LoginMethod::Key("chronos"),
        aws: None,
        gcp: Some(GcpImage {
            project: "cos-cloud",
            x86_64: "cos-stable",
            arm64: Some("cos-arm64-stable"),
        }),
    },
    // https://docs.aws.amazon.com/ec2/latest/windows-ami-reference/
    ImageAlias {
        name: "windows-2025",
        login: LoginMethod::Password("Administrator"),
        aws: Some(AwsImage {
            owner: "801119661308",
            x86_64: "Windows_Server-2025-English-Full-Base-*",
            arm64: None,
        }),
        gcp: Some(GcpImage {
            project: "windows-cloud",
            x86_64: "windows-2025",
            arm64: None,
        }),
    },
    ImageAlias {
        name: "windows-2022",
        login: LoginMethod::Password("Administrator"),
        aws: Some(AwsImage {
            owner: "801119661308",
            x86_64: "Windows_Server-2022-English-Full-Base-*",
            arm64: None,
        }),
        gcp: Some(GcpImage {
            project: "windows-cloud",
            x86_64: "windows-2022",
            arm64: None,
        }),
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
pub fn closest_alias(name: &str, has: impl Fn(&ImageAlias) -> bool) -> Vec<&'static str> {
    let mut names: Vec<_> = IMAGE_ALIASES
        .iter()
        .filter(|alias| has(alias))
        .map(|alias| alias.name)
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
    pub fn login_user(&self, provider: ProviderKind) -> Option<&'static str> {
        match (&self.login, provider) {
            (LoginMethod::Key(user) | LoginMethod::Password(user), ProviderKind::Aws | ProviderKind::Mock) => {
                Some(user)
            }
            (_, ProviderKind::Gcp) => None,
        }
    }
}
