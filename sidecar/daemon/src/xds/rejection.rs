//! Why a resource was not taken, in the words of a NACK.
//!
//! The form is gRPC's (code 3, all errors in one text, each with index, name and path
//! of the field); other clients of xDS write nothing that says more.

use super::fields::FieldError;
use std::fmt;

/// `google.rpc.Code.INVALID_ARGUMENT`, the code of every NACK's `error_detail`.
pub const NACK_CODE: i32 = 3;

/// A resource that was not taken. Its last good version, if any, stays in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The type of the resource.
    pub type_url: String,
    /// Its place among the resources of its type, from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Everything that is wrong with it; never empty.
    pub errors: Vec<FieldError>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.type_url.rsplit('.').next().unwrap_or_default();
        write!(f, "resource index {}: {}: ", self.index, self.name)?;
        write!(f, "INVALID_ARGUMENT: errors validating {kind} resource: [")?;
        for (index, error) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        write!(f, "]")
    }
}

/// The message of the `error_detail` for what was rejected in one response.
pub fn nack_message<'r>(rejections: impl IntoIterator<Item = &'r Rejection>) -> String {
    let texts: Vec<String> = rejections.into_iter().map(ToString::to_string).collect();
    format!("xDS response validation errors: [{}]", texts.join("; "))
}
