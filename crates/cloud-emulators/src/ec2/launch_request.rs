//! What a RunInstances request asks for, checked against the rules and against what exists.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::encoding::from_base64;
use super::errors::{Answer, Refusal};
use super::images::{self, Image};
use super::instance::MetadataOptions;
use super::instance_attributes::{metadata_options, shutdown_behaviour};
use super::instance_types::{self, InstanceType};
use super::key_pairs;
use super::launch_disks::{self, DiskSpec};
use super::launch_placement;
use super::query_protocol::Node;
use super::state::{ACCOUNT, Context};
use super::tags::{self, Tags};

pub struct Request {
    pub image: Arc<Image>,
    pub kind: &'static InstanceType,
    pub minimum: usize,
    pub maximum: usize,
    pub key_name: Option<String>,
    pub groups: Vec<String>,
    /// Where it may go: one subnet if the request says so, else the default ones.
    pub subnets: Vec<String>,
    pub wants_public_ip: bool,
    pub interface_goes: bool,
    pub description: String,
    pub user_data: Option<String>,
    pub profile: Option<String>,
    pub metadata: MetadataOptions,
    pub on_shutdown: String,
    pub protected: bool,
    pub stop_protected: bool,
    pub ebs_optimized: bool,
    pub monitored: bool,
    /// For spot: whether the request outlives the instance.
    pub spot: Option<bool>,
    pub disks: Vec<DiskSpec>,
    pub tags: BTreeMap<String, Tags>,
}

impl Request {
    pub fn read(context: &mut Context) -> Answer<Self> {
        let query = context.query;
        let (minimum, maximum) = counts(query)?;
        let image = images::find(context, query.need("ImageId")?)?;
        let kind = kind(context, &image)?;
        let interface = launch_placement::interface(query)?;
        let subnets = launch_placement::subnets(context, interface, kind)?;
        let groups = launch_placement::group_ids(context, interface, &subnets)?;
        let key_name = query.get("KeyName");
        if let Some(name) = key_name.filter(|name| !context.region().keys.contains_key(*name)) {
            return Err(key_pairs::not_found(name));
        }
        let spot = spot(query)?;
        let tags = tags::specified(
            query,
            &["instance", "volume", "network-interface", "spot-instances-request"],
        )?;
        if tags.contains_key("spot-instances-request") && spot.is_none() {
            return Err(Refusal::combination(
                "Tags for 'spot-instances-request' can only be given when launching Spot Instances.",
            ));
        }
        let protected = query.flag("DisableApiTermination") == Some(true);
        if protected && spot.is_some() {
            return Err(Refusal::new(
                "UnsupportedOperation",
                "Termination protection is not supported for Spot Instances.",
            ));
        }
        let tenancy = query.get("Placement.Tenancy").unwrap_or("default");
        if tenancy != "default" {
            return Err(Refusal::not_emulated(&format!("the tenancy {tenancy}")));
        }
        if let Some(credits) = query.get("CreditSpecification.CpuCredits") {
            check_credits(credits, kind)?;
        }
        let default = context
            .region()
            .subnets
            .get(&subnets[0])
            .is_some_and(|subnet| subnet.default);
        let wanted = interface.and_then(|node| node.flag("AssociatePublicIpAddress"));
        let mut metadata = MetadataOptions::plain();
        if image.imds_v2 {
            metadata.hop_limit = 2;
            "required".clone_into(&mut metadata.tokens);
        }
        if context.state.controls.metadata_tags_by_default {
            "enabled".clone_into(&mut metadata.tags);
        }
        let metadata = match query.node("MetadataOptions") {
            Some(node) => metadata_options(node, metadata)?,
            None => metadata,
        };
        if metadata.tags == "enabled"
            && let Some(tags) = tags.get("instance")
        {
            tags::fit_metadata(tags.keys())?;
        }
        Ok(Self {
            minimum,
            maximum,
            kind,
            key_name: key_name.map(str::to_owned),
            groups,
            subnets,
            wants_public_ip: wanted.unwrap_or(default),
            interface_goes: interface
                .and_then(|node| node.flag("DeleteOnTermination"))
                .unwrap_or(true),
            description: interface
                .and_then(|node| node.get("Description"))
                .unwrap_or_default()
                .to_owned(),
            user_data: user_data(query)?,
            profile: profile(context)?,
            metadata,
            on_shutdown: match query.get("InstanceInitiatedShutdownBehavior") {
                Some(behaviour) => shutdown_behaviour(behaviour)?,
                None => "stop".to_owned(),
            },
            protected,
            stop_protected: query.flag("DisableApiStop") == Some(true),
            ebs_optimized: query.flag("EbsOptimized") == Some(true),
            monitored: query.flag("Monitoring.Enabled") == Some(true),
            spot,
            disks: launch_disks::read(query, &image)?,
            tags,
            image,
        })
    }
}

fn counts(query: &Node) -> Answer<(usize, usize)> {
    query.need("MinCount")?;
    query.need("MaxCount")?;
    let count = |name: &str| {
        let count = query.integer(name).unwrap_or(0);
        usize::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| {
            Refusal::value(format!(
                "Value ({count}) for parameter {name} is invalid. Expected a positive number."
            ))
        })
    };
    let (minimum, maximum) = (count("MinCount")?, count("MaxCount")?);
    if maximum < minimum {
        return Err(Refusal::value(format!(
            "Value ({maximum}) for parameter maxCount is invalid. It must not be less than minCount."
        )));
    }
    if maximum > 1000 {
        return Err(Refusal::new(
            "InstanceLimitExceeded",
            "Your quota allows for no more than 1000 instances in one request.",
        ));
    }
    Ok((minimum, maximum))
}

fn kind(context: &mut Context, image: &Image) -> Answer<&'static InstanceType> {
    // The API's default is from another age, and does not run today's images.
    let name = context.query.get("InstanceType").unwrap_or("m1.small");
    let kind = instance_types::find(name)
        .ok_or_else(|| Refusal::value(format!("Invalid value '{name}' for InstanceType.")))?;
    if !kind.is_offered(context.region()) {
        return Err(Refusal::new(
            "Unsupported",
            "The requested configuration is currently not supported. Please check the documentation for supported \
             configurations.",
        ));
    }
    if kind.is_first_generation() {
        return Err(Refusal::combination(
            "Non-Windows instances with a virtualization type of 'hvm' are currently not supported for this instance \
             type.",
        ));
    }
    if kind.architecture != image.architecture {
        return Err(Refusal::value(format!(
            "The architecture '{}' of the specified instance type does not match the architecture '{}' of the specified \
             AMI. Specify an instance type and an AMI that have matching architectures, and try again.",
            kind.architecture, image.architecture
        )));
    }
    Ok(kind)
}

fn spot(query: &Node) -> Answer<Option<bool>> {
    let options = query.node("InstanceMarketOptions.SpotOptions");
    match query.get("InstanceMarketOptions.MarketType") {
        None if options.is_none() => return Ok(None),
        None | Some("spot") => {}
        Some(other) => {
            return Err(Refusal::value(format!(
                "Value ({other}) for parameter MarketType is invalid. Allowed values: spot"
            )));
        }
    }
    let option = |name: &str| options.and_then(|options| options.get(name));
    let persistent = match option("SpotInstanceType").unwrap_or("one-time") {
        "one-time" => false,
        "persistent" => true,
        other => return Err(Refusal::value(format!("Invalid value '{other}' for SpotInstanceType"))),
    };
    match option("InstanceInterruptionBehavior").unwrap_or("terminate") {
        "terminate" => {}
        "stop" | "hibernate" if persistent => {}
        "stop" | "hibernate" => {
            return Err(Refusal::combination(
                "For interruption behavior stop or hibernate, the Spot request type must be persistent.",
            ));
        }
        other => {
            return Err(Refusal::value(format!(
                "Invalid value '{other}' for InstanceInterruptionBehavior"
            )));
        }
    }
    if let Some(price) = option("MaxPrice")
        && !price.parse::<f64>().is_ok_and(|price| price > 0.0)
    {
        return Err(Refusal::value(format!("Invalid value '{price}' for MaxPrice")));
    }
    Ok(Some(persistent))
}

fn user_data(query: &Node) -> Answer<Option<String>> {
    let Some(text) = query.get("UserData").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let raw = from_base64(text).ok_or_else(|| Refusal::value("Invalid BASE64 encoding of user data."))?;
    if raw.len() > 16_384 {
        return Err(Refusal::value("User data is limited to 16384 bytes"));
    }
    Ok(Some(text.to_owned()))
}

fn profile(context: &mut Context) -> Answer<Option<String>> {
    let query = context.query;
    let (name, arn) = (
        query.get("IamInstanceProfile.Name"),
        query.get("IamInstanceProfile.Arn"),
    );
    let beginning = format!("arn:aws:iam::{ACCOUNT}:instance-profile/");
    let name = match (name, arn) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(Refusal::combination(
                "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'",
            ));
        }
        (Some(name), None) => name,
        (None, Some(arn)) => arn.strip_prefix(&beginning).ok_or_else(|| {
            Refusal::value(format!(
                "Value ({arn}) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN"
            ))
        })?,
    };
    if context.state.controls.profiles.contains(name) {
        return Ok(Some(name.to_owned()));
    }
    Err(Refusal::value(format!(
        "Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
    )))
}

fn check_credits(credits: &str, kind: &InstanceType) -> Answer<()> {
    if !kind.is_burstable() {
        return Err(Refusal::combination(
            "CreditSpecification is only supported for burstable performance instance types.",
        ));
    }
    if matches!(credits, "standard" | "unlimited") {
        return Ok(());
    }
    Err(Refusal::value(format!("Invalid value '{credits}' for CpuCredits")))
}
