//! What a list warns of: that something is missing from it. Only Compute Engine: EC2 gives the whole list or an error.

use google_cloud_compute_v1::model::{
    DiskList, FirewallList, InstanceList, MachineTypeList, NetworkList, OperationList, ZoneList,
};

/// The code of the warning that something is missing from a list, or from one scope of it.
macro_rules! lack_of {
    ($part:expr) => {{
        let warning = $part.warning.as_ref();
        warning.and_then(|warning| {
            $crate::providers::gcp::api::warning::lack(warning.code.as_ref().and_then(|code| code.name()))
        })
    }};
}
pub(crate) use lack_of;

/// The code, if it is one of that kind: every one but that a page is empty, also one that is not known.
pub(crate) fn lack(code: Option<&str>) -> Option<String> {
    let code = code.unwrap_or("UNKNOWN");
    (code != "NO_RESULTS_ON_PAGE").then(|| code.to_owned())
}

/// A page of a list of one place.
pub(crate) trait Listed {
    /// How many rows it has.
    fn rows(&self) -> usize;

    /// The token of the next one.
    fn token(&self) -> Option<String>;

    /// The code of the warning that something is missing.
    fn lack(&self) -> Option<String>;
}

macro_rules! listed {
    ($($list:ty),*) => {$(
        impl Listed for $list {
            fn rows(&self) -> usize {
                self.items.len()
            }

            fn token(&self) -> Option<String> {
                self.next_page_token.clone()
            }

            fn lack(&self) -> Option<String> {
                lack_of!(self)
            }
        }
    )*};
}
listed!(
    DiskList,
    FirewallList,
    InstanceList,
    MachineTypeList,
    NetworkList,
    OperationList,
    ZoneList
);

#[cfg(test)]
mod tests {
    use google_cloud_compute_v1::model::instance_list::Warning;

    use super::*;

    #[test]
    fn every_warning_is_one_but_that_of_an_empty_page() {
        let with = |warning| InstanceList::new().set_warning(warning).lack();
        for code in ["UNREACHABLE", "PARTIAL_SUCCESS", "SOMETHING_NEW"] {
            assert_eq!(with(Warning::new().set_code(code)).as_deref(), Some(code));
        }
        assert_eq!(with(Warning::new()).as_deref(), Some("UNKNOWN"));
        assert_eq!(with(Warning::new().set_code("NO_RESULTS_ON_PAGE")), None);
        assert_eq!(InstanceList::new().lack(), None);
    }
}
