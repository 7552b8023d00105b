//! The addresses that a test gives to VMs, such as that of a server in the test.

use serde_json::{Map, Value, json};

use super::Emulator;
use super::instance_record::Instance;
use super::state::{Key, State};

impl State {
    /// A VM that begins a run takes the addresses that a test set for all; a new one the private address too.
    pub fn assign_addresses(&mut self, key: &Key, new: bool) {
        let public = self.controls.public_address.clone();
        let private = self.controls.private_address.clone().filter(|_| new);
        if let Some(instance) = self.instances.get_mut(key) {
            if public.is_some() && !instance.has_own_address {
                instance.public_address = public;
            }
            if let Some(address) = private {
                instance.set_private_address(&address);
            }
        }
    }
}

impl Instance {
    fn first_interface(&mut self) -> Option<&mut Map<String, Value>> {
        let interfaces = self.body_mut().get_mut("networkInterfaces")?;
        interfaces.as_array_mut()?.first_mut()?.as_object_mut()
    }

    fn set_private_address(&mut self, address: &str) {
        if let Some(interface) = self.first_interface() {
            interface.insert("networkIP".to_owned(), address.into());
        }
    }

    /// It has the address while it runs, whatever its insert asked for.
    fn set_public_address(&mut self, address: Option<&str>) {
        self.has_own_address = address.is_some();
        self.public_address = address.map(str::to_owned);
        if let Some(interface) = self.first_interface() {
            interface.remove("accessConfigs");
            if address.is_some() {
                let config = json!({
                    "kind": "compute#accessConfig",
                    "type": "ONE_TO_ONE_NAT",
                    "name": "external-nat",
                    "networkTier": "PREMIUM",
                });
                interface.insert("accessConfigs".to_owned(), json!([config]));
            }
        }
    }
}

/// Addresses.
impl Emulator {
    /// Every VM that starts from now on, and is to have an external address, has this one.
    pub fn set_public_address(&self, address: &str) {
        self.state().controls.public_address = Some(address.to_owned());
    }

    /// Every VM that is made from now on has this internal address.
    pub fn set_private_address(&self, address: &str) {
        self.state().controls.private_address = Some(address.to_owned());
    }

    /// Gives the VMs of a name an external address for this run and all others, or takes it away.
    pub fn set_public_address_of(&self, name: &str, address: Option<&str>) {
        self.each_named(name, |instance| instance.set_public_address(address));
    }

    /// Gives the VMs of a name another internal address.
    pub fn set_private_address_of(&self, name: &str, address: &str) {
        self.each_named(name, |instance| instance.set_private_address(address));
    }

    fn each_named(&self, name: &str, change: impl Fn(&mut Instance)) {
        let mut state = self.state();
        for key in state.keys_named(name) {
            state.instances.get_mut(&key).into_iter().for_each(&change);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::test_requests::{ask, insert};
    use super::*;

    /// The external and the internal address, as `instances.get` shows them.
    fn addresses(emulator: &Emulator, name: &str) -> (Value, Value) {
        let resource = emulator.instance(name).expect("the VM").resource;
        let interface = &resource["networkInterfaces"][0];
        (
            interface["accessConfigs"][0]["natIP"].clone(),
            interface["networkIP"].clone(),
        )
    }

    fn external() -> Value {
        json!({"networkInterfaces": [{"accessConfigs": [{"type": "ONE_TO_ONE_NAT"}]}]})
    }

    #[test]
    fn addresses_hold_for_all_that_follow() {
        let emulator = Emulator::start();
        emulator.seed_instances("us-east1-b", 1);
        let before = addresses(&emulator, "seed-000000");
        emulator.set_public_address("127.0.0.1");
        emulator.set_private_address("127.0.0.2");
        insert(&emulator, "web-1", &external());
        insert(&emulator, "web-2", &Value::Null);
        emulator.create_from_outside("us-east1-b", "other", &[]);
        assert_eq!(addresses(&emulator, "web-1"), (json!("127.0.0.1"), json!("127.0.0.2")));
        assert_eq!(addresses(&emulator, "web-2"), (Value::Null, json!("127.0.0.2")));
        assert_eq!(addresses(&emulator, "other"), (json!("127.0.0.1"), json!("127.0.0.2")));
        assert_eq!(addresses(&emulator, "seed-000000"), before);
    }

    #[test]
    fn addresses_of_one_are_set_by_name() {
        let emulator = Emulator::start();
        insert(&emulator, "web-1", &Value::Null);
        emulator.set_public_address_of("web-1", Some("127.0.0.3"));
        emulator.set_private_address_of("web-1", "127.0.0.4");
        assert_eq!(addresses(&emulator, "web-1"), (json!("127.0.0.3"), json!("127.0.0.4")));
        emulator.set_public_address_of("web-1", None);
        assert_eq!(addresses(&emulator, "web-1").0, Value::Null);
    }

    #[test]
    fn addresses_of_one_outlive_its_run() {
        let emulator = Emulator::start();
        emulator.set_public_address("127.0.0.1");
        insert(&emulator, "web-1", &external());
        emulator.set_public_address_of("web-1", Some("127.0.0.3"));
        for (change, address) in [("stop", Value::Null), ("start", json!("127.0.0.3"))] {
            let path = format!("zones/us-east1-b/instances/web-1/{change}");
            assert_eq!(ask(&emulator, "POST", &path, &Value::Null).0, 200);
            emulator.advance(Duration::from_secs(1));
            assert_eq!(addresses(&emulator, "web-1").0, address);
        }
    }
}
