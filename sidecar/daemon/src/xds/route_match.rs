//! `RouteMatch`: which calls a route is about.

use super::fields::{Fields, refuse_unenforced};
use outrider_policy::{HeaderMatch, HeaderValueMatch, PathMatch, RouteMatch};
use outrider_proto::envoy::matcher::{StringMatcher, string_matcher::MatchPattern};
use outrider_proto::envoy::route::header_matcher::HeaderMatchSpecifier;
use outrider_proto::envoy::route::route_match::PathSpecifier;
use outrider_proto::envoy::route::{HeaderMatcher, RouteMatch as WireRouteMatch};

pub(super) fn parse(wire: &WireRouteMatch, fields: &mut Fields<'_>) -> RouteMatch {
    refuse_unenforced!(fields, wire, WireRouteMatch {
        enforced: case_sensitive, headers, grpc, path_specifier;
        refused: runtime_fraction, query_parameters, cookies, tls_context, dynamic_metadata,
            filter_state;
    });
    if wire
        .case_sensitive
        .as_ref()
        .is_some_and(|value| !value.value)
    {
        fields.refuse("case_sensitive", "must be true: gRPC's paths are");
    }
    let headers = wire
        .headers
        .iter()
        .enumerate()
        .filter_map(|(index, header)| parse_header(header, &mut fields.at_index("headers", index)));
    let headers = headers.collect();
    RouteMatch {
        path: parse_path(wire.path_specifier.as_ref(), fields),
        headers,
        grpc_only: wire.grpc.is_some(),
    }
}

fn parse_path(path: Option<&PathSpecifier>, fields: &mut Fields<'_>) -> PathMatch {
    match path {
        Some(PathSpecifier::Prefix(prefix)) if prefix == "/" => PathMatch::Any,
        Some(PathSpecifier::Prefix(prefix)) => PathMatch::Prefix(prefix.clone()),
        Some(PathSpecifier::Path(path)) => PathMatch::Exact(path.clone()),
        Some(
            PathSpecifier::SafeRegex(_)
            | PathSpecifier::ConnectMatcher(_)
            | PathSpecifier::PathSeparatedPrefix(_)
            | PathSpecifier::PathMatchPolicy(_),
        )
        | None => {
            fields.refuse("path_specifier", "must be prefix or path");
            PathMatch::Any
        }
    }
}

fn parse_header(header: &HeaderMatcher, fields: &mut Fields<'_>) -> Option<HeaderMatch> {
    refuse_unenforced!(fields, header, HeaderMatcher {
        enforced: name, invert_match, header_match_specifier;
        refused: treat_missing_header_as_empty;
    });
    let (value, inverted) = match &header.header_match_specifier {
        Some(HeaderMatchSpecifier::PresentMatch(present)) => (HeaderValueMatch::Present, !present),
        Some(HeaderMatchSpecifier::StringMatch(matcher)) => {
            // An absent header never matches a value, inverted or not (gRFC A28):
            // the route table would take it for a match.
            fields.refuse_if_set("invert_match", &header.invert_match);
            (
                parse_string(matcher, &mut fields.at("string_match"))?,
                false,
            )
        }
        Some(_) | None => {
            fields.refuse(
                "header_match_specifier",
                "must be string_match or present_match",
            );
            return None;
        }
    };
    Some(HeaderMatch {
        name: header.name.to_ascii_lowercase(),
        value,
        invert: inverted != header.invert_match,
    })
}

fn parse_string(matcher: &StringMatcher, fields: &mut Fields<'_>) -> Option<HeaderValueMatch> {
    let StringMatcher {
        ignore_case,
        match_pattern,
    } = matcher;
    fields.refuse_if_set("ignore_case", ignore_case);
    match match_pattern {
        Some(MatchPattern::Exact(value)) => Some(HeaderValueMatch::Exact(value.clone())),
        Some(MatchPattern::Prefix(value)) => Some(HeaderValueMatch::Prefix(value.clone())),
        Some(_) | None => {
            fields.refuse("match_pattern", "must be exact or prefix");
            None
        }
    }
}
