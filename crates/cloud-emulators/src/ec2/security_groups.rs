//! Security groups.

use super::encoding::is_identifier;
use super::errors::{Answer, Refusal};
use super::filters::{Filterable, Filters};
use super::network::no_default_vpc;
use super::paging::Page;
use super::region_state::Region;
use super::security_group_rules::{Rule, write_permission};
use super::state::{ACCOUNT, Context};
use super::tags;
use super::xml_writer::Xml;

#[derive(Clone, Debug)]
pub struct Group {
    pub id: String,
    pub name: String,
    pub description: String,
    pub vpc: String,
    pub ingress: Vec<Rule>,
}

impl Group {
    pub fn new(id: String, name: &str, description: &str, vpc: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            description: description.to_owned(),
            vpc: vpc.to_owned(),
            ingress: Vec::new(),
        }
    }
}

pub fn find<'a>(region: &'a Region, id: &str) -> Answer<&'a Group> {
    if !is_identifier("sg", id) {
        return Err(Refusal::new(
            "InvalidGroupId.Malformed",
            format!("Invalid id: \"{id}\" (expecting \"sg-...\")"),
        ));
    }
    region.groups.get(id).ok_or_else(|| not_found(id))
}

/// A group of the default VPC.
pub fn find_by_name<'a>(region: &'a Region, name: &str) -> Answer<&'a Group> {
    let vpc = region.default_vpc().ok_or_else(no_default_vpc)?;
    let group = region
        .groups
        .values()
        .find(|group| group.vpc == vpc.id && group.name == name);
    group.ok_or_else(|| not_found(name))
}

fn not_found(group: &str) -> Refusal {
    Refusal::new(
        "InvalidGroup.NotFound",
        format!("The security group '{group}' does not exist"),
    )
}

/// The group that a request names by `GroupId` or, in the default VPC, by `GroupName`.
pub fn named(context: &mut Context) -> Answer<String> {
    let query = context.query;
    let region = context.region();
    let group = match (query.get("GroupId"), query.get("GroupName")) {
        (Some(id), None) => find(region, id)?,
        (None, Some(name)) => find_by_name(region, name)?,
        (None, None) => return Err(Refusal::missing("GroupName or GroupId")),
        (Some(_), Some(_)) => {
            return Err(Refusal::combination(
                "The parameter groupName cannot be used with the parameter groupId",
            ));
        }
    };
    Ok(group.id.clone())
}

struct Listed<'a>(&'a Group, Vec<(&'a str, &'a str)>);

impl Filterable for Listed<'_> {
    const NAMES: &'static [&'static str] = &["description", "group-id", "group-name", "owner-id", "vpc-id"];

    fn field(&self, name: &str) -> Vec<String> {
        vec![match name {
            "description" => self.0.description.clone(),
            "group-id" => self.0.id.clone(),
            "group-name" => self.0.name.clone(),
            "owner-id" => ACCOUNT.to_owned(),
            _ => self.0.vpc.clone(),
        }]
    }

    fn tags(&self) -> Vec<(&str, &str)> {
        self.1.clone()
    }
}

pub fn describe_security_groups(context: &mut Context) -> Answer<Xml> {
    let page = Page::of(context, 5..=1000)?;
    let filters = Filters::of::<Listed>(context.query)?;
    let (ids, names) = (context.query.values("GroupId"), context.query.values("GroupName"));
    let now = context.state.now();
    let region = context.region();
    for id in &ids {
        find(region, id)?;
    }
    for name in &names {
        find_by_name(region, name)?;
    }
    let default = region.default_vpc().map(|vpc| vpc.id.clone());
    let listed = region
        .groups
        .values()
        .filter(|group| ids.is_empty() || ids.contains(&group.id.as_str()))
        .filter(|group| {
            names.is_empty() || (names.contains(&group.name.as_str()) && Some(&group.vpc) == default.as_ref())
        })
        .map(|group| Listed(group, region.visible_tags(&group.id, now)))
        .filter(|listed| filters.accept(listed));
    let (listed, token) = page.cut((1..).zip(listed));
    let name = region.info.name;
    let mut xml = Xml::default();
    xml.set("securityGroupInfo", listed, |xml, Listed(group, tags)| {
        xml.text("groupId", &group.id);
        xml.text(
            "securityGroupArn",
            format!("arn:aws:ec2:{name}:{ACCOUNT}:security-group/{}", group.id),
        );
        xml.text("ownerId", ACCOUNT);
        xml.text("groupName", &group.name);
        xml.text("groupDescription", &group.description);
        xml.text("vpcId", &group.vpc);
        xml.set("ipPermissions", &group.ingress, write_permission);
        let everything = Rule {
            protocol: "-1".to_owned(),
            from: None,
            to: None,
            cidr: "0.0.0.0/0".to_owned(),
            description: None,
        };
        xml.set("ipPermissionsEgress", [&everything], write_permission);
        tags::write(xml, tags);
    });
    xml.maybe("nextToken", token);
    Ok(xml)
}

pub fn create_security_group(context: &mut Context) -> Answer<Xml> {
    let query = context.query;
    let (name, description) = (query.need("GroupName")?, query.need("GroupDescription")?);
    let tags = tags::specified(query, &["security-group"])?
        .remove("security-group")
        .unwrap_or_default();
    if name.starts_with("sg-") || name.chars().count() > 255 {
        return Err(Refusal::value(format!(
            "Value ({name}) for parameter GroupName is invalid. Group names may not be in the format sg-*."
        )));
    }
    let region = context.region();
    let vpc = match query.get("VpcId") {
        Some(id) => region
            .vpcs
            .get(id)
            .ok_or_else(|| Refusal::new("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist")))?,
        None => region.default_vpc().ok_or_else(no_default_vpc)?,
    };
    let vpc = vpc.id.clone();
    if region
        .groups
        .values()
        .any(|group| group.vpc == vpc && group.name == name)
    {
        return Err(Refusal::new(
            "InvalidGroup.Duplicate",
            format!("The security group '{name}' already exists for VPC '{vpc}'"),
        ));
    }
    let id = context.state.new_identifier("sg");
    let place = context.region;
    context.state.change_tags(place, &id, |all| all.extend(tags));
    let group = Group::new(id.clone(), name, description, &vpc);
    context.region().groups.insert(id.clone(), group);
    let mut xml = tags::done();
    xml.text("groupId", &id);
    xml.text(
        "securityGroupArn",
        format!("arn:aws:ec2:{place}:{ACCOUNT}:security-group/{id}"),
    );
    let now = context.state.now();
    tags::write(&mut xml, context.region().visible_tags(&id, now));
    Ok(xml)
}

impl Context<'_> {
    /// Lets somebody else remove groups at the worst moment, if a test wants it.
    pub fn remove_groups_before_launch(&mut self) {
        let Some((beginning, times)) = self
            .state
            .controls
            .removed_groups
            .as_mut()
            .filter(|(_, times)| *times > 0)
        else {
            return;
        };
        *times -= 1;
        let beginning = beginning.clone();
        let region = self.region();
        let used: Vec<String> = region
            .instances
            .values()
            .flat_map(|instance| instance.groups.clone())
            .collect();
        region
            .groups
            .retain(|id, group| used.contains(id) || !group.name.starts_with(&beginning));
    }
}

pub fn delete_security_group(context: &mut Context) -> Answer<Xml> {
    let id = named(context)?;
    let region = context.region();
    if region.groups[&id].name == "default" {
        return Err(Refusal::new(
            "CannotDelete",
            format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user"),
        ));
    }
    if region.instances.values().any(|instance| instance.groups.contains(&id)) {
        return Err(Refusal::new(
            "DependencyViolation",
            format!("resource {id} has a dependent object"),
        ));
    }
    region.groups.remove(&id);
    region.tags.remove(&id);
    let mut xml = tags::done();
    xml.text("groupId", &id);
    Ok(xml)
}
