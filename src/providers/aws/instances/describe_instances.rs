//! Reads the pages of DescribeInstances faster than the SDK's own parser, which takes most of a listing's time.
//!
//! cloudctl needs half of the some 130 elements of an instance. They are read into the SDK's own type, so that
//! [`convert`] works for both. A document that is not as expected is left to the SDK.
//!
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html>

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
const NOTHING: &str = "<DescribeInstancesResponse/>";

/// A page of instances.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) instances: Vec<Instance>,
    pub(crate) next_token: Option<String>,
}

/// Reads the page out of the response to one DescribeInstances call.
#[derive(Clone, Debug)]
pub(crate) struct PageReader {
    region: Arc<str>,
    page: Arc<Mutex<Option<Page>>>,
}

impl PageReader {
    /// Creates a reader for a response of this region.
    pub(crate) fn new(region: &str) -> Self {
        Self {
            region: region.into(),
            page: Arc::default(),
        }
    }

    /// Takes the page, if it could be read.
    pub(crate) fn take_page(&self) -> Option<Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Intercept for PageReader {
    fn name(&self) -> &'static str {
        "PageReader"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        let body = response.body().bytes().filter(|_| response.status().is_success());
        let text = body.and_then(|body| std::str::from_utf8(body).ok());
        let page = text.and_then(|text| parse_page(text, &self.region));
        if page.is_some() {
            *response.body_mut() = SdkBody::from(NOTHING);
        }
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = page;
        Ok(())
    }
}

/// Reads the named children of an element and skips the others.
macro_rules! children {
    ($reader:ident, $parent:expr, { $($name:pat => $read:expr,)* }) => {
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
    let mut reader = XmlReader::into_root(text, ROOT)?;
    let mut page = Page::default();
    children!(reader, ROOT, {
        "nextToken" => page.next_token = Some(read_string(&mut reader, "nextToken")?),
        "reservationSet" => children!(reader, "reservationSet", {
            "item" => read_reservation(&mut reader, region, &mut page.instances)?,
        }),
    });
    reader.is_at_end().then_some(page)
}

fn read_reservation(reader: &mut XmlReader<'_>, region: &str, all: &mut Vec<Instance>) -> Option<()> {
    let (mut owner, mut found) = (None, Vec::new());
    children!(reader, "item", {
        "ownerId" => owner = Some(read_string(reader, "ownerId")?),
        "instancesSet" => children!(reader, "instancesSet", {
            "item" => found.push(read_instance(reader)?),
        }),
    });
    let owner = owner.as_deref();
    all.extend(
        found
            .iter()
            .filter_map(|found| from_api::from_ec2(found, region, owner)),
    );
    Some(())
}

fn read_instance(reader: &mut XmlReader<'_>) -> Option<ec2::Instance> {
    let mut built = ec2::Instance::builder();
    children!(reader, "item", {
        "amiLaunchIndex" => built = built.ami_launch_index(read_number(reader, "amiLaunchIndex")?),
        "architecture" => built = built.architecture(reader.read_text("architecture")?.as_ref().into()),
        "blockDeviceMapping" => children!(reader, "blockDeviceMapping", {
            "item" => built = built.block_device_mappings(read_block_device(reader)?),
        }),
        "cpuOptions" => built = built.cpu_options(read_cpu_options(reader)?),
        "dnsName" => built = built.public_dns_name(read_string(reader, "dnsName")?),
        "groupSet" => children!(reader, "groupSet", {
            "item" => built = built.security_groups(read_group(reader)?),
        }),
        "iamInstanceProfile" => {
            let mut profile = ec2::IamInstanceProfile::builder();
            children!(reader, "iamInstanceProfile", {
                "arn" => profile = profile.arn(read_string(reader, "arn")?),
            });
            built = built.iam_instance_profile(profile.build());
        },
        "imageId" => built = built.image_id(read_string(reader, "imageId")?),
        "instanceId" => built = built.instance_id(read_string(reader, "instanceId")?),
        "instanceLifecycle" => built = built.instance_lifecycle(reader.read_text("instanceLifecycle")?.as_ref().into()),
        "instanceState" => {
            let mut state = ec2::InstanceState::builder();
            children!(reader, "instanceState", {
                "name" => state = state.name(reader.read_text("name")?.as_ref().into()),
            });
            built = built.state(state.build());
        },
        "instanceType" => built = built.instance_type(reader.read_text("instanceType")?.as_ref().into()),
        "ipAddress" => built = built.public_ip_address(read_string(reader, "ipAddress")?),
        "ipv6Address" => built = built.ipv6_address(read_string(reader, "ipv6Address")?),
        "keyName" => built = built.key_name(read_string(reader, "keyName")?),
        "launchTime" => built = built.launch_time(read_time(reader, "launchTime")?),
        "metadataOptions" => {
            let mut options = ec2::InstanceMetadataOptionsResponse::builder();
            children!(reader, "metadataOptions", {
                "httpTokens" => options = options.http_tokens(reader.read_text("httpTokens")?.as_ref().into()),
            });
            built = built.metadata_options(options.build());
        },
        "networkInterfaceSet" => children!(reader, "networkInterfaceSet", {
            "item" => built = built.network_interfaces(read_interface(reader)?),
        }),
        "placement" => built = built.placement(read_placement(reader)?),
        "platform" => built = built.platform(reader.read_text("platform")?.as_ref().into()),
        "platformDetails" => built = built.platform_details(read_string(reader, "platformDetails")?),
        "privateDnsName" => built = built.private_dns_name(read_string(reader, "privateDnsName")?),
        "privateIpAddress" => built = built.private_ip_address(read_string(reader, "privateIpAddress")?),
        "reason" => built = built.state_transition_reason(read_string(reader, "reason")?),
        "rootDeviceName" => built = built.root_device_name(read_string(reader, "rootDeviceName")?),
        "spotInstanceRequestId" => built = built.spot_instance_request_id(read_string(reader, "spotInstanceRequestId")?),
        "stateReason" => {
            let mut reason = ec2::StateReason::builder();
            children!(reader, "stateReason", {
                "code" => reason = reason.code(read_string(reader, "code")?),
            });
            built = built.state_reason(reason.build());
        },
        "subnetId" => built = built.subnet_id(read_string(reader, "subnetId")?),
        "tagSet" => children!(reader, "tagSet", {
            "item" => built = built.tags(read_tag(reader)?),
        }),
        "vpcId" => built = built.vpc_id(read_string(reader, "vpcId")?),
    });
    Some(built.build())
}

fn read_block_device(reader: &mut XmlReader<'_>) -> Option<ec2::InstanceBlockDeviceMapping> {
    let mut built = ec2::InstanceBlockDeviceMapping::builder();
    children!(reader, "item", {
        "ebs" => {
            let mut volume = ec2::EbsInstanceBlockDevice::builder();
            children!(reader, "ebs", {
                "deleteOnTermination" => volume = volume.delete_on_termination(read_bool(reader, "deleteOnTermination")?),
                "volumeId" => volume = volume.volume_id(read_string(reader, "volumeId")?),
            });
            built = built.ebs(volume.build());
        },
    });
    Some(built.build())
}

fn read_cpu_options(reader: &mut XmlReader<'_>) -> Option<ec2::CpuOptions> {
    let mut built = ec2::CpuOptions::builder();
    children!(reader, "cpuOptions", {
        "coreCount" => built = built.core_count(read_number(reader, "coreCount")?),
        "threadsPerCore" => built = built.threads_per_core(read_number(reader, "threadsPerCore")?),
    });
    Some(built.build())
}

fn read_group(reader: &mut XmlReader<'_>) -> Option<ec2::GroupIdentifier> {
    let mut built = ec2::GroupIdentifier::builder();
    children!(reader, "item", {
        "groupId" => built = built.group_id(read_string(reader, "groupId")?),
        "groupName" => built = built.group_name(read_string(reader, "groupName")?),
    });
    Some(built.build())
}

fn read_interface(reader: &mut XmlReader<'_>) -> Option<ec2::InstanceNetworkInterface> {
    let mut built = ec2::InstanceNetworkInterface::builder();
    children!(reader, "item", {
        "attachment" => {
            let mut attachment = ec2::InstanceNetworkInterfaceAttachment::builder();
            children!(reader, "attachment", {
                "attachTime" => attachment = attachment.attach_time(read_time(reader, "attachTime")?),
                "deviceIndex" => attachment = attachment.device_index(read_number(reader, "deviceIndex")?),
            });
            built = built.attachment(attachment.build());
        },
    });
    Some(built.build())
}

fn read_placement(reader: &mut XmlReader<'_>) -> Option<ec2::Placement> {
    let mut built = ec2::Placement::builder();
    children!(reader, "placement", {
        "availabilityZone" => built = built.availability_zone(read_string(reader, "availabilityZone")?),
        "groupName" => built = built.group_name(read_string(reader, "groupName")?),
        "tenancy" => built = built.tenancy(reader.read_text("tenancy")?.as_ref().into()),
    });
    Some(built.build())
}

fn read_tag(reader: &mut XmlReader<'_>) -> Option<ec2::Tag> {
    let mut built = ec2::Tag::builder();
    children!(reader, "item", {
        "key" => built = built.key(read_string(reader, "key")?),
        "value" => built = built.value(read_string(reader, "value")?),
    });
    Some(built.build())
}

fn read_string(reader: &mut XmlReader<'_>, element: &str) -> Option<String> {
    reader.read_text(element).map(std::borrow::Cow::into_owned)
}

fn read_number(reader: &mut XmlReader<'_>, element: &str) -> Option<i32> {
    reader.read_text(element)?.parse().ok()
}

fn read_bool(reader: &mut XmlReader<'_>, element: &str) -> Option<bool> {
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

    /// The page as the SDK reads it.
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
