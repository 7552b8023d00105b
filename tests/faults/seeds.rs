//! VMs that are there before a row begins, made past the API.

use std::collections::BTreeMap;

use crate::support::backend::Backend;

/// The labels that cloudctl gives to what it makes, without a TTL.
pub fn own(name: &str) -> BTreeMap<String, String> {
    labels(&[
        ("cloudctl-managed", "true"),
        ("cloudctl-name", name),
        ("cloudctl-spec", "0123456789abcdef"),
        ("cloudctl-generation", "0"),
    ])
}

pub fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// A running VM with these labels in the home zone; gives its id.
pub fn seed(backend: &Backend, name: &str, labels: &BTreeMap<String, String>) -> String {
    seed_at(backend, backend.home_zone(), name, labels)
}

/// The same in another zone; on EC2 its region counts.
pub fn seed_at(backend: &Backend, zone: &str, name: &str, labels: &BTreeMap<String, String>) -> String {
    if let Some(emulator) = backend.ec2() {
        let mut tags = labels.clone();
        tags.insert("Name".to_owned(), name.to_owned());
        let region = zone.trim_end_matches(char::is_alphabetic);
        return emulator.seed_tagged(region, 1, &tags).remove(0);
    }
    let emulator = backend.gce().expect("an emulator");
    let pairs: Vec<_> = labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    emulator.create_from_outside(zone, name, &pairs);
    let made = emulator.instances().into_iter();
    made.filter(|one| one.name == name && one.zone == zone)
        .map(|one| one.id)
        .next()
        .expect("the VM")
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
