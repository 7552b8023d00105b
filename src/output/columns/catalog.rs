//! The columns of machine types, prices, costs and the catalog.

use super::{Column, ColumnSet, full, truncated};

const MACHINE_TYPE_COLUMNS: &[Column] = &[
    full("TYPE", &["name"], 0),
    truncated("PROVIDER", "provider", 2),
    truncated("REGION", "region", 3),
    truncated("CPUS", "cpus", 0),
    truncated("GIB", "memory_gib", 0),
    truncated("ARCH", "architecture", 4),
    truncated("GPU", "gpu", 1),
    truncated("CURRENT", "current", 6),
    truncated("SPOT", "spot", 7),
    truncated("USD/H", "price_usd_per_hour", 0),
    truncated("AS OF", "as_of", 5),
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
    full("PROVIDER", &["provider"], 0),
    full("REGION", &["region"], 0),
    full("TYPE", &["machine_type"], 0),
    truncated("CPUS", "cpus", 1),
    truncated("GIB", "memory_gib", 1),
    truncated("ARCH", "architecture", 4),
    truncated("GPU", "gpu", 2),
    truncated("SPOT", "spot", 5),
    truncated("USD/H", "price_usd_per_hour", 0),
    truncated("USD/MONTH", "price_usd_per_month", 2),
    truncated("AS OF", "as_of", 3),
];

/// Prices of machine types.
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
    full("GROUP", &["group"], 0),
    truncated("RUNNING", "running", 1),
    truncated("UNKNOWN", "unknown", 1),
    truncated("STOPPED", "stopped", 2),
    truncated("USD/H", "usd_per_hour", 0),
    truncated("USD/MONTH", "usd_per_month", 1),
];

/// Costs of groups of VMs.
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
    full("PROVIDER", &["provider"], 0),
    full("PRICES", &["prices"], 0),
    full("REGIONS", &["regions"], 1),
    full("AS OF", &["as_of"], 0),
    full("SOURCE", &["source"], 2),
    full("FILE", &["file"], 3),
];

/// The results of `catalog update`.
pub const UPDATES: ColumnSet = ColumnSet {
    columns: UPDATE_COLUMNS,
    wide: UPDATE_COLUMNS,
    key: "provider",
    name: None,
    reference: None,
    fields: &["provider", "prices", "regions", "as_of", "source", "file"],
};

const CATALOGUE_COLUMNS: &[Column] = &[
    full("PART", &["part"], 0),
    full("SOURCE", &["source"], 0),
    full("LICENCE", &["licence"], 2),
    full("AS OF", &["as_of"], 0),
    full("ROWS", &["rows"], 3),
    full("PRICES", &["prices"], 1),
    full("BYTES", &["bytes"], 1),
    full("FILE", &["file"], 4),
];

/// The parts of the catalog.
pub const CATALOGUES: ColumnSet = ColumnSet {
    columns: CATALOGUE_COLUMNS,
    wide: CATALOGUE_COLUMNS,
    key: "part",
    name: Some("part"),
    reference: None,
    fields: &["part", "source", "licence", "as_of", "rows", "prices", "bytes", "file"],
};
