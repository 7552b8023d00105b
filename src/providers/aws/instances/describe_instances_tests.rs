use aws_credential_types::Credentials;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::{BehaviorVersion, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use super::*;
use crate::providers::aws::instances::list::instances;

const REGION: &str = "eu-west-1";
/// The reservation that the benchmark's pages are made of, with its gaps.
const RECORDED: &str = include_str!("../../../../benches/peers/pages/ec2_reservation.xml");

/// One instance with everything that is read, and some that is not; one with nothing but an id.
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
      <stateReason><code>Server.SpotInstanceTermination</code><message>reclaimed</message></stateReason>
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
struct Canned(String);

impl HttpConnector for Canned {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let ok = 200.try_into().unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(ok, SdkBody::from(self.0.as_str()))))
    }
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Self(self.0.clone()))
    }
}

/// What the SDK makes of an answer.
async fn by_the_sdk(document: &str) -> Page {
    let config = aws_sdk_ec2::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .http_client(SharedHttpClient::new(Canned(document.to_owned())))
        .build();
    let answer = Client::from_conf(config).describe_instances().send().await.unwrap();
    Page {
        instances: instances(&answer, REGION),
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
async fn it_reads_what_the_sdk_reads() {
    for (reservations, rest, count) in [
        (FULL, "<nextToken>a&amp;b</nextToken>", 2),
        (RECORDED, "", 1),
        (&RECORDED.repeat(3), "<nextToken/>", 3),
        ("", "", 0),
    ] {
        let document = document(reservations, rest);
        let (quick, sdk) = (page(&document, REGION).unwrap(), by_the_sdk(&document).await);
        assert_eq!(quick.instances.len(), count);
        for (quick, sdk) in quick.instances.iter().zip(&sdk.instances) {
            assert_eq!(format!("{quick:#?}"), format!("{sdk:#?}"));
        }
        assert_eq!(sdk.instances.len(), count);
        assert_eq!(quick.next_token, sdk.next_token);
    }
}

#[test]
fn what_makes_no_sense_is_left_to_the_sdk() {
    let sound = document(FULL, "");
    assert!(page(&sound, REGION).is_some());
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
        assert!(page(&odd, REGION).is_none(), "{to}");
    }
}
