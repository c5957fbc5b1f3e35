//! Finds the route of a call and draws its cluster.

use std::borrow::Cow;
use std::rc::Rc;

use outrider_http2::Fields;
use outrider_policy::{Authority, GrpcPath, NoRoute, Reason, Target, pick_weighted};

use super::{Context, Stop};
use crate::call::Call;
use crate::call::grammar::shown;
use crate::call::wait::Missing;
use crate::config::Discovery;
use crate::configuration::{Configuration, RouteState};
use crate::refusal::Refusal;

/// The first rule that matches, of the service that the authority or the path names.
pub(super) fn outbound(context: &mut Context<'_>, call: &mut Call) -> Result<(), Stop> {
    let route = find(context.configuration, call)?;
    Ok(enter(context, call, route)?)
}

/// Inbound there is one route: to the local application.
pub(super) fn own_service(context: &mut Context<'_>, call: &mut Call) -> Result<(), Refusal> {
    let route = context.configuration.app_route.clone().ok_or_else(|| {
        Refusal::early(
            Reason::NoRoute,
            "this sidecar has no application to call; start it with --app ADDR",
        )
    })?;
    enter(context, call, route)
}

fn enter(context: &mut Context<'_>, call: &mut Call, route: Rc<RouteState>) -> Result<(), Refusal> {
    let random = context.random.next_u64();
    let cluster = pick_weighted(&route.route.clusters, random)
        .and_then(|index| route.clusters[index].clone());
    let refusal = cluster.is_none().then(|| {
        let sentence = format!(
            "route {} leads to no cluster that is configured",
            route.name
        );
        Refusal::early(Reason::NoRoute, sentence)
    });
    call.route = Some(route);
    call.cluster = cluster;
    refusal.map_or(Ok(()), Err)
}

fn find(configuration: &mut Configuration, call: &mut Call) -> Result<Rc<RouteState>, Stop> {
    let authority = call.request.find(b":authority").unwrap_or_default();
    let path = call.request.find(b":path").unwrap_or_default();
    let parsed = Authority::parse(authority).map_err(|_| bad_authority(authority))?;
    call.is_to_loopback = parsed.is_loopback();
    let target = Target {
        authority: &parsed,
        // Of a gRPC call the path was parsed by the step `Grammar`.
        grpc_service: GrpcPath::service_of(path).filter(|_| call.is_grpc),
    };
    let routes = &configuration.snapshot.routes;
    let found = routes.find(target, path, call.is_grpc, |name| {
        joined(&call.request, name)
    });
    match found {
        Ok(index) => Ok(configuration.route_state(index)),
        Err(why) => Err(unrouted(
            &configuration.snapshot.discovery,
            why,
            target,
            authority,
            path,
        )),
    }
}

/// No route leads to the target: because there is no such service, or is it not known yet?
fn unrouted(
    discovery: &Discovery,
    why: NoRoute,
    target: Target<'_>,
    authority: &[u8],
    path: &[u8],
) -> Stop {
    let name = match (discovery, why) {
        (
            Discovery::OnDemand { absent },
            NoRoute::UnknownAuthority | NoRoute::UnknownGrpcService,
        ) => target.name().filter(|name| !absent.contains(name)),
        (
            Discovery::OnDemand { .. },
            NoRoute::EverybodysService | NoRoute::NamesNoService | NoRoute::NoMatchingRule,
        )
        | (Discovery::Complete, _) => None,
    };
    match name {
        Some(name) => Stop::Wait(Missing::Service(name)),
        None => Refusal::early(Reason::NoRoute, no_route(why, authority, path)).into(),
    }
}

fn bad_authority(authority: &[u8]) -> Refusal {
    let sentence = match authority {
        b"" => "the request has neither :authority nor host".to_owned(),
        _ => format!(
            "the :authority {} is no host with or without a port",
            shown(authority)
        ),
    };
    Refusal::early(Reason::BadRequest, sentence)
}

/// The value of a header as rules see it: a repeated one with all its values, so that none hides. They
/// are joined by commas (RFC 9110 5.3), the pieces of a cookie by semicolons (RFC 9113 8.2.3). `host` is
/// what became of it, the authority.
pub(super) fn joined<'a>(request: &'a Fields, name: &str) -> Option<Cow<'a, [u8]>> {
    let (name, between): (_, &[u8]) = match name {
        "cookie" => (name, b"; "),
        "host" => (":authority", b","),
        _ => (name, b","),
    };
    let mut values = request.find_all(name.as_bytes());
    let first = values.next()?;
    let Some(second) = values.next() else {
        return Some(Cow::Borrowed(first));
    };
    let mut all = first.to_vec();
    for value in std::iter::once(second).chain(values) {
        all.extend_from_slice(between);
        all.extend_from_slice(value);
    }
    Some(Cow::Owned(all))
}

fn no_route(why: NoRoute, authority: &[u8], path: &[u8]) -> String {
    let (authority, path) = (shown(authority), shown(path));
    match why {
        NoRoute::UnknownAuthority => {
            format!("no service is called {authority}; is there a Service document with that name?")
        }
        NoRoute::UnknownGrpcService => {
            format!("no Service document lists the gRPC service of {path} under grpcServices")
        }
        NoRoute::EverybodysService => {
            format!(
                "{path} is implemented by every service; name one in the authority instead of {authority}"
            )
        }
        NoRoute::NamesNoService => {
            format!(
                "the authority {authority} names no service, and only gRPC calls go by their path; put \
                 the name of a service into the authority, with curl by -H \"Host: orders\""
            )
        }
        NoRoute::NoMatchingRule => format!("no rule of {authority} matches {path}"),
    }
}
