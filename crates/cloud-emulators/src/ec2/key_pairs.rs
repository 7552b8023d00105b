//! Key pairs. Only importing them: the emulator makes no keys.

use jiff::Timestamp;

use super::encoding::{from_base64, hash, time};
use super::errors::{Answer, Refusal};
use super::filters::{Filterable, Filters};
use super::state::Context;
use super::tags;
use super::xml_writer::Xml;

#[derive(Clone, Debug)]
pub struct KeyPair {
    pub id: String,
    pub name: String,
    /// The OpenSSH line, as it was imported.
    pub public_key: String,
    pub created: Timestamp,
}

impl KeyPair {
    fn kind(&self) -> &'static str {
        if self.public_key.starts_with("ssh-ed25519") {
            "ed25519"
        } else {
            "rsa"
        }
    }

    /// Of the real form, 16 bytes, but not the real MD5.
    fn fingerprint(&self) -> String {
        let bytes = [hash(&self.public_key), hash((&self.public_key, 2))]
            .map(u64::to_be_bytes)
            .concat();
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .join(":")
    }
}

struct Listed<'a>(&'a KeyPair, Vec<(&'a str, &'a str)>);

impl Filterable for Listed<'_> {
    const NAMES: &'static [&'static str] = &["fingerprint", "key-name", "key-pair-id"];

    fn field(&self, name: &str) -> Vec<String> {
        vec![match name {
            "fingerprint" => self.0.fingerprint(),
            "key-name" => self.0.name.clone(),
            _ => self.0.id.clone(),
        }]
    }

    fn tags(&self) -> Vec<(&str, &str)> {
        self.1.clone()
    }
}

pub fn not_found(name: &str) -> Refusal {
    Refusal::new(
        "InvalidKeyPair.NotFound",
        format!("The key pair '{name}' does not exist"),
    )
}

pub fn describe_key_pairs(context: &mut Context) -> Answer<Xml> {
    let query = context.query;
    let filters = Filters::of::<Listed>(query)?;
    let (names, ids) = (query.values("KeyName"), query.values("KeyPairId"));
    let public = query.flag("IncludePublicKey") == Some(true);
    let now = context.state.now();
    let region = context.region();
    if let Some(unknown) = names.iter().find(|name| !region.keys.contains_key(**name)) {
        return Err(not_found(unknown));
    }
    if let Some(unknown) = ids.iter().find(|id| !region.keys.values().any(|key| key.id == **id)) {
        return Err(not_found(unknown));
    }
    let listed = region
        .keys
        .values()
        .filter(|key| names.is_empty() || names.contains(&key.name.as_str()))
        .filter(|key| ids.is_empty() || ids.contains(&key.id.as_str()))
        .map(|key| Listed(key, region.visible_tags(&key.id, now)))
        .filter(|listed| filters.accept(listed));
    let mut xml = Xml::default();
    xml.set("keySet", listed, |xml, Listed(key, tags)| {
        xml.text("keyPairId", &key.id);
        xml.text("keyName", &key.name);
        xml.text("keyFingerprint", key.fingerprint());
        xml.text("keyType", key.kind());
        if public {
            xml.text("publicKey", &key.public_key);
        }
        xml.text("createTime", time(key.created));
        tags::write(xml, tags);
    });
    Ok(xml)
}

pub fn import_key_pair(context: &mut Context) -> Answer<Xml> {
    let query = context.query;
    let name = query.need("KeyName")?;
    let material = query.need("PublicKeyMaterial")?;
    let tags = tags::specified(query, &["key-pair"])?
        .remove("key-pair")
        .unwrap_or_default();
    let public_key = from_base64(material)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|line| line.starts_with("ssh-rsa ") || line.starts_with("ssh-ed25519 "))
        .ok_or_else(|| Refusal::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format"))?;
    if context.region().keys.contains_key(name) {
        return Err(Refusal::new(
            "InvalidKeyPair.Duplicate",
            format!("The keypair already exists: {name}"),
        ));
    }
    let key = KeyPair {
        id: context.state.new_identifier("key"),
        name: name.to_owned(),
        public_key,
        created: context.state.now(),
    };
    context
        .state
        .change_tags(context.region, &key.id, |all| all.extend(tags));
    let mut xml = Xml::default();
    xml.text("keyPairId", &key.id);
    xml.text("keyName", name);
    xml.text("keyFingerprint", key.fingerprint());
    let now = context.state.now();
    tags::write(&mut xml, context.region().visible_tags(&key.id, now));
    context.region().keys.insert(name.to_owned(), key);
    Ok(xml)
}

/// Deleting what is not there succeeds, as on AWS.
pub fn delete_key_pair(context: &mut Context) -> Answer<Xml> {
    let query = context.query;
    let (name, id) = (query.get("KeyName"), query.get("KeyPairId"));
    if name.is_none() && id.is_none() {
        return Err(Refusal::missing("KeyName"));
    }
    let region = context.region();
    let mut gone = None;
    region.keys.retain(|_, key| {
        let hit = name == Some(key.name.as_str()) || id == Some(key.id.as_str());
        if hit {
            gone = Some(key.id.clone());
        }
        !hit
    });
    let mut xml = tags::done();
    if let Some(id) = gone {
        region.tags.remove(&id);
        xml.text("keyPairId", id);
    }
    Ok(xml)
}
