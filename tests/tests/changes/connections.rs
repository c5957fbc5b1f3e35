//! How long connections live: those that are open live by the new word.

use std::time::Duration;

use outrider_engine::{EndCause, Side};

use crate::bed::{Bed, GET, SECOND};
use crate::case::{Case, mesh, orders, plain, policy};
use crate::world::fields;
use crate::world::mesh::{CALLER, address};

/// Long enough for what is short, short enough for what is long.
const A_WHILE: Duration = Duration::from_secs(30);
const WATCH: &str = "/shop.v1.Orders/Watch";

fn connections(field: &str) -> String {
    mesh(&format!("connections: {{ {field} }}"))
}

/// A limit of connections that is an hour, and then less.
fn shortened(fields: &'static [&'static str], services: &str, name: &str, after: &str) -> Case {
    let of = |time: &str| services.to_owned() + &connections(&format!("{name}: {time}"));
    Case::new(fields, of("1h"), of(after))
}

/// Two fields of a kind of keepalive.
fn pings(
    fields: &'static [&'static str],
    services: &str,
    kind: &str,
    [before, after]: [(&str, &str); 2],
) -> Case {
    let of = |(interval, timeout): (&str, &str)| {
        let field = format!("{kind}: {{ interval: {interval}, timeout: {timeout} }}");
        services.to_owned() + &connections(&field)
    };
    Case::new(fields, of(before), of(after))
}

fn used(bed: &mut Bed) {
    bed.call("orders", GET);
    bed.advance(A_WHILE);
}

fn watched(bed: &mut Bed) {
    bed.begin("orders", WATCH, &[]);
    bed.advance(A_WHILE);
}

pub fn cases() -> Vec<Case> {
    [beginnings(), ages(), keepalives()].concat()
}

fn beginnings() -> Vec<Case> {
    vec![
        shortened(
            &["spec.connections.handshakeTimeout"],
            &plain(),
            "handshakeTimeout",
            "1s",
        )
        .arrange(|bed| {
            let (now, from) = (bed.mesh.world.now, address("127.0.0.1:40001"));
            bed.mesh.world.engines[CALLER].accepted(now, Side::Outbound, from);
            bed.advance(A_WHILE);
        })
        .shows(|bed| bed.ended(EndCause::Handshake) > 0),
        shortened(
            &["spec.connections.headerTimeout"],
            &plain(),
            "headerTimeout",
            "1s",
        )
        .arrange(|bed| {
            bed.call("orders", GET);
            // The beginning of a HEADERS frame of a hundred octets.
            let client = bed.mesh.client;
            bed.mesh
                .world
                .say(client, &[0, 0, 100, 1, 4, 0, 0, 0, 9, 0x82]);
            bed.advance(A_WHILE);
        })
        .shows(|bed| bed.ended(EndCause::HeaderBlock) > 0),
        // Since when nothing is taken is known from the first look on.
        shortened(
            &["spec.connections.stalledTimeout"],
            &plain(),
            "stalledTimeout",
            "500ms",
        )
        .arrange(|bed| {
            bed.mesh.client().reads = false;
            bed.begin("orders", WATCH, &[]);
            let server = bed.mesh.servers()[0];
            let (stream, _) = bed.mesh.world.peers[server].heads()[0].clone();
            let head = fields(&[(":status", "200"), ("content-type", "application/grpc")]);
            let application = &mut bed.mesh.world.peers[server].http2;
            application.head(stream, head.iter(), false);
            application.data(stream, &[1; 400_000], false);
            bed.advance(A_WHILE);
        })
        .shows(|bed| bed.gauges().counters.streams_stalled != [0, 0]),
    ]
}

fn ages() -> Vec<Case> {
    let age = |time: &str| orders() + &policy(&format!("maxConnectionAge: {time}"));
    let is_aged = |bed: &mut Bed| bed.ended(EndCause::Age) > 0;
    vec![
        shortened(&["spec.connections.maxAge"], &orders(), "maxAge", "1s")
            .arrange(used)
            .shows(is_aged),
        Case::new(&["spec.maxConnectionAge"], age("1h"), age("1s"))
            .arrange(used)
            .shows(is_aged),
        // Of one that is younger than its new age, too.
        shortened(&["spec.connections.maxAge"], &orders(), "maxAge", "31s")
            .arrange(used)
            .shows(|bed| {
                bed.advance(4 * SECOND);
                bed.ended(EndCause::Age) > 0
            }),
        shortened(
            &["spec.connections.idleTimeout"],
            &plain(),
            "idleTimeout",
            "500ms",
        )
        .arrange(used)
        .shows(|bed| bed.ended(EndCause::Idle) > 1),
        shortened(
            &["spec.connections.idleTimeout"],
            &plain(),
            "idleTimeout",
            "0s",
        )
        .arrange(used)
        .shows(|bed| {
            bed.advance(2 * 3_600 * SECOND);
            bed.ended(EndCause::Idle) == 0
        }),
    ]
}

fn keepalives() -> Vec<Case> {
    let has_pinged = |bed: &mut Bed| bed.gauges().counters.keepalive_pings > 0;
    let is_given_up = |bed: &mut Bed| bed.ended(EndCause::Silent) > 0;
    vec![
        pings(
            &["spec.connections.keepalive.interval"],
            &orders(),
            "keepalive",
            [("1h", "1h"), ("1s", "1h")],
        )
        .arrange(watched)
        .shows(has_pinged),
        // Nothing reaches the other sidecar, or comes from it.
        pings(
            &["spec.connections.keepalive.timeout"],
            &orders(),
            "keepalive",
            [("1s", "1h"), ("1s", "500ms")],
        )
        .arrange(|bed| {
            bed.begin("orders", WATCH, &[]);
            let port = bed.busy().map_or(0, |endpoint| endpoint.port());
            bed.mesh.world.sever(usize::from(port - 1_000) + 1);
            bed.advance(A_WHILE);
        })
        .shows(is_given_up),
        pings(
            &["spec.connections.foreignKeepalive.interval"],
            &plain(),
            "foreignKeepalive",
            [("1h", "1h"), ("10s", "1h")],
        )
        .arrange(watched)
        .shows(has_pinged),
        pings(
            &["spec.connections.foreignKeepalive.timeout"],
            &plain(),
            "foreignKeepalive",
            [("10s", "1h"), ("10s", "500ms")],
        )
        .arrange(|bed| {
            bed.begin("orders", WATCH, &[]);
            let server = bed.mesh.servers()[0];
            bed.mesh.world.vanish(server);
            bed.advance(A_WHILE);
        })
        .shows(is_given_up),
    ]
}
