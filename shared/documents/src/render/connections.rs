//! How long connections to a service live, as a part of its cluster's policy.
//!
//! What the Mesh says holds for every service, so every cluster carries it.

use super::wire_duration;
use crate::model::{Connections, Keepalive};
use outrider_proto::v1;
use std::time::Duration;

/// `None` if no field is set. `max_age` is the service's own field.
pub(super) fn render(mesh: &Connections, max_age: Option<Duration>) -> Option<v1::Connections> {
    let connections = Connections {
        max_age: max_age.or(mesh.max_age),
        ..*mesh
    };
    if connections == Connections::default() {
        return None;
    }
    let Connections {
        handshake_timeout,
        header_timeout,
        stalled_timeout,
        idle_timeout,
        max_age,
        keepalive,
        foreign_keepalive,
    } = connections;
    Some(v1::Connections {
        handshake_timeout: handshake_timeout.map(wire_duration),
        header_timeout: header_timeout.map(wire_duration),
        stalled_timeout: stalled_timeout.map(wire_duration),
        idle_timeout: idle_timeout.map(wire_duration),
        max_age: max_age.map(wire_duration),
        keepalive: keepalive.map(render_keepalive),
        foreign_keepalive: foreign_keepalive.map(render_keepalive),
    })
}

pub(super) fn render_keepalive(keepalive: Keepalive) -> v1::Keepalive {
    let Keepalive { interval, timeout } = keepalive;
    v1::Keepalive {
        interval: interval.map(wire_duration),
        timeout: timeout.map(wire_duration),
    }
}
