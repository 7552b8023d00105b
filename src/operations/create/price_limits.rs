//! Checks that an existing instance keeps the price limits of a create.

use super::compare_existing::{exists_error, look_up_machine_type};
use super::offers::{CreateRequest, format_usd};
use crate::catalog::Catalog;
use crate::cloud::{Instance, InstanceName, Result, format_duration};

/// Refuses an existing instance that costs more than the maximum price, or lives longer than the budget lasts. Without a
/// known price there is no refusal.
///
/// # Errors
/// `AlreadyExists` if it is beyond a limit.
pub(super) fn check_limits(
    instance: &Instance,
    request: &CreateRequest,
    name: &InstanceName,
    catalog: &Catalog,
) -> Result<()> {
    let Some(reason) = find_exceeded_limit(instance, request, catalog) else {
        return Ok(());
    };
    let reference = &instance.reference;
    Err(exists_error(
        reference,
        format!("{name} exists as {reference}, and {reason}"),
        format!("raise the limit, use another name, or terminate it first: cloudctl terminate {reference}"),
    ))
}

fn find_exceeded_limit(instance: &Instance, request: &CreateRequest, catalog: &Catalog) -> Option<String> {
    let price = find_price(instance, catalog);
    if let Some(price) = price
        && let Some(max_price) = request.max_price
        && price > max_price
    {
        let (price, max_price) = (format_usd(price), format_usd(max_price));
        return Some(format!(
            "costs {price} USD an hour, more than the maximum of {max_price} USD"
        ));
    }
    let budget = request.budget?;
    let Some(ttl) = instance.ttl else {
        return Some("has no TTL, so its cost has no limit".to_owned());
    };
    let price = price?;
    let cost = price * ttl.as_secs_f64() / 3_600.0;
    // The TTL that a budget buys is rounded to a minute.
    if cost <= budget + price / 60.0 {
        return None;
    }
    let (cost, ttl, budget) = (format_usd(cost), format_duration(ttl), format_usd(budget));
    Some(format!(
        "would cost {cost} USD over its TTL of {ttl}, more than the budget of {budget} USD"
    ))
}

fn find_price(instance: &Instance, catalog: &Catalog) -> Option<f64> {
    if instance.price_usd_per_hour.is_some() {
        return instance.price_usd_per_hour;
    }
    let machine = look_up_machine_type(instance, catalog)?;
    let price = catalog.price(instance.provider, &instance.region, &machine, instance.spot)?;
    Some(price.usd_per_hour)
}
