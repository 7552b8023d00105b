//! Data about a cloud that is true without a call.

use super::{Architecture, Area, Instance, ProviderKind};

/// What is true of a cloud without a call. Each driver has one, in its `info.rs`.
#[derive(Debug)]
pub struct CloudInfo {
    /// Which cloud this is.
    pub kind: ProviderKind,
    /// Its name in a sentence.
    pub title: &'static str,
    /// What it calls the owner of instances: `account`, `project`.
    pub account_noun: &'static str,
    /// What can be set for this cloud alone, in the order of help and output.
    pub settings: &'static [SettingKey],
    /// The key among [`settings`](Self::settings) whose value is the only account in which anything is changed.
    pub expected_account: Option<&'static str>,
    /// Variables of cloudctl for this cloud that have no key in the configuration file.
    pub variables: &'static [SettingVariable],
    /// How the names of the cloud's own variables begin. A cloud without any uses no variable of the network either.
    pub vendor_prefixes: &'static [&'static str],
    /// The cloud's own variables that `cloudctl help environment` names as examples; empty for none.
    pub vendor_variables: &'static str,
    /// Whether credentials are needed. A cloud without them is asked only if it is named.
    pub needs_credentials: bool,
    /// A region that is there for everybody, for examples and for questions that cost nothing.
    pub example_region: &'static str,
    /// How many instances one create call makes at most.
    pub max_instances_per_call: usize,
    /// Which create calls of one name share an idempotency token.
    pub token_scope: TokenScope,
    /// The machine type for an image of that architecture, where a spec asks for none.
    pub default_machine_type: fn(Architecture) -> &'static str,
    /// What `cloudctl catalog update` reads prices from; `None` if the cloud publishes none.
    pub price_source: Option<&'static str>,
    /// The hint for missing or expired credentials.
    pub sign_in_hint: &'static str,
    /// The hint for a limit of the account.
    pub quota_hint: &'static str,
    /// The area that a region is in, by its name; `None` for partitions that have accounts of their own (GovCloud,
    /// China) and for names that say nothing.
    pub area_of: fn(region: &str) -> Option<Area>,
    /// Who decides which user logs in.
    pub image_user: ImageUser,
    /// The user that a public key (or none) logs in as, where the image does not decide it.
    pub key_user: fn(key: Option<&str>) -> Option<String>,
    /// The text for a public key in the `ssh-key` of [`Instance::setup`]; `None` if the key cannot be read.
    pub key_label: fn(key: &str) -> Option<String>,
    /// The command that asks for the password of a Windows instance; `None` where there is none.
    pub password_command: fn(&Instance) -> Option<String>,
    /// What to say of a Windows instance without a key, where its password is encrypted with one.
    pub password_needs_key: Option<&'static str>,
}

/// Something that can be set for one cloud alone.
#[derive(Debug)]
pub struct SettingKey {
    /// The key in the configuration file, in the section of the cloud.
    pub name: &'static str,
    /// The variable that says the same.
    pub variable: Option<SettingVariable>,
    /// A value, for help.
    pub example: &'static str,
    /// What it does; empty if its name says it all.
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

/// Who decides which user logs in to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageUser {
    /// The image: each has its own user.
    FromImage,
    /// The key: its comment names a user, which the image makes.
    FromKeyComment,
}

/// Which create calls of one name share an idempotency token: of those, only the first creates something.
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
    /// Takes the data, in the order of [`ProviderKind::ALL`].
    pub fn new(infos: [&'static CloudInfo; ProviderKind::ALL.len()]) -> Self {
        Self(infos)
    }

    /// The data about a cloud.
    pub fn get(self, kind: ProviderKind) -> &'static CloudInfo {
        self.0[kind as usize]
    }

    /// The data about each cloud.
    pub fn iter(self) -> impl Iterator<Item = &'static CloudInfo> {
        self.0.into_iter()
    }
}
