//! Who publishes which images. A line stands for several: one for each date and architecture.

use super::images::{Image, Platform};
use super::state::ACCOUNT;

pub struct Line {
    owner: &'static str,
    alias: Option<&'static str>,
    /// `{arch}` and `{date}` are filled in.
    pattern: &'static str,
    /// The vendor's word for x86_64, and for arm64; empty if there is none.
    words: (&'static str, &'static str),
    /// What stands for `{date}`, and the day it was made.
    dates: &'static [(&'static str, &'static str)],
    root_device: &'static str,
    root_gib: i64,
    volume_type: &'static str,
    platform: Platform,
    public: bool,
    imds_v2: bool,
}

impl Line {
    pub fn images(&self) -> impl Iterator<Item = Image> + '_ {
        let words = [("x86_64", self.words.0), ("arm64", self.words.1)];
        self.dates.iter().flat_map(move |(date, created)| {
            words
                .into_iter()
                .filter(|(_, word)| !word.is_empty())
                .map(move |(architecture, word)| Image {
                    id: String::new(),
                    snapshot: String::new(),
                    name: self.pattern.replace("{arch}", word).replace("{date}", date),
                    owner: self.owner,
                    alias: self.alias,
                    architecture,
                    root_device: self.root_device,
                    root_gib: self.root_gib,
                    volume_type: self.volume_type,
                    created,
                    public: self.public,
                    platform: self.platform,
                    imds_v2: self.imds_v2,
                })
        })
    }

    const fn of(owner: &'static str, pattern: &'static str, dates: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            owner,
            alias: None,
            pattern,
            words: ("x86_64", "arm64"),
            dates,
            root_device: "/dev/sda1",
            root_gib: 8,
            volume_type: "gp3",
            platform: Platform::Linux,
            public: true,
            imds_v2: false,
        }
    }

    const fn ubuntu(pattern: &'static str, dates: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            words: ("amd64", "arm64"),
            ..Self::of("099720109477", pattern, dates)
        }
    }

    const fn debian(pattern: &'static str, dates: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            words: ("amd64", "arm64"),
            root_device: "/dev/xvda",
            ..Self::of("136693071363", pattern, dates)
        }
    }

    const fn amazon(pattern: &'static str, dates: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            alias: Some("amazon"),
            root_device: "/dev/xvda",
            imds_v2: true,
            ..Self::of("137112412989", pattern, dates)
        }
    }
}

const AL2023: &[(&str, &str)] = &[
    ("2023.9.20251027.0", "2025-10-27"),
    ("2023.11.20260713.0", "2026-07-13"),
    ("2023.12.20261102.0", "2026-11-02"),
];

pub const PUBLISHED: &[Line] = &[
    Line::ubuntu(
        "ubuntu/images/hvm-ssd-gp3/ubuntu-resolute-26.04-{arch}-server-{date}",
        &[("20260714", "2026-07-14"), ("20261020", "2026-10-20")],
    ),
    Line::ubuntu(
        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{arch}-server-{date}",
        &[
            ("20251022", "2025-10-22"),
            ("20260708", "2026-07-08"),
            ("20261016", "2026-10-16"),
        ],
    ),
    // Traps for patterns that are too wide: minimal and daily images are newer than the server ones.
    Line::ubuntu(
        "ubuntu-minimal/images/hvm-ssd-gp3/ubuntu-noble-24.04-{arch}-minimal-{date}",
        &[("20261101", "2026-11-01")],
    ),
    Line::ubuntu(
        "ubuntu/images-testing/hvm-ssd-gp3/ubuntu-noble-daily-{arch}-server-{date}",
        &[("20261120", "2026-11-20")],
    ),
    Line::ubuntu(
        "ubuntu-pro-server/images/hvm-ssd-gp3/ubuntu-noble-24.04-{arch}-pro-server-{date}",
        &[("20261103", "2026-11-03")],
    ),
    Line {
        volume_type: "gp2",
        ..Line::ubuntu(
            "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-{arch}-server-{date}",
            &[
                ("20230919", "2023-09-19"),
                ("20251015", "2025-10-15"),
                ("20261012", "2026-10-12"),
            ],
        )
    },
    Line::debian(
        "debian-12-{arch}-{date}",
        &[("20251006-2257", "2025-10-06"), ("20260907-2602", "2026-09-07")],
    ),
    Line::debian("debian-12-backports-{arch}-{date}", &[("20261005-2640", "2026-10-05")]),
    Line::debian(
        "debian-13-{arch}-{date}",
        &[("20251006-2257", "2025-10-06"), ("20261019-2650", "2026-10-19")],
    ),
    Line::amazon("al2023-ami-{date}-kernel-6.1-{arch}", AL2023),
    Line::amazon(
        "al2023-ami-{date}-kernel-6.12-{arch}",
        &[("2023.12.20261102.0", "2026-11-02")],
    ),
    Line {
        root_gib: 2,
        ..Line::amazon("al2023-ami-minimal-{date}-kernel-6.1-{arch}", AL2023)
    },
    Line {
        owner: "591542846629",
        root_gib: 30,
        ..Line::amazon(
            "al2023-ami-ecs-hvm-{date}-kernel-6.1-{arch}",
            &[("2023.0.20261112", "2026-11-12")],
        )
    },
    Line {
        imds_v2: false,
        volume_type: "gp2",
        ..Line::amazon(
            "amzn2-ami-kernel-5.10-hvm-{date}-{arch}-gp2",
            &[("2.0.20261020.0", "2026-10-20")],
        )
    },
    Line {
        root_gib: 10,
        words: ("x86_64", "aarch64"),
        ..Line::of(
            "792107900819",
            "Rocky-9-EC2-Base-9.{date}.{arch}",
            &[("6-20250531.0", "2025-05-31"), ("8-20260602.0", "2026-06-02")],
        )
    },
    Line {
        root_gib: 10,
        words: ("x86_64", "aarch64"),
        ..Line::of(
            "792107900819",
            "Rocky-9-EC2-LVM-9.{date}.{arch}",
            &[("8-20260602.0", "2026-06-02")],
        )
    },
    Line {
        root_gib: 10,
        platform: Platform::RedHat,
        ..Line::of(
            "309956199498",
            "RHEL-9.{date}-{arch}-0-Hourly2-GP3",
            &[("6.0_HVM-20250910", "2025-09-10"), ("8.0_HVM-20261008", "2026-10-08")],
        )
    },
    Line {
        root_gib: 10,
        platform: Platform::Suse,
        ..Line::of(
            "013907871322",
            "suse-sles-15-sp7-v{date}-hvm-ssd-{arch}",
            &[("20250620", "2025-06-20"), ("20261001", "2026-10-01")],
        )
    },
    Line {
        alias: Some("amazon"),
        root_gib: 30,
        words: ("x86_64", ""),
        platform: Platform::Windows,
        ..Line::of(
            "801119661308",
            "Windows_Server-2022-English-Full-Base-{date}",
            &[("2026.10.15", "2026-10-15"), ("2026.11.11", "2026-11-11")],
        )
    },
    Line {
        root_gib: 20,
        public: false,
        words: ("x86_64", ""),
        ..Line::of(ACCOUNT, "golden-web-{date}", &[("2026-11-01", "2026-11-01")])
    },
    // Somebody else's: not to be seen, not to be launched.
    Line {
        public: false,
        words: ("x86_64", ""),
        ..Line::of("111122223333", "their-secret-{date}", &[("7", "2026-11-02")])
    },
];
