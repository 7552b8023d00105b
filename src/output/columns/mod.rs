//! The columns of each kind of record: which ones, how their cells are formatted, and in which order a narrow terminal drops
//! them.

/// A list of field names.
macro_rules! field_names {
    ($($name:ident)*) => {
        &[$(stringify!($name)),*]
    };
}

pub(super) mod identity_and_settings;
pub(super) mod types_and_prices;

use std::fmt;

use crate::cloud::{Error, FIELD_WORDS, Result, did_you_mean, normalize_field_word, quoted};

/// One column.
#[derive(Debug)]
pub struct Column {
    pub(super) header: &'static str,
    pub(super) format: CellFormat,
    /// Columns with the highest number are dropped first, those with 0 never.
    pub(super) drop_order: u8,
}

impl Column {
    /// The name of the field that it shows; of several, the first.
    fn field(&self) -> &'static str {
        match &self.format {
            CellFormat::Full(fields) | CellFormat::Name(fields) => fields.first().copied().unwrap_or_default(),
            CellFormat::Truncated(field) => field,
            CellFormat::Age(_) => AGE,
            CellFormat::TimeLeft(_) => EXPIRES,
        }
    }

    /// Whether it shows this field.
    pub(super) fn shows(&self, name: &str) -> bool {
        match &self.format {
            CellFormat::Full(fields) | CellFormat::Name(fields) => fields.contains(&name),
            CellFormat::Truncated(field) | CellFormat::Age(field) | CellFormat::TimeLeft(field) => *field == name,
        }
    }
}

/// How a column formats the cell of a record.
#[derive(Debug)]
pub(super) enum CellFormat {
    /// The first of these fields that is known, whole.
    Full(&'static [&'static str]),
    /// The first of these fields that is known, formatted as a name.
    Name(&'static [&'static str]),
    /// A field, cut if it is long.
    Truncated(&'static str),
    /// The time since the time in a field.
    Age(&'static str),
    /// The time until the time in a field: `never` without one, `overdue` if it has passed, `-` for an instance that is gone
    /// or unknown.
    TimeLeft(&'static str),
}

/// The column of the time since the creation. It is computed, and in no record.
pub(super) const AGE: &str = "age";
/// The column of the time until the expiry. It is computed, and in no record.
pub(super) const EXPIRES: &str = "expires";
/// The column that marks the cheapest records. It is for people, and machine formats do not have it.
pub(super) const COMPARED: &str = "compared";
/// The columns that machine formats do not have.
pub(super) const TABLE_ONLY: [&str; 3] = [AGE, EXPIRES, COMPARED];

/// What the page of `describe` says beside the price per hour.
pub(super) const PRICE_PER_MONTH: &str = "price_usd_per_month";
pub(super) const PRICE_NOTE: &str = "price_note";
pub(super) const PRICE_FOR_TTL: &str = "price_usd_for_ttl";

/// What comes before the key of a label in the name of a column: `label.team`.
const LABEL_PREFIX: &str = "label.";
/// The field that has all labels.
const LABELS: &str = "labels";

/// A field that the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NamedField {
    /// A field of the record, or one that is computed.
    Field(&'static str),
    /// The label of this key.
    Label(String),
}

impl NamedField {
    /// The field of the record that it is, or is in.
    pub(super) fn field(&self) -> &'static str {
        match self {
            Self::Field(name) => name,
            Self::Label(_) => LABELS,
        }
    }
}

impl fmt::Display for NamedField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => formatter.write_str(name),
            Self::Label(key) => write!(formatter, "{LABEL_PREFIX}{key}"),
        }
    }
}

/// How records of one kind are shown.
#[derive(Debug)]
pub struct ColumnSet {
    /// What one record is, in messages.
    pub noun: &'static str,
    /// The columns of `table`.
    pub columns: &'static [Column],
    /// The columns of `wide`, if they are others.
    pub wide: Option<&'static [Column]>,
    /// The field that `-q` and `-o id` print.
    pub key: &'static str,
    /// The field that `-o name` prints, if there is one.
    pub name: Option<&'static str>,
    /// The field that `-o ref` prints, if there is one.
    pub reference: Option<&'static str>,
    /// The names that `-o columns=` accepts.
    pub fields: &'static [&'static str],
}

impl ColumnSet {
    /// The columns of `wide`.
    pub(super) fn wide_columns(&self) -> &'static [Column] {
        self.wide.unwrap_or(self.columns)
    }

    /// The field that a user means: by its name, by the header of its column, or by a short word for it. Case does not
    /// matter, and spaces, hyphens and underscores are the same.
    pub(super) fn find_field(&self, word: &str) -> Option<&'static str> {
        let word = normalize_field_word(word);
        if let Some(field) = self.fields.iter().find(|field| **field == word) {
            return Some(field);
        }
        let mut columns = self.columns.iter().chain(self.wide_columns());
        if let Some(column) = columns.find(|column| normalize_field_word(column.header) == word) {
            return Some(column.field());
        }
        let (_, field) = FIELD_WORDS.iter().find(|(short, _)| *short == word)?;
        self.fields.iter().copied().find(|known| known == field)
    }

    /// The field that a user means, or the label: `label.team`.
    pub(super) fn find_named_field(&self, word: &str) -> Option<NamedField> {
        match word.trim().strip_prefix(LABEL_PREFIX) {
            Some(key) if !key.is_empty() && self.fields.contains(&LABELS) => Some(NamedField::Label(key.to_owned())),
            _ => self.find_field(word).map(NamedField::Field),
        }
    }

    /// Checks the names that `-o columns=` and `-o value=` got; `noun` says which of the two.
    ///
    /// # Errors
    /// `InvalidSpec` that names the unknown field and all known ones.
    pub(super) fn check_fields(&self, noun: &str, names: &[String]) -> Result<()> {
        let Some(unknown) = names.iter().find(|name| self.find_named_field(name).is_none()) else {
            return Ok(());
        };
        let known = self.fields.join(", ");
        let hint = match did_you_mean(unknown, self.fields.iter().copied()) {
            Some(meant) => format!("did you mean {meant}? There are {known}"),
            None => format!("there are {known}"),
        };
        Err(Error::invalid(format!("unknown {noun} {}", quoted(unknown))).with_hint(hint))
    }
}

/// A word in lower case, with underscores in the place of spaces and hyphens: the header `PUBLIC IP` is `public_ip`.
const fn column(header: &'static str, format: CellFormat, drop_order: u8) -> Column {
    Column {
        header,
        format,
        drop_order,
    }
}

const fn full(header: &'static str, fields: &'static [&'static str], drop_order: u8) -> Column {
    column(header, CellFormat::Full(fields), drop_order)
}

const fn name(fields: &'static [&'static str]) -> Column {
    column("NAME", CellFormat::Name(fields), 0)
}

const fn truncated(header: &'static str, field: &'static str, drop_order: u8) -> Column {
    column(header, CellFormat::Truncated(field), drop_order)
}

const fn age(header: &'static str, field: &'static str, drop_order: u8) -> Column {
    column(header, CellFormat::Age(field), drop_order)
}

const fn time_left(header: &'static str, field: &'static str, drop_order: u8) -> Column {
    column(header, CellFormat::TimeLeft(field), drop_order)
}

/// Instances.
pub const INSTANCES: ColumnSet = ColumnSet {
    noun: "VM",
    columns: &[
        // An instance without a name is shown with its id, which commands accept instead.
        name(&["name", "id"]),
        truncated("PROVIDER", "provider", 2),
        full("ZONE", &["zone", "region"], 3),
        truncated("TYPE", "machine_type", 4),
        truncated("STATE", "state", 0),
        truncated("PUBLIC IP", "public_ip", 5),
        age("AGE", "created_at", 6),
        time_left("EXPIRES", "expires_at", 7),
        // Last, because scripts may count columns from the left; and the first that a narrow terminal drops.
        full("ID", &["id"], 8),
    ],
    wide: Some(&[
        name(&["name"]),
        full("ID", &["id"], 0),
        truncated("PROVIDER", "provider", 2),
        full("ZONE", &["zone", "region"], 3),
        truncated("ACCOUNT", "account", 12),
        truncated("TYPE", "machine_type", 4),
        truncated("CPUS", "cpus", 13),
        truncated("GIB", "memory_gib", 14),
        truncated("ARCH", "architecture", 15),
        truncated("STATE", "state", 0),
        truncated("PUBLIC IP", "public_ip", 5),
        truncated("PRIVATE IP", "private_ip", 9),
        truncated("IMAGE", "image", 11),
        truncated("SPOT", "spot", 16),
        truncated("OURS", "managed", 10),
        age("AGE", "created_at", 6),
        time_left("EXPIRES", "expires_at", 7),
        truncated("ENDS BY", "expiry_enforcer", 7),
        truncated("USD/H", "price_usd_per_hour", 17),
        truncated("LABELS", "labels", 8),
    ]),
    key: "id",
    name: Some("name"),
    reference: Some("ref"),
    fields: field_names! {
        provider account region zone id ref name state native_state machine_type cpus memory_gib architecture
        image spot public_ip private_ip labels created_at expires_at expiry_enforcer managed protected
        price_usd_per_hour native age expires
    },
};

/// Previews of `create --dry-run`.
pub const PREVIEWS: ColumnSet = ColumnSet {
    noun: "VM",
    columns: &[
        full("NAME", &["name"], 0),
        truncated("PROVIDER", "provider", 2),
        full("ZONE", &["zone", "region"], 0),
        truncated("TYPE", "machine_type", 0),
        truncated("CPUS", "cpus", 5),
        truncated("GIB", "memory_gib", 4),
        truncated("GPU", "gpu", 8),
        full("IMAGE", &["image_name", "image"], 3),
        truncated("DISK GIB", "disk_gib", 6),
        truncated("DISK TYPE", "disk_type", 9),
        truncated("SPOT", "spot", 7),
        truncated("USD/H", "price_usd_per_hour", 1),
        truncated("TTL", "ttl", 1),
        truncated("USD/TTL", "price_usd_for_ttl", 1),
    ],
    wide: Some(&[
        full("NAME", &["name"], 0),
        truncated("PROVIDER", "provider", 0),
        full("ZONE", &["zone", "region"], 0),
        truncated("TYPE", "machine_type", 0),
        truncated("CPUS", "cpus", 0),
        truncated("GIB", "memory_gib", 0),
        truncated("GPU", "gpu", 0),
        full("IMAGE", &["image_name", "image"], 0),
        truncated("DISK GIB", "disk_gib", 0),
        truncated("DISK TYPE", "disk_type", 0),
        truncated("SPOT", "spot", 0),
        truncated("USD/H", "price_usd_per_hour", 0),
        truncated("TTL", "ttl", 0),
        truncated("USD/TTL", "price_usd_for_ttl", 0),
        truncated("OPEN", "open", 0),
        truncated("USER DATA BYTES", "user_data_bytes", 0),
        truncated("LABELS", "labels", 0),
    ]),
    key: "name",
    name: Some("name"),
    reference: None,
    fields: field_names! {
        provider name region zone machine_type cpus memory_gib gpu architecture image image_name disk_gib
        disk_type spot price_usd_per_hour ttl price_usd_for_ttl open user_data_bytes labels
    },
};

/// The images of the image aliases.
pub const IMAGES: ColumnSet = ColumnSet {
    noun: "image",
    columns: &[
        full("ALIAS", &["alias"], 0),
        truncated("PROVIDER", "provider", 1),
        truncated("ARCH", "architecture", 2),
        truncated("LOGIN", "login_user", 3),
        full("ID", &["id"], 0),
        truncated("NAME", "name", 5),
        truncated("MIN GIB", "disk_gib", 4),
        age("AGE", "created_at", 6),
    ],
    wide: None,
    key: "id",
    name: Some("alias"),
    reference: None,
    fields: field_names! { provider region alias architecture login_user id name disk_gib created_at age },
};

/// Regions.
pub const REGIONS: ColumnSet = ColumnSet {
    noun: "region",
    columns: &[
        full("NAME", &["name"], 0),
        truncated("AREA", "area", 0),
        truncated("PROVIDER", "provider", 0),
    ],
    wide: None,
    key: "name",
    name: Some("name"),
    reference: None,
    fields: field_names! { provider name area },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::InstanceField;

    #[test]
    fn every_instance_field_can_be_a_column() {
        for field in crate::cloud::InstanceField::ALL {
            assert!(INSTANCES.fields.contains(&field.name()), "{}", field.name());
        }
    }

    #[test]
    fn field_is_found_by_name_header_and_short_word() {
        for (word, field) in [
            ("public_ip", Some("public_ip")),
            ("PUBLIC IP", Some("public_ip")),
            ("usd/h", Some("price_usd_per_hour")),
            ("Price", Some("price_usd_per_hour")),
            ("type", Some("machine_type")),
            ("ends by", Some("expiry_enforcer")),
            ("AGE", Some("age")),
            ("zone", Some("zone")),
            ("bogus", None),
        ] {
            assert_eq!(INSTANCES.find_field(word), field, "{word}");
        }
        // The same header means another field in another table.
        assert_eq!(types_and_prices::MACHINE_TYPES.find_field("TYPE"), Some("name"));
    }

    #[test]
    fn header_of_instances_is_accepted_in_filters() {
        for column in INSTANCES.columns.iter().chain(INSTANCES.wide_columns()) {
            // The age is computed, and is no field.
            let is_age = column.header == "AGE";
            assert_eq!(
                column.header.parse::<InstanceField>().is_err(),
                is_age,
                "{}",
                column.header
            );
        }
    }

    #[test]
    fn every_header_names_a_field() {
        let sets = [
            &INSTANCES,
            &PREVIEWS,
            &IMAGES,
            &REGIONS,
            &types_and_prices::PRICES,
            &types_and_prices::COSTS,
        ];
        for set in sets {
            for column in set.columns.iter().chain(set.wide_columns()) {
                assert!(set.fields.contains(&column.field()), "{}", column.header);
            }
        }
    }
}
