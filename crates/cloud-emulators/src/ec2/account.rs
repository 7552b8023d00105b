//! The account: its identity at STS, its attributes, and what it may not do.

use super::encoding::{base64, from_base64};
use super::errors::{Answer, Refusal};
use super::query_protocol::Pairs;
use super::query_protocol::peek;
use super::state::{ACCOUNT, Context, State};
use super::xml_writer::Xml;

const USER: &str = "tester";

fn arn() -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{USER}")
}

/// Refuses what the account lost the permission for, as EC2 does: with an encoded message that only STS
/// can read.
pub fn check_permission(state: &State, region: &str, action: &str) -> Answer<()> {
    if !state.controls.denied.contains(action) {
        return Ok(());
    }
    let decoded = serde_json::json!({
        "allowed": false,
        "explicitDeny": false,
        "context": {
            "principal": {"id": "AIDACKCEVSQ6C2EXAMPLE", "name": USER, "arn": arn()},
            "action": format!("ec2:{action}"),
            "resource": format!("arn:aws:ec2:{region}:{ACCOUNT}:*"),
        },
    });
    let encoded = base64(decoded.to_string().as_bytes())
        .replace('+', "-")
        .replace('/', "_");
    Err(Refusal::new(
        "UnauthorizedOperation",
        format!(
            "You are not authorized to perform this operation. User: {} is not authorized to perform: ec2:{action} on \
             resource: arn:aws:ec2:{region}:{ACCOUNT}:* because no identity-based policy allows the ec2:{action} action. \
             Encoded authorization failure message: {encoded}",
            arn()
        ),
    ))
}

/// The actions of STS. Its answers wrap their result once more than EC2's.
pub fn answer_sts(state: &State, action: &str, pairs: &Pairs) -> Answer<Xml> {
    if state.controls.denied.contains(action) {
        return Err(Refusal::new(
            "AccessDenied",
            format!("User: {} is not authorized to perform: sts:{action}", arn()),
        ));
    }
    let mut xml = Xml::default();
    match action {
        "GetCallerIdentity" => {
            xml.text("Arn", arn());
            xml.text("UserId", "AIDACKCEVSQ6C2EXAMPLE");
            xml.text("Account", ACCOUNT);
        }
        "DecodeAuthorizationMessage" => {
            let encoded = peek(pairs, "EncodedMessage").unwrap_or_default();
            let decoded = from_base64(&encoded.replace('-', "+").replace('_', "/"))
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .filter(|text| text.starts_with('{'));
            let decoded =
                decoded.ok_or_else(|| Refusal::new("InvalidAuthorizationMessageException", "Message is not valid"))?;
            xml.text("DecodedMessage", decoded);
        }
        other => {
            return Err(Refusal::new(
                "InvalidAction",
                format!("Could not find operation {other} for version 2011-06-15"),
            ));
        }
    }
    Ok(xml)
}

pub fn describe_account_attributes(context: &mut Context) -> Answer<Xml> {
    let names = context.query.values("AttributeName");
    let vpc = context
        .region()
        .default_vpc()
        .map_or("none", |vpc| vpc.id.as_str())
        .to_owned();
    let attributes = [
        ("supported-platforms", "VPC"),
        ("default-vpc", vpc.as_str()),
        ("vpc-max-security-groups-per-interface", "5"),
        ("max-instances", "20"),
        ("max-elastic-ips", "5"),
        ("vpc-max-elastic-ips", "5"),
    ];
    if let Some(unknown) = names
        .iter()
        .find(|name| !attributes.iter().any(|(known, _)| known == *name))
    {
        return Err(Refusal::value(format!(
            "Value ({unknown}) for parameter attributeName is invalid. Unknown attribute."
        )));
    }
    let chosen = attributes
        .iter()
        .filter(|(name, _)| names.is_empty() || names.contains(name));
    let mut xml = Xml::default();
    xml.set("accountAttributeSet", chosen, |xml, (name, value)| {
        xml.text("attributeName", name);
        xml.set("attributeValueSet", [value], |xml, value| {
            xml.text("attributeValue", value)
        });
    });
    Ok(xml)
}
