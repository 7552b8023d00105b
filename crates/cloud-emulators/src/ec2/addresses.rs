//! The addresses that a test gives to instances, such as that of a server in the test.

use super::region_state::Region;
use super::test_controls::Emulator;

/// Addresses.
impl Emulator {
    /// Every instance that starts from now on has this public address.
    pub fn set_public_address(&self, address: &str) {
        self.each_region(|region| region.public_address = Some(address.to_owned()));
    }

    /// Every instance that is launched from now on has this private address.
    pub fn set_private_address(&self, address: &str) {
        self.each_region(|region| region.private_address = Some(address.to_owned()));
    }

    /// Gives an instance, by its id or its name, a public address for this run and all others, or takes it away.
    pub fn set_public_address_of(&self, id_or_name: &str, address: Option<&str>) {
        let address = address.map(str::to_owned);
        self.each(&self.id_of(id_or_name), |instance| {
            let has_one = instance.running_since.is_some();
            if let Some(interface) = &mut instance.interface {
                interface.wants_public_ip = address.is_some();
                interface.public_ip = address.clone().filter(|_| has_one);
                interface.fixed_public_ip = address;
            }
        });
    }

    /// Gives an instance, by its id or its name, another private address.
    pub fn set_private_address_of(&self, id_or_name: &str, address: &str) {
        self.each(&self.id_of(id_or_name), |instance| {
            if let Some(interface) = &mut instance.interface {
                address.clone_into(&mut interface.private_ip);
            }
        });
    }

    fn each_region(&self, change: impl Fn(&mut Region)) {
        self.with(|state| state.regions.values_mut().for_each(change));
    }

    /// The id of an instance that is named by its id or its `Name`; of several of a name, that of the newest one alive.
    pub(super) fn id_of(&self, id_or_name: &str) -> String {
        let mut named = self.instances();
        named.retain(|instance| {
            instance.id == id_or_name || instance.tags.get("Name").is_some_and(|name| name == id_or_name)
        });
        named.sort_by_key(|instance| (instance.is_alive(), instance.launched));
        named.pop().unwrap_or_else(|| panic!("no instance {id_or_name}")).id
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_requests::ask;
    use super::*;

    fn addresses(emulator: &Emulator, id: &str) -> (Option<String>, Option<String>) {
        let instance = emulator.instance(id).expect("the instance");
        (instance.public_ip, instance.private_ip)
    }

    fn some(address: &str) -> Option<String> {
        Some(address.to_owned())
    }

    #[test]
    fn addresses_hold_for_all_that_follow() {
        let emulator = Emulator::start();
        let before = emulator.seed_instances("us-east-1", 1).remove(0);
        emulator.set_public_address("127.0.0.1");
        emulator.set_private_address("127.0.0.2");
        let after = emulator.seed_instances("eu-west-1", 1).remove(0);
        assert_eq!(addresses(&emulator, &before), (None, some("10.0.0.0")));
        assert_eq!(addresses(&emulator, &after), (some("127.0.0.1"), some("127.0.0.2")));
    }

    #[test]
    fn addresses_of_one_are_set_by_name() {
        let emulator = Emulator::start();
        let ids = emulator.seed_instances("us-east-1", 2);
        emulator.set_public_address_of("seed-1", Some("127.0.0.3"));
        emulator.set_private_address_of("seed-1", "127.0.0.4");
        assert_eq!(addresses(&emulator, &ids[1]), (some("127.0.0.3"), some("127.0.0.4")));
        assert_eq!(addresses(&emulator, &ids[0]).0, None);
        emulator.set_public_address_of(&ids[1], None);
        assert_eq!(addresses(&emulator, &ids[1]).0, None);
    }

    #[test]
    fn addresses_of_one_outlive_its_run() {
        let emulator = Emulator::start();
        let id = emulator.seed_instances("us-east-1", 1).remove(0);
        emulator.set_public_address_of("seed-0", Some("127.0.0.3"));
        for (action, address) in [("StopInstances", None), ("StartInstances", some("127.0.0.3"))] {
            ask(&emulator, "us-east-1", action, &[("InstanceId.1", &id)]).expect("a change");
            emulator.finish_transitions();
            assert_eq!(addresses(&emulator, &id).0, address);
        }
    }
}
