//! What one description of a VM comes to: a wish, and where it may go.

use std::sync::Arc;

use super::placement::{providers, sites};
use super::spec_file::merge::SpecFile;
use super::vm_request::Request;
use super::{Args, WaitArgument};
use crate::catalog::Catalog;
use crate::cloud::{Error, Provider, Result};
use crate::context::Context;
use crate::operations::{Fallback, Reach, Site, Wish};

/// One VM, or a group of them, and where it may go.
pub(super) struct Order {
    /// What is asked for.
    pub(super) wish: Wish,
    /// Where it is asked for.
    pub(super) sites: Vec<Site>,
    /// The clouds to go on to.
    pub(super) others: Vec<Arc<dyn Provider>>,
    /// How far to go on.
    fallback: Vec<Fallback>,
    /// What is waited for.
    pub(super) wait: WaitArgument,
    /// The port to reach it at by SSH.
    pub(super) ssh_port: u16,
    /// Whether something says how long it may live.
    pub(super) has_ttl_choice: bool,
}

impl Order {
    /// Puts flags and a file together, and finds the places.
    ///
    /// # Errors
    /// `InvalidSpec` naming what makes no sense; those of finding places.
    pub(super) async fn of(args: &Args, file: SpecFile, context: &mut Context) -> Result<Self> {
        let file = file.overridden_by(args);
        let fallback = if args.fallback.is_empty() {
            file.fallback.as_deref().unwrap_or_default()
        } else {
            args.fallback.as_slice()
        };
        let fallback: Vec<_> = fallback.iter().copied().map(Fallback::from).collect();
        let budget = args.budget.or(file.budget);
        let has_ttl_choice =
            budget.is_some() || args.ttl.is_some() || file.ttl.is_some() || context.settings.ttl.value.is_some();
        let wait = args.wait.or(file.wait).unwrap_or(WaitArgument::Running);
        let max_price = args.max_price.or(file.max_price);
        let providers = providers(&file, context)?;
        // All that can be checked without asking anybody comes before anybody is asked.
        let request = Request::of(args.clone(), file, context)?;
        check(&request, &fallback, providers.len())?;
        let sites = sites(&providers, &request, context).await?;
        let others = match fallback.contains(&Fallback::Provider) {
            true => {
                let is_other = |other: &Arc<dyn Provider>| !providers.iter().any(|known| known.kind() == other.kind());
                context.found_providers().into_iter().filter(is_other).collect()
            }
            false => Vec::new(),
        };
        let spec = request.spec()?;
        let count = spec.members.as_ref().map_or(1, |members| members.count());
        Ok(Self {
            wish: Wish {
                // A budget is that of the whole command.
                budget: budget.map(|budget| budget / count as f64),
                spec,
                max_price,
            },
            sites,
            others,
            fallback,
            wait,
            ssh_port: args.ssh_port,
            has_ttl_choice,
        })
    }

    /// Where it may go.
    pub(super) fn reach<'a>(&self, catalog: &'a Catalog) -> Reach<'a> {
        Reach {
            asked: self.sites.clone(),
            others: self.others.clone(),
            fallback: self.fallback.clone(),
            catalog,
        }
    }
}

/// A machine type is one cloud's word.
fn check(request: &Request, fallback: &[Fallback], providers: usize) -> Result<()> {
    let Some(machine_type) = request.machine_type() else {
        return Ok(());
    };
    if providers > 1 {
        let error = Error::invalid(format!(
            "{machine_type} is one provider's machine type, but several are given"
        ));
        return Err(error.with_remedy("say what is needed, with --cpus and --memory, or pass one -p"));
    }
    if fallback.contains(&Fallback::Provider) && !fallback.contains(&Fallback::Type) {
        let error = Error::invalid(format!("no other provider has the machine type {machine_type}"));
        return Err(error.with_remedy("use --fallback type,provider, or say what is needed with --cpus and --memory"));
    }
    Ok(())
}
