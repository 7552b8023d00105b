//! The one trait that every cloud implements.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Architecture, BatchTracker, Error, Image, Instance, InstanceRef, InstanceSink, InstanceSpec, LaunchPreview,
    ListFilter, ListScope, Listing, Location, MachineType, OrphanedDisk, ProviderKind, Result, key_fingerprint,
};

/// The time of day, handed in so that a test can set it.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Who is asking, as the cloud sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account (EC2) or project (Compute Engine) that calls go to.
    pub account: String,
    /// The user, role or service account; `None` where the credentials do not say.
    pub principal: Option<String>,
}

/// What became of one target of a batch.
#[derive(Debug)]
pub struct TargetOutcome {
    /// The target.
    pub target: InstanceRef,
    /// Whether the cloud took it on.
    pub result: Result<()>,
}

/// What a create call came to.
#[derive(Debug)]
pub enum CreateOutcome {
    /// The instance, new or replayed: it exists now.
    Instance(Box<Instance>),
    /// The token belongs to an instance that is gone; the next generation's is free.
    TokenAlreadyUsed,
}

/// What a cloud asks for a machine type in a region.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedPrice {
    /// The region.
    pub region: String,
    /// The machine type, in the cloud's own word; of a cloud that charges for the parts of a machine, the part in the
    /// catalogue's words.
    pub machine_type: String,
    /// Whether it is that of spare capacity.
    pub spot: bool,
    /// USD per hour, with Linux and without disk and traffic.
    pub usd_per_hour: f64,
}

/// A cloud.
///
/// Every driver keeps these promises, and the conformance suite holds each of them to it:
///
/// - an error says by its kind whether the call can have had an effect: only `UnknownOutcome` can;
/// - a spec field is honoured or refused, never ignored;
/// - a listing is complete, or says what is missing, or is an error.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Which cloud this is.
    fn kind(&self) -> ProviderKind;

    /// Who is asking.
    ///
    /// # Errors
    /// `Unauthenticated` without usable credentials; `PermissionDenied`, `Network`.
    async fn identity(&self) -> Result<Identity>;

    /// The place that the cloud's own configuration names, for when the user names none.
    ///
    /// # Errors
    /// `InvalidSpec` if that configuration cannot be read.
    async fn default_location(&self) -> Result<Option<Location>>;

    /// Makes a place of a region and a zone that a user typed; at least one is given.
    ///
    /// # Errors
    /// `InvalidSpec` if there is no such region or zone, or the zone is not in the region; the message names it.
    async fn resolve_location(&self, region: Option<&str>, zone: Option<&str>) -> Result<Location>;

    /// The locations that together are all of the cloud that this account can use.
    ///
    /// # Errors
    /// Those of any call.
    async fn list_scopes(&self) -> Result<Vec<ListScope>>;

    /// Those of them that every account has, so that they can be asked before the cloud has named its locations. Asks no
    /// network beyond what credentials and configuration take.
    async fn known_list_scopes(&self) -> Vec<ListScope>;

    /// Resolves a spec to what [`create`](Self::create) would make, and asks the cloud whether it would let us,
    /// where the cloud can be asked. Changes nothing.
    ///
    /// # Errors
    /// `InvalidSpec` and `Unsupported` for what this cloud cannot make; those of any call.
    async fn preview(&self, spec: &InstanceSpec) -> Result<LaunchPreview>;

    /// The machine type of an image of that architecture, where a spec asks for none.
    fn default_machine_type(&self, architecture: Architecture) -> &'static str;

    /// Makes the instance, marked as ours by the very call that makes it.
    ///
    /// Replaying the same name, place and `generation` never makes a second instance: it gives the first one, even
    /// if that was made from another spec (compare [`Instance::spec_fingerprint`]).
    ///
    /// # Errors
    /// `InvalidSpec`, `Unsupported`, `Quota`, `Capacity`, `Throttled`, `Network` and the like: nothing was made.
    /// `AlreadyExists`: the name is taken by what is not ours. `UnknownOutcome`: it may have been made.
    async fn create(&self, spec: &InstanceSpec, generation: u32) -> Result<CreateOutcome>;

    /// Makes the members of a group, in one call, marked as ours by that very call: all of them or none.
    ///
    /// Replaying the same name, members, place and `generation` never makes more: it gives those that the first call
    /// made and that are there still. None at all means that this generation is spent, and the next one's is free.
    ///
    /// # Errors
    /// As [`create`](Self::create). `InvalidSpec` for more than [`most_members`](Self::most_members).
    async fn create_members(&self, spec: &InstanceSpec, generation: u32) -> Result<Vec<Instance>>;

    /// How many instances one call makes at most.
    fn max_instances_per_call(&self) -> usize;

    /// The regions that this account can use, sorted by name.
    ///
    /// # Errors
    /// Those of any call.
    async fn regions(&self) -> Result<Vec<String>>;

    /// The machine types that a region has, as the cloud says now, in no order. With `among` only those of these names,
    /// as far as they are there, in fewer calls.
    ///
    /// # Errors
    /// Those of any call.
    async fn machine_types(&self, region: &str, among: &[String]) -> Result<Vec<MachineType>>;

    /// What the image aliases mean in a region now, for each architecture that they come for. Those that are not to be
    /// found are left out.
    ///
    /// # Errors
    /// Those of any call.
    async fn images(&self, region: &str) -> Result<Vec<Image>>;

    /// What spare capacity of a machine type costs in a place now, in USD per hour; `None` where the cloud does not say.
    ///
    /// # Errors
    /// Those of any call.
    async fn spot_price(&self, place: &Location, machine_type: &str) -> Result<Option<f64>>;

    /// What a machine type costs in USD per hour, for clouds whose prices need no asking; no real one.
    fn fixed_price(&self, _machine_type: &str) -> Option<f64> {
        None
    }

    /// Every price that the cloud publishes for its machine types.
    ///
    /// # Errors
    /// `Unsupported` if it publishes none; those of any call.
    async fn published_prices(&self) -> Result<Vec<PublishedPrice>>;

    /// Removes what was made to open ports to instances that are gone, as far as no other instance uses it. Gives what
    /// stays and why, in words: an instance uses it still, or it could not be removed, which keeps nothing else from
    /// being removed.
    ///
    /// # Errors
    /// Those of any call.
    async fn delete_unused_firewall_rules(&self, gone: &[Instance]) -> Result<Vec<String>>;

    /// Whether a create call of this spec meets only those of its name that go to the same zone: then two that race for
    /// a name in different zones both make an instance.
    fn is_token_zonal(&self, spec: &InstanceSpec) -> bool {
        spec.location.zone.is_some()
    }

    /// The user that a key, or any key, logs in as on this cloud, where that is not the image's own word.
    fn login_user(&self, key: Option<&str>) -> Option<String> {
        let _ = key;
        None
    }

    /// What stands for a public key in the `ssh-key` of [`Instance::setup`]: its fingerprint, unless the cloud keeps keys
    /// under names of their own.
    fn key_word(&self, key: &str) -> Option<String> {
        key_fingerprint(key)
    }

    /// Whether an instance answers on its SSH port, by the word of a cloud whose instances cannot be connected to; `None`
    /// where they can.
    fn probe_ssh(&self, instance: &Instance) -> Option<bool> {
        let _ = instance;
        None
    }

    /// One instance, with all that the cloud will tell of it.
    ///
    /// # Errors
    /// `NotFound` if the cloud does not know it, or no longer.
    async fn get(&self, target: &InstanceRef) -> Result<Instance>;

    /// Reads every page of a location and puts each into `pages` as it comes. Gives the parts of the location that did
    /// not answer, each an error with its place: with any of them the listing is incomplete. Instances that are gone
    /// but still listed by the cloud are in it, as `Terminated`.
    ///
    /// # Errors
    /// Those of any call. What was put into `pages` by then is true, but the listing is incomplete.
    async fn list_into(&self, pages: &InstanceSink<'_>) -> Result<Vec<Error>>;

    /// Every page of one location, gathered, or an error: never a silently partial list.
    ///
    /// # Errors
    /// As [`list_pages`](Self::list_pages); the whole location is then missing.
    async fn list(&self, location: &ListScope, filter: &ListFilter) -> Result<Listing> {
        let mut instances = Vec::new();
        let mut gather = |page: Vec<Instance>| instances.extend(page);
        let gaps = self
            .list_into(&InstanceSink::new(location, filter, &mut gather))
            .await?;
        instances.sort_by(|one, other| one.reference.cmp(&other.reference));
        Ok(Listing { instances, gaps })
    }

    /// Ends instances, in as few calls as the cloud allows. One outcome for each target, in the same order: `Ok`
    /// once deletion is under way or done, `NotFound` if there is nothing left to delete, `Protected`; `Interrupted`
    /// where the course let no more begin, as with the other batches.
    async fn terminate(&self, targets: &[InstanceRef], course: &BatchTracker<'_>) -> Vec<TargetOutcome>;

    /// Starts stopped instances. `Ok` if it is running already or on its way; `Refused` in a state that forbids it.
    async fn start(&self, targets: &[InstanceRef], course: &BatchTracker<'_>) -> Vec<TargetOutcome>;

    /// Stops running instances, keeping their disks. `Ok` if it is stopped already or on its way.
    async fn stop(&self, targets: &[InstanceRef], course: &BatchTracker<'_>) -> Vec<TargetOutcome>;

    /// Restarts running instances.
    async fn reboot(&self, targets: &[InstanceRef], course: &BatchTracker<'_>) -> Vec<TargetOutcome>;

    /// The time by the cloud's own clock. What decides over the end of an instance goes by it, and never by this
    /// machine's clock alone.
    ///
    /// # Errors
    /// Those of any call; `Network` too if the cloud's answers have no time.
    async fn server_time(&self) -> Result<Timestamp>;

    /// The zones of the spec's region that have its machine type, each as a place, in the order in which they are to be
    /// tried: the same in every process. With a zone in the spec that zone alone.
    ///
    /// # Errors
    /// `InvalidSpec` if no zone has it; those of any call.
    async fn candidate_zones(&self, spec: &InstanceSpec) -> Result<Vec<Location>>;

    /// Sets how long an instance may live, counted from its creation: its label, and whatever ends it then, as far as
    /// that can be moved.
    ///
    /// # Errors
    /// `NotFound`. `Refused` if what ends the instance cannot be moved as it is now; then nothing was changed.
    /// `UnknownOutcome`; those of any call.
    async fn set_ttl(&self, target: &InstanceRef, ttl: Duration) -> Result<()>;

    /// Protects instances against termination, or lifts that. One outcome for each target, in the same order. `Ok` if
    /// it is so already.
    async fn set_protection(
        &self,
        targets: &[InstanceRef],
        protected: bool,
        course: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome>;

    /// Those disks of instances that are gone which are still there, by [`Instance::disks`] as they were listed before.
    ///
    /// # Errors
    /// Those of any call.
    async fn orphaned_disks(&self, gone: &[Instance]) -> Result<Vec<OrphanedDisk>>;

    /// What the instance wrote to its console, as far as the cloud keeps it; empty if it wrote nothing yet.
    ///
    /// # Errors
    /// `NotFound` if there is no such instance.
    async fn console_output(&self, target: &InstanceRef) -> Result<Vec<u8>>;
}
