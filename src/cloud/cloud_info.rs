//! Fixed data about a cloud, known without a call.

use super::{Architecture, Area, Instance, ProviderKind, Tunnel};

/// Fixed data about a cloud. Each driver has one, in its `cloud_info.rs`.
#[derive(Debug)]
pub struct CloudInfo {
    /// Which cloud this is.
    pub kind: ProviderKind,
    /// Its name in a sentence.
    pub title: &'static str,
    /// What it calls the owner of instances: `account`, `project`.
    pub account_noun: &'static str,
    /// The settings of this cloud alone, in the order of help and output.
    pub settings: &'static [SettingKey],
    /// The key among [`settings`](Self::settings) whose value is the only account in which anything is changed.
    pub expected_account: Option<&'static str>,
    /// Variables of cloudctl for this cloud that have no key in the configuration file.
    pub variables: &'static [SettingVariable],
    /// The prefixes of the cloud's own variables. A cloud without any uses no proxy or certificate variables either.
    pub vendor_prefixes: &'static [&'static str],
    /// The cloud's own variables that `cloudctl help environment` names as examples; empty for none.
    pub vendor_variables: &'static str,
    /// Whether the cloud needs credentials. A cloud that needs none is queried only if the user names it.
    pub needs_credentials: bool,
    /// A region that every account has, for examples and for queries that cost nothing.
    pub example_region: &'static str,
    /// The maximum number of instances that one create call can create.
    pub max_instances_per_call: usize,
    /// Which create calls of one name share an idempotency token.
    pub token_scope: TokenScope,
    /// The machine type for an image of that architecture, for a spec without one.
    pub default_machine_type: fn(Architecture) -> &'static str,
    /// What `cloudctl catalog update` reads prices from; `None` if the cloud publishes none.
    pub price_source: Option<&'static str>,
    /// Why the catalog has no spot prices, and how to get one; `None` where it has them, or the cloud itself has.
    pub no_spot_price_note: Option<&'static str>,
    /// The hint for missing or expired credentials.
    pub sign_in_hint: &'static str,
    /// The hint for a limit of the account.
    pub quota_hint: &'static str,
    /// The area that a region is in, by its name; `None` for partitions that have accounts of their own (GovCloud,
    /// China) and for names that say nothing.
    pub area_of: fn(region: &str) -> Option<Area>,
    /// What decides the login user: the image or the key.
    pub image_user: ImageUser,
    /// The login user for a public key (or none), where the image does not decide it.
    pub key_user: fn(key: Option<&str>) -> Option<String>,
    /// The text for a public key in the `ssh-key` of [`Instance::setup`]; `None` if the key cannot be read.
    pub key_label: fn(key: &str) -> Option<String>,
    /// The ways to reach an instance through the cloud's own tools.
    pub tunnels: &'static [Tunnel],
    /// The command that asks for the password of a Windows instance; `None` where there is none.
    pub password_command: fn(&Instance) -> Option<String>,
    /// The message for a Windows instance without a key, where its password is encrypted with one.
    pub missing_password_key_note: Option<&'static str>,
}

/// A setting of one cloud.
#[derive(Debug)]
pub struct SettingKey {
    /// The key in the configuration file, in the section of the cloud.
    pub name: &'static str,
    /// The variable with the same meaning.
    pub variable: Option<SettingVariable>,
    /// An example value, for help.
    pub example: &'static str,
    /// What it does; empty if the name says it.
    pub help: &'static str,
}

/// A variable of cloudctl.
#[derive(Debug)]
pub struct SettingVariable {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// What decides the login user of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageUser {
    /// The image. Each has its own user.
    FromImage,
    /// The key. Its comment names a user, which the image creates.
    FromKeyComment,
}

/// The create calls of one name that share an idempotency token. Only the first of them creates something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenScope {
    /// Calls to one region, unless the spec names a zone.
    Region,
    /// Calls to one zone. Two runs that race for a name in different zones both create an instance.
    Zone,
}

/// The data about every cloud.
#[derive(Clone, Copy, Debug)]
pub struct CloudInfos([&'static CloudInfo; ProviderKind::ALL.len()]);

impl CloudInfos {
    /// Takes the data of each cloud, in the order of [`ProviderKind::ALL`].
    pub fn new(infos: [&'static CloudInfo; ProviderKind::ALL.len()]) -> Self {
        Self(infos)
    }

    /// Gives the data about a cloud.
    pub fn get(self, kind: ProviderKind) -> &'static CloudInfo {
        self.0[kind as usize]
    }

    /// Iterates over the data about each cloud.
    pub fn iter(self) -> impl Iterator<Item = &'static CloudInfo> {
        self.0.into_iter()
    }
}
