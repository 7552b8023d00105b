//! The columns of identities, checks of `doctor`, contexts and settings.

use super::{ColumnSet, full, truncated};

/// Identities.
pub const IDENTITIES: ColumnSet = ColumnSet {
    noun: "identity",
    columns: &[
        full("PROVIDER", &["provider"], 0),
        full("ACCOUNT", &["account"], 0),
        full("PRINCIPAL", &["principal"], 1),
    ],
    wide: None,
    key: "account",
    name: None,
    reference: None,
    fields: field_names! { provider account principal },
};

/// The checks of `doctor`.
pub const DOCTOR: ColumnSet = ColumnSet {
    noun: "check",
    columns: &[
        full("PROVIDER", &["provider"], 0),
        full("CHECK", &["check"], 0),
        full("RESULT", &["result"], 0),
        full("DETAIL", &["detail"], 1),
    ],
    wide: None,
    key: "check",
    name: None,
    reference: None,
    fields: field_names! { provider check result detail },
};

/// Commands that were run in VMs.
pub const RUNS: ColumnSet = ColumnSet {
    noun: "run",
    columns: &[
        full("NAME", &["name"], 0),
        full("CODE", &["code"], 0),
        full("SECONDS", &["seconds"], 1),
        full("USD", &["usd"], 2),
    ],
    wide: None,
    key: "ref",
    name: Some("name"),
    reference: Some("ref"),
    fields: field_names! { name ref code signal seconds usd fetched kept },
};

/// The contexts of the configuration file.
pub const CONTEXTS: ColumnSet = ColumnSet {
    noun: "context",
    columns: &[
        full("CURRENT", &["current"], 1),
        full("NAME", &["name"], 0),
        truncated("PROVIDERS", "providers", 2),
    ],
    wide: None,
    key: "name",
    name: Some("name"),
    reference: None,
    fields: field_names! { name current providers },
};

/// Settings and their sources.
pub const SETTINGS: ColumnSet = ColumnSet {
    noun: "setting",
    columns: &[
        full("SETTING", &["setting"], 0),
        full("VALUE", &["value"], 0),
        full("SOURCE", &["source"], 1),
    ],
    wide: None,
    key: "setting",
    name: None,
    reference: None,
    fields: field_names! { setting value source },
};
