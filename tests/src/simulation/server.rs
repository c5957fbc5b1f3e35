//! Application servers: each behind its own sidecar, each follows a script per request.

use std::collections::BTreeMap;
use std::time::Duration;

use outrider_http2::{self as http2, ErrorCode, Event as Said, GoawayKind, StreamId, WindowPool};

use super::call::DeliveryEnd;
use super::client::{CALLER_FIELD, MARK};
use super::exchange::Exchange;
use super::random::Random;
use super::strain::{Slip, to_network};
use super::world::World;

/// One server and its connections, by link.
pub(super) struct Server {
    pub(super) connections: BTreeMap<usize, ServerConnection>,
    pub(super) is_listening: bool,
    pub(super) random: Random,
    pool: WindowPool,
}

pub(super) struct ServerConnection {
    pub(super) http2: http2::Connection,
    pub(super) exchanges: BTreeMap<StreamId, Exchange>,
    /// What goes out between the frames of `http2`.
    pub(super) slip: Slip,
    /// The last stream of a GOAWAY that was slipped in.
    pub(super) last: Option<u32>,
    /// The highest stream of which something was said.
    pub(super) begun_max: u32,
    /// GOAWAY's first step was said; `final_said` its second.
    is_leaving: bool,
    final_said: bool,
}

impl Server {
    pub(super) fn new(random: Random, growth: usize) -> Server {
        Server {
            connections: BTreeMap::new(),
            is_listening: true,
            random,
            pool: WindowPool::new(growth),
        }
    }
}

impl World {
    pub(super) fn server_accepts(&mut self, server: usize, link: usize) {
        let config = http2::Config {
            max_concurrent_streams: self.plan.servers.streams_max,
            initial_window: self.plan.servers.window,
            ..http2::Config::default()
        };
        let me = &mut self.servers[server];
        let connection = ServerConnection {
            http2: http2::Connection::server(config, &me.pool),
            exchanges: BTreeMap::new(),
            slip: Slip::default(),
            last: None,
            begun_max: 0,
            is_leaving: false,
            final_said: false,
        };
        me.connections.insert(link, connection);
        self.flush_server(server, link);
    }

    /// Octets from the sidecar.
    pub(super) fn server_receives(&mut self, server: usize, link: usize, mut bytes: &[u8]) {
        let now = Duration::from_nanos(self.now.as_nanos());
        while let Some(connection) = self.servers[server].connections.get_mut(&link) {
            let Some(said) = connection.http2.receive(now, &mut bytes) else {
                break;
            };
            self.server_hears(server, link, said);
        }
        self.flush_server(server, link);
    }

    fn server_hears(&mut self, server: usize, link: usize, said: Said<'_>) {
        match said {
            Said::Head {
                stream,
                fields,
                end,
            } => self.request_head(server, (link, stream), &fields, end),
            Said::Data {
                stream,
                bytes,
                ends,
            } => {
                self.request_data(server, (link, stream), bytes, ends.stream());
            }
            Said::Trailers { stream, fields } => {
                if fields.find(CALLER_FIELD).or(fields.find(MARK)).is_some() {
                    self.broken(format!("server {server}: forged trailers {fields:?}"));
                }
                self.request_end(server, (link, stream), true);
            }
            Said::Reset { stream, .. } => {
                self.exchange_over(server, (link, stream), DeliveryEnd::Cancelled);
            }
            Said::Failed(error) => self.broken(format!(
                "server {server}: the sidecar broke HTTP/2: {error:?}"
            )),
            Said::HeadTooLarge { .. } | Said::TrailersTooLarge { .. } => {
                self.broken("a request's list grew over the limits on its way".to_owned());
            }
            Said::Foreign(foreign) => {
                self.broken(format!("a sidecar spoke {}", foreign.name()));
            }
            Said::HeadMalformed { why, .. } | Said::Malformed { why, .. } => {
                self.broken(format!("a sidecar sent a malformed request: {why}"));
            }
            Said::Goaway { .. } | Said::SettingsChanged => {}
            Said::Interim { .. } | Said::Pong { .. } => {}
        }
    }

    /// The connection is gone, and every exchange on it.
    pub(super) fn server_hung_up(&mut self, server: usize, link: usize) {
        self.server_forgets(server, link);
        self.network.close(&mut self.agenda, self.now, link, 1);
    }

    /// Every exchange of a connection is over for the server.
    pub(super) fn server_forgets(&mut self, server: usize, link: usize) {
        let streams: Vec<_> = self.servers[server]
            .connections
            .get(&link)
            .map(|connection| connection.exchanges.keys().copied().collect())
            .unwrap_or_default();
        for stream in streams {
            self.exchange_over(server, (link, stream), DeliveryEnd::Lost);
        }
        self.servers[server].connections.remove(&link);
    }

    /// Tells all connections of a server to go away: first step, or second.
    pub(super) fn server_goaway(&mut self, server: usize, kind: GoawayKind) {
        let links: Vec<_> = self.servers[server].connections.keys().copied().collect();
        for link in links {
            let Some(connection) = self.servers[server].connections.get_mut(&link) else {
                continue;
            };
            match kind {
                GoawayKind::Notice => connection.is_leaving = true,
                GoawayKind::Final if connection.is_leaving => connection.final_said = true,
                GoawayKind::Final => continue,
            }
            connection.http2.goaway(ErrorCode::NoError, kind);
            self.flush_server(server, link);
        }
    }

    /// Sends what the connection has; closes it when it said its last GOAWAY and is idle.
    pub(super) fn flush_server(&mut self, server: usize, link: usize) {
        let Some(connection) = self.servers[server].connections.get_mut(&link) else {
            return;
        };
        let http2 = &mut connection.http2;
        let send = to_network(&mut self.network, &mut self.agenda, self.now, (link, 1));
        connection.slip.send(http2, send);
        let mut framed = Vec::new();
        while let Some(taken) = http2.next_framed() {
            if let Some(exchange) = connection.exchanges.get(&taken.stream) {
                let (call, delivery) = (exchange.call, exchange.delivery);
                self.calls[call].deliveries[delivery].framed += taken.bytes;
                framed.push((call, delivery));
            }
        }
        let said = http2.output().is_empty() && connection.slip.is_empty();
        let idle = http2.open_streams() == 0 && said;
        if idle && connection.final_said {
            self.server_hung_up(server, link);
        }
        for (call, delivery) in framed {
            self.check_answer_bound(call, delivery);
        }
    }
}
