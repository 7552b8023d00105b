//! The columns of what is no machine: who is asking, what `doctor` looked at, contexts, settings.

use super::{Column, ColumnSet, short, whole};

const IDENTITY_COLUMNS: &[Column] = &[
    whole("PROVIDER", &["provider"], 0),
    whole("ACCOUNT", &["account"], 0),
    whole("PRINCIPAL", &["principal"], 1),
];

/// Who is asking.
pub const IDENTITIES: ColumnSet = ColumnSet {
    columns: IDENTITY_COLUMNS,
    wide: IDENTITY_COLUMNS,
    key: "account",
    name: None,
    reference: None,
    fields: &["provider", "account", "principal"],
};

const DOCTOR_COLUMNS: &[Column] = &[
    whole("PROVIDER", &["provider"], 0),
    whole("CHECK", &["check"], 0),
    whole("RESULT", &["result"], 0),
    whole("DETAIL", &["detail"], 1),
];

/// What `doctor` looked at.
pub const DOCTOR: ColumnSet = ColumnSet {
    columns: DOCTOR_COLUMNS,
    wide: DOCTOR_COLUMNS,
    key: "check",
    name: None,
    reference: None,
    fields: &["provider", "check", "result", "detail"],
};

const CONTEXT_COLUMNS: &[Column] = &[
    whole("CURRENT", &["current"], 1),
    whole("NAME", &["name"], 0),
    short("PROVIDERS", "providers", 2),
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
    whole("SETTING", &["setting"], 0),
    whole("VALUE", &["value"], 0),
    whole("SOURCE", &["source"], 1),
];

/// Settings and where they came from.
pub const SETTINGS: ColumnSet = ColumnSet {
    columns: SETTING_COLUMNS,
    wide: SETTING_COLUMNS,
    key: "setting",
    name: None,
    reference: None,
    fields: &["setting", "value", "source"],
};
