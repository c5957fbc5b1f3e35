//! The one error of configuration. Decisions are values, not errors.

use std::fmt;

/// A part of the configuration that cannot be honoured. For people: no code reads the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Which resource, such as `virtual host "orders"`.
    pub resource: String,
    /// Path of the field inside the resource, such as `routes[2].clusters`.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.resource, self.field, self.problem)
    }
}

impl std::error::Error for ConfigError {}
