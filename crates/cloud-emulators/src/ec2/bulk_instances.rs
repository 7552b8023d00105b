//! Many instances at once, for tests of big accounts.

use super::console::Console;
use super::instance::{Instance, Interface, MetadataOptions, Phase};
use super::state::State;
use super::tags::Tags;

impl State {
    /// Puts many plain running instances into a region at once, without the detour of a request.
    pub fn seed(&mut self, region: &str, count: usize, tags: impl Fn(usize) -> Tags) -> Vec<String> {
        let now = self.now();
        let kind = super::instance_types::find("t3.micro").expect("a known type");
        let image = self
            .region(region)
            .images
            .iter()
            .find(|image| image.architecture == kind.architecture)
            .cloned()
            .expect("an image for it");
        let zones: Vec<String> = self.region(region).info.zones().map(|zone| zone.name).collect();
        let vpc = self.region(region).vpcs.keys().next().cloned().unwrap_or_default();
        let public_address = self.region(region).public_address.clone();
        let private_address = self.region(region).private_address.clone();
        let mut ids = Vec::with_capacity(count);
        for index in 0..count {
            let serial = self.serial();
            let id = self.new_identifier("i");
            let reservation = self.new_identifier("r");
            let interface = Interface {
                id: self.new_identifier("eni"),
                subnet: super::encoding::identifier("subnet", "seeded"),
                vpc: vpc.clone(),
                description: String::new(),
                private_ip: private_address
                    .clone()
                    .unwrap_or_else(|| format!("10.{}.{}.{}", index >> 16, (index >> 8) & 255, index & 255)),
                wants_public_ip: false,
                public_ip: public_address.clone(),
                fixed_public_ip: None,
                delete_on_termination: true,
                attached: now,
            };
            let mut named = tags(index);
            named
                .entry("Name".to_owned())
                .or_insert_with(|| format!("seed-{index}"));
            self.change_tags(region, &id, |all| all.extend(named));
            let instance = Instance {
                serial,
                id: id.clone(),
                reservation,
                launch_index: 0,
                zone: zones[index % zones.len()].clone(),
                kind,
                image: image.clone(),
                key_name: None,
                groups: Vec::new(),
                user_data: None,
                profile: None,
                metadata: MetadataOptions::plain(),
                on_shutdown: "stop".to_owned(),
                protected: false,
                stop_protected: false,
                source_dest_check: true,
                ebs_optimized: false,
                monitored: false,
                spot: None,
                client_token: None,
                interface: Some(interface),
                disks: Vec::new(),
                phase: Phase::Running,
                reason: None,
                created: now,
                launched: now,
                epoch: 1,
                keeps_shutting_down: false,
                launch_failure: None,
                console: Console::default(),
                running_since: Some(now),
            };
            let place = self.region(region);
            place.serials.insert(id.clone(), serial);
            place.instances.insert(serial, instance);
            self.print_boot(region, serial);
            ids.push(id);
        }
        ids
    }
}
