//! Where in a resource a check stands, and what it found wrong there.

use outrider_proto::google::{Duration as WireDuration, UInt32Value};
use std::fmt;
use std::time::Duration;

/// One field that cannot be honoured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path inside the resource, such as `virtual_hosts[0].routes[2].route.timeout`.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field:{} error:{}", self.path, self.problem)
    }
}

/// A message inside a resource that is being checked.
pub(super) struct Fields<'e> {
    path: String,
    errors: &'e mut Vec<FieldError>,
}

impl<'e> Fields<'e> {
    pub fn root(errors: &'e mut Vec<FieldError>) -> Fields<'e> {
        let path = String::new();
        Fields { path, errors }
    }

    /// A message in a field of this one.
    pub fn at(&mut self, field: &str) -> Fields<'_> {
        Fields {
            path: self.path_of(field),
            errors: self.errors,
        }
    }

    /// A message in a list of this one.
    pub fn at_index(&mut self, field: &str, index: usize) -> Fields<'_> {
        self.at(&format!("{field}[{index}]"))
    }

    pub fn refuse(&mut self, field: &str, problem: impl Into<String>) {
        let error = FieldError {
            path: self.path_of(field),
            problem: problem.into(),
        };
        self.errors.push(error);
    }

    /// A field that nobody here enforces must have its default.
    pub fn refuse_if_set<T: Default + PartialEq>(&mut self, field: &str, value: &T) {
        if *value != T::default() {
            self.refuse(field, "not enforced here");
        }
    }

    /// A span of time; `None` if absent or refused.
    pub fn duration(&mut self, field: &str, value: &Option<WireDuration>) -> Option<Duration> {
        let WireDuration { seconds, nanos } = (*value)?;
        let parsed = u64::try_from(seconds).ok().zip(u32::try_from(nanos).ok());
        let parsed = parsed.filter(|(_, nanos)| *nanos < 1_000_000_000);
        if parsed.is_none() {
            self.refuse(field, "not a span of time");
        }
        parsed.map(|(seconds, nanos)| Duration::new(seconds, nanos))
    }

    /// A span of time above zero; `None` if absent or refused.
    pub fn positive(&mut self, field: &str, value: &Option<WireDuration>) -> Option<Duration> {
        let duration = self.duration(field, value)?;
        if duration.is_zero() {
            self.refuse(field, "must be above zero");
            return None;
        }
        Some(duration)
    }

    /// A share in percent; `None` if absent or refused.
    pub fn percent(&mut self, field: &str, value: Option<u32>) -> Option<u8> {
        let value = value?;
        let percent = u8::try_from(value).ok().filter(|percent| *percent <= 100);
        if percent.is_none() {
            self.refuse(field, format!("{value} is over 100 percent"));
        }
        percent
    }

    fn path_of(&self, field: &str) -> String {
        if self.path.is_empty() {
            field.to_owned()
        } else {
            format!("{}.{field}", self.path)
        }
    }
}

/// The number inside of a wrapper.
pub(super) fn number(value: &Option<UInt32Value>) -> Option<u32> {
    value.as_ref().map(|wrapper| wrapper.value)
}

/// Names every field of a message: those enforced elsewhere and those that must not
/// be set. A field that a new version of the message brings does not compile until
/// it stands in one of the lists; written out by hand each name would stand there
/// three times.
macro_rules! refuse_unenforced {
    ($fields:expr, $message:expr, $type:ident {
        enforced: $($enforced:ident),*;
        refused: $($refused:ident),*;
    }) => {
        #[allow(deprecated, reason = "deprecated fields are refused like others")]
        let $type { $($enforced: _,)* $($refused,)* } = $message;
        $($fields.refuse_if_set(stringify!($refused), $refused);)*
    };
}
pub(super) use refuse_unenforced;
