//! The columns of each sort of record: which there are, how they are filled, and which go first on a narrow terminal.

pub(super) mod account;
pub(super) mod catalog;

use crate::cloud::{Error, Result, did_you_mean, quoted};

/// One column.
#[derive(Debug)]
pub struct Column {
    pub(super) header: &'static str,
    pub(super) fill: CellFormat,
    /// Columns of the highest number are left out first; those of 0 never are.
    pub(super) dispensability: u8,
}

impl Column {
    /// Whether it shows a field.
    pub(super) fn shows(&self, wanted: &str) -> bool {
        match &self.fill {
            CellFormat::Whole(fields) | CellFormat::Name(fields) => fields.contains(&wanted),
            CellFormat::Short(field) | CellFormat::Since(field) | CellFormat::Until(field) => *field == wanted,
        }
    }
}

/// What a column shows of a record.
#[derive(Debug)]
pub(super) enum CellFormat {
    /// The first of these fields that is known, whole.
    Whole(&'static [&'static str]),
    /// The same for names: whole, unless it is longer than any name.
    Name(&'static [&'static str]),
    /// A field, cut if it is long.
    Short(&'static str),
    /// The time since a field's.
    Since(&'static str),
    /// The time until a field's: `never` without one, `overdue` if it has passed, nothing for what is gone or unknown.
    Until(&'static str),
}

/// How records of one sort are shown.
#[derive(Debug)]
pub struct ColumnSet {
    /// The columns of `table`.
    pub columns: &'static [Column],
    /// The columns of `wide`.
    pub wide: &'static [Column],
    /// The field that `-q` and `-o id` print.
    pub key: &'static str,
    /// The field that `-o name` prints, if there is one.
    pub name: Option<&'static str>,
    /// The field that `-o ref` prints, if there is one.
    pub reference: Option<&'static str>,
    /// The names that `-o columns=` takes.
    pub fields: &'static [&'static str],
}

pub(super) const fn whole(header: &'static str, fields: &'static [&'static str], dispensability: u8) -> Column {
    Column {
        header,
        fill: CellFormat::Whole(fields),
        dispensability,
    }
}

pub(super) const fn name(fields: &'static [&'static str]) -> Column {
    Column {
        header: "NAME",
        fill: CellFormat::Name(fields),
        dispensability: 0,
    }
}

pub(super) const fn short(header: &'static str, field: &'static str, dispensability: u8) -> Column {
    Column {
        header,
        fill: CellFormat::Short(field),
        dispensability,
    }
}

pub(super) const fn since(header: &'static str, field: &'static str, dispensability: u8) -> Column {
    Column {
        header,
        fill: CellFormat::Since(field),
        dispensability,
    }
}

pub(super) const fn until(header: &'static str, field: &'static str, dispensability: u8) -> Column {
    Column {
        header,
        fill: CellFormat::Until(field),
        dispensability,
    }
}

/// Instances.
pub const INSTANCES: ColumnSet = ColumnSet {
    columns: &[
        // An instance without a name is shown by what one must type to reach it.
        name(&["name", "id"]),
        short("PROVIDER", "provider", 2),
        whole("ZONE", &["zone", "region"], 3),
        short("TYPE", "machine_type", 4),
        short("STATE", "state", 0),
        short("PUBLIC IP", "public_ip", 5),
        since("AGE", "created_at", 6),
        until("EXPIRES", "expires_at", 7),
    ],
    wide: &[
        name(&["name"]),
        whole("ID", &["id"], 0),
        short("PROVIDER", "provider", 2),
        whole("ZONE", &["zone", "region"], 3),
        short("ACCOUNT", "account", 12),
        short("TYPE", "machine_type", 4),
        short("CPUS", "cpus", 13),
        short("GIB", "memory_gib", 14),
        short("ARCH", "architecture", 15),
        short("STATE", "state", 0),
        short("PUBLIC IP", "public_ip", 5),
        short("PRIVATE IP", "private_ip", 9),
        short("IMAGE", "image", 11),
        short("SPOT", "spot", 16),
        short("OURS", "managed", 10),
        since("AGE", "created_at", 6),
        until("EXPIRES", "expires_at", 7),
        short("ENDS BY", "expiry_enforcer", 7),
        short("USD/H", "price_usd_per_hour", 17),
        short("LABELS", "labels", 8),
    ],
    key: "id",
    name: Some("name"),
    reference: Some("ref"),
    fields: &[
        "provider",
        "account",
        "region",
        "zone",
        "id",
        "ref",
        "name",
        "state",
        "native_state",
        "machine_type",
        "cpus",
        "memory_gib",
        "architecture",
        "image",
        "spot",
        "public_ip",
        "private_ip",
        "labels",
        "created_at",
        "expires_at",
        "expiry_enforcer",
        "managed",
        "protected",
        "price_usd_per_hour",
        "native",
        "age",
        "expires",
    ],
};

const PLAN_COLUMNS: &[Column] = &[
    whole("NAME", &["name"], 0),
    short("PROVIDER", "provider", 1),
    whole("ZONE", &["zone", "region"], 0),
    short("TYPE", "machine_type", 0),
    short("CPUS", "cpus", 4),
    short("GIB", "memory_gib", 4),
    short("GPU", "gpu", 7),
    whole("IMAGE", &["image_name", "image"], 3),
    short("DISK GIB", "disk_gib", 4),
    short("DISK TYPE", "disk_type", 5),
    short("SPOT", "spot", 6),
    short("USD/H", "price_usd_per_hour", 2),
    short("TTL", "ttl", 5),
    short("USD/TTL", "price_usd_for_ttl", 5),
];

/// What a create would make.
pub const PLANS: ColumnSet = ColumnSet {
    columns: PLAN_COLUMNS,
    wide: PLAN_COLUMNS,
    key: "name",
    name: Some("name"),
    reference: None,
    fields: &[
        "provider",
        "name",
        "region",
        "zone",
        "machine_type",
        "cpus",
        "memory_gib",
        "gpu",
        "architecture",
        "image",
        "image_name",
        "disk_gib",
        "disk_type",
        "spot",
        "price_usd_per_hour",
        "ttl",
        "price_usd_for_ttl",
    ],
};

const IMAGE_COLUMNS: &[Column] = &[
    whole("ALIAS", &["alias"], 0),
    short("PROVIDER", "provider", 1),
    short("ARCH", "architecture", 2),
    short("LOGIN", "login_user", 3),
    whole("ID", &["id"], 0),
    short("NAME", "name", 5),
    short("MIN GIB", "disk_gib", 4),
    since("AGE", "created_at", 6),
];

/// What the image aliases mean.
pub const IMAGES: ColumnSet = ColumnSet {
    columns: IMAGE_COLUMNS,
    wide: IMAGE_COLUMNS,
    key: "id",
    name: Some("alias"),
    reference: None,
    fields: &[
        "provider",
        "region",
        "alias",
        "architecture",
        "login_user",
        "id",
        "name",
        "disk_gib",
        "created_at",
        "age",
    ],
};

const REGION_COLUMNS: &[Column] = &[
    whole("NAME", &["name"], 0),
    short("AREA", "area", 0),
    short("PROVIDER", "provider", 0),
];

/// Regions.
pub const REGIONS: ColumnSet = ColumnSet {
    columns: REGION_COLUMNS,
    wide: REGION_COLUMNS,
    key: "name",
    name: Some("name"),
    reference: None,
    fields: &["provider", "name", "area"],
};

impl ColumnSet {
    /// Checks names given to `-o columns=`.
    ///
    /// # Errors
    /// `InvalidSpec`, naming the one that is not there and those that are.
    pub fn check_columns(&self, names: &[String]) -> Result<()> {
        match names.iter().find(|name| !self.fields.contains(&name.as_str())) {
            None => Ok(()),
            Some(unknown) => {
                let all = self.fields.join(", ");
                Err(Error::invalid(format!("unknown column {}", quoted(unknown))).with_hint(
                    match did_you_mean(unknown, self.fields.iter().copied()) {
                        Some(meant) => format!("did you mean {meant}? There are {all}"),
                        None => format!("use columns of {all}"),
                    },
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_an_instance_can_be_a_column() {
        for field in crate::cloud::InstanceField::ALL {
            assert!(INSTANCES.fields.contains(&field.name()), "{}", field.name());
        }
    }
}
