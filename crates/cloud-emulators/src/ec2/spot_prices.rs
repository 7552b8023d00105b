//! DescribeSpotPriceHistory: each type has a price in each zone, which changes every few hours.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::encoding::{hash, time};
use super::errors::{Answer, Refusal};
use super::filters::{Filterable, Filters};
use super::instance_types::{InstanceType, TYPES, find};
use super::paging::Page;
use super::state::{Context, State};
use super::xml_writer::Xml;

const PRODUCTS: &[&str] = &["Linux/UNIX", "Red Hat Enterprise Linux", "SUSE Linux", "Windows"];
/// How long a price holds, and how many of them are remembered.
const HOURS: i64 = 5;
const CHANGES: i64 = 4;

struct Change {
    kind: &'static str,
    zone: String,
    product: &'static str,
    price: String,
    at: Timestamp,
}

impl Filterable for Change {
    const NAMES: &'static [&'static str] = &[
        "availability-zone",
        "instance-type",
        "product-description",
        "spot-price",
        "timestamp",
    ];

    fn field(&self, name: &str) -> Vec<String> {
        vec![match name {
            "availability-zone" => self.zone.clone(),
            "instance-type" => self.kind.to_owned(),
            "product-description" => self.product.to_owned(),
            "spot-price" => self.price.clone(),
            _ => time(self.at),
        }]
    }
}

impl State {
    /// The price of a type in a zone after its latest change but `changes`.
    fn price(&self, kind: &InstanceType, zone: &str, product: &str, changes: i64) -> String {
        let set = self.controls.spot_prices.get(&format!("{zone}/{}", kind.name));
        if let (Some(price), 0, "Linux/UNIX") = (set, changes, product) {
            return format!("{price:.6}");
        }
        let percent = hash((kind.name, zone, changes)) % 40;
        let part = f64::from(u32::try_from(percent).unwrap_or(0)) / 100.0;
        let licence = if product == "Linux/UNIX" { 0.0 } else { 0.05 };
        format!("{:.6}", f64::from(kind.vcpus) * 0.01 * (0.8 + part) + licence)
    }
}

fn moment(context: &Context, name: &str) -> Answer<Option<Timestamp>> {
    let Some(text) = context.query.get(name) else {
        return Ok(None);
    };
    let moment = text
        .parse()
        .map_err(|_| Refusal::value(format!("Invalid value '{text}' for {name}. Expecting a time")))?;
    Ok(Some(moment))
}

pub fn describe_spot_price_history(context: &mut Context) -> Answer<Xml> {
    let page = Page::of(context, 1..=1000)?;
    let filters = Filters::of::<Change>(context.query)?;
    let now = context.state.now();
    let (start, end) = (moment(context, "StartTime")?, moment(context, "EndTime")?);
    let end = end.unwrap_or(now);
    let query = context.query;
    let (names, products) = (query.values("InstanceType"), query.values("ProductDescription"));
    let zone = query.get("AvailabilityZone");
    if let Some(unknown) = names.iter().find(|name| find(name).is_none()) {
        return Err(Refusal::value(format!("Invalid value '{unknown}' for InstanceType.")));
    }
    let info = context.region().info;
    if let Some(zone) = zone
        && !info.zones().any(|known| known.name == zone)
    {
        return Err(Refusal::value(format!("Invalid availability zone: [{zone}]")));
    }
    let region = context.region();
    let offered: Vec<_> = TYPES
        .iter()
        .filter(|kind| kind.has_spot() && kind.is_offered(region))
        .filter(|kind| names.is_empty() || names.contains(&kind.name))
        .collect();
    let mut changes = Vec::new();
    for kind in offered {
        for zone in info.zones().filter(|known| zone.is_none_or(|zone| zone == known.name)) {
            if !kind.is_offered_in_zone(&zone.name) {
                continue;
            }
            for product in PRODUCTS
                .iter()
                .filter(|product| products.is_empty() || products.contains(product))
            {
                for number in 0..CHANGES {
                    let age = SignedDuration::from_hours(HOURS * number + 1);
                    let at = now - age;
                    // The one that holds at the start is part of the history.
                    let is_over =
                        start.is_some_and(|start| at + Duration::from_secs(HOURS as u64 * 3600) <= start && number > 0);
                    if at > end || is_over {
                        continue;
                    }
                    changes.push(Change {
                        kind: kind.name,
                        zone: zone.name.clone(),
                        product,
                        price: context.state.price(kind, &zone.name, product, number),
                        at,
                    });
                }
            }
        }
    }
    changes.retain(|change| filters.accept(change));
    let (changes, token) = page.cut((1..).zip(changes));
    let mut xml = Xml::default();
    xml.set("spotPriceHistorySet", changes, |xml, change| {
        xml.text("instanceType", change.kind);
        xml.text("productDescription", change.product);
        xml.text("spotPrice", &change.price);
        xml.text("timestamp", time(change.at));
        xml.text("availabilityZone", &change.zone);
    });
    xml.maybe("nextToken", token);
    Ok(xml)
}
