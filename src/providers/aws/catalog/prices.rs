//! Prices: the on-demand prices of all regions, from the Price List API, and spot prices, from EC2. The price list
//! has no spot prices.
//!
//! <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-changes.html>

use std::collections::{BTreeMap, HashMap};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{InstanceType, SpotPrice};
use aws_sdk_pricing::config::{Builder, Region};
use aws_sdk_pricing::types::{Filter, FilterType};
use aws_smithy_types::DateTime;
use serde::Deserialize;

use crate::cloud::{Error, ErrorKind, ErrorLocation, Location, ProviderKind, PublishedPrice, Result};
use crate::providers::aws::api::client::Clients;
use crate::providers::aws::api::error::{Call, translate};
use crate::providers::aws::api::retry;
use crate::providers::aws::api::retry::ClockSkewRetry;
use crate::providers::aws::api::server_time::server_time;
use crate::providers::aws::configuration::partition::Partition;

/// The region whose server has the prices of all regions. Only few regions have one.
/// <https://docs.aws.amazon.com/general/latest/gr/billing.html>
const PRICE_LIST_REGION: &str = "us-east-1";
const FAILURE_PREFIX: &str = "cannot fetch the prices of EC2";

/// The attributes of a plain Linux instance in the price list. They are filters of the call and are checked again in
/// the response: the same type is also listed for dedicated hosts, reserved capacity and licences.
const PLAIN_LINUX: [(&str, &str); 5] = [
    ("operatingSystem", "Linux"),
    ("tenancy", "Shared"),
    ("preInstalledSw", "NA"),
    ("capacitystatus", "Used"),
    ("marketoption", "OnDemand"),
];

/// The part of a price list entry that says what is sold at what price.
#[derive(Deserialize)]
struct Entry {
    product: Product,
    terms: Terms,
}

#[derive(Deserialize)]
struct Product {
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Terms {
    #[serde(rename = "OnDemand", default)]
    on_demand: BTreeMap<String, Term>,
}

#[derive(Deserialize)]
struct Term {
    #[serde(rename = "priceDimensions", default)]
    dimensions: BTreeMap<String, Dimension>,
}

#[derive(Deserialize)]
struct Dimension {
    unit: String,
    #[serde(rename = "pricePerUnit", default)]
    price: BTreeMap<String, String>,
}

/// What a price is for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PriceKey {
    region: String,
    machine_type: String,
}

/// Lists all on-demand prices, from every page of the price list.
pub(crate) async fn list_published_prices(clients: &Clients) -> Result<Vec<PublishedPrice>> {
    let config = clients.config().await?;
    // The other partitions have no price list, or one in another currency.
    let partition = Partition::of_region(&clients.region_for_global_calls().await);
    if partition != Partition::COMMERCIAL {
        let message = format!(
            "{FAILURE_PREFIX}: there is no list in US dollars for the partition {}",
            partition.name
        );
        return Err(Error::unsupported(message)
            .at(ProviderKind::Aws)
            .with_hint("ask with credentials of another partition"));
    }
    let (endpoint, retry_limit) = clients.pricing_settings().await;
    let mut builder = Builder::from(config);
    builder.set_endpoint_url(endpoint);
    let builder = builder
        .region(Region::new(PRICE_LIST_REGION))
        .disable_clock_skew_correction(true)
        .time_source(clients.time_source(config))
        .retry_partition(retry::unlimited_retry_tokens())
        .interceptor(retry_limit)
        .retry_classifier(ClockSkewRetry);
    let client = aws_sdk_pricing::Client::from_conf(builder.build());
    tracing::debug!(operation = "GetProducts", place = PRICE_LIST_REGION, "call");
    let mut call = client.get_products().service_code("AmazonEC2").format_version("aws_v1");
    for (field, value) in PLAIN_LINUX {
        let filter = Filter::builder()
            .r#type(FilterType::TermMatch)
            .field(field)
            .value(value)
            .build()
            .map_err(|error| Error::new(ErrorKind::Internal, format!("{FAILURE_PREFIX}: {error}")))?;
        call = call.filters(filter);
    }
    let mut pages = call.into_paginator().send();
    let mut prices: BTreeMap<PriceKey, f64> = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| translate(&error, Call::Read, FAILURE_PREFIX, PRICE_LIST_REGION))?;
        for entry_text in page.price_list() {
            if let Some((key, usd)) = read_price(&parse_entry(entry_text)?) {
                // Of two prices for the same type, the higher one counts: it is better to show too much than too
                // little.
                let highest = prices.entry(key).or_insert(usd);
                *highest = highest.max(usd);
            }
        }
    }
    let published_prices = prices.into_iter().map(|(key, usd_per_hour)| PublishedPrice {
        region: key.region,
        machine_type: key.machine_type,
        spot: false,
        usd_per_hour,
    });
    Ok(published_prices.collect())
}

/// Finds the current spot price; see [`CatalogSource::spot_price`](crate::cloud::CatalogSource::spot_price). Without a zone
/// this is the price in the most expensive zone: EC2 picks the zone by capacity, and a price limit must hold in each.
///
/// A history that begins now has the current price of each zone:
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSpotPriceHistory.html>
pub(crate) async fn find_spot_price(client: &Client, location: &Location, machine_type: &str) -> Result<Option<f64>> {
    let region = &location.region;
    tracing::debug!(operation = "DescribeSpotPriceHistory", place = region, "call");
    let request = client
        .describe_spot_price_history()
        .instance_types(InstanceType::from(machine_type))
        .product_descriptions("Linux/UNIX")
        .start_time(DateTime::from_secs(server_time(client).as_second()))
        .set_availability_zone(location.zone.clone());
    let answer: Result<Vec<SpotPrice>, _> = request.into_paginator().items().send().try_collect().await;
    let prices_since_now = answer.map_err(|error| {
        let failure_prefix = format!("cannot look up the spot price of {machine_type}");
        translate(&error, Call::Read, failure_prefix, region)
    })?;
    Ok(find_price_of_dearest_zone(&prices_since_now))
}

fn parse_entry(text: &str) -> Result<Entry> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("{FAILURE_PREFIX}: an entry of the list cannot be read");
        Error::new(ErrorKind::Network, message)
            .at(ErrorLocation::new(ProviderKind::Aws, PRICE_LIST_REGION))
            .with_source(error)
    })
}

/// The key of an entry and its price in US dollars per hour; `None` if it is no plain instance in a region.
fn read_price(entry: &Entry) -> Option<(PriceKey, f64)> {
    let attributes = &entry.product.attributes;
    let has_value = |field: &str, value: &str| attributes.get(field).is_none_or(|actual| actual == value);
    let is_plain_linux = PLAIN_LINUX.iter().all(|(field, value)| has_value(field, value));
    if !is_plain_linux || !has_value("locationType", "AWS Region") {
        return None;
    }
    let dimensions = entry.terms.on_demand.values().flat_map(|term| term.dimensions.values());
    let hourly = dimensions.filter(|dimension| dimension.unit == "Hrs");
    let prices = hourly.filter_map(|dimension| dimension.price.get("USD")?.parse::<f64>().ok());
    let usd = prices.filter(|usd| *usd > 0.0).max_by(f64::total_cmp)?;
    let key = PriceKey {
        region: attributes.get("regionCode")?.clone(),
        machine_type: attributes.get("instanceType")?.clone(),
    };
    Some((key, usd))
}

/// The highest of the zones' latest prices.
fn find_price_of_dearest_zone(history: &[SpotPrice]) -> Option<f64> {
    let mut latest_by_zone: HashMap<&str, (i64, f64)> = HashMap::new();
    for entry in history {
        let Some(Ok(price)) = entry.spot_price().map(str::parse::<f64>) else {
            continue;
        };
        if price <= 0.0 {
            continue;
        }
        let seconds = entry.timestamp().map_or(i64::MIN, DateTime::secs);
        let zone = entry.availability_zone().unwrap_or_default();
        let (latest_seconds, latest_price) = latest_by_zone.entry(zone).or_insert((seconds, price));
        if seconds > *latest_seconds {
            (*latest_seconds, *latest_price) = (seconds, price);
        }
    }
    let latest_prices = latest_by_zone.into_values().map(|(_seconds, price)| price);
    latest_prices.max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(attributes: Value, usd: &str) -> Option<(PriceKey, f64)> {
        let mut all = json!({"instanceType": "m5.large", "regionCode": "us-east-1", "operatingSystem": "Linux",
            "tenancy": "Shared", "capacitystatus": "Used", "preInstalledSw": "NA", "locationType": "AWS Region"});
        all.as_object_mut()
            .unwrap()
            .extend(attributes.as_object().unwrap().clone());
        let dimension = json!({"unit": "Hrs", "pricePerUnit": {"USD": usd}, "description": "…"});
        let entry = json!({"product": {"productFamily": "Compute Instance", "attributes": all, "sku": "S"},
            "terms": {"OnDemand": {"S.T": {"priceDimensions": {"S.T.D": dimension}}},
                "Reserved": {"S.R": {"priceDimensions": {}}}}});
        read_price(&serde_json::from_value(entry).unwrap())
    }

    #[test]
    fn only_plain_instance_has_price() {
        let key = PriceKey {
            region: "us-east-1".to_owned(),
            machine_type: "m5.large".to_owned(),
        };
        assert_eq!(read(json!({}), "0.0960000000"), Some((key, 0.096)));
        assert_eq!(read(json!({}), "0.0000000000"), None);
        for (field, value) in [
            ("tenancy", "Dedicated"),
            ("capacitystatus", "UnusedCapacityReservation"),
            ("preInstalledSw", "SQL Std"),
            ("operatingSystem", "Windows"),
            ("locationType", "AWS Local Zone"),
        ] {
            assert_eq!(read(json!({ field: value }), "0.1"), None, "{field}");
        }
    }

    #[test]
    fn latest_price_of_most_expensive_zone_counts() {
        let entry = |zone: &str, at: i64, price: &str| {
            let entry = SpotPrice::builder().availability_zone(zone).spot_price(price);
            entry.timestamp(DateTime::from_secs(at)).build()
        };
        let history = [
            entry("us-east-1a", 200, "0.0500"),
            entry("us-east-1a", 100, "0.0100"),
            entry("us-east-1b", 100, "0.0400"),
            entry("us-east-1c", 100, "soon"),
        ];
        assert_eq!(find_price_of_dearest_zone(&history), Some(0.05));
        assert_eq!(find_price_of_dearest_zone(&[]), None);
    }
}
