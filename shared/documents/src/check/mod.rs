//! From wire types to the model: every rule about documents, one file for a kind.
//!
//! A check that fails tells the [`Checker`] and goes on with something harmless:
//! with an error reported, the model is thrown away.

mod authorization;
mod mesh;
mod policy;
mod rate_limit;
mod reference;
mod route;
mod service;
mod times;
mod unused;

pub(crate) use authorization::{LocatedAuthorization, check_authorizations};
pub(crate) use mesh::check_meshes;
pub(crate) use policy::check_policies;
pub(crate) use reference::Directory;
pub(crate) use route::check_routes;
pub(crate) use service::check_services;

use crate::duration;
use crate::error::{Origin, Place, Report};
use crate::names;
use crate::wire::{Document, Metadata, Unenforced};
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A parsed document, and where it stands in the files.
#[derive(Debug)]
pub(crate) struct LocatedDocument<Spec> {
    pub origin: Origin,
    pub document: Document<Spec>,
}

/// Two documents of one kind, namespace and name are one document written twice: both
/// would apply. Services and the Mesh have stricter rules of their own.
pub(crate) fn check_names<Spec>(
    kind: &str,
    documents: &[LocatedDocument<Spec>],
    report: &mut Report<'_>,
) {
    let mut places: BTreeMap<(&str, &str), Place> = BTreeMap::new();
    for LocatedDocument { origin, document } in documents {
        let mut checker = Checker::new(*origin, report);
        let Metadata { name, .. } = &document.metadata;
        let namespace = document.metadata.namespace();
        let place = checker.place(name.referenced);
        if let Some(first) = places.get(&(namespace, name.value.as_str())) {
            let message = format!(
                "{kind} `{}` of namespace `{namespace}` is already at {}",
                name.value,
                checker.name(*first)
            );
            checker.refuse(name.referenced, message);
        } else {
            places.insert((namespace, &name.value), place);
        }
    }
}

/// The report, opened at one document.
pub(crate) struct Checker<'r, 'f> {
    origin: Origin,
    report: &'r mut Report<'f>,
}

impl<'r, 'f> Checker<'r, 'f> {
    pub fn new(origin: Origin, report: &'r mut Report<'f>) -> Checker<'r, 'f> {
        Checker { origin, report }
    }

    fn refuse(&mut self, at: Location, message: impl Into<String>) {
        self.report.push(self.origin.place(at), message);
    }

    /// Something is right and does nothing.
    fn warn(&mut self, at: Location, message: impl Into<String>) {
        self.report.warn(self.origin.place(at), message);
    }

    fn place(&self, at: Location) -> Place {
        self.origin.place(at)
    }

    fn name(&self, place: Place) -> String {
        self.report.name(place)
    }

    /// The namespace of the document; the name is checked with it.
    fn identity(&mut self, metadata: &Metadata) -> (String, String) {
        for name in metadata.namespace.iter().chain([&metadata.name]) {
            if !names::is_label(&name.value) {
                let message = format!(
                    "`{}` is no name: write lower-case letters, digits and inner hyphens, at most 63",
                    name.value
                );
                self.refuse(name.referenced, message);
            }
        }
        (metadata.namespace().to_owned(), metadata.name.value.clone())
    }

    fn enforced(&mut self, fields: &[(&str, &Unenforced)]) {
        for (name, field) in fields {
            if let Some(field) = field {
                let message = format!("`{name}` is not enforced yet: leave it out");
                self.refuse(field.referenced, message);
            }
        }
    }

    /// A list that must say something, but not everything: 1 to `most` entries.
    fn length<T>(&mut self, name: &str, list: &Spanned<Vec<T>>, most: usize) {
        let count = list.value.len();
        if count == 0 || count > most {
            let message = format!("`{name}` has {count} entries: write 1 to {most}");
            self.refuse(list.referenced, message);
        }
    }

    /// A number in its range; `None` if absent or refused.
    fn number(&mut self, value: &Option<Spanned<u32>>, range: RangeInclusive<u32>) -> Option<u32> {
        let value = value.as_ref()?;
        if !range.contains(&value.value) {
            let (low, high) = range.into_inner();
            let message = format!("{} is out of range: {low} to {high}", value.value);
            self.refuse(value.referenced, message);
            return None;
        }
        Some(value.value)
    }

    /// A duration; zero turns something off. `None` if absent or refused.
    fn duration_or_off(&mut self, value: &Option<Spanned<String>>) -> Option<Duration> {
        let off = value.as_ref().and_then(|it| duration::parse(&it.value));
        off.filter(Duration::is_zero)
            .or_else(|| self.duration(value))
    }

    /// A duration of at least `least`; `None` if absent or refused.
    fn duration_from(
        &mut self,
        value: &Option<Spanned<String>>,
        least: Duration,
    ) -> Option<Duration> {
        let duration = self.duration(value)?;
        if let Some(value) = value.as_ref().filter(|_| duration < least) {
            let message = format!("`{}` is too short: at least {least:?}", value.value);
            self.refuse(value.referenced, message);
            return None;
        }
        Some(duration)
    }

    /// A duration above zero; `None` if absent or refused.
    fn duration(&mut self, value: &Option<Spanned<String>>) -> Option<Duration> {
        let value = value.as_ref()?;
        let problem = match duration::parse(&value.value) {
            Some(Duration::ZERO) => {
                format!("`{}` is no time at all: leave the field out", value.value)
            }
            Some(duration) => return Some(duration),
            None => format!(
                "`{}` is no duration: write whole numbers with units, such as 500ms, 2s or 1m30s",
                value.value
            ),
        };
        self.refuse(value.referenced, problem);
        None
    }
}
