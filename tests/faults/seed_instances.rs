//! VMs that exist before a row begins, created without the API.

use crate::support::backends::Backend;
use crate::support::test_cloud::Labels;

/// The labels that cloudctl gives to what it makes, without a TTL.
pub fn own(name: &str) -> Labels {
    labels(&[
        ("cloudctl-managed", "true"),
        ("cloudctl-name", name),
        ("cloudctl-spec", "0123456789abcdef"),
        ("cloudctl-generation", "0"),
    ])
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// A running VM with these labels in the home zone; gives its id.
pub fn seed(backend: &Backend, name: &str, labels: &Labels) -> String {
    seed_at(backend, backend.home_zone(), name, labels)
}

/// The same in another zone.
pub fn seed_at(backend: &Backend, zone: &str, name: &str, labels: &Labels) -> String {
    backend.seed(zone, name, labels)
}

/// Whether the VM of this id stands, by the cloud's own memory.
pub fn is_alive(backend: &Backend, id: &str) -> bool {
    backend.alive().iter().any(|one| one.id == id)
}

/// The ids that stand, in order.
pub fn alive_ids(backend: &Backend) -> Vec<String> {
    let mut ids: Vec<_> = backend.alive().into_iter().map(|one| one.id).collect();
    ids.sort();
    ids
}
