//! The emulator as a test holds it: views of its memory, and controls that make the cloud less kind.

use std::ops::Deref;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::dispatch::Service;
use super::region_state::OptIn;
use super::state::{Controls, State};
use super::test_views::{InstanceView, VolumeView};
use crate::http::Server;

/// A running EC2; it stops when this is dropped. Every control may be set at any time.
pub struct Emulator {
    server: Server<Service>,
}

impl Deref for Emulator {
    type Target = Server<Service>;

    fn deref(&self) -> &Self::Target {
        &self.server
    }
}

impl Emulator {
    /// Starts on a free port.
    pub fn start() -> Self {
        Self::start_on(0).expect("there is a free port")
    }

    /// Starts on a loopback port; 0 means any free one. Fails if the port is taken.
    pub fn start_on(port: u16) -> std::io::Result<Self> {
        let server = Server::start_on(Service::default(), port)?;
        Ok(Self { server })
    }

    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.server.service.state())
    }

    pub(super) fn change_controls(&self, change: impl FnOnce(&mut Controls)) {
        self.with(|state| change(&mut state.controls));
    }

    // --- what is there

    /// Every instance of every region that EC2 still shows, by region and launch.
    pub fn instances(&self) -> Vec<InstanceView> {
        self.with(|state| {
            let regions = state.regions.values();
            let views = regions.flat_map(|region| {
                region
                    .instances
                    .values()
                    .map(|instance| InstanceView::of(region, instance))
            });
            views.collect()
        })
    }

    /// The instances that are neither terminated nor on the way there.
    pub fn alive(&self) -> Vec<InstanceView> {
        let mut instances = self.instances();
        instances.retain(InstanceView::is_alive);
        instances
    }

    /// The instance with this id, in any region.
    pub fn instance(&self, id: &str) -> Option<InstanceView> {
        self.with(|state| {
            let mut regions = state.regions.values();
            regions.find_map(|region| Some(InstanceView::of(region, region.instance(id)?)))
        })
    }

    /// Every volume, attached or left behind.
    pub fn volumes(&self) -> Vec<VolumeView> {
        self.with(|state| {
            let regions = state.regions.values();
            let views = regions.flat_map(|region| region.volumes.values().map(|volume| VolumeView::of(region, volume)));
            views.collect()
        })
    }

    /// The id of the image with this name in a region.
    pub fn image_id(&self, region: &str, name: &str) -> Option<String> {
        self.with(|state| {
            let mut images = state.regions.get(region)?.images.iter();
            Some(images.find(|image| image.name == name)?.id.clone())
        })
    }

    // --- time

    /// The lifecycle clock.
    pub fn now(&self) -> Timestamp {
        self.with(|state| state.now())
    }

    /// Moves the lifecycle clock on, and lets happen what is due. The `Date` header stays with the real clock.
    pub fn advance(&self, by: Duration) {
        self.with(|state| state.advance(by));
    }

    /// Finishes every change of state that is under way, without moving the clock.
    pub fn finish_transitions(&self) {
        self.with(State::finish_transitions);
    }

    /// How long `pending`, `stopping` and `shutting-down` last from now on; 200 ms at first.
    pub fn set_transition(&self, delay: Duration) {
        self.change_controls(|controls| controls.transition = delay);
    }

    /// Puts the clock that dates answers and judges `X-Amz-Date` off by so much.
    pub fn set_date_offset(&self, offset: SignedDuration) {
        self.with(|state| state.date_offset = offset);
    }

    /// Reads do not see a new instance for so long.
    pub fn set_lag(&self, lag: Duration) {
        self.change_controls(|controls| controls.lag = lag);
    }

    /// Reads do not see a change of tags for so long. It holds for changes made from now on.
    pub fn set_tag_lag(&self, lag: Duration) {
        self.change_controls(|controls| controls.tag_lag = lag);
    }

    // --- capacity, quota, network

    /// No room is left in this zone.
    pub fn exhaust_zone(&self, zone: &str) {
        self.set_capacity(zone, 0);
    }

    /// No room is left for this type, in any zone.
    pub fn exhaust_type(&self, kind: &str) {
        self.set_capacity(kind, 0);
    }

    /// Room for so many more launches in a `zone`, of a `type`, or of a type in a zone: `zone/type`.
    pub fn set_capacity(&self, pool: &str, room: usize) {
        self.change_controls(|controls| {
            controls.capacity.insert(pool.to_owned(), room);
        });
    }

    /// Removes every limit on capacity.
    pub fn restore_capacity(&self) {
        self.change_controls(|controls| controls.capacity.clear());
    }

    /// The quota of on-demand vCPUs, in each region.
    pub fn set_vcpu_limit(&self, limit: u32) {
        self.change_controls(|controls| controls.vcpu_limit = Some(limit));
    }

    /// What spare capacity of a type costs in a zone now, in USD per hour.
    pub fn set_spot_price(&self, zone: &str, kind: &str, price: f64) {
        self.change_controls(|controls| {
            controls.spot_prices.insert(format!("{zone}/{kind}"), price);
        });
    }

    /// The next so many launches find that somebody has just removed the unused groups whose names begin so.
    pub fn remove_groups_before_launch(&self, beginning: &str, times: usize) {
        self.change_controls(|controls| controls.removed_groups = Some((beginning.to_owned(), times)));
    }

    /// Removes the region's default VPC.
    pub fn disable_default_vpc(&self, region: &str) {
        self.with(|state| state.region(region).remove_default_vpc());
    }

    /// Adds a VPC of the account's own; gives its id and its subnets, one for each zone in order.
    pub fn add_vpc(&self, region: &str, name: &str) -> (String, Vec<String>) {
        self.with(|state| state.region(region).add_vpc(name, false))
    }

    /// DescribeRegions names no others than these from now on, although all answer.
    pub fn list_only(&self, regions: &[&str]) {
        self.with(|state| {
            for region in state.regions.values_mut() {
                region.is_unlisted = !regions.contains(&region.info.name);
            }
        });
    }

    /// Sets whether the account has opted in to the region.
    pub fn set_opt_in(&self, region: &str, status: OptIn) {
        self.with(|state| state.region(region).opt_in = status);
    }

    // --- account

    /// The account may no longer do this; `RunInstances`, say.
    pub fn remove_account_permission(&self, action: &str) {
        self.change_controls(|controls| {
            controls.denied.insert(action.to_owned());
        });
    }

    /// It may again.
    pub fn give_account_permission(&self, action: &str) {
        self.change_controls(|controls| {
            controls.denied.remove(action);
        });
    }

    /// Refuses every request, as EC2 does when credentials have expired.
    pub fn expire_credentials(&self) {
        self.change_controls(|controls| controls.credentials_expired = true);
    }

    /// Accepts the credentials again.
    pub fn renew_credentials(&self) {
        self.change_controls(|controls| controls.credentials_expired = false);
    }

    /// The account's default is that instances see their tags in their metadata, as far as a launch does not say.
    pub fn set_metadata_tags_by_default(&self, on: bool) {
        self.change_controls(|controls| controls.metadata_tags_by_default = on);
    }

    // --- pages

    /// The longest page, whatever MaxResults says; 1,000 at first.
    pub fn page_size_cap(&self, size: usize) {
        self.change_controls(|controls| controls.page_size = size.max(1));
    }

    /// Puts an empty page with a token before every page that is not empty.
    pub fn set_empty_pages(&self, on: bool) {
        self.change_controls(|controls| controls.empty_pages = on);
    }

    /// Answers every token with the same token, for ever.
    pub fn set_repeat_page_token(&self, on: bool) {
        self.change_controls(|controls| controls.repeat_page_token = on);
    }

    /// Refuses the next so many requests with a token.
    pub fn refuse_page_tokens(&self, times: usize) {
        self.change_controls(|controls| controls.refuse_page_tokens = times);
    }

    /// Voids all tokens that were handed out so far.
    pub fn expire_page_tokens(&self) {
        self.change_controls(|controls| controls.page_epoch += 1);
    }

    // --- client tokens

    /// Before 2025: the token of a terminated instance gives that instance.
    pub fn set_return_terminated_for_old_token(&self, on: bool) {
        self.change_controls(|controls| controls.return_terminated_for_old_token = on);
    }

    /// A token with changed parameters silently gives the old instance.
    pub fn set_return_old_for_changed_launch(&self, on: bool) {
        self.change_controls(|controls| controls.return_old_for_changed_launch = on);
    }

    /// A launch that is refused for what it names spends its token, as one does that finds no room.
    pub fn set_refusals_use_up_tokens(&self) {
        self.change_controls(|controls| controls.refusals_use_up_tokens = true);
    }

    /// Treats every launch as if it had a token of its own: the shim that shows that the checks can fail.
    pub fn forget_client_tokens(&self) {
        self.change_controls(|controls| controls.forget_client_tokens = true);
    }
}

impl Controls {
    /// The failure of the next instance, if one is to come.
    pub fn take_launch_failure(&mut self) -> Option<(String, String)> {
        let (code, message, times) = self.launch_failure.as_mut().filter(|(.., times)| *times > 0)?;
        *times -= 1;
        Some((code.clone(), message.clone()))
    }
}
