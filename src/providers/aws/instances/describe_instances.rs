//! Reads the pages of DescribeInstances faster than the SDK's own parser, which takes most of a listing's time.
//!
//! cloudctl needs half of the some 130 elements of an instance. They are read into the SDK's own type, so that
//! [`from_api`] works for both. A document that is not as expected is left to the SDK.
//!
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html>

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ec2::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::BoxError;
use aws_sdk_ec2::types as ec2;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;

use super::from_api;
use crate::cloud::Instance;
use crate::providers::aws::api::xml_reader::XmlReader;

/// The document that the SDK gets instead of one that was read already.
const EMPTY_RESPONSE_XML: &str = "<DescribeInstancesResponse/>";

#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) instances: Vec<Instance>,
    pub(crate) next_token: Option<String>,
}

/// Captures the page in the response to one DescribeInstances call, and spares the SDK its own parse.
#[derive(Clone, Debug)]
pub(crate) struct PageCapture {
    region: Arc<str>,
    page: Arc<Mutex<Option<Page>>>,
}

impl PageCapture {
    /// Creates the capture for a response of this region.
    pub(crate) fn new(region: &str) -> Self {
        Self {
            region: region.into(),
            page: Arc::default(),
        }
    }

    /// Takes the page; `None` if the SDK has to parse the response.
    pub(crate) fn take_page(&self) -> Option<Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Intercept for PageCapture {
    fn name(&self) -> &'static str {
        "PageCapture"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        if !response.status().is_success() {
            return Ok(());
        }
        let text = response.body().bytes().and_then(|body| std::str::from_utf8(body).ok());
        if let Some(page) = text.and_then(|text| parse_page(text, &self.region)) {
            *self.page.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
            *response.body_mut() = SdkBody::from(EMPTY_RESPONSE_XML);
        }
        Ok(())
    }
}

/// Reads the element with this name, which was entered, and leaves it.
type ElementReader<T> = fn(&mut XmlReader<'_>, &str) -> Option<T>;

/// Reads the named children of an element and skips the others.
macro_rules! read_children {
    ($reader:ident, $parent:expr, { $($name:literal => $read:expr,)* }) => {
        while let Some(name) = $reader.next_child($parent)? {
            match name {
                $($name => $read,)*
                other => $reader.skip_element(other)?,
            }
        }
    };
}

fn parse_page(text: &str, region: &str) -> Option<Page> {
    const ROOT: &str = "DescribeInstancesResponse";
    let mut reader = XmlReader::enter_root(text, ROOT)?;
    let mut page = Page::default();
    read_children!(reader, ROOT, {
        "nextToken" => page.next_token = Some(read_string(&mut reader, "nextToken")?),
        "reservationSet" => read_children!(reader, "reservationSet", {
            "item" => read_reservation(&mut reader, region, &mut page.instances)?,
        }),
    });
    reader.is_at_end().then_some(page)
}

/// Adds the instances of a reservation to `instances`.
fn read_reservation(reader: &mut XmlReader<'_>, region: &str, instances: &mut Vec<Instance>) -> Option<()> {
    let (mut owner, mut described) = (None, Vec::new());
    read_children!(reader, "item", {
        "ownerId" => owner = Some(read_string(reader, "ownerId")?),
        "instancesSet" => described.extend(read_items(reader, "instancesSet", read_instance)?),
    });
    let convert = |instance| from_api::from_ec2(instance, region, owner.as_deref());
    instances.extend(described.iter().filter_map(convert));
    Some(())
}

/// Defines functions that each read an element into a type of the SDK. A row has the name of a child, the builder's
/// setter, and the function that reads the child.
macro_rules! element_readers {
    ($($function:ident -> $type:ty { $($name:literal => $setter:ident($read:expr))* })*) => {
        $(fn $function(reader: &mut XmlReader<'_>, element: &str) -> Option<$type> {
            let mut builder = <$type>::builder();
            read_children!(reader, element, {
                $($name => builder = builder.$setter($read(reader, $name)?),)*
            });
            Some(builder.build())
        })*
    };
}

element_readers! {
    read_instance -> ec2::Instance {
        "amiLaunchIndex" => ami_launch_index(read_value)
        "architecture" => architecture(read_word)
        "blockDeviceMapping" => set_block_device_mappings(items_of(read_block_device))
        "cpuOptions" => cpu_options(read_cpu_options)
        "dnsName" => public_dns_name(read_string)
        "groupSet" => set_security_groups(items_of(read_group))
        "iamInstanceProfile" => iam_instance_profile(read_instance_profile)
        "imageId" => image_id(read_string)
        "instanceId" => instance_id(read_string)
        "instanceLifecycle" => instance_lifecycle(read_word)
        "instanceState" => state(read_state)
        "instanceType" => instance_type(read_word)
        "ipAddress" => public_ip_address(read_string)
        "ipv6Address" => ipv6_address(read_string)
        "keyName" => key_name(read_string)
        "launchTime" => launch_time(read_time)
        "metadataOptions" => metadata_options(read_metadata_options)
        "networkInterfaceSet" => set_network_interfaces(items_of(read_network_interface))
        "placement" => placement(read_placement)
        "platform" => platform(read_word)
        "platformDetails" => platform_details(read_string)
        "privateDnsName" => private_dns_name(read_string)
        "privateIpAddress" => private_ip_address(read_string)
        "reason" => state_transition_reason(read_string)
        "rootDeviceName" => root_device_name(read_string)
        "spotInstanceRequestId" => spot_instance_request_id(read_string)
        "stateReason" => state_reason(read_state_reason)
        "subnetId" => subnet_id(read_string)
        "tagSet" => set_tags(items_of(read_tag))
        "vpcId" => vpc_id(read_string)
    }
    read_instance_profile -> ec2::IamInstanceProfile {
        "arn" => arn(read_string)
    }
    read_state -> ec2::InstanceState {
        "name" => name(read_word)
    }
    read_metadata_options -> ec2::InstanceMetadataOptionsResponse {
        "httpTokens" => http_tokens(read_word)
        "instanceMetadataTags" => instance_metadata_tags(read_word)
    }
    read_state_reason -> ec2::StateReason {
        "code" => code(read_string)
    }
    read_block_device -> ec2::InstanceBlockDeviceMapping {
        "ebs" => ebs(read_volume)
    }
    read_volume -> ec2::EbsInstanceBlockDevice {
        "deleteOnTermination" => delete_on_termination(read_value)
        "volumeId" => volume_id(read_string)
    }
    read_cpu_options -> ec2::CpuOptions {
        "coreCount" => core_count(read_value)
        "threadsPerCore" => threads_per_core(read_value)
    }
    read_group -> ec2::GroupIdentifier {
        "groupId" => group_id(read_string)
        "groupName" => group_name(read_string)
    }
    read_network_interface -> ec2::InstanceNetworkInterface {
        "attachment" => attachment(read_attachment)
    }
    read_attachment -> ec2::InstanceNetworkInterfaceAttachment {
        "attachTime" => attach_time(read_time)
        "deviceIndex" => device_index(read_value)
    }
    read_placement -> ec2::Placement {
        "availabilityZone" => availability_zone(read_string)
        "groupName" => group_name(read_string)
        "tenancy" => tenancy(read_word)
    }
    read_tag -> ec2::Tag {
        "key" => key(read_string)
        "value" => value(read_string)
    }
}

/// Gives the function that reads a list for one of these setters: they take a list as `Some`.
fn items_of<T>(read_item: ElementReader<T>) -> impl Fn(&mut XmlReader<'_>, &str) -> Option<Option<Vec<T>>> {
    move |reader, list| read_items(reader, list, read_item).map(Some)
}

/// Reads a list whose elements are named `item`.
fn read_items<T>(reader: &mut XmlReader<'_>, list: &str, read_item: ElementReader<T>) -> Option<Vec<T>> {
    let mut items = Vec::new();
    read_children!(reader, list, { "item" => items.push(read_item(reader, "item")?), });
    Some(items)
}

fn read_string(reader: &mut XmlReader<'_>, element: &str) -> Option<String> {
    reader.read_text(element).map(Cow::into_owned)
}

fn read_word<T: for<'word> From<&'word str>>(reader: &mut XmlReader<'_>, element: &str) -> Option<T> {
    Some(reader.read_text(element)?.as_ref().into())
}

fn read_value<T: FromStr>(reader: &mut XmlReader<'_>, element: &str) -> Option<T> {
    reader.read_text(element)?.parse().ok()
}

fn read_time(reader: &mut XmlReader<'_>, element: &str) -> Option<DateTime> {
    DateTime::from_str(&reader.read_text(element)?, Format::DateTimeWithOffset).ok()
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use aws_sdk_ec2::Client;
    use aws_sdk_ec2::config::{BehaviorVersion, Region};
    use aws_smithy_runtime_api::client::http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

    use super::*;
    use crate::providers::aws::instances::list::read_instances;

    const REGION: &str = "eu-west-1";
    /// The reservation of the benchmark's pages, with gaps.
    const RECORDED: &str = include_str!("../../../../benches/peers/pages/ec2_reservation.xml");

    /// One instance with every element that is read and some that are not, and one with only an id.
    const FULL: &str = r#"
<item>
  <reservationId>r-1</reservationId><ownerId>123456789012</ownerId><groupSet/>
  <instancesSet>
    <item>
      <instanceId>i-1</instanceId><imageId>ami-1</imageId>
      <instanceState><code>48</code><name>terminated</name></instanceState>
      <privateDnsName>ip-10-0-0-1.internal</privateDnsName><dnsName>ec2-1.example</dnsName>
      <reason>User initiated (2026-11-25 03:00:00 GMT)</reason><keyName>operations</keyName>
      <amiLaunchIndex>1</amiLaunchIndex><productCodes/>
      <instanceType>m7g.large</instanceType><launchTime>2026-11-25T02:43:41.000Z</launchTime>
      <placement><availabilityZone>eu-west-1b</availabilityZone><groupName>near</groupName><tenancy>dedicated</tenancy></placement>
      <platform>windows</platform><platformDetails>Windows</platformDetails>
      <monitoring><state>disabled</state></monitoring>
      <subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId>
      <privateIpAddress>10.0.0.1</privateIpAddress><ipAddress>54.0.0.1</ipAddress><ipv6Address>2001:db8::1</ipv6Address>
      <groupSet><item><groupId>sg-1</groupId><groupName>cloudctl-open-22</groupName></item></groupSet>
      <stateReason><code>Server.SpotInstanceTermination</code><message>spot_reclaim</message></stateReason>
      <architecture>arm64</architecture><rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/xvda</rootDeviceName>
      <blockDeviceMapping>
        <item><deviceName>/dev/xvda</deviceName><ebs><volumeId>vol-1</volumeId><status>attached</status>
          <attachTime>2026-11-25T02:43:42.000Z</attachTime><deleteOnTermination>true</deleteOnTermination></ebs></item>
        <item><deviceName>/dev/sdb</deviceName><ebs><volumeId>vol-2</volumeId><deleteOnTermination>false</deleteOnTermination></ebs></item>
      </blockDeviceMapping>
      <instanceLifecycle>spot</instanceLifecycle><spotInstanceRequestId>sir-1</spotInstanceRequestId>
      <tagSet>
        <item><key>Name</key><value>caf&#233; &lt;&amp;&gt; &quot;&apos;</value></item>
        <item><key>blank</key><value>   </value></item>
        <item><key>empty</key><value/></item>
        <item><key>cloudctl-managed</key><value>true</value></item>
        <item><key>cloudctl-name</key><value>web</value></item>
        <item><key>cloudctl-ttl</key><value>2h</value></item>
      </tagSet>
      <networkInterfaceSet>
        <item><networkInterfaceId>eni-2</networkInterfaceId><privateIpAddress>10.9.9.9</privateIpAddress>
          <groupSet><item><groupId>sg-9</groupId><groupName>other</groupName></item></groupSet>
          <attachment><deviceIndex>1</deviceIndex><attachTime>2026-11-25T09:00:00.000Z</attachTime></attachment></item>
        <item><networkInterfaceId>eni-1</networkInterfaceId>
          <attachment><deviceIndex>0</deviceIndex><attachTime>2026-11-24T02:43:41.000Z</attachTime></attachment></item>
      </networkInterfaceSet>
      <iamInstanceProfile><arn>arn:aws:iam::123456789012:instance-profile/web</arn><id>AIPA1</id></iamInstanceProfile>
      <cpuOptions><coreCount>2</coreCount><threadsPerCore>1</threadsPerCore></cpuOptions>
      <metadataOptions><state>applied</state><httpTokens>required</httpTokens></metadataOptions>
      <something><new><instanceId>i-9</instanceId></new></something>
    </item>
    <item><instanceId>i-2</instanceId></item>
  </instancesSet>
</item>
<item><instancesSet/></item>"#;

    #[derive(Debug)]
    struct FixedResponse(String);

    impl HttpConnector for FixedResponse {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let ok = 200.try_into().unwrap();
            HttpConnectorFuture::ready(Ok(HttpResponse::new(ok, SdkBody::from(self.0.as_str()))))
        }
    }

    impl HttpClient for FixedResponse {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(Self(self.0.clone()))
        }
    }

    async fn read_with_sdk(document: &str) -> Page {
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .http_client(SharedHttpClient::new(FixedResponse(document.to_owned())))
            .build();
        let answer = Client::from_conf(config).describe_instances().send().await.unwrap();
        Page {
            instances: read_instances(&answer, REGION),
            next_token: answer.next_token,
        }
    }

    fn document(reservations: &str, rest: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n\
         <requestId>1</requestId><reservationSet>{reservations}</reservationSet>{rest}</DescribeInstancesResponse>\n"
        )
    }

    #[tokio::test]
    async fn reader_reads_the_same_as_the_sdk() {
        for (reservations, rest, count) in [
            (FULL, "<nextToken>a&amp;b</nextToken>", 2),
            (RECORDED, "", 1),
            (&RECORDED.repeat(3), "<nextToken/>", 3),
            ("", "", 0),
        ] {
            let document = document(reservations, rest);
            let (fast, sdk) = (parse_page(&document, REGION).unwrap(), read_with_sdk(&document).await);
            assert_eq!(fast.instances.len(), count);
            for (fast, sdk) in fast.instances.iter().zip(&sdk.instances) {
                assert_eq!(format!("{fast:#?}"), format!("{sdk:#?}"));
            }
            assert_eq!(sdk.instances.len(), count);
            assert_eq!(fast.next_token, sdk.next_token);
        }
    }

    #[test]
    fn invalid_document_is_left_to_the_sdk() {
        let sound = document(FULL, "");
        assert!(parse_page(&sound, REGION).is_some());
        for (from, to) in [
            ("<amiLaunchIndex>1<", "<amiLaunchIndex>one<"),
            ("2026-11-25T02:43:41.000Z", "yesterday"),
            ("<deleteOnTermination>true", "<deleteOnTermination>perhaps"),
            ("<key>blank</key>", "<key>blank<b/></key>"),
            ("DescribeInstancesResponse", "Response"),
            ("<productCodes/>", "<![CDATA[x]]>"),
        ] {
            let odd = sound.replace(from, to);
            assert_ne!(odd, sound, "{from}");
            assert!(parse_page(&odd, REGION).is_none(), "{to}");
        }
    }
}
