//! A handful of instance types.

use super::errors::{Answer, Refusal};
use super::filters::{Filterable, Filters};
use super::paging::Page;
use super::region_state::Region;
use super::state::Context;
use super::xml_writer::Xml;

#[derive(Debug)]
pub struct InstanceType {
    pub name: &'static str,
    pub architecture: &'static str,
    pub vcpus: u32,
    threads_per_core: u32,
    memory_mib: u64,
    network: &'static str,
    /// Count, model and memory in MiB of each.
    gpu: Option<(u32, &'static str, u64)>,
    disk_gb: u64,
    /// On hosts of one's own, and never as spare capacity.
    is_metal: bool,
}

const fn plain(
    name: &'static str,
    architecture: &'static str,
    vcpus: u32,
    memory_mib: u64,
    network: &'static str,
) -> InstanceType {
    InstanceType {
        name,
        architecture,
        vcpus,
        threads_per_core: if architecture.len() == 5 || vcpus == 1 { 1 } else { 2 },
        memory_mib,
        network,
        gpu: None,
        disk_gb: 0,
        is_metal: false,
    }
}

const X86: &str = "x86_64";
const ARM: &str = "arm64";
const FIVE: &str = "Up to 5 Gigabit";
const TEN: &str = "Up to 10 Gigabit";
const TWELVE: &str = "Up to 12.5 Gigabit";

pub static TYPES: &[InstanceType] = &[
    plain("c5.large", X86, 2, 4096, TEN),
    plain("c7g.large", ARM, 2, 4096, TWELVE),
    plain("c7g.xlarge", ARM, 4, 8192, TWELVE),
    plain("c7i.8xlarge", X86, 32, 65_536, "12.5 Gigabit"),
    InstanceType {
        gpu: Some((1, "T4", 16_384)),
        disk_gb: 125,
        ..plain("g4dn.xlarge", X86, 4, 16_384, "Up to 25 Gigabit")
    },
    InstanceType {
        gpu: Some((1, "A10G", 24_576)),
        disk_gb: 250,
        ..plain("g5.xlarge", X86, 4, 16_384, "Up to 10 Gigabit")
    },
    plain("m1.small", X86, 1, 1740, "Low"),
    plain("m5.large", X86, 2, 8192, TEN),
    plain("m5.xlarge", X86, 4, 16_384, TEN),
    plain("m7g.large", ARM, 2, 8192, TWELVE),
    plain("m7i.large", X86, 2, 8192, TWELVE),
    InstanceType {
        gpu: Some((8, "H100", 81_559)),
        disk_gb: 30_400,
        ..plain("p5.48xlarge", X86, 192, 2_097_152, "3200 Gigabit")
    },
    InstanceType {
        is_metal: true,
        ..plain("mac1.metal", "x86_64_mac", 12, 32_768, "10 Gigabit")
    },
    plain("r6i.large", X86, 2, 16_384, TWELVE),
    plain("t2.micro", X86, 1, 1024, "Low to Moderate"),
    plain("t3.large", X86, 2, 8192, FIVE),
    plain("t3.medium", X86, 2, 4096, FIVE),
    plain("t3.micro", X86, 2, 1024, FIVE),
    plain("t3.nano", X86, 2, 512, FIVE),
    plain("t3.small", X86, 2, 2048, FIVE),
    plain("t4g.medium", ARM, 2, 4096, FIVE),
    plain("t4g.micro", ARM, 2, 1024, FIVE),
    plain("t4g.nano", ARM, 2, 512, FIVE),
    plain("t4g.small", ARM, 2, 2048, FIVE),
];

pub fn find(name: &str) -> Option<&'static InstanceType> {
    TYPES.iter().find(|kind| kind.name == name)
}

impl InstanceType {
    pub fn is_burstable(&self) -> bool {
        self.name.starts_with('t')
    }

    /// The older hypervisor, without ENA or NVMe.
    pub fn is_xen(&self) -> bool {
        self.name.starts_with("t2.") || self.is_first_generation()
    }

    /// Too old for images of virtualization type hvm.
    pub fn is_first_generation(&self) -> bool {
        self.name.starts_with("m1.")
    }

    pub fn has_spot(&self) -> bool {
        !self.is_metal
    }

    fn usage_classes(&self) -> &'static [&'static str] {
        if self.has_spot() {
            &["on-demand", "spot"]
        } else {
            &["on-demand"]
        }
    }

    pub fn cores(&self) -> u32 {
        self.vcpus / self.threads_per_core
    }

    pub fn threads_per_core(&self) -> u32 {
        self.threads_per_core
    }

    /// One real gap (us-east-1e has only old types), and one that depends on the region.
    pub fn is_offered_in_zone(&self, zone: &str) -> bool {
        let old = ["c5.", "m5.", "m1.", "t2."]
            .iter()
            .any(|family| self.name.starts_with(family));
        old || zone != "us-east-1e"
    }

    pub fn is_offered(&self, region: &Region) -> bool {
        self.name != "p5.48xlarge" || matches!(region.info.name, "us-east-1" | "us-west-2" | "us-east-2")
    }
}

impl Filterable for &'static InstanceType {
    const NAMES: &'static [&'static str] = &[
        "bare-metal",
        "burstable-performance-supported",
        "current-generation",
        "free-tier-eligible",
        "hypervisor",
        "instance-storage-supported",
        "instance-type",
        "memory-info.size-in-mib",
        "processor-info.supported-architecture",
        "supported-usage-class",
        "vcpu-info.default-vcpus",
    ];

    fn field(&self, name: &str) -> Vec<String> {
        vec![match name {
            "bare-metal" => self.is_metal.to_string(),
            "burstable-performance-supported" => self.is_burstable().to_string(),
            "current-generation" => (!self.is_first_generation()).to_string(),
            "free-tier-eligible" => is_free(self).to_string(),
            "hypervisor" => if self.is_xen() { "xen" } else { "nitro" }.to_owned(),
            "instance-storage-supported" => (self.disk_gb > 0).to_string(),
            "instance-type" => self.name.to_owned(),
            "memory-info.size-in-mib" => self.memory_mib.to_string(),
            "processor-info.supported-architecture" => self.architecture.to_owned(),
            "vcpu-info.default-vcpus" => self.vcpus.to_string(),
            _ => return self.usage_classes().iter().map(|class| (*class).to_owned()).collect(),
        }]
    }
}

fn is_free(kind: &InstanceType) -> bool {
    matches!(kind.name, "t2.micro" | "t3.micro")
}

pub fn describe_instance_types(context: &mut Context) -> Answer<Xml> {
    let names = context.query.values("InstanceType");
    if !names.is_empty() && context.query.get("MaxResults").is_some() {
        return Err(Refusal::combination(
            "The parameter instanceTypes cannot be used with the parameter maxResults",
        ));
    }
    let page = Page::of(context, 5..=100)?;
    let filters = Filters::of::<&'static InstanceType>(context.query)?;
    let region = context.region();
    let offered: Vec<_> = TYPES.iter().filter(|kind| kind.is_offered(region)).collect();
    let unknown: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !offered.iter().any(|kind| kind.name == *name))
        .collect();
    if !unknown.is_empty() {
        return Err(Refusal::new(
            "InvalidInstanceType",
            format!(
                "The following supplied instance types do not exist: [{}]",
                unknown.join(", ")
            ),
        ));
    }
    let chosen = offered
        .into_iter()
        .filter(|kind| names.is_empty() || names.contains(&kind.name))
        .filter(|kind| filters.accept(kind));
    let (kinds, token) = page.cut((1..).zip(chosen));
    let mut xml = Xml::default();
    xml.set("instanceTypeSet", kinds, write);
    xml.maybe("nextToken", token);
    Ok(xml)
}

fn scalars(xml: &mut Xml, name: &str, values: &[&str]) {
    xml.inside(name, |xml| {
        for value in values {
            xml.text("item", value);
        }
    });
}

fn write(xml: &mut Xml, kind: &InstanceType) {
    xml.text("instanceType", kind.name);
    xml.text("currentGeneration", !kind.is_first_generation());
    xml.text("freeTierEligible", is_free(kind));
    scalars(xml, "supportedUsageClasses", kind.usage_classes());
    scalars(xml, "supportedRootDeviceTypes", &["ebs"]);
    scalars(xml, "supportedVirtualizationTypes", &["hvm"]);
    xml.text("bareMetal", kind.is_metal);
    xml.text("hypervisor", if kind.is_xen() { "xen" } else { "nitro" });
    xml.inside("processorInfo", |xml| {
        scalars(xml, "supportedArchitectures", &[kind.architecture]);
        xml.text("sustainedClockSpeedInGhz", 2.5);
    });
    xml.inside("vCpuInfo", |xml| {
        xml.text("defaultVCpus", kind.vcpus);
        xml.text("defaultCores", kind.cores());
        xml.text("defaultThreadsPerCore", kind.threads_per_core);
    });
    xml.inside("memoryInfo", |xml| xml.text("sizeInMiB", kind.memory_mib));
    xml.text("instanceStorageSupported", kind.disk_gb > 0);
    if kind.disk_gb > 0 {
        xml.inside("instanceStorageInfo", |xml| xml.text("totalSizeInGB", kind.disk_gb));
    }
    xml.inside("ebsInfo", |xml| {
        xml.text(
            "ebsOptimizedSupport",
            if kind.is_xen() { "unsupported" } else { "default" },
        );
        xml.text("encryptionSupport", "supported");
        xml.text("nvmeSupport", if kind.is_xen() { "unsupported" } else { "required" });
    });
    xml.inside("networkInfo", |xml| {
        xml.text("networkPerformance", kind.network);
        xml.text("maximumNetworkInterfaces", 3);
        xml.text("ipv6Supported", !kind.is_first_generation());
        xml.text("enaSupport", if kind.is_xen() { "unsupported" } else { "required" });
    });
    if let Some((count, model, memory)) = kind.gpu {
        xml.inside("gpuInfo", |xml| {
            xml.set("gpus", [()], |xml, ()| {
                xml.text("name", model);
                xml.text("manufacturer", "NVIDIA");
                xml.text("count", count);
                xml.inside("memoryInfo", |xml| xml.text("sizeInMiB", memory));
            });
            xml.text("totalGpuMemoryInMiB", memory * u64::from(count));
        });
    }
    xml.text("hibernationSupported", false);
    xml.text("burstablePerformanceSupported", kind.is_burstable());
    xml.text("dedicatedHostsSupported", !kind.is_xen());
    xml.text("autoRecoverySupported", true);
    scalars(xml, "supportedBootModes", &["legacy-bios", "uefi"]);
}
