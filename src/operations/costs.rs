//! What instances cost together.

use std::collections::BTreeMap;

use crate::cloud::{Instance, InstanceState};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::ProviderKind;

    fn instance(team: &str, state: InstanceState, price: Option<f64>) -> Instance {
        let mut instance = Instance::only_known(ProviderKind::Aws, "us-east-1".to_owned(), "i-1".to_owned());
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
