//! Who logs in to what is made from an image, and how.

use super::images::ImageAlias;
use crate::cloud::ProviderKind;

/// How people log in to what is made from an image.
#[derive(Debug, PartialEq, Eq)]
pub enum Login {
    /// Over SSH, as this user of the image, who has the key. On Compute Engine the key brings its user along.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/managing-users.html#ami-default-user-names>
    Key(&'static str),
    /// By a password that the cloud is asked for, as this user.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/connect-rdp.html>
    Password(&'static str),
}

impl ImageAlias {
    /// Whether people log in with a key.
    pub fn has_key_login(&self) -> bool {
        matches!(self.login, Login::Key(_))
    }

    /// The user who logs in on a cloud; `None` where that hangs on the key or on who asks for the password.
    pub fn login_user(&self, provider: ProviderKind) -> Option<&'static str> {
        match (&self.login, provider) {
            (Login::Key(user) | Login::Password(user), ProviderKind::Aws | ProviderKind::Mock) => Some(user),
            (_, ProviderKind::Gcp) => None,
        }
    }
}
