//! What is left out of a listing before the SDK reads it: most of what EC2 says of an instance is nothing that cloudctl
//! shows, and the SDK's reader of XML takes its time over every element.

use std::mem;

use aws_sdk_ec2::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::BoxError;
use aws_smithy_types::body::SdkBody;
use memchr::{memchr, memmem};

/// Elements that nothing reads of an instance, nor of its network interfaces, wherever they stand.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html>
const UNREAD: [&[u8]; 33] = [
    b"association",
    b"attachmentId",
    b"bootMode",
    b"capacityReservationSpecification",
    b"clientToken",
    b"connectionTrackingConfiguration",
    b"currentInstanceBootMode",
    b"description",
    b"ebsOptimized",
    b"elasticGpuAssociationSet",
    b"elasticInferenceAcceleratorAssociationSet",
    b"enaSupport",
    b"enclaveOptions",
    b"hibernationOptions",
    b"hypervisor",
    b"interfaceType",
    b"ipv6AddressesSet",
    b"licenseSet",
    b"macAddress",
    b"maintenanceOptions",
    b"monitoring",
    b"networkCardIndex",
    b"networkInterfaceId",
    b"operator",
    b"privateDnsNameOptions",
    b"privateIpAddressesSet",
    b"productCodes",
    b"rootDeviceType",
    b"sourceDestCheck",
    b"sriovNetSupport",
    b"usageOperation",
    b"usageOperationUpdateTime",
    b"virtualizationType",
];

/// Makes the answers of DescribeInstances lean.
#[derive(Debug)]
pub(super) struct Lean;

impl Intercept for Lean {
    fn name(&self) -> &'static str {
        "Lean"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        if response.status().is_success()
            && let Some(lean) = response.body().bytes().and_then(without_unread)
        {
            drop(mem::replace(response.body_mut(), SdkBody::from(lean)));
        }
        Ok(())
    }
}

/// A document without its unread elements and its indentation. Nothing if it has constructs of XML that no answer of EC2
/// has: then it is left as it is.
fn without_unread(document: &[u8]) -> Option<Vec<u8>> {
    let mut lean = Vec::with_capacity(document.len() / 2);
    let (mut copied, mut at) = (0, 0);
    // Whether the last tag opened an element: then white space is its text.
    let mut is_text = false;
    while let Some(found) = memchr(b'<', &document[at..]) {
        let start = at + found;
        let end = start + memchr(b'>', &document[start..])?;
        let name = &document[start + 1..end];
        let is_end = name.first() == Some(&b'/');
        if name.first() == Some(&b'!') {
            return None;
        }
        let is_indentation = !(is_text && is_end) && document[at..start].iter().all(u8::is_ascii_whitespace);
        if is_indentation {
            lean.extend_from_slice(&document[copied..at]);
            copied = start;
        }
        at = end + 1;
        let is_empty = name.last() == Some(&b'/');
        is_text = !is_end && !is_empty && name.first() != Some(&b'?');
        let bare = name.strip_suffix(b"/").unwrap_or(name);
        if is_end || UNREAD.binary_search(&bare).is_err() {
            continue;
        }
        if !is_empty {
            at += end_of(name, &document[at..])?;
        }
        is_text = false;
        lean.extend_from_slice(&document[copied..start]);
        copied = at;
    }
    lean.extend_from_slice(&document[copied..]);
    Some(lean)
}

/// Where an element ends that begins before `rest`; nothing if it has another one of its own name in it.
fn end_of(name: &[u8], rest: &[u8]) -> Option<usize> {
    let end = [b"</", name, b">"].concat();
    let length = memmem::find(rest, &end)?;
    let begin = [b"<", name, b">"].concat();
    memmem::find(&rest[..length], &begin)
        .is_none()
        .then_some(length + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lean(document: &str) -> Option<String> {
        without_unread(document.as_bytes()).map(|lean| String::from_utf8(lean).unwrap())
    }

    #[test]
    fn unread_elements_and_indentation_go_and_nothing_else() {
        assert!(UNREAD.is_sorted());
        for (document, expected) in [
            (
                "<?xml version=\"1.0\"?>\n<r>\n  <instanceId>i-1</instanceId>\n  <hypervisor>xen</hypervisor>\n</r>\n",
                "<?xml version=\"1.0\"?><r><instanceId>i-1</instanceId></r>\n",
            ),
            ("<r><productCodes/><a/></r>", "<r><a/></r>"),
            (
                "<a><privateIpAddressesSet><item><b>1</b></item></privateIpAddressesSet></a>",
                "<a></a>",
            ),
            (
                "<key>association</key><value> \n </value>",
                "<key>association</key><value> \n </value>",
            ),
            ("<a> &lt;operator&gt; </a>", "<a> &lt;operator&gt; </a>"),
            ("<operators>1</operators>", "<operators>1</operators>"),
        ] {
            assert_eq!(lean(document).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_not_understood_is_left_as_it_is() {
        for document in [
            "<operator><operator/></operator><operator><operator></operator></operator>",
            "<operator>",
            "<a><![CDATA[<operator>]]></a>",
            "<a><!-- <operator> --></a>",
            "<a",
        ] {
            assert_eq!(lean(document), None, "{document}");
        }
    }
}
