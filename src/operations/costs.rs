//! What instances cost together.
//! Filling in what a listing does not tell of an instance and the catalogue knows: its size, and what it costs.

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::cloud::{Instance, InstanceState, MachineType};

/// What the instances of one group cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// The group: the value of the label; `None` for those without it.
    pub group: Option<String>,
    /// How many run, or are about to.
    pub running: usize,
    /// How many of those are of unknown price; they are not in the sum.
    pub unknown: usize,
    /// How many are stopped: they cost no more than their disks.
    pub stopped: usize,
    /// USD per hour of those of known price; `None` if there are only others.
    pub usd_per_hour: Option<f64>,
}

/// Sums what instances cost by the value of a label, or else by cloud; the dearest first. What is gone is not counted.
pub fn costs(instances: &[Instance], label: Option<&str>) -> Vec<Cost> {
    let mut groups: BTreeMap<Option<String>, (Cost, f64)> = BTreeMap::new();
    for instance in instances.iter().filter(|instance| !instance.state.is_gone()) {
        let group = match label {
            Some(key) => instance.label(key).cloned(),
            None => Some(instance.provider.to_string()),
        };
        let (cost, sum) = groups.entry(group).or_default();
        match (instance.state, instance.price_usd_per_hour) {
            (InstanceState::Stopped, _) => cost.stopped += 1,
            (_, price) => {
                cost.running += 1;
                match price {
                    Some(price) => *sum += price,
                    None => cost.unknown += 1,
                }
            }
        }
    }
    let mut costs: Vec<_> = groups
        .into_iter()
        .map(|(group, (cost, sum))| concluded(group, cost, sum))
        .collect();
    costs.sort_by(|one, other| {
        let usd = |cost: &Cost| cost.usd_per_hour.unwrap_or(f64::NEG_INFINITY);
        usd(other).total_cmp(&usd(one))
    });
    costs
}

fn concluded(group: Option<String>, cost: Cost, sum: f64) -> Cost {
    let is_known = cost.unknown < cost.running || cost.running == 0;
    Cost {
        group,
        // Sums of binary fractions end in nonsense: no price is finer than this.
        usd_per_hour: is_known.then_some((sum * 1e6).round() / 1e6),
        ..cost
    }
}

/// The fields that are filled in.
pub const APPRAISED_FIELDS: [&str; 3] = ["cpus", "memory_gib", "price_usd_per_hour"];

/// Fills in CPUs, memory and price by the instance's type, where they are not known. The price is that of the machine
/// while it runs. What is gone costs nothing that could be told; and what costs something else than its type does is
/// of unknown price.
pub fn fill_in_prices(instance: &mut Instance, catalog: &Catalog) {
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
    use crate::cloud::ProviderKind;

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
    fn unknown_prices_are_counted_and_not_summed() {
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
        assert_eq!(costs(&all, Some("team")), expected);
        let whole = costs(&all, None);
        assert_eq!(whole, [cost("aws", 4, 2, 2, Some(0.3))]);
    }
}

#[cfg(test)]
mod appraise_tests {
    use super::*;
    use crate::cloud::{InstanceState, ProviderKind};
    use crate::providers::Drivers;

    fn instance(provider: ProviderKind, region: &str, machine_type: &str) -> Instance {
        Instance {
            machine_type: Some(machine_type.to_owned()),
            state: InstanceState::Running,
            ..Instance::with_id_only(provider, region.to_owned(), "i-1".to_owned())
        }
    }

    fn appraised(mut instance: Instance) -> (Option<u32>, Option<f64>, Option<f64>) {
        fill_in_prices(&mut instance, &Drivers::default().catalog(None));
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
