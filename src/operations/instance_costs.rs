//! Fills in the sizes and prices of instances from the catalog, and sums what groups of instances cost.

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::cloud::{Instance, InstanceState, MachineType};

/// What the instances of one group cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// The value of the label; `None` for instances without the label.
    pub group: Option<String>,
    /// How many instances are running, or will be.
    pub running: usize,
    /// How many of those have no known price; they are not in the sum.
    pub unknown: usize,
    /// How many are stopped. Their machines cost nothing, only their disks.
    pub stopped: usize,
    /// USD per hour of those with a known price; `None` if no price is known.
    pub usd_per_hour: Option<f64>,
}

/// Sums the prices of instances by the value of a label, or else by cloud. The most expensive group comes first. Instances
/// that are gone do not count.
pub fn sum_costs(instances: &[Instance], label: Option<&str>) -> Vec<Cost> {
    let mut groups: BTreeMap<Option<String>, (Cost, f64)> = BTreeMap::new();
    for instance in instances {
        if instance.state.is_gone() {
            continue;
        }
        let group = match label {
            Some(key) => instance.label(key).cloned(),
            None => Some(instance.provider.to_string()),
        };
        let (cost, sum) = groups.entry(group).or_default();
        if instance.state == InstanceState::Stopped {
            cost.stopped += 1;
            continue;
        }
        cost.running += 1;
        match instance.price_usd_per_hour {
            Some(price) => *sum += price,
            None => cost.unknown += 1,
        }
    }
    let mut costs = Vec::new();
    for (group, (mut cost, sum)) in groups {
        cost.group = group;
        if cost.unknown < cost.running || cost.running == 0 {
            // Sums of binary fractions have rounding errors: no price has more than six decimals.
            cost.usd_per_hour = Some((sum * 1e6).round() / 1e6);
        }
        costs.push(cost);
    }
    costs.sort_by(|one, other| {
        let usd = |cost: &Cost| cost.usd_per_hour.unwrap_or(f64::NEG_INFINITY);
        usd(other).total_cmp(&usd(one))
    });
    costs
}

/// Fills in the prices of all instances, if there is a catalog.
pub fn fill_in_all_prices(instances: &mut [Instance], catalog: Option<&Catalog>) {
    if let Some(catalog) = catalog {
        for instance in instances {
            fill_in_prices(instance, catalog);
        }
    }
}

/// The fields that [`fill_in_prices`] fills in.
pub const FILLED_IN_FIELDS: [&str; 3] = ["cpus", "memory_gib", "price_usd_per_hour"];

/// Fills in the CPUs, memory and price of an instance by its type, where they are not known. The price is that of the
/// running machine. It stays unknown if the instance is gone, or costs something else than its type.
pub fn fill_in_prices(instance: &mut Instance, catalog: &Catalog) {
    let Some(mut machine) = find_machine_type(instance, catalog) else {
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

/// The machine type of an instance, from the catalog or else from its own fields.
fn find_machine_type(instance: &Instance, catalog: &Catalog) -> Option<MachineType> {
    let name = instance.machine_type.as_deref()?;
    if let Some(machine) = catalog.machine_type(instance.provider, name) {
        return Some(machine);
    }
    Some(MachineType {
        name: name.to_owned(),
        cpus: instance.cpus?,
        memory_gib: instance.memory_gib?,
        architecture: instance.architecture?,
        gpu: None,
        is_current: true,
        has_spot: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::ProviderKind;
    use crate::providers::Drivers;

    fn instance(team: &str, state: InstanceState, price: Option<f64>) -> Instance {
        let mut instance = Instance::with_id_only(ProviderKind::Aws, "us-east-1".to_owned(), "i-1".to_owned());
        if !team.is_empty() {
            instance.labels.insert("team".to_owned(), team.to_owned());
        }
        Instance {
            state,
            price_usd_per_hour: price,
            ..instance
        }
    }

    #[test]
    fn sum_counts_unknown_prices_apart() {
        use InstanceState::{Running, Stopped, Terminated};
        let all = [
            instance("web", Running, Some(0.1)),
            instance("web", Running, Some(0.2)),
            instance("web", Running, None),
            instance("web", Stopped, Some(5.0)),
            instance("", Running, None),
            instance("old", Stopped, None),
            instance("gone", Terminated, Some(1.0)),
        ];
        let cost = |group: &str, running, unknown, stopped, usd| Cost {
            group: Some(group.to_owned()).filter(|group| !group.is_empty()),
            running,
            unknown,
            stopped,
            usd_per_hour: usd,
        };
        let expected = [
            cost("web", 3, 1, 1, Some(0.3)),
            cost("old", 0, 0, 1, Some(0.0)),
            cost("", 1, 1, 0, None),
        ];
        assert_eq!(sum_costs(&all, Some("team")), expected);
        let whole = sum_costs(&all, None);
        assert_eq!(whole, [cost("aws", 4, 2, 2, Some(0.3))]);
    }

    fn instance_of_type(provider: ProviderKind, region: &str, machine_type: &str) -> Instance {
        Instance {
            machine_type: Some(machine_type.to_owned()),
            state: InstanceState::Running,
            ..Instance::with_id_only(provider, region.to_owned(), "i-1".to_owned())
        }
    }

    fn fill_in(mut instance: Instance) -> (Option<u32>, Option<f64>, Option<f64>) {
        fill_in_prices(&mut instance, &Drivers::default().catalog(None));
        (instance.cpus, instance.memory_gib, instance.price_usd_per_hour)
    }

    #[test]
    fn fill_in_takes_size_and_price_from_the_type() {
        let plain = || instance_of_type(ProviderKind::Aws, "us-east-1", "m5.xlarge");
        assert_eq!(fill_in(plain()), (Some(4), Some(16.0), Some(0.192)));
        let known = Instance {
            price_usd_per_hour: Some(0.1),
            cpus: Some(2),
            ..plain()
        };
        assert_eq!(fill_in(known), (Some(2), Some(16.0), Some(0.1)));
        let on_gce = instance_of_type(ProviderKind::Gcp, "us-central1", "e2-medium");
        assert_eq!(fill_in(on_gce), (Some(2), Some(4.0), Some(0.033506)));
    }

    #[test]
    fn fill_in_leaves_other_prices_unknown() {
        let plain = || instance_of_type(ProviderKind::Aws, "us-east-1", "m5.xlarge");
        let n1 = instance_of_type(ProviderKind::Gcp, "us-central1", "n1-standard-4");
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
            assert_eq!(fill_in(odd.clone()).2, None, "{odd:?}");
        }
    }
}
