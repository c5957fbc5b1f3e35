//! Peers that speak another protocol than the listener they came to: told why in their own words where that
//! is possible, counted, and told to the loop, so that an operator learns of it.

use outrider_http2::Foreign;

use crate::contract::Action;
use crate::engine::Engine;
use crate::ids::{ConnectionId, Side};
use crate::net::connection::Connection;

/// The answer to HTTP/1 at the outbound listener.
const SPEAKS_HTTP2: Words = Words {
    status: "505 HTTP Version Not Supported",
    sentence: "This port speaks HTTP/2 without TLS: try curl --http2-prior-knowledge, and name the service \
               in the authority, as in -H 'Host: orders' for a service that is called orders.\n",
};

/// The answer to HTTP/1 at the inbound listener.
const SPEAKS_TLS: Words = Words {
    status: "400 Bad Request",
    sentence: "This port takes calls of other sidecars over mutual TLS: call the service through the \
               outbound port of your own sidecar.\n",
};

/// An answer in HTTP/1.
struct Words {
    status: &'static str,
    sentence: &'static str,
}

impl Words {
    /// The answer, whole (RFC 9112 4). `is_head`: without its body.
    fn answer(&self, is_head: bool) -> Vec<u8> {
        let Words { status, sentence } = self;
        let length = sentence.len();
        let body = if is_head { "" } else { sentence };
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

impl Engine {
    /// A peer of this listener speaks something else. It is answered if it speaks HTTP/1, and left.
    pub(crate) fn foreign_protocol(&mut self, id: ConnectionId, side: Side, foreign: Foreign) {
        self.counters.foreign[side as usize][foreign.index()] += 1;
        let peer = self.connection(id).and_then(Connection::caller_address);
        self.actions.push_back(Action::Foreign {
            side,
            peer,
            foreign,
        });
        let words = match side {
            Side::Outbound => SPEAKS_HTTP2,
            Side::Inbound => SPEAKS_TLS,
        };
        if let (Foreign::Http1 { is_head }, Some(connection)) = (foreign, self.connection_mut(id)) {
            let answer = words.answer(is_head);
            match &mut connection.transport {
                Some(transport) => transport.answer_foreign(&mut connection.http2, &answer),
                // Lent out to be read; it is plain then, and its output is HTTP/2's.
                None => connection.http2.answer_foreign(&answer),
            }
        }
        self.flush_and_close(id, None);
    }
}
