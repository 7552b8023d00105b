//! Sends the create calls for one location, one generation after another.

use super::instances_by_name::{NameIndex, SearchScope, find_by_name, format_names, list_until_visible};
use crate::cloud::{
    Error, ErrorKind, GroupMembers, Instance, InstanceName, InstanceSpec, Provider, Result, TokenScope,
};
use crate::shutdown::Shutdown;

/// A name that was created and terminated more often than this, while the cloud remembers tokens, is in a loop.
const MAX_GENERATIONS: u32 = 1_000;

/// What the create calls came to.
#[derive(Default)]
pub(super) struct LaunchResult {
    /// The instances that are alive.
    pub(super) instances: Vec<Instance>,
    /// What the clouds listed under the names after the calls; empty where no other run can create the same names.
    pub(super) listings: NameIndex,
    /// Why the other instances were not created.
    pub(super) error: Option<Error>,
}

/// The specs of the calls that create the missing names: one for a VM, and for a group as many as the cloud needs.
pub(super) fn split_into_calls(
    spec: &InstanceSpec,
    missing: &[InstanceName],
    max_per_call: usize,
) -> Result<Vec<InstanceSpec>> {
    let Some(members) = &spec.members else {
        return Ok(vec![spec.clone()]);
    };
    let mut indexes = Vec::new();
    for index in members.indexes() {
        if missing.contains(&spec.name.member_name(*index)?) {
            indexes.push(*index);
        }
    }
    let groups = GroupMembers::split(&indexes, max_per_call).into_iter();
    Ok(groups.map(|members| copy_with_members(spec, members)).collect())
}

fn copy_with_members(spec: &InstanceSpec, members: GroupMembers) -> InstanceSpec {
    InstanceSpec {
        members: Some(members),
        ..spec.clone()
    }
}

/// Sends the create calls of one spec, and finds out what became of the instances.
pub(super) struct Launch<'a> {
    pub(super) provider: &'a dyn Provider,
    /// Everything that the names are looked up in.
    pub(super) search_scopes: &'a [SearchScope],
    pub(super) shutdown: &'a Shutdown,
}

impl Launch<'_> {
    /// Creates all names of the spec in its location. Starts with `first_generation`, and takes the next one for names
    /// whose token is already used.
    pub(super) async fn run(&self, spec: &InstanceSpec, first_generation: u32) -> LaunchResult {
        let mut result = LaunchResult::default();
        let error = self.launch_into(&mut result, spec, first_generation).await.err();
        LaunchResult { error, ..result }
    }

    async fn launch_into(&self, result: &mut LaunchResult, spec: &InstanceSpec, first_generation: u32) -> Result<()> {
        let mut rest = spec.clone();
        for generation in first_generation..first_generation.saturating_add(MAX_GENERATIONS) {
            self.shutdown.check_no_signal()?;
            let call = self.provider.create(&rest, generation);
            let Some(outcome) = self.shutdown.finish_in_grace_period(call).await else {
                return self.find_after_interrupt(result, &rest.instance_names()?).await;
            };
            self.confirm(result, &rest, outcome?.into_instances()).await?;
            match spec_of_missing(&rest, &result.instances)? {
                Some(missing) => rest = missing,
                None => return Ok(()),
            }
            tracing::debug!(%generation, "token already used");
        }
        let message = format!("the cloud accepted {MAX_GENERATIONS} create calls, but lists no VM of this name");
        Err(Error::new(ErrorKind::UnknownOutcome, message)
            .with_hint("use another name, or try this one again after an hour"))
    }

    /// Reads what `create` gave as it is now, and adds what is alive to the result. One listing of the names serves for
    /// this and for the search for duplicates.
    async fn confirm(&self, result: &mut LaunchResult, spec: &InstanceSpec, created: Vec<Instance>) -> Result<()> {
        if created.is_empty() {
            return Ok(());
        }
        let mut listed = Vec::new();
        result.listings.forget(&spec.instance_names()?);
        if self.may_have_duplicates(spec)
            && let Some(index) = list_until_visible(self.search_scopes, &created, self.shutdown).await
        {
            listed.extend(index.all_managed().cloned());
            result.listings.extend(index);
        }
        let answered = created.clone();
        let confirmation = self.provider.confirm_created(spec, created, &listed);
        match self.shutdown.finish_in_grace_period(confirmation).await {
            Some(confirmed) => result.instances.extend(confirmed?),
            // They exist, as the create call said.
            None => result.instances.extend(answered),
        }
        Ok(())
    }

    /// Whether another run may have created the same name at the same time, without the token of this one.
    fn may_have_duplicates(&self, spec: &InstanceSpec) -> bool {
        let shares_token = self.provider.info().token_scope == TokenScope::Region && spec.location.zone.is_none();
        !shares_token || spec.members.is_some() || self.search_scopes.len() > 1
    }

    /// Looks once for the names of a create call that did not answer within the grace period after a signal.
    ///
    /// # Errors
    /// `UnknownOutcome` if one of them has no instance.
    async fn find_after_interrupt(&self, result: &mut LaunchResult, names: &[InstanceName]) -> Result<()> {
        let index = match self.shutdown.final_read(find_by_name(self.search_scopes, names)).await {
            Some(Ok(index)) => index,
            // Nothing is known of any name then.
            Some(Err(_)) | None => NameIndex::default(),
        };
        let mut missing = Vec::new();
        for name in names {
            match index.alive(name).first() {
                Some(instance) => result.instances.push((*instance).clone()),
                None => missing.push(name.clone()),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!(
            "interrupted while {} was being created: it is not known whether it exists",
            format_names(&missing)
        );
        Err(Error::new(ErrorKind::UnknownOutcome, message)
            .with_hint("run the same command again, which finds it or creates it, or terminate it by name"))
    }
}

/// The spec of the names that have no instance yet; `None` if all have one.
fn spec_of_missing(spec: &InstanceSpec, instances: &[Instance]) -> Result<Option<InstanceSpec>> {
    let Some(members) = &spec.members else {
        return Ok(instances.is_empty().then(|| spec.clone()));
    };
    let mut missing = Vec::new();
    for index in members.indexes() {
        let name = spec.name.member_name(*index)?;
        let has_name = |instance: &Instance| instance.name.as_deref() == Some(name.as_str());
        if !instances.iter().any(has_name) {
            missing.push(*index);
        }
    }
    let groups = GroupMembers::split(&missing, missing.len());
    Ok(groups
        .into_iter()
        .next()
        .map(|members| copy_with_members(spec, members)))
}
