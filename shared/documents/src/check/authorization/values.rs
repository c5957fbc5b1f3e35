//! The values of a rule: in their form, and such that something can match them.

use super::super::Checker;
use super::super::reference::check_implements;
use crate::model::Service;
use crate::names;
use crate::wire::Texts;
use outrider_policy::{IdentityMatch, StringMatch, ValueMatch};
use serde_saphyr::{Location, Spanned};

/// Can a value of this kind match something? With `*` at an end it is a part of one.
type Check = fn(&StringMatch) -> Result<(), &'static str>;

impl Checker<'_, '_> {
    /// The entries of `from`, `to` or `when`, which are left out rather than empty.
    pub(super) fn entries<'w, T>(
        &mut self,
        name: &str,
        list: &'w Option<Spanned<Vec<T>>>,
    ) -> &'w [T] {
        let Some(list) = list else { return &[] };
        if list.value.is_empty() {
            let message = format!("`{name}` is empty: leave it out");
            self.refuse(list.referenced, message);
        }
        &list.value
    }

    /// `source: {}` would match every call, and so the whole list.
    pub(super) fn says_something<T>(&mut self, name: &str, at: &Spanned<T>, lists: &[&Texts]) {
        if lists.iter().all(|list| list.is_none()) {
            let message = format!("`{name}` says nothing: leave the list out for any {name}");
            self.refuse(at.referenced, message);
        }
    }

    /// Two lists of values as written: those that match, and those that may not.
    pub(super) fn values(
        &mut self,
        (values, not_values): (&Texts, &Texts),
        check: Check,
    ) -> ValueMatch<StringMatch> {
        let mut parse = |text: &str| {
            let parsed = StringMatch::parse(text).map_err(|problem| problem.to_string())?;
            check(&parsed).map_err(str::to_owned)?;
            Ok(parsed)
        };
        ValueMatch {
            values: self.list(values, &mut parse),
            not_values: self.list(not_values, &mut parse),
        }
    }

    /// As [`Checker::values`], of identities. Those of another trust domain are right, and no caller
    /// has one.
    pub(super) fn identities(
        &mut self,
        values: &Texts,
        not_values: &Texts,
        own_trust_domain: &str,
    ) -> ValueMatch<IdentityMatch> {
        let written = [values, not_values].into_iter().flatten();
        for text in written.flat_map(|list| &list.value) {
            let parsed = IdentityMatch::parse(&text.value).ok();
            let named = parsed.as_ref().and_then(IdentityMatch::trust_domain);
            if let Some(other) = named.filter(|name| *name != own_trust_domain) {
                let message = format!(
                    "no caller is of trust domain `{other}`: that of the mesh is `{own_trust_domain}`"
                );
                self.warn(text.referenced, message);
            }
        }
        let parse = |text: &str| IdentityMatch::parse(text).map_err(|problem| problem.to_string());
        ValueMatch {
            values: self.list(values, parse),
            not_values: self.list(not_values, parse),
        }
    }

    fn list<M>(
        &mut self,
        texts: &Texts,
        mut parse: impl FnMut(&str) -> Result<M, String>,
    ) -> Vec<M> {
        let Some(texts) = texts else {
            return Vec::new();
        };
        if texts.value.is_empty() {
            self.refuse(texts.referenced, "the list is empty: leave it out");
        }
        let mut parsed = Vec::new();
        for text in &texts.value {
            match parse(&text.value) {
                Ok(value) => parsed.push(value),
                Err(problem) => {
                    let message = format!("`{}` matches nothing: {problem}", text.value);
                    self.refuse(text.referenced, message);
                }
            }
        }
        parsed
    }

    /// Each gRPC service that is named in full must be one of every target.
    pub(super) fn implemented(&mut self, names: &Texts, targets: &[(&Service, Location)]) {
        for name in names.iter().flat_map(|names| &names.value) {
            if names::is_grpc_service(&name.value) {
                for (service, _) in targets {
                    check_implements(service, &name.value, name.referenced, self);
                }
            }
        }
    }
}

/// A check of whole values; a part of one may be anything.
fn whole(
    rule: &StringMatch,
    is_good: fn(&str) -> bool,
    problem: &'static str,
) -> Result<(), &'static str> {
    match rule {
        StringMatch::Exact(text) if !is_good(text) => Err(problem),
        StringMatch::Exact(_)
        | StringMatch::Prefix(_)
        | StringMatch::Suffix(_)
        | StringMatch::Present => Ok(()),
    }
}

pub(super) fn namespace(rule: &StringMatch) -> Result<(), &'static str> {
    let problem = "a namespace is lower-case letters, digits and inner hyphens";
    whole(rule, names::is_label, problem)
}

pub(super) fn trust_domain(rule: &StringMatch) -> Result<(), &'static str> {
    let problem = "a trust domain is lower-case letters, digits, dots, hyphens and underscores";
    whole(rule, names::is_trust_domain, problem)
}

pub(super) fn grpc_service(rule: &StringMatch) -> Result<(), &'static str> {
    let problem = "a gRPC service is written in full, such as shop.v1.Orders";
    whole(rule, names::is_grpc_service, problem)
}

pub(super) fn grpc_method(rule: &StringMatch) -> Result<(), &'static str> {
    let problem = "a gRPC method is written without its service, such as Get";
    whole(rule, names::is_identifier, problem)
}

/// In capitals, or a gRPC method was meant.
pub(super) fn http_method(rule: &StringMatch) -> Result<(), &'static str> {
    let is_method = |text: &str| {
        text.bytes()
            .all(|octet| octet.is_ascii_uppercase() || octet == b'-')
    };
    let problem = "`methods` are those of HTTP, such as POST; those of gRPC are `grpcMethods`";
    whole(rule, is_method, problem)
}

pub(super) fn path(rule: &StringMatch) -> Result<(), &'static str> {
    match rule {
        StringMatch::Exact(text) | StringMatch::Prefix(text) | StringMatch::Suffix(text)
            if text.contains('{') =>
        {
            Err("templates of paths are not enforced yet")
        }
        StringMatch::Exact(text) | StringMatch::Prefix(text) | StringMatch::Suffix(text)
            if text.contains(['?', '#']) =>
        {
            Err("a path is compared without its query")
        }
        StringMatch::Exact(text) | StringMatch::Prefix(text) if !text.starts_with('/') => {
            Err("a path begins with a slash")
        }
        StringMatch::Exact(_)
        | StringMatch::Prefix(_)
        | StringMatch::Suffix(_)
        | StringMatch::Present => Ok(()),
    }
}

/// The header of `request.headers[NAME]`, in lower case.
pub(super) fn header_name(key: &Spanned<String>, checker: &mut Checker<'_, '_>) -> String {
    let inner = key.value.strip_prefix("request.headers[");
    let Some(name) = inner.and_then(|inner| inner.strip_suffix(']')) else {
        let message = format!(
            "`{}` is not enforced: write request.headers[NAME]",
            key.value
        );
        checker.refuse(key.referenced, message);
        return String::new();
    };
    let lower = name.to_ascii_lowercase();
    if !names::is_header_name(&lower) {
        let message = format!("`{name}` is no name of a header");
        checker.refuse(key.referenced, message);
    }
    lower
}
