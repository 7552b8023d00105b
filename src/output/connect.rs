//! The words for how to log in to a VM.

use crate::cloud::{Instance, ProviderKind};

/// The command that connects: `connect: ssh ubuntu@203.0.113.7`.
pub fn connect_text(user: Option<&str>, address: &str, port: u16) -> String {
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    match port {
        22 => format!("connect: ssh {user}{address}"),
        port => format!("connect: ssh -p {port} {user}{address}"),
    }
}

/// The command that asks the cloud for the password of a Windows VM; `None` where there is none.
/// <https://docs.aws.amazon.com/cli/latest/reference/ec2/get-password-data.html>,
/// <https://cloud.google.com/sdk/gcloud/reference/compute/reset-windows-password>
pub fn password_text(instance: &Instance, has_key: bool) -> Option<String> {
    let (id, region) = (&instance.reference.id, &instance.region);
    let command = match instance.provider {
        ProviderKind::Aws => {
            format!("aws ec2 get-password-data --region {region} --instance-id {id} --priv-launch-key FILE")
        }
        ProviderKind::Gcp => {
            let project = instance
                .account
                .as_deref()
                .map(|project| format!(" --project {project}"));
            let (name, zone) = (instance.name.as_deref()?, instance.zone.as_deref()?);
            let project = project.unwrap_or_default();
            format!("gcloud compute reset-windows-password {name} --zone {zone}{project}")
        }
        ProviderKind::Mock => return None,
    };
    if needs_key(instance) && !has_key {
        return Some(
            "no password: ec2 encrypts it with the key of the VM, and this one is made without; make it anew with \
             --ssh-key and the file of an RSA key"
                .to_owned(),
        );
    }
    Some(format!("password, some minutes after it runs: {command}"))
}

/// Whether the password of a Windows VM on its cloud is encrypted with the key that it was made with.
pub fn needs_key(instance: &Instance) -> bool {
    instance.provider == ProviderKind::Aws
}
