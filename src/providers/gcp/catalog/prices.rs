//! Published prices of Compute Engine, from the Cloud Billing Catalog API: on-demand and spot prices of the SKUs that
//! machines are made of. <https://cloud.google.com/billing/docs/reference/rest/v1/services.skus/list>
//!
//! Only the description of an entry says which family it is for. Descriptions that are not understood are left out:
//! their price is then unknown, and never that of another SKU.

use std::collections::BTreeMap;

use google_cloud_billing_v1::client::CloudCatalog;
use google_cloud_billing_v1::model::{self, ListSkusResponse};

use super::built_in_catalog::{Sku, SkuKind};
use crate::cloud::{PublishedPrice, Result, normalize_gpu_kind};
use crate::providers::gcp::api::client::{Client, NO_ZONE, with_call_options};
use crate::providers::gcp::api::pagination::{Page, collect_all};
use crate::providers::gcp::configuration::endpoints::GoogleApi;

/// The id of Compute Engine among the services with prices.
const SERVICE: &str = "services/6F81-5844-456A";
/// The most entries that the API returns in one page.
const PAGE_SIZE: i32 = 5_000;

/// Prices in USD per hour.
type Prices = BTreeMap<PriceKey, f64>;

/// What a price is for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PriceKey {
    region: String,
    sku: String,
    spot: bool,
}

/// Lists every price whose description is understood.
pub(crate) async fn list_published_prices(client: &Client) -> Result<Vec<PublishedPrice>> {
    let endpoint = client.resolve_endpoint(GoogleApi::CLOUD_BILLING).await?;
    let catalog_client = &CloudCatalog::builder()
        .with_credentials(client.credentials().await?.clone())
        .with_universe_domain(client.universe_or_default().await?)
        .with_endpoint(endpoint.clone())
        .build()
        .await
        .map_err(|error| client.client_setup_error(&endpoint, error))?;
    let fetch_page = |token: Option<String>| {
        // The API takes an empty token for none.
        let token = token.unwrap_or_default();
        client.read("fetch the prices of Compute Engine", NO_ZONE, move || {
            let request = catalog_client
                .list_skus()
                .set_parent(SERVICE)
                .set_page_size(PAGE_SIZE)
                .set_currency_code("USD")
                .set_page_token(&token);
            with_call_options(request).send()
        })
    };
    let add_page = |prices: &mut Prices, page: ListSkusResponse| {
        for sku in &page.skus {
            add_price(prices, sku);
        }
        Ok(Page::new(page.skus.len(), Some(page.next_page_token)))
    };
    let prices = collect_all(fetch_page, add_page).await?;
    let published_prices = prices.into_iter().map(|(key, usd_per_hour)| PublishedPrice {
        region: key.region,
        machine_type: key.sku,
        spot: key.spot,
        usd_per_hour,
    });
    Ok(published_prices.collect())
}

fn add_price(prices: &mut Prices, sku: &model::Sku) {
    let Some(category) = &sku.category else { return };
    let spot = match (category.resource_family.as_str(), category.usage_type.as_str()) {
        ("Compute", "OnDemand") => false,
        ("Compute", "Preemptible") => true,
        _ => return,
    };
    let (Some(name), Some(usd)) = (parse_sku(&sku.description), read_hourly_price(sku)) else {
        return;
    };
    for region in &sku.service_regions {
        // Of two prices for one SKU keep the higher one, so that no shown price is too low.
        let key = PriceKey {
            region: region.clone(),
            sku: name.clone(),
            spot,
        };
        let known = prices.entry(key).or_insert(usd);
        *known = known.max(usd);
    }
}

/// Returns the price in USD per hour. If an amount is free, the price beyond it counts.
fn read_hourly_price(sku: &model::Sku) -> Option<f64> {
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

/// Returns the catalog's SKU for a description such as `Spot Preemptible N2D AMD Custom Instance Core running in
/// Netherlands`.
fn parse_sku(description: &str) -> Option<String> {
    let mut text = description.to_lowercase();
    for start_of_place in [" running in ", " attached to "] {
        text.truncate(text.find(start_of_place).unwrap_or(text.len()));
    }
    let without_spot = text.strip_prefix("spot ").unwrap_or(&text);
    let product = without_spot.strip_prefix("preemptible ").unwrap_or(without_spot);
    if let Some(gpu) = product.strip_suffix(" gpu") {
        return parse_gpu_sku(gpu);
    }
    match product {
        "micro instance with burstable cpu" => Some(Sku::Whole("f1").to_string()),
        "small instance with 1 vcpu" => Some(Sku::Whole("g1").to_string()),
        _ => parse_core_or_memory_sku(product),
    }
}

fn parse_gpu_sku(gpu: &str) -> Option<String> {
    if !gpu.starts_with("nvidia ") {
        return None;
    }
    let normalized = normalize_gpu_kind(gpu);
    // `nvidia h100 80gb plus` is the GPU of a3-megagpu.
    let kind = match normalized.as_str() {
        "h100-80gb-mega" | "h100-80gb-plus" | "h100-plus-80gb" => "h100-mega-80gb",
        kind => kind,
    };
    Some(Sku::Gpu(kind).to_string())
}

/// Parses `n2d amd custom instance core` and the like.
fn parse_core_or_memory_sku(product: &str) -> Option<String> {
    let mut words: Vec<&str> = product.split(' ').collect();
    let unit = words.pop()?;
    words.retain(|word| !matches!(*word, "instance" | "predefined" | "amd" | "arm"));
    let is_custom = remove_word(&mut words, "custom");
    let is_extended = remove_word(&mut words, "extended");
    let kind = match (is_custom, is_extended) {
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
        "core" => Some(Sku::Core(family, kind).to_string()),
        "ram" => Some(Sku::Memory(family, kind).to_string()),
        _ => None,
    }
}

fn remove_word(words: &mut Vec<&str>, wanted: &str) -> bool {
    let count_before = words.len();
    words.retain(|word| *word != wanted);
    words.len() < count_before
}

/// Says whether a word has the form of a family: `n2`, `c3d`, `t2a`.
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
    fn sku_descriptions_are_parsed_or_left_out() {
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
            assert_eq!(parse_sku(description).as_deref(), part, "{description}");
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
    fn price_is_added_per_region_and_never_zero() {
        let prices = |sku: &model::Sku| {
            let mut prices = Prices::new();
            add_price(&mut prices, sku);
            prices
                .into_iter()
                .map(|(key, usd)| (key.region, key.sku, key.spot, usd))
                .collect::<Vec<_>>()
        };
        let row = |region: &str, spot| (region.to_owned(), "n2 core".to_owned(), spot, 0.031611);
        assert_eq!(
            prices(&sku("OnDemand", &[31_611_000], "h")),
            [row("us-central1", false), row("us-east1", false)]
        );
        // The first amount is free.
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
