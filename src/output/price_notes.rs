//! Sentences about prices: why one is not known, and how to get it.

use crate::cloud::{CloudInfo, Instance};

/// Why the price of a VM is not known, and how to get it.
pub fn explain_unknown_price(instance: &Instance, cloud: &CloudInfo) -> String {
    let machine_type = instance.machine_type.as_deref().unwrap_or("its machine type");
    if instance.has_other_price {
        return format!(
            "the catalog price of {machine_type} lacks the licence fee or dedicated host; see the price list of {}",
            cloud.title
        );
    }
    match cloud.no_spot_price_note {
        Some(note) if instance.spot => note.to_owned(),
        _ => missing_in_catalog_note(machine_type, &instance.region, cloud),
    }
}

/// Says that the catalog has no price of a machine type in a region, and how to get newer prices.
pub fn missing_in_catalog_note(machine_type: &str, region: &str, cloud: &CloudInfo) -> String {
    let message = format!("no price of {machine_type} in {region} is in the catalog");
    match cloud.price_source {
        Some(_) => format!(
            "{message}: `cloudctl catalog update -p {}` fetches new prices",
            cloud.kind
        ),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::ProviderKind;
    use crate::providers::Drivers;

    #[test]
    fn unknown_price_says_why_and_what_to_do() {
        let mut instance = Instance::with_id_only(ProviderKind::Aws, "us-east-1".to_owned(), "i-1".to_owned());
        instance.machine_type = Some("x9.large".to_owned());
        let cloud = Drivers::default().infos().get(ProviderKind::Aws);
        assert_eq!(
            explain_unknown_price(&instance, cloud),
            "no price of x9.large in us-east-1 is in the catalog: `cloudctl catalog update -p aws` fetches new prices"
        );
        instance.spot = true;
        assert!(explain_unknown_price(&instance, cloud).contains("change from hour to hour"));
        instance.has_other_price = true;
        assert!(explain_unknown_price(&instance, cloud).contains("licence fee"));
    }
}
