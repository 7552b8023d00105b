//! The columns of machine types, prices and what they add up to.

use super::{Column, ColumnSet, short, whole};

const MACHINE_TYPE_COLUMNS: &[Column] = &[
    whole("TYPE", &["name"], 0),
    short("PROVIDER", "provider", 2),
    short("REGION", "region", 3),
    short("CPUS", "cpus", 0),
    short("GIB", "memory_gib", 0),
    short("ARCH", "architecture", 4),
    short("GPU", "gpu", 1),
    short("CURRENT", "current", 6),
    short("SPOT", "spot", 7),
    short("USD/H", "price_usd_per_hour", 0),
    short("AS OF", "as_of", 5),
];

/// Machine types.
pub const MACHINE_TYPES: ColumnSet = ColumnSet {
    columns: MACHINE_TYPE_COLUMNS,
    wide: MACHINE_TYPE_COLUMNS,
    key: "name",
    name: Some("name"),
    reference: None,
    fields: &[
        "provider",
        "region",
        "name",
        "cpus",
        "memory_gib",
        "architecture",
        "gpu",
        "current",
        "spot",
        "price_usd_per_hour",
        "as_of",
    ],
};

const PRICE_COLUMNS: &[Column] = &[
    whole("PROVIDER", &["provider"], 0),
    whole("REGION", &["region"], 0),
    whole("TYPE", &["machine_type"], 0),
    short("CPUS", "cpus", 1),
    short("GIB", "memory_gib", 1),
    short("ARCH", "architecture", 4),
    short("GPU", "gpu", 2),
    short("SPOT", "spot", 5),
    short("USD/H", "price_usd_per_hour", 0),
    short("USD/MONTH", "price_usd_per_month", 2),
    short("AS OF", "as_of", 3),
];

/// What machines cost.
pub const PRICES: ColumnSet = ColumnSet {
    columns: PRICE_COLUMNS,
    wide: PRICE_COLUMNS,
    key: "machine_type",
    name: Some("machine_type"),
    reference: None,
    fields: &[
        "provider",
        "region",
        "machine_type",
        "cpus",
        "memory_gib",
        "architecture",
        "gpu",
        "spot",
        "price_usd_per_hour",
        "price_usd_per_month",
        "as_of",
    ],
};

const COST_COLUMNS: &[Column] = &[
    whole("GROUP", &["group"], 0),
    short("RUNNING", "running", 1),
    short("UNKNOWN", "unknown", 1),
    short("STOPPED", "stopped", 2),
    short("USD/H", "usd_per_hour", 0),
    short("USD/MONTH", "usd_per_month", 1),
];

/// What VMs cost together.
pub const COSTS: ColumnSet = ColumnSet {
    columns: COST_COLUMNS,
    wide: COST_COLUMNS,
    key: "group",
    name: Some("group"),
    reference: None,
    fields: &[
        "group",
        "running",
        "unknown",
        "stopped",
        "usd_per_hour",
        "usd_per_month",
    ],
};

const UPDATE_COLUMNS: &[Column] = &[
    whole("PROVIDER", &["provider"], 0),
    whole("PRICES", &["prices"], 0),
    whole("REGIONS", &["regions"], 1),
    whole("AS OF", &["as_of"], 0),
    whole("SOURCE", &["source"], 2),
    whole("FILE", &["file"], 3),
];

/// What `catalog update` fetched.
pub const UPDATES: ColumnSet = ColumnSet {
    columns: UPDATE_COLUMNS,
    wide: UPDATE_COLUMNS,
    key: "provider",
    name: None,
    reference: None,
    fields: &["provider", "prices", "regions", "as_of", "source", "file"],
};

const CATALOGUE_COLUMNS: &[Column] = &[
    whole("PART", &["part"], 0),
    whole("SOURCE", &["source"], 0),
    whole("LICENCE", &["licence"], 2),
    whole("AS OF", &["as_of"], 0),
    whole("ROWS", &["rows"], 3),
    whole("PRICES", &["prices"], 1),
    whole("BYTES", &["bytes"], 1),
    whole("FILE", &["file"], 4),
];

/// What the catalogue is made of.
pub const CATALOGUES: ColumnSet = ColumnSet {
    columns: CATALOGUE_COLUMNS,
    wide: CATALOGUE_COLUMNS,
    key: "part",
    name: Some("part"),
    reference: None,
    fields: &["part", "source", "licence", "as_of", "rows", "prices", "bytes", "file"],
};
