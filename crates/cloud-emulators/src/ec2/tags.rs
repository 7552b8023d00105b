//! Tags of every kind of resource, their limits, and their lag.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::encoding::is_identifier;
use super::errors::{Answer, Refusal};
use super::filters::{Filterable, Filters};
use super::instance::Instance;
use super::paging::Page;
use super::query_protocol::Node;
use super::state::{Context, State};
use super::xml_writer::Xml;

pub type Tags = BTreeMap<String, String>;

/// The tags of one resource. For a while after a change, readers still see what was before.
#[derive(Clone, Debug, Default)]
pub struct TagSet {
    pub current: Tags,
    before: Tags,
    visible_from: Timestamp,
}

impl TagSet {
    pub fn visible(&self, now: Timestamp) -> Vec<(&str, &str)> {
        let tags = if now >= self.visible_from {
            &self.current
        } else {
            &self.before
        };
        tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }
}

impl State {
    pub fn change_tags(&mut self, region: &str, id: &str, change: impl FnOnce(&mut Tags)) {
        let now = self.now();
        let visible_from = now + self.controls.tag_lag;
        let tags = self.region(region).tags.entry(id.to_owned()).or_default();
        if now >= tags.visible_from {
            tags.before = tags.current.clone();
        }
        change(&mut tags.current);
        tags.visible_from = visible_from;
    }
}

/// `TagSpecification.N`, for an action that creates these types of resources.
pub fn specified(query: &Node, types: &[&str]) -> Answer<BTreeMap<String, Tags>> {
    let mut specified = BTreeMap::new();
    for node in query.list("TagSpecification") {
        let kind = node.need("ResourceType")?;
        if !types.contains(&kind) {
            return Err(Refusal::value(format!(
                "'{kind}' is not a valid taggable resource type for this operation."
            )));
        }
        let tags = read(node, true)?;
        if specified.insert(kind.to_owned(), tags).is_some() {
            return Err(Refusal::value(format!(
                "The resource type '{kind}' is specified more than once"
            )));
        }
    }
    Ok(specified)
}

/// `Tag.N.Key` and `Tag.N.Value`.
fn read(node: &Node, limit: bool) -> Answer<Tags> {
    let mut tags = Tags::new();
    for tag in node.list("Tag") {
        let key = tag.need("Key")?;
        let value = tag.get("Value").unwrap_or_default();
        if key.chars().count() > 128 {
            return Err(Refusal::value("Tag key exceeds the maximum length of 128 characters"));
        }
        if value.chars().count() > 256 {
            return Err(Refusal::value("Tag value exceeds the maximum length of 256 characters"));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Refusal::value(
                "Tag keys starting with 'aws:' are reserved for internal use",
            ));
        }
        if key.chars().chain(value.chars()).any(char::is_control) {
            return Err(Refusal::value("Tags must not contain control characters"));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Refusal::value(format!("Duplicate tag key '{key}' specified.")));
        }
    }
    if limit {
        within_limit(&tags)?;
    }
    Ok(tags)
}

fn within_limit(tags: &Tags) -> Answer<()> {
    if tags.len() > 50 {
        return Err(Refusal::new(
            "TagLimitExceeded",
            "The maximum number of Tags for a resource has been reached.",
        ));
    }
    Ok(())
}

/// Whether an instance can see tags with these keys in its metadata, where each is a part of a path.
pub fn fit_metadata<'a>(keys: impl IntoIterator<Item = &'a String>) -> Answer<()> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_+=,.@:".contains(letter);
    let mut keys = keys.into_iter();
    match keys.find(|key| !key.chars().all(allowed) || matches!(key.as_str(), "." | ".." | "_index")) {
        None => Ok(()),
        Some(key) => Err(Refusal::value(format!(
            "'{key}' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\\\-_+=,.@:]{{1,255}}), and must \
             not be a reserved name ('.', '..', '_index')"
        ))),
    }
}

const KINDS: &[(&str, &str)] = &[
    ("i", "instance"),
    ("vol", "volume"),
    ("ami", "image"),
    ("sg", "security-group"),
    ("key", "key-pair"),
    ("vpc", "vpc"),
    ("subnet", "subnet"),
    ("eni", "network-interface"),
    ("sir", "spot-instances-request"),
];

fn kind_of(id: &str) -> Option<&'static str> {
    let prefix = id.split('-').next()?;
    let (_, kind) = KINDS.iter().find(|(known, _)| *known == prefix)?;
    (is_identifier(prefix, id)).then_some(kind)
}

/// The resources that CreateTags and DeleteTags name.
fn resources(context: &mut Context) -> Answer<Vec<String>> {
    let query = context.query;
    let ids = query.values("ResourceId");
    if ids.is_empty() {
        return Err(Refusal::missing("resourceIdSet"));
    }
    if ids.len() > 1000 {
        return Err(Refusal::value("At most 1000 resources can be tagged at once"));
    }
    for id in &ids {
        let Some(kind) = kind_of(id) else {
            return Err(Refusal::new("InvalidID", format!("The ID '{id}' is not valid")));
        };
        let region = context.region();
        let (exists, code) = match kind {
            "instance" => {
                region.find(&[id])?;
                continue;
            }
            "volume" => (region.volumes.contains_key(*id), "InvalidVolume.NotFound"),
            "image" => (
                region.images.iter().any(|image| image.id == *id),
                "InvalidAMIID.NotFound",
            ),
            "security-group" => (region.groups.contains_key(*id), "InvalidGroup.NotFound"),
            "key-pair" => (region.keys.values().any(|key| key.id == *id), "InvalidKeyPair.NotFound"),
            "vpc" => (region.vpcs.contains_key(*id), "InvalidVpcID.NotFound"),
            "subnet" => (region.subnets.contains_key(*id), "InvalidSubnetID.NotFound"),
            _ => (region.tags.contains_key(*id), "InvalidID"),
        };
        if !exists {
            return Err(Refusal::new(code, format!("The ID '{id}' does not exist")));
        }
    }
    Ok(ids.into_iter().map(str::to_owned).collect())
}

pub fn create_tags(context: &mut Context) -> Answer<Xml> {
    let tags = read(context.query, false)?;
    if tags.is_empty() {
        return Err(Refusal::missing("tagSet"));
    }
    let ids = resources(context)?;
    for id in &ids {
        let mut all = context
            .region()
            .tags
            .get(id)
            .map(|set| set.current.clone())
            .unwrap_or_default();
        all.extend(tags.clone());
        within_limit(&all)?;
        if context.region().instance(id).is_some_and(Instance::sees_tags) {
            fit_metadata(tags.keys())?;
        }
    }
    for id in &ids {
        context
            .state
            .change_tags(context.region, id, |all| all.extend(tags.clone()));
    }
    Ok(done())
}

pub fn delete_tags(context: &mut Context) -> Answer<Xml> {
    let query = context.query;
    let wanted: Vec<(String, Option<String>)> = query
        .list("Tag")
        .into_iter()
        .map(|tag| Ok((tag.need("Key")?.to_owned(), tag.get("Value").map(str::to_owned))))
        .collect::<Answer<_>>()?;
    for id in resources(context)? {
        context.state.change_tags(context.region, &id, |tags| {
            if wanted.is_empty() {
                tags.clear();
            }
            for (key, value) in &wanted {
                // A value, even an empty one, must fit for the tag to go.
                if value.is_none() || tags.get(key) == value.as_ref() {
                    tags.remove(key);
                }
            }
        });
    }
    Ok(done())
}

/// The whole answer of an action that has nothing to tell.
pub fn done() -> Xml {
    let mut xml = Xml::default();
    xml.text("return", true);
    xml
}

struct Described {
    id: String,
    key: String,
    value: String,
}

impl Filterable for Described {
    const NAMES: &'static [&'static str] = &["key", "resource-id", "resource-type", "value"];

    fn field(&self, name: &str) -> Vec<String> {
        vec![match name {
            "key" => self.key.clone(),
            "resource-id" => self.id.clone(),
            "resource-type" => kind_of(&self.id).unwrap_or_default().to_owned(),
            _ => self.value.clone(),
        }]
    }

    fn tags(&self) -> Vec<(&str, &str)> {
        vec![(&self.key, &self.value)]
    }
}

pub fn describe_tags(context: &mut Context) -> Answer<Xml> {
    let page = Page::of(context, 5..=1000)?;
    let filters = Filters::of::<Described>(context.query)?;
    let now = context.state.now();
    let mut all: Vec<Described> = Vec::new();
    for (id, tags) in &context.region().tags {
        all.extend(tags.visible(now).into_iter().map(|(key, value)| Described {
            id: id.clone(),
            key: key.to_owned(),
            value: value.to_owned(),
        }));
    }
    all.retain(|tag| filters.accept(tag));
    all.sort_by(|one, other| (&one.id, &one.key).cmp(&(&other.id, &other.key)));
    let (tags, token) = page.cut((1..).zip(all));
    let mut xml = Xml::default();
    xml.set("tagSet", tags, |xml, tag| {
        xml.text("key", &tag.key);
        xml.text("resourceId", &tag.id);
        xml.text("resourceType", kind_of(&tag.id).unwrap_or_default());
        xml.text("value", &tag.value);
    });
    xml.maybe("nextToken", token);
    Ok(xml)
}

/// The `tagSet` of a described resource.
pub fn write(xml: &mut Xml, tags: Vec<(&str, &str)>) {
    if tags.is_empty() {
        return;
    }
    xml.set("tagSet", tags, |xml, (key, value)| {
        xml.text("key", key);
        xml.text("value", value);
    });
}
