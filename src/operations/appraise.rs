//! Filling in what a listing does not tell of an instance and the catalogue knows: its size, and what it costs.

use crate::catalog::Catalog;
use crate::cloud::{Instance, MachineType};

/// The fields that are filled in.
pub const APPRAISED_FIELDS: [&str; 3] = ["cpus", "memory_gib", "price_usd_per_hour"];

/// Fills in CPUs, memory and price by the instance's type, where they are not known. The price is that of the machine
/// while it runs. What is gone costs nothing that could be told; and what costs something else than its type does is
/// of unknown price.
pub fn appraise(instance: &mut Instance, catalog: &Catalog) {
    let Some(mut machine) = machine_of(instance, catalog) else {
        return;
    };
    instance.cpus.get_or_insert(machine.cpus);
    instance.memory_gib.get_or_insert(machine.memory_gib);
    if instance.price_usd_per_hour.is_some() || instance.has_other_price || instance.state.is_gone() {
        return;
    }
    if machine.gpu.is_none() {
        machine.gpu.clone_from(&instance.attached_gpu);
    }
    let price = catalog.price(instance.provider, &instance.region, &machine, instance.spot);
    instance.price_usd_per_hour = price.map(|price| price.usd_per_hour);
}

/// The instance's type, by the catalogue or by what the listing told of it.
fn machine_of(instance: &Instance, catalog: &Catalog) -> Option<MachineType> {
    let name = instance.machine_type.as_deref()?;
    catalog.machine_type(instance.provider, name).or_else(|| {
        Some(MachineType {
            name: name.to_owned(),
            cpus: instance.cpus?,
            memory_gib: instance.memory_gib?,
            architecture: instance.architecture?,
            gpu: None,
            is_current: true,
            has_spot: true,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{InstanceState, ProviderKind};

    fn instance(provider: ProviderKind, region: &str, machine_type: &str) -> Instance {
        Instance {
            machine_type: Some(machine_type.to_owned()),
            state: InstanceState::Running,
            ..Instance::only_known(provider, region.to_owned(), "i-1".to_owned())
        }
    }

    fn appraised(mut instance: Instance) -> (Option<u32>, Option<f64>, Option<f64>) {
        appraise(&mut instance, &Catalog::default());
        (instance.cpus, instance.memory_gib, instance.price_usd_per_hour)
    }

    #[test]
    fn size_and_price_come_from_the_type() {
        let plain = || instance(ProviderKind::Aws, "us-east-1", "m5.xlarge");
        assert_eq!(appraised(plain()), (Some(4), Some(16.0), Some(0.192)));
        let known = Instance {
            price_usd_per_hour: Some(0.1),
            cpus: Some(2),
            ..plain()
        };
        assert_eq!(appraised(known), (Some(2), Some(16.0), Some(0.1)));
        let on_gce = instance(ProviderKind::Gcp, "us-central1", "e2-medium");
        assert_eq!(appraised(on_gce), (Some(2), Some(4.0), Some(0.033506)));
    }

    #[test]
    fn what_costs_something_else_is_of_unknown_price() {
        let plain = || instance(ProviderKind::Aws, "us-east-1", "m5.xlarge");
        let n1 = instance(ProviderKind::Gcp, "us-central1", "n1-standard-4");
        for odd in [
            Instance {
                has_other_price: true,
                ..plain()
            },
            Instance { spot: true, ..plain() },
            Instance {
                state: InstanceState::Terminated,
                ..plain()
            },
            Instance {
                machine_type: Some("x99.large".to_owned()),
                ..plain()
            },
            Instance {
                attached_gpu: "t4".parse().ok(),
                ..n1
            },
        ] {
            assert_eq!(appraised(odd.clone()).2, None, "{odd:?}");
        }
    }
}
