//! What Google publishes of Compute Engine's prices, through the Cloud Billing Catalog API: those of the parts that
//! machines are made of, for on-demand and for spare capacity.
//! <https://cloud.google.com/billing/docs/reference/rest/v1/services.skus/list>
//!
//! Nothing in an entry but its description says which family it is for, so the descriptions are read, and those that are
//! not understood are left out. A price that is missing for that is unknown, and never another one's.

use std::collections::BTreeMap;

use google_cloud_billing_v1::client::CloudCatalog;
use google_cloud_billing_v1::model::{self, ListSkusResponse};

use super::offline::{Sku, SkuKind};
use crate::cloud::{PublishedPrice, Result, normalize_gpu_kind};
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::api::pagination::{Page, all_pages};
use crate::providers::gcp::api::retry::prepared;

/// Compute Engine, among the services that have prices.
const SERVICE: &str = "services/6F81-5844-456A";
/// The most that the API gives at once.
const PAGE: i32 = 5_000;

type Prices = BTreeMap<(String, String, bool), f64>;

/// Every price that is understood, with all pages of the list.
pub(crate) async fn published(client: &Client) -> Result<Vec<PublishedPrice>> {
    let endpoint = client.endpoint_of("cloudbilling", "/v1").await?;
    let builder = CloudCatalog::builder().with_credentials(client.credentials().await?.clone());
    let builder = builder.with_universe_domain(client.universe_or_default().await?);
    let catalog = builder.with_endpoint(endpoint.clone()).build().await;
    let catalog = catalog.map_err(|error| client.cannot_connect(&endpoint, error))?;
    let fetch = |token: Option<String>| {
        let catalog = &catalog;
        async move {
            let token = token.unwrap_or_default();
            client
                .read("fetch the prices of Compute Engine", "", || {
                    let call = catalog.list_skus().set_parent(SERVICE).set_page_size(PAGE);
                    prepared(call.set_currency_code("USD").set_page_token(&token)).send()
                })
                .await
        }
    };
    let take_in = |prices: &mut Prices, page: ListSkusResponse| {
        for sku in &page.skus {
            take_price(prices, sku);
        }
        Ok(Page::of(page.skus.len(), Some(page.next_page_token)))
    };
    let prices = all_pages(fetch, take_in).await?;
    let price = |((region, machine_type, spot), usd_per_hour)| PublishedPrice {
        region,
        machine_type,
        spot,
        usd_per_hour,
    };
    Ok(prices.into_iter().map(price).collect())
}

fn take_price(prices: &mut Prices, sku: &model::Sku) {
    let Some(category) = sku
        .category
        .as_ref()
        .filter(|category| category.resource_family == "Compute")
    else {
        return;
    };
    let spot = match category.usage_type.as_str() {
        "OnDemand" => false,
        "Preemptible" => true,
        _ => return,
    };
    let (Some(part), Some(usd)) = (part_of(&sku.description), hourly_price(sku)) else {
        return;
    };
    for region in &sku.service_regions {
        // Of two prices for the same thing the higher one: nobody must be told of too little.
        let known = prices.entry((region.clone(), part.clone(), spot)).or_insert(usd);
        *known = known.max(usd);
    }
}

/// USD for an hour of one of it. What is free up to some amount costs what is beyond.
fn hourly_price(sku: &model::Sku) -> Option<f64> {
    let expression = sku.pricing_info.last()?.pricing_expression.as_ref()?;
    if !matches!(expression.usage_unit.as_str(), "h" | "GiBy.h" | "GBy.h") {
        return None;
    }
    let rates = expression
        .tiered_rates
        .iter()
        .filter_map(|rate| rate.unit_price.as_ref());
    let usd = rates
        .filter(|money| matches!(money.currency_code.as_str(), "USD" | ""))
        .map(|money| money.units as f64 + f64::from(money.nanos) / 1e9)
        .max_by(f64::total_cmp)?;
    (usd > 0.0).then_some(usd)
}

/// The part that a description such as `Spot Preemptible N2D AMD Custom Instance Core running in Netherlands` is of, in
/// the catalogue's words.
fn part_of(description: &str) -> Option<String> {
    let lower = description.to_lowercase();
    let thing = [" running in ", " attached to "]
        .iter()
        .fold(lower.as_str(), |text, end| text.split(end).next().unwrap_or(text));
    let thing = thing.strip_prefix("spot ").unwrap_or(thing);
    let thing = thing.strip_prefix("preemptible ").unwrap_or(thing);
    if let Some(gpu) = thing.strip_suffix(" gpu") {
        // `nvidia h100 80gb plus`: the accelerator of a3-megagpu.
        let kind = normalize_gpu_kind(gpu);
        let kind = match kind.as_str() {
            "h100-80gb-mega" | "h100-80gb-plus" | "h100-plus-80gb" => "h100-mega-80gb",
            kind => kind,
        };
        return gpu.starts_with("nvidia ").then(|| Sku::Gpu(kind).to_string());
    }
    let mut words: Vec<&str> = thing.split(' ').collect();
    match words.as_slice() {
        ["micro", "instance", "with", "burstable", "cpu"] => return Some(Sku::Whole("f1").to_string()),
        ["small", "instance", "with", "1", "vcpu"] => return Some(Sku::Whole("g1").to_string()),
        _ => {}
    }
    let unit = words.pop()?;
    words.retain(|word| !matches!(*word, "instance" | "predefined" | "amd" | "arm"));
    let is_custom = take(&mut words, "custom");
    let is_extended = take(&mut words, "extended");
    let sort = match (is_custom, is_extended) {
        (false, false) => SkuKind::Predefined,
        (true, false) => SkuKind::Custom,
        (true, true) => SkuKind::Extended,
        (false, true) => return None,
    };
    let family = match words.as_slice() {
        // The first generation had no name when it was the only one.
        [] if is_custom => "n1",
        ["compute", "optimized"] => "c2",
        ["memory-optimized"] => "m1",
        ["m3", "memory-optimized"] => "m3",
        [family] if is_family(family) => family,
        _ => return None,
    };
    match unit {
        "core" => Some(Sku::Core(family, sort).to_string()),
        "ram" => Some(Sku::Memory(family, sort).to_string()),
        _ => None,
    }
}

fn take(words: &mut Vec<&str>, wanted: &str) -> bool {
    let before = words.len();
    words.retain(|word| *word != wanted);
    words.len() < before
}

/// Whether a word is such as `n2`, `c3d` or `t2a`.
fn is_family(word: &str) -> bool {
    let mut characters = word.chars();
    let (first, second) = (characters.next(), characters.next());
    first.is_some_and(|first| first.is_ascii_lowercase())
        && second.is_some_and(|second| second.is_ascii_digit())
        && word.len() <= 3
        && characters.all(|rest| rest.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use google_cloud_billing_v1::model::pricing_expression::TierRate;
    use google_cloud_billing_v1::model::{Category, PricingExpression, PricingInfo};

    use super::*;

    #[test]
    fn descriptions_are_read_or_left_out() {
        for (description, part) in [
            ("N2 Instance Core running in Americas", Some("n2 core")),
            (
                "Spot Preemptible N2 Instance Ram running in Americas",
                Some("n2 memory"),
            ),
            ("N1 Predefined Instance Core running in Americas", Some("n1 core")),
            ("Custom Instance Core running in Americas", Some("n1-custom core")),
            (
                "Custom Extended Instance Ram running in Americas",
                Some("n1-custom-extended memory"),
            ),
            (
                "N2D AMD Custom Instance Core running in Netherlands",
                Some("n2d-custom core"),
            ),
            ("Compute optimized Core running in Americas", Some("c2 core")),
            ("Memory-optimized Instance Ram running in Americas", Some("m1 memory")),
            ("M3 Memory-optimized Instance Core running in Americas", Some("m3 core")),
            ("C4A Arm Instance Core running in Americas", Some("c4a core")),
            (
                "Micro Instance with burstable CPU running in Americas",
                Some("f1 whole"),
            ),
            ("Small Instance with 1 VCPU running in Americas", Some("g1 whole")),
            ("Nvidia Tesla T4 GPU running in Americas", Some("gpu t4")),
            (
                "Nvidia Tesla T4 GPU attached to Spot Preemptible VMs running in Americas",
                Some("gpu t4"),
            ),
            ("Nvidia Tesla A100 80GB GPU running in Americas", Some("gpu a100-80gb")),
            ("Nvidia L4 GPU running in Americas", Some("gpu l4")),
            ("N2 Sole Tenancy Instance Core running in Americas", None),
            (
                "Sole Tenancy Premium for N2 Sole Tenancy Instance Core running in Americas",
                None,
            ),
            (
                "Memory Optimized Upgrade Premium for Memory-optimized Instance Core running in Americas",
                None,
            ),
            ("Reserved N2 Instance Core in Americas", None),
            ("Storage PD Capacity", None),
        ] {
            assert_eq!(part_of(description).as_deref(), part, "{description}");
        }
    }

    fn sku(usage: &str, nanos: &[i32], unit: &str) -> model::Sku {
        let rates = nanos.iter().map(|nanos| {
            let mut rate = TierRate::new();
            rate.unit_price.get_or_insert_default().nanos = *nanos;
            rate
        });
        let expression = PricingExpression::new().set_usage_unit(unit).set_tiered_rates(rates);
        model::Sku::new()
            .set_description("N2 Instance Core running in Americas")
            .set_category(Category::new().set_resource_family("Compute").set_usage_type(usage))
            .set_service_regions(["us-central1", "us-east1"])
            .set_pricing_info([PricingInfo::new().set_pricing_expression(expression)])
    }

    #[test]
    fn a_price_is_that_of_each_region_and_never_nothing() {
        let prices = |sku: &model::Sku| {
            let mut prices = Prices::new();
            take_price(&mut prices, sku);
            prices
                .into_iter()
                .map(|((region, part, spot), usd)| (region, part, spot, usd))
                .collect::<Vec<_>>()
        };
        let row = |region: &str, spot| (region.to_owned(), "n2 core".to_owned(), spot, 0.031611);
        assert_eq!(
            prices(&sku("OnDemand", &[31_611_000], "h")),
            [row("us-central1", false), row("us-east1", false)]
        );
        // Free up to some amount.
        assert_eq!(
            prices(&sku("Preemptible", &[0, 31_611_000], "h")),
            [row("us-central1", true), row("us-east1", true)]
        );
        for other in [
            sku("Commit1Yr", &[1], "h"),
            sku("OnDemand", &[0], "h"),
            sku("OnDemand", &[1], "mo"),
        ] {
            assert_eq!(prices(&other), []);
        }
    }
}
