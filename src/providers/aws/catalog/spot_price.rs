//! What spare capacity costs now.

use std::collections::HashMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{InstanceType, SpotPrice};
use aws_smithy_types::DateTime;

use crate::cloud::{Place, Result};
use crate::providers::aws::api::error::{Call, translate};
use crate::providers::aws::create::now;

/// See [`Provider::spot_price`](crate::cloud::Provider::spot_price). Without a zone, the price in the dearest one:
/// EC2 picks the zone by its room, and a limit must hold wherever that is.
///
/// A history that begins now has the prices that hold now, one for each zone:
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSpotPriceHistory.html>
pub(crate) async fn spot_price(client: &Client, place: &Place, machine_type: &str) -> Result<Option<f64>> {
    let region = &place.region;
    tracing::debug!(operation = "DescribeSpotPriceHistory", place = region, "call");
    let call = client
        .describe_spot_price_history()
        .instance_types(InstanceType::from(machine_type))
        .product_descriptions("Linux/UNIX")
        .start_time(DateTime::from_secs(now(client).as_second()))
        .set_availability_zone(place.zone.clone());
    let answer: Result<Vec<SpotPrice>, _> = call.into_paginator().items().send().try_collect().await;
    let history = answer.map_err(|error| {
        let attempted = format!("cannot look up the spot price of {machine_type}");
        translate(&error, Call::Read, attempted, region)
    })?;
    Ok(dearest(&history))
}

/// The highest of the zones' latest prices.
fn dearest(history: &[SpotPrice]) -> Option<f64> {
    let mut latest: HashMap<&str, (i64, f64)> = HashMap::new();
    for entry in history {
        let price = entry.spot_price().and_then(|price| price.parse::<f64>().ok());
        let Some(price) = price.filter(|price| *price > 0.0) else {
            continue;
        };
        let at = entry.timestamp().map_or(i64::MIN, DateTime::secs);
        let zone = latest
            .entry(entry.availability_zone().unwrap_or_default())
            .or_insert((at, price));
        if at > zone.0 {
            *zone = (at, price);
        }
    }
    latest.into_values().map(|(_, price)| price).max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_price_of_the_dearest_zone_counts() {
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
        assert_eq!(dearest(&history), Some(0.05));
        assert_eq!(dearest(&[]), None);
    }
}
