//! The output formats by name.

use std::str::FromStr;

use crate::cloud::{Error, Result, quoted};

/// How results are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table of the most wanted columns.
    Table,
    /// A table of all columns.
    Wide,
    /// One envelope of items and errors.
    Json,
    /// One item a line.
    Jsonl,
    /// The envelope as YAML.
    Yaml,
    /// Comma-separated values with a header.
    Csv,
    /// Names alone.
    Name,
    /// Ids alone.
    Id,
    /// Full references alone.
    Ref,
    /// A table of these fields.
    Columns(Vec<String>),
}

const NAMES: &str = "table, wide, json, jsonl, yaml, csv, name, id, ref or columns=a,b";

impl Format {
    /// Whether errors are part of what goes to stdout.
    pub fn has_envelope(&self) -> bool {
        matches!(self, Self::Json | Self::Yaml)
    }

    /// Whether results can be printed as they come, because each stands for itself and their order says nothing.
    pub fn streams(&self) -> bool {
        matches!(self, Self::Jsonl)
    }

    /// Whether people are meant to read it, so that progress may be shown beside it.
    pub fn is_for_people(&self) -> bool {
        matches!(self, Self::Table | Self::Wide | Self::Columns(_))
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        Ok(match input {
            "table" => Self::Table,
            "wide" => Self::Wide,
            "json" => Self::Json,
            "jsonl" => Self::Jsonl,
            "yaml" => Self::Yaml,
            "csv" => Self::Csv,
            "name" => Self::Name,
            "id" => Self::Id,
            "ref" => Self::Ref,
            _ => match input
                .strip_prefix("columns=")
                .map(|list| list.split(',').map(str::trim))
            {
                Some(names) if names.clone().all(|name| !name.is_empty()) => {
                    Self::Columns(names.map(str::to_owned).collect())
                }
                _ => {
                    return Err(Error::invalid(format!("unknown output format {}", quoted(input)))
                        .with_remedy(format!("use {NAMES}")));
                }
            },
        })
    }
}
