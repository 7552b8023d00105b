//! The contract that every cloud implements: five families of methods, and [`Provider`] over them.
//!
//! Every driver keeps these promises, and the conformance suite holds each of them to it:
//!
//! - the kind of an error says whether the call can have had an effect: only `UnknownOutcome` can;
//! - a spec field is honoured or refused, never ignored;
//! - a listing is complete, or says what is missing, or is an error.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    BatchTracker, CloudInfo, Error, Gap, HostKey, Image, Instance, InstanceAction, InstanceRef, InstanceSink,
    InstanceSpec, LabelChanges, LaunchPreview, ListFilter, ListScope, Listing, Location, LoginUser, MachineType,
    OrphanedDisk, PretendShell, ProviderKind, Result, TargetOutcome,
};

/// Who calls, as the cloud sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account (EC2) or project (Compute Engine) that calls go to.
    pub account: String,
    /// The user, role or service account; `None` where the credentials do not say.
    pub principal: Option<String>,
}

/// The result of a create call.
#[derive(Debug)]
pub enum CreateOutcome {
    /// The instances that the call created, or that an earlier call with the same token created, as the answer describes
    /// them. [`Instances::confirm_created`] tells what became of them.
    Created(Vec<Instance>),
    /// The token belongs to instances that are gone. The token of the next generation is free.
    TokenAlreadyUsed,
}

impl CreateOutcome {
    /// Gives the instances of the token; none if they are known to be gone.
    pub fn into_instances(self) -> Vec<Instance> {
        match self {
            Self::Created(instances) => instances,
            Self::TokenAlreadyUsed => Vec::new(),
        }
    }
}

/// The price that a cloud publishes for a machine type in a region.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedPrice {
    /// The region.
    pub region: String,
    /// The machine type, as the cloud names it. A cloud that charges for parts of a machine gives the part, as the
    /// catalog names it.
    pub machine_type: String,
    /// Whether this is the price of spare capacity.
    pub spot: bool,
    /// USD per hour, with Linux and without disk and traffic.
    pub usd_per_hour: f64,
}

/// Creates, lists and changes instances.
#[async_trait]
pub trait Instances: Send + Sync {
    /// Resolves a spec to what [`create`](Self::create) would create, and asks the cloud whether it would allow the
    /// call, where the cloud can be asked. Changes nothing.
    ///
    /// # Errors
    /// `InvalidSpec` and `Unsupported` for what this cloud cannot create; those of any call.
    async fn preview(&self, spec: &InstanceSpec) -> Result<LaunchPreview>;

    /// Checks a spec and looks up what [`create`](Self::create) needs for it, and keeps the answers, so that `create` can
    /// send its call at once. Changes nothing, and can run beside other look-ups.
    ///
    /// # Errors
    /// The errors that `create` gives before it sends its call.
    async fn prepare(&self, _spec: &InstanceSpec) -> Result<()> {
        Ok(())
    }

    /// Creates the instance of the spec, or all members of its group, in one call: all of them or none. The call that
    /// creates an instance also marks it as ours.
    ///
    /// A second call with the same name, members, location and `generation` never creates more. It gives the instances
    /// of the first call that still exist, even if the first call had another spec (compare
    /// [`Instance::spec_fingerprint`]).
    ///
    /// # Errors
    /// `InvalidSpec`, `Unsupported`, `Quota`, `Capacity`, `Throttled`, `Network` and the like: nothing was created.
    /// `InvalidSpec` also for more members than [`CloudInfo::max_instances_per_call`].
    /// `AlreadyExists`: an instance that is not ours has the name. `UnknownOutcome`: instances may have been created.
    async fn create(&self, spec: &InstanceSpec, generation: u32) -> Result<CreateOutcome>;

    /// Gives the instances that [`create`](Self::create) gave for this spec as they are now. An instance that shut itself
    /// down is given, too. An instance that another user terminated is left out, and the caller creates it again. `listed`
    /// is a listing of their names after the call; a driver reads the instances that are not in it.
    ///
    /// # Errors
    /// `Capacity`, `Quota` and the like if no instance is alive, because the cloud ended one before it came up.
    /// `AlreadyExists` if an instance that is not ours has its name now.
    async fn confirm_created(
        &self,
        _spec: &InstanceSpec,
        created: Vec<Instance>,
        listed: &[Instance],
    ) -> Result<Vec<Instance>> {
        Ok(created
            .into_iter()
            .map(|instance| instance.updated_from(listed))
            .collect())
    }

    /// Gives one instance, with all that the cloud tells about it.
    ///
    /// # Errors
    /// `NotFound` if the cloud does not know the instance, or no longer.
    async fn get(&self, instance: &InstanceRef) -> Result<Instance>;

    /// Reads every page of the sink's scope and puts each into the sink as it comes. Gives the parts of the scope that
    /// did not answer: with any of them the listing is incomplete. Instances that are gone but still listed by the cloud
    /// are included, as `Terminated`.
    ///
    /// # Errors
    /// Those of any call. What was put into the sink by then is true, but the listing is incomplete.
    async fn list_into(&self, sink: &InstanceSink<'_>) -> Result<Vec<Gap>>;

    /// Lists one scope completely, sorted by reference.
    ///
    /// # Errors
    /// As [`list_into`](Self::list_into); the whole scope is then missing.
    async fn list(&self, scope: &ListScope, filter: &ListFilter) -> Result<Listing> {
        let mut instances = Vec::new();
        let mut collect = |page: Vec<Instance>| instances.extend(page);
        let gaps = self.list_into(&InstanceSink::new(scope, filter, &mut collect)).await?;
        instances.sort_by(|one, other| one.reference.cmp(&other.reference));
        Ok(Listing { instances, gaps })
    }

    /// Applies an action to instances, in as few calls as the cloud allows. Gives one outcome for each target, in the
    /// same order.
    ///
    /// `Ok` means that the cloud accepted the change, or that the instance is in that state already. The errors of a
    /// target: `NotFound` if it does not exist, `Protected` if it must not be terminated, `Refused` in a state that
    /// forbids the action, `Interrupted` if the tracker allowed no more calls, those of any call.
    async fn apply(
        &self,
        action: InstanceAction,
        targets: &[InstanceRef],
        tracker: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome>;

    /// Sets how long an instance may live, counted from its creation: its label, and the timer that terminates it, as
    /// far as that can be moved.
    ///
    /// # Errors
    /// `NotFound`. `Refused` if the timer cannot be moved; then nothing was changed. `UnknownOutcome`; those of any
    /// call.
    async fn set_ttl(&self, instance: &InstanceRef, ttl: Duration) -> Result<()>;

    /// Checks label changes by the rules of this cloud: their keys and values, and whether each target can take them with
    /// the labels that it has. Without targets it checks keys and values alone. Sends no call.
    ///
    /// # Errors
    /// `InvalidSpec`, with the label or the target, and the rule.
    fn check_label_changes(&self, changes: &LabelChanges, targets: &[Instance]) -> Result<()>;

    /// Sets and removes labels of instances, as they were listed just before, in as few calls as the cloud allows. Other
    /// labels stay as they are, also those that somebody else changes at the same time. Gives one outcome for each
    /// target, in the same order.
    ///
    /// `Ok` means that the instance has the labels now. The errors of a target: `NotFound`, `Refused` if it is being
    /// terminated, `Incomplete` if only some of the changes were made, `Interrupted` if the tracker allowed no more
    /// calls, `UnknownOutcome`, those of any call.
    async fn set_labels(
        &self,
        targets: &[Instance],
        changes: &LabelChanges,
        tracker: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome>;

    /// Gives the console output of an instance, as far as the cloud keeps it; empty if it wrote nothing yet.
    ///
    /// # Errors
    /// `NotFound` if there is no such instance.
    async fn console_output(&self, instance: &InstanceRef) -> Result<Vec<u8>>;
}

/// Regions, zones, and the scopes of listing calls.
#[async_trait]
pub trait Locations: Send + Sync {
    /// Gives the location that the cloud's own configuration names, for use when the user names none.
    ///
    /// # Errors
    /// `InvalidSpec` if that configuration cannot be read.
    async fn default_location(&self) -> Result<Option<Location>>;

    /// Resolves the region and zone that a user typed to a location; at least one is given.
    ///
    /// # Errors
    /// `InvalidSpec` if there is no such region or zone, or the zone is not in the region; the message names it.
    async fn resolve_location(&self, region: Option<&str>, zone: Option<&str>) -> Result<Location>;

    /// Gives the location that a region and zone mean by their form alone, without a call; `None` if the form does not say.
    /// The location may not exist: [`Instances::prepare`] finds out.
    fn parse_location(&self, _region: Option<&str>, _zone: Option<&str>) -> Option<Location> {
        None
    }

    /// Lists the regions that this account can use, sorted by name.
    ///
    /// # Errors
    /// Those of any call.
    async fn regions(&self) -> Result<Vec<String>>;

    /// Lists the scopes that together cover all of the cloud that this account can use.
    ///
    /// # Errors
    /// Those of any call.
    async fn list_scopes(&self) -> Result<Vec<ListScope>>;

    /// Lists the scopes that every account has, so that they can be queried before the cloud has answered
    /// [`list_scopes`](Self::list_scopes). Sends no call except what credentials and configuration need.
    async fn known_list_scopes(&self) -> Vec<ListScope> {
        Vec::new()
    }

    /// Lists the zones of the spec's region that have its machine type, in the order to try: the same order in every
    /// process. If the spec names a zone, only that one.
    ///
    /// # Errors
    /// `InvalidSpec` if no zone has it; those of any call.
    async fn candidate_zones(&self, spec: &InstanceSpec) -> Result<Vec<Location>>;
}

/// Machine types, images and prices, as the cloud says now.
#[async_trait]
pub trait CatalogSource: Send + Sync {
    /// Lists the machine types of a region, in no order. With `names` only those of them that the region has, in fewer
    /// calls.
    ///
    /// # Errors
    /// Those of any call.
    async fn machine_types(&self, region: &str, names: &[String]) -> Result<Vec<MachineType>>;

    /// Lists the image that each image alias means in a region now, for each architecture of the alias. Aliases without
    /// an image are left out.
    ///
    /// # Errors
    /// Those of any call.
    async fn images(&self, region: &str) -> Result<Vec<Image>>;

    /// Gives the spot price of a machine type in a location, in USD per hour; `None` where the cloud does not tell it.
    ///
    /// # Errors
    /// Those of any call.
    async fn spot_price(&self, _location: &Location, _machine_type: &str) -> Result<Option<f64>> {
        Ok(None)
    }

    /// Lists every price that the cloud publishes for its machine types.
    ///
    /// # Errors
    /// `Unsupported` if it publishes none; those of any call.
    async fn published_prices(&self) -> Result<Vec<PublishedPrice>> {
        Err(Error::unsupported("this cloud publishes no prices"))
    }

    /// Gives the price of a machine type in USD per hour where it is known without a call: only where the driver itself
    /// sets the prices.
    fn fixed_price(&self, _machine_type: &str) -> Option<f64> {
        None
    }
}

/// Who calls, when, and whether an instance can be reached.
#[async_trait]
pub trait Access: Send + Sync {
    /// Gives the account and the principal of the credentials.
    ///
    /// # Errors
    /// `Unauthenticated` without usable credentials; `PermissionDenied`, `Network`.
    async fn identity(&self) -> Result<Identity>;

    /// Gives the time of the cloud's clock. Whether an instance has expired is decided by it, never by the clock of this
    /// machine alone.
    ///
    /// # Errors
    /// Those of any call; `Network` also if the cloud's answers have no time.
    async fn server_time(&self) -> Result<Timestamp>;

    /// Says whether an instance answers on its SSH port, for a cloud whose instances cannot be connected to; `None`
    /// means: connect to find out.
    fn probe_ssh(&self, _instance: &Instance) -> Option<bool> {
        None
    }

    /// Gives the SSH host keys that an instance has published to its cloud, apart from its console; none if it has not
    /// done so, or not yet.
    ///
    /// # Errors
    /// `NotFound`; those of any call.
    async fn published_host_keys(&self, _instance: &InstanceRef) -> Result<Vec<HostKey>> {
        Ok(Vec::new())
    }

    /// Gives the user who logs in to an instance by SSH. `own_keys` are the fingerprints of the caller's keys: where each
    /// key has a user of its own, that of one of them is preferred.
    ///
    /// # Errors
    /// Those of any call.
    async fn login_user(&self, _instance: &Instance, _own_keys: &[String]) -> Result<LoginUser> {
        Ok(LoginUser::Unknown("its cloud does not tell it".to_owned()))
    }

    /// Gives what an instance answers that nobody can connect to, because it runs nothing; `None` for a real one.
    ///
    /// # Errors
    /// `InvalidSpec` for a setting that cannot be read.
    fn pretend_shell(&self, _instance: &Instance) -> Result<Option<PretendShell>> {
        Ok(None)
    }
}

/// Finds and deletes what instances that are gone left behind.
#[async_trait]
pub trait Cleanup: Send + Sync {
    /// Deletes the firewall rules that were created for the ingress rules of instances that are gone, unless another
    /// instance uses them. Gives a sentence for each rule that is kept, and why. A rule that cannot be deleted does not
    /// stop the others.
    ///
    /// # Errors
    /// Those of any call.
    async fn delete_unused_firewall_rules(&self, gone: &[Instance]) -> Result<Vec<String>>;

    /// Lists the disks of instances that are gone which still exist. The disks are those of [`Instance::disks`], as they
    /// were listed before.
    ///
    /// # Errors
    /// Those of any call.
    async fn orphaned_disks(&self, gone: &[Instance]) -> Result<Vec<OrphanedDisk>>;
}

/// A cloud: all families together.
pub trait Provider: Instances + Locations + CatalogSource + Access + Cleanup {
    /// What is true of the cloud without a call.
    fn info(&self) -> &'static CloudInfo;

    /// Which cloud this is.
    fn kind(&self) -> ProviderKind {
        self.info().kind
    }
}
