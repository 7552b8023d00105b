//! The columns of identities, checks of `doctor`, contexts and settings.

use super::{Column, ColumnSet, full, truncated};

const IDENTITY_COLUMNS: &[Column] = &[
    full("PROVIDER", &["provider"], 0),
    full("ACCOUNT", &["account"], 0),
    full("PRINCIPAL", &["principal"], 1),
];

/// Identities.
pub const IDENTITIES: ColumnSet = ColumnSet {
    columns: IDENTITY_COLUMNS,
    wide: IDENTITY_COLUMNS,
    key: "account",
    name: None,
    reference: None,
    fields: &["provider", "account", "principal"],
};

const DOCTOR_COLUMNS: &[Column] = &[
    full("PROVIDER", &["provider"], 0),
    full("CHECK", &["check"], 0),
    full("RESULT", &["result"], 0),
    full("DETAIL", &["detail"], 1),
];

/// The checks of `doctor`.
pub const DOCTOR: ColumnSet = ColumnSet {
    columns: DOCTOR_COLUMNS,
    wide: DOCTOR_COLUMNS,
    key: "check",
    name: None,
    reference: None,
    fields: &["provider", "check", "result", "detail"],
};

const CONTEXT_COLUMNS: &[Column] = &[
    full("CURRENT", &["current"], 1),
    full("NAME", &["name"], 0),
    truncated("PROVIDERS", "providers", 2),
];

/// The contexts of the configuration file.
pub const CONTEXTS: ColumnSet = ColumnSet {
    columns: CONTEXT_COLUMNS,
    wide: CONTEXT_COLUMNS,
    key: "name",
    name: Some("name"),
    reference: None,
    fields: &["name", "current", "providers"],
};

const SETTING_COLUMNS: &[Column] = &[
    full("SETTING", &["setting"], 0),
    full("VALUE", &["value"], 0),
    full("SOURCE", &["source"], 1),
];

/// Settings and their sources.
pub const SETTINGS: ColumnSet = ColumnSet {
    columns: SETTING_COLUMNS,
    wide: SETTING_COLUMNS,
    key: "setting",
    name: None,
    reference: None,
    fields: &["setting", "value", "source"],
};
