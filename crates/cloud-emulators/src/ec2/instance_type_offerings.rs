//! Which instance types are offered where.

use super::errors::{Answer, Refusal};
use super::filters::{Filterable, Filters};
use super::instance_types::TYPES;
use super::paging::Page;
use super::state::Context;
use super::xml_writer::Xml;

struct Offering {
    kind: &'static str,
    location: String,
}

impl Filterable for Offering {
    const NAMES: &'static [&'static str] = &["instance-type", "location"];

    fn field(&self, name: &str) -> Vec<String> {
        vec![match name {
            "location" => self.location.clone(),
            _ => self.kind.to_owned(),
        }]
    }
}

pub fn describe_instance_type_offerings(context: &mut Context) -> Answer<Xml> {
    let page = Page::of(context, 5..=1000)?;
    let filters = Filters::of::<Offering>(context.query)?;
    let location_type = context.query.get("LocationType").unwrap_or("region");
    let region = context.region();
    let mut offerings = Vec::new();
    for kind in TYPES.iter().filter(|kind| kind.is_offered(region)) {
        let mut offer = |location| {
            offerings.push(Offering {
                kind: kind.name,
                location,
            });
        };
        let zones = region.info.zones().filter(|zone| kind.is_offered_in_zone(&zone.name));
        match location_type {
            "region" => offer(region.info.name.to_owned()),
            "availability-zone" => zones.for_each(|zone| offer(zone.name)),
            "availability-zone-id" => zones.for_each(|zone| offer(zone.id)),
            other => {
                return Err(Refusal::value(format!(
                    "Invalid value '{other}' for LocationType. Must be one of region, availability-zone, \
                     availability-zone-id"
                )));
            }
        }
    }
    offerings.retain(|offering| filters.accept(offering));
    let (offerings, token) = page.cut((1..).zip(offerings));
    let mut xml = Xml::default();
    xml.set("instanceTypeOfferingSet", offerings, |xml, offering| {
        xml.text("instanceType", offering.kind);
        xml.text("locationType", location_type);
        xml.text("location", &offering.location);
    });
    xml.maybe("nextToken", token);
    Ok(xml)
}
