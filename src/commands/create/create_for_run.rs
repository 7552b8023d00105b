//! Creates the VM of `cloudctl run`.

use std::sync::Arc;
use std::time::Duration;

use super::args::Args;
use super::progress::create_all;
use super::spec_file::merge::SpecFile;
use super::vm_request::{VmRequest, generate_name, read_user_data_input};
use super::{check_all_accounts, read_spec_files, wait_for_created};
use crate::catalog::{DEFAULT_IMAGE, LoginMethod, image_alias};
use crate::cloud::{Error, IngressRule, Instance, Provider, Result, format_duration};
use crate::command_context::Context;

/// What a VM lives longer than its command may run: for the boot, copies and fetches.
const EXTRA_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// The flags and the file of the VM, read and checked as far as that needs no call.
pub(in crate::commands) struct RunVm {
    args: Args,
    file: SpecFile,
}

/// What the VM is for.
pub(in crate::commands) struct RunPurpose<'a> {
    pub(in crate::commands) run_id: &'a str,
    pub(in crate::commands) time_limit: Duration,
    /// Whether a run that has ended, and whose VM is gone, starts anew.
    pub(in crate::commands) starts_again: bool,
    /// The port to open if the flags open nothing and name no firewall.
    pub(in crate::commands) port_to_open: Option<u16>,
}

/// The VM, if it exists, and why it is not ready.
pub(in crate::commands) struct CreatedForRun {
    pub(in crate::commands) instance: Option<Instance>,
    /// Whether this run created it.
    pub(in crate::commands) is_new: bool,
    pub(in crate::commands) errors: Vec<Error>,
}

impl RunVm {
    /// Reads the file and the user data.
    ///
    /// # Errors
    /// `InvalidSpec` for a flag that is not for `run`, and a file that cannot be read or has several VMs.
    pub(in crate::commands) fn read(args: Args, context: &mut Context) -> Result<Self> {
        refuse_flags(&args)?;
        let mut files = read_spec_files(&args, context)?;
        let args = read_user_data_input(args, &files, context)?;
        match (files.pop(), files.is_empty()) {
            (Some(file), true) if file.count.is_none_or(|count| count == 1) => Ok(Self { args, file }),
            _ => Err(Error::invalid("the file has several VMs, and the command runs in one")
                .with_hint("pass a file with one VM")),
        }
    }

    /// The name that the flags or the file give.
    pub(in crate::commands) fn name(&self) -> Option<&str> {
        let name = self.args.name().or(self.file.name.as_ref());
        name.map(String::as_str)
    }

    /// Sets the name of a VM without one.
    pub(in crate::commands) fn set_name(&mut self, name: String) {
        self.args.name = Some(name);
    }

    /// Makes up a name.
    pub(in crate::commands) fn make_up_name() -> Result<String> {
        Ok(generate_name()?.to_string())
    }

    /// Whether a key for logging in is named, or refused.
    pub(in crate::commands) fn names_key(&self) -> bool {
        self.args.ssh_key.is_some() || self.file.ssh_key.is_some()
    }

    /// How long to wait for the VM.
    pub(in crate::commands) fn timeout(&self) -> Duration {
        self.args.timeout
    }

    /// Finds out what to create, and where.
    ///
    /// # Errors
    /// `InvalidSpec` for a flag or key with a mistake, a TTL that ends before the command's time is over, and a Windows
    /// image; those of finding the location.
    pub(in crate::commands) async fn prepare(
        self,
        purpose: &RunPurpose<'_>,
        context: &mut Context,
    ) -> Result<PreparedRunVm> {
        let names_ttl = self.args.ttl.is_some() || self.file.ttl.is_some();
        let timeout = self.args.timeout;
        let mut request = VmRequest::build(&self.args, self.file, true, context).await?;
        let create = &mut request.create;
        let spec = &mut create.spec;
        spec.run_id = Some(purpose.run_id.to_owned());
        create.repeats_ended_run = purpose.starts_again;
        let lifetime = purpose.time_limit + EXTRA_LIFETIME;
        match spec.ttl {
            Some(ttl) if ttl >= lifetime => {}
            Some(ttl) if names_ttl && create.budget.is_none() => {
                return Err(Error::invalid(format!(
                    "a TTL of {} can end the VM before its command has had {}",
                    format_duration(ttl),
                    format_duration(purpose.time_limit)
                ))
                .with_hint(format!(
                    "pass --ttl {} or more, or a shorter --time",
                    format_duration(lifetime)
                )));
            }
            // `never` is no answer here: nothing else would end the VM if this machine dies.
            _ => spec.ttl = Some(lifetime),
        }
        let alias = image_alias(spec.image.as_deref().unwrap_or(DEFAULT_IMAGE));
        if matches!(alias.map(|alias| &alias.login), Some(LoginMethod::Password(_))) {
            return Err(
                Error::invalid("a command cannot be run in a Windows VM, which takes no SSH keys").with_hint(
                    "take a Linux image, or create the VM with `cloudctl create` and log in by Remote Desktop",
                ),
            );
        }
        if let Some(port) = purpose.port_to_open
            && spec.public_ip
            && spec.ingress_rules.is_empty()
            && spec.firewalls.is_empty()
        {
            spec.ingress_rules.push(port.to_string().parse::<IngressRule>()?);
        }
        Ok(PreparedRunVm { request, timeout })
    }
}

/// A VM that can be created.
pub(in crate::commands) struct PreparedRunVm {
    request: VmRequest,
    timeout: Duration,
}

impl PreparedRunVm {
    /// Whether the VM gets a key of the user's.
    pub(in crate::commands) fn has_key(&self) -> bool {
        let spec = &self.request.create.spec;
        spec.ssh_key.is_some() || spec.default_ssh_key.is_some()
    }

    /// Gives the VM this public key.
    pub(in crate::commands) fn set_default_key(&mut self, public_key: String) {
        self.request.create.spec.default_ssh_key = Some(public_key);
    }

    /// The clouds on which it may be created.
    pub(in crate::commands) fn providers(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.request.providers()
    }

    /// Creates the VM unless it exists, and waits until it runs.
    ///
    /// # Errors
    /// `Refused` if the credentials are for another account than the expected one.
    pub(in crate::commands) async fn create(self, context: &mut Context) -> Result<CreatedForRun> {
        let requests = [self.request];
        check_all_accounts(&requests, context).await?;
        let (created, mut errors) = create_all(&requests, context).await;
        let is_new = created.iter().any(|created| !created.already_existed);
        let instances = created.into_iter().map(|created| created.instance).collect();
        let mut instances =
            wait_for_created::wait_for_all(&requests, instances, self.timeout, &mut errors, context).await;
        Ok(CreatedForRun {
            instance: instances.pop().filter(|instance| !instance.state.is_gone()),
            is_new,
            errors,
        })
    }
}

/// Refuses the flags of `create` that have no meaning for `run`.
fn refuse_flags(args: &Args) -> Result<()> {
    let refuse =
        |flag: &str, hint: &str| Err(Error::invalid(format!("{flag} is not for `cloudctl run`")).with_hint(hint));
    if args.count.is_some_and(|count| count != 1) {
        return refuse(
            "--count",
            "a command runs in one VM; start several runs with names of their own",
        );
    }
    if args.dry_run {
        return refuse("--dry-run", "pass the same flags to `cloudctl create --dry-run`");
    }
    if args.wait.is_some() {
        return refuse("--wait", "leave it out: the command is waited for");
    }
    if args.protect {
        return refuse(
            "--protect",
            "leave it out: the VM is terminated at the end; --keep always keeps it",
        );
    }
    Ok(())
}
