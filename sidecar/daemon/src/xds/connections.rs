//! How long connections live: our `Connections`, in a cluster's policy.

use std::time::Duration;

use super::fields::Fields;
use outrider_policy::{KeepaliveRules, Lifetimes};
use outrider_proto::google::Duration as WireDuration;
use outrider_proto::v1;

pub(super) fn parse(connections: &v1::Connections, fields: &mut Fields<'_>) -> Lifetimes {
    let v1::Connections {
        handshake_timeout,
        header_timeout,
        stalled_timeout,
        idle_timeout,
        max_age,
        keepalive,
        foreign_keepalive,
    } = connections;
    let default = Lifetimes::default();
    let handshake = fields.positive("handshake_timeout", handshake_timeout);
    let header_block = fields.positive("header_timeout", header_timeout);
    let stalled = fields.positive("stalled_timeout", stalled_timeout);
    let mut rules = |name, message: &Option<v1::Keepalive>, default| match message {
        Some(message) => parse_keepalive(message, default, &mut fields.at(name)),
        None => default,
    };
    let keepalive = rules("keepalive", keepalive, default.keepalive);
    let foreign = rules(
        "foreign_keepalive",
        foreign_keepalive,
        default.foreign_keepalive,
    );
    Lifetimes {
        handshake: handshake.unwrap_or(default.handshake),
        header_block: header_block.unwrap_or(default.header_block),
        stalled: stalled.unwrap_or(default.stalled),
        idle: or_off("idle_timeout", idle_timeout, default.idle, fields),
        age: or_off("max_age", max_age, default.age, fields),
        keepalive,
        foreign_keepalive: foreign,
    }
}

/// Zero is never.
pub(super) fn or_off(
    name: &str,
    value: &Option<WireDuration>,
    default: Option<Duration>,
    fields: &mut Fields<'_>,
) -> Option<Duration> {
    match fields.duration(name, value) {
        Some(span) => Some(span).filter(|span| !span.is_zero()),
        None => default,
    }
}

pub(super) fn parse_keepalive(
    keepalive: &v1::Keepalive,
    default: KeepaliveRules,
    fields: &mut Fields<'_>,
) -> KeepaliveRules {
    let v1::Keepalive { interval, timeout } = keepalive;
    KeepaliveRules {
        every: fields
            .positive("interval", interval)
            .unwrap_or(default.every),
        patience: fields
            .positive("timeout", timeout)
            .unwrap_or(default.patience),
    }
}
