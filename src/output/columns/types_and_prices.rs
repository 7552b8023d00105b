//! The columns of machine types, prices, costs and the catalog.

use super::{COMPARED, ColumnSet, PRICE_FOR_TTL, full, name, time_left, truncated};

/// Machine types.
pub const MACHINE_TYPES: ColumnSet = ColumnSet {
    noun: "machine type",
    columns: &[
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
        truncated("COMPARED", COMPARED, 4),
    ],
    wide: None,
    key: "name",
    name: Some("name"),
    reference: None,
    fields: field_names! { provider region name cpus memory_gib architecture gpu current spot price_usd_per_hour as_of compared },
};

/// Prices of machine types.
pub const PRICES: ColumnSet = ColumnSet {
    noun: "price",
    columns: &[
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
        truncated("COMPARED", COMPARED, 2),
    ],
    wide: None,
    key: "machine_type",
    name: Some("machine_type"),
    reference: None,
    fields: field_names! {
        provider region machine_type cpus memory_gib architecture gpu spot price_usd_per_hour
        price_usd_per_month as_of compared
    },
};

/// Prices of VMs.
pub const VM_PRICES: ColumnSet = ColumnSet {
    noun: "VM",
    columns: &[
        name(&["name", "id"]),
        truncated("PROVIDER", "provider", 2),
        truncated("REGION", "region", 3),
        truncated("TYPE", "machine_type", 1),
        truncated("SPOT", "spot", 5),
        truncated("STATE", "state", 4),
        truncated("USD/H", "price_usd_per_hour", 0),
        truncated("USD/MONTH", "price_usd_per_month", 1),
        time_left("EXPIRES", "expires_at", 2),
        truncated("USD/TTL", PRICE_FOR_TTL, 1),
    ],
    wide: None,
    key: "id",
    name: Some("name"),
    reference: Some("ref"),
    fields: field_names! {
        provider region id ref name state machine_type cpus memory_gib architecture spot price_usd_per_hour
        price_usd_per_month expires_at price_usd_for_ttl expires
    },
};

/// Costs of groups of VMs.
pub const COSTS: ColumnSet = ColumnSet {
    noun: "cost",
    columns: &[
        full("GROUP", &["group"], 0),
        truncated("RUNNING", "running", 1),
        truncated("UNKNOWN", "unknown", 1),
        truncated("STOPPED", "stopped", 2),
        truncated("USD/H", "usd_per_hour", 0),
        truncated("USD/MONTH", "usd_per_month", 1),
    ],
    wide: None,
    key: "group",
    name: Some("group"),
    reference: None,
    fields: field_names! { group running unknown stopped usd_per_hour usd_per_month },
};

/// The results of `catalog update`.
pub const UPDATES: ColumnSet = ColumnSet {
    noun: "price list",
    columns: &[
        full("PROVIDER", &["provider"], 0),
        full("PRICES", &["prices"], 0),
        full("REGIONS", &["regions"], 1),
        full("AS OF", &["as_of"], 0),
        full("SOURCE", &["source"], 2),
        full("FILE", &["file"], 3),
    ],
    wide: None,
    key: "provider",
    name: None,
    reference: None,
    fields: field_names! { provider prices regions as_of source file },
};

/// The parts of the catalog.
pub const CATALOG_PARTS: ColumnSet = ColumnSet {
    noun: "part",
    columns: &[
        full("PART", &["part"], 0),
        full("SOURCE", &["source"], 0),
        full("LICENCE", &["licence"], 2),
        full("AS OF", &["as_of"], 0),
        full("ROWS", &["rows"], 3),
        full("PRICES", &["prices"], 1),
        full("BYTES", &["bytes"], 1),
        full("FILE", &["file"], 4),
    ],
    wide: None,
    key: "part",
    name: Some("part"),
    reference: None,
    fields: field_names! { part source licence as_of rows prices bytes file },
};
