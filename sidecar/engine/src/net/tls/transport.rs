//! The byte machine under one connection: nothing (plaintext) or rustls.
//!
//! Between the socket and HTTP/2: `read` turns socket bytes into plaintext, `fill` turns HTTP/2's
//! output into socket bytes, no further ahead than [`OUTPUT_BYTES_MAX`].

use std::io::{BufRead, Write};
use std::sync::Arc;

use outrider_causes::{CertificateDates, describe_tls};
use outrider_http2::{FirstOctets, Foreign};
use outrider_identity::{SpiffeId, Svid};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, Connection, ServerConnection};

use super::material::TlsMaterial;
use crate::net::codec::Codec;

/// Encrypted bytes made ahead of the socket. `design`: DATA is framed and encrypted only while a
/// connection's unsent output is under this.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// Plaintext given to rustls at once: four full records, small enough to stay in cache.
const ENCRYPT_BYTES: usize = 64 * 1024;

/// The layer under HTTP/2.
pub(crate) enum Transport {
    /// Bytes pass as they are.
    Plain,
    /// Mutual TLS.
    Tls(Box<Tls>),
}

/// rustls' machine and what it made that the socket has not taken.
pub(crate) struct Tls {
    machine: Connection,
    /// A client's first octets, while they may be no TLS; `None` once they are.
    first: Option<FirstOctets>,
    /// The handshake is done and the peer known.
    secured: bool,
    /// The dates of our certificate, for what the peer says of it.
    own: CertificateDates,
    /// close_notify was said.
    closed: bool,
    output: Vec<u8>,
    sent: usize,
}

/// What a read brought, in order.
pub(crate) enum Decoded<'a> {
    /// The handshake has just ended well; this is the peer.
    Secured(Peer<'a>),
    /// Bytes for HTTP/2.
    Plaintext(&'a [u8]),
    /// The client does not speak TLS, but this. Nothing more is read.
    Foreign(Foreign),
}

/// Who is at the other end, and until when that is proven.
pub(crate) struct Peer<'a> {
    pub(crate) id: Arc<SpiffeId>,
    /// The certificates that it proved itself with, leaf first.
    pub(crate) chain: &'a [CertificateDer<'static>],
    /// Last second of its certificate. Seconds since 1970-01-01 UTC.
    pub(crate) expires_unix: u64,
}

/// Why TLS ended a connection, for people.
#[derive(Clone, Debug)]
pub(crate) struct TlsFailure(pub(crate) String);

impl Transport {
    /// The server's end of mutual TLS.
    pub(crate) fn server(material: &TlsMaterial) -> Result<Transport, TlsFailure> {
        let machine = ServerConnection::new(material.server())
            .map_err(|error| TlsFailure(describe_tls(&error, None)))?;
        let first = Some(FirstOctets::default());
        Ok(Transport::tls(
            Connection::Server(machine),
            first,
            material.dates(),
        ))
    }

    /// The client's end; only `peer` is accepted at the other.
    pub(crate) fn client(material: &TlsMaterial, peer: &SpiffeId) -> Result<Transport, TlsFailure> {
        let config = material
            .client(peer)
            .map_err(|error| TlsFailure(describe_tls(&error, None)))?;
        // Never sent (no SNI) and never compared: the verifier looks at the SPIFFE id alone.
        let name = ServerName::try_from("outrider.invalid")
            .map_err(|error| TlsFailure(error.to_string()))?;
        let machine = ClientConnection::new(config, name)
            .map_err(|error| TlsFailure(describe_tls(&error, None)))?;
        Ok(Transport::tls(
            Connection::Client(machine),
            None,
            material.dates(),
        ))
    }

    fn tls(
        mut machine: Connection,
        first: Option<FirstOctets>,
        own: CertificateDates,
    ) -> Transport {
        machine.set_buffer_limit(None);
        Transport::Tls(Box::new(Tls {
            machine,
            first,
            secured: false,
            own,
            closed: false,
            output: Vec::new(),
            sent: 0,
        }))
    }

    /// Feeds socket bytes; `decoded` gets what they held, in order, in pieces.
    ///
    /// # Errors
    /// TLS failed; an alert may be waiting in the output.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        decoded: &mut dyn FnMut(Decoded<'_>),
    ) -> Result<(), TlsFailure> {
        match self {
            Transport::Plain => {
                decoded(Decoded::Plaintext(bytes));
                Ok(())
            }
            Transport::Tls(tls) => tls.read(bytes, decoded),
        }
    }

    /// Takes HTTP/2's output as far as the socket's backlog allows.
    pub(crate) fn fill(&mut self, http2: &mut Codec) {
        if let Transport::Tls(tls) = self {
            tls.fill(http2);
        }
    }

    /// Bytes for the socket.
    pub(crate) fn output<'a>(&'a self, http2: &'a Codec) -> &'a [u8] {
        match self {
            Transport::Plain => http2.output(),
            Transport::Tls(tls) => &tls.output[tls.sent..],
        }
    }

    /// The socket took `count` of them.
    pub(crate) fn written(&mut self, http2: &mut Codec, count: usize) {
        match self {
            Transport::Plain => http2.written(count),
            Transport::Tls(tls) => tls.written(count),
        }
    }

    /// Answers a peer that speaks something else, in octets that go out as they are.
    pub(crate) fn answer_foreign(&mut self, http2: &mut Codec, octets: &[u8]) {
        match self {
            Transport::Plain => http2.answer_foreign(octets),
            Transport::Tls(tls) => tls.output.extend_from_slice(octets),
        }
    }

    /// The certificates that the peer proved itself with, leaf first.
    pub(crate) fn peer_chain(&self) -> &[CertificateDer<'static>] {
        match self {
            Transport::Plain => &[],
            Transport::Tls(tls) => tls.machine.peer_certificates().unwrap_or_default(),
        }
    }

    /// The handshake is under way, and the peer's ClientHello was whole and good (of a server's end).
    pub(crate) fn has_answered_hello(&self) -> bool {
        match self {
            Transport::Plain => false,
            Transport::Tls(tls) => !tls.secured && tls.machine.protocol_version().is_some(),
        }
    }

    /// Says goodbye in TLS's way (close_notify), once, when HTTP/2 has nothing left to say.
    pub(crate) fn close(&mut self, http2: &Codec) {
        if let Transport::Tls(tls) = self {
            tls.close(http2);
        }
    }
}

impl Tls {
    fn read(
        &mut self,
        mut bytes: &[u8],
        decoded: &mut dyn FnMut(Decoded<'_>),
    ) -> Result<(), TlsFailure> {
        if let Some(first) = &mut self.first {
            if !first.is_tls(bytes) {
                if let Some(foreign) = first.take(bytes) {
                    // Nothing of TLS may follow.
                    self.closed = true;
                    decoded(Decoded::Foreign(foreign));
                }
                return Ok(());
            }
            self.first = None;
        }
        while !bytes.is_empty() {
            let taken = self
                .machine
                .read_tls(&mut bytes)
                .map_err(|error| TlsFailure(error.to_string()))?;
            let processed = self
                .machine
                .process_new_packets()
                .map_err(|error| TlsFailure(describe_tls(&error, Some(self.own))));
            self.collect();
            processed?;
            if !self.secured && !self.machine.is_handshaking() {
                decoded(Decoded::Secured(self.peer()?));
                self.secured = true;
            }
            self.deliver(decoded);
            if taken == 0 {
                break;
            }
        }
        Ok(())
    }

    /// The handshake is done: the peer's identity, and HTTP/2 agreed upon.
    fn peer(&self) -> Result<Peer<'_>, TlsFailure> {
        if self.machine.alpn_protocol() != Some(b"h2") {
            return Err(TlsFailure(
                "the peer did not agree on HTTP/2 (ALPN h2)".to_owned(),
            ));
        }
        let chain = self.machine.peer_certificates().unwrap_or_default();
        let leaf = chain
            .first()
            .ok_or_else(|| TlsFailure("the peer sent no certificate".to_owned()))?;
        let svid = Svid::parse(leaf).map_err(|error| TlsFailure(error.to_string()))?;
        Ok(Peer {
            expires_unix: u64::try_from(svid.not_after_unix).unwrap_or(0),
            id: Arc::new(svid.id),
            chain,
        })
    }

    fn deliver(&mut self, decoded: &mut dyn FnMut(Decoded<'_>)) {
        let mut reader = self.machine.reader();
        // An error here is "nothing more yet" or the peer's close; both are said by the socket too.
        while let Ok(chunk) = reader.fill_buf() {
            if chunk.is_empty() {
                return;
            }
            let count = chunk.len();
            decoded(Decoded::Plaintext(chunk));
            reader.consume(count);
        }
    }

    fn fill(&mut self, http2: &mut Codec) {
        if !self.secured {
            self.collect();
            return;
        }
        while self.output.len() - self.sent < OUTPUT_BYTES_MAX && !http2.output().is_empty() {
            let pending = http2.output();
            let count = pending.len().min(ENCRYPT_BYTES);
            // Writing into rustls' own buffer cannot fail: it has no limit and no socket.
            let taken = self.machine.writer().write(&pending[..count]).unwrap_or(0);
            if taken == 0 {
                return;
            }
            http2.written(taken);
            self.collect();
        }
    }

    fn close(&mut self, http2: &Codec) {
        // Without an agreed key nothing of HTTP/2 can be said any more.
        let is_said = !self.secured || http2.output().is_empty();
        if is_said && !self.closed {
            self.closed = true;
            self.machine.send_close_notify();
            self.collect();
        }
    }

    fn collect(&mut self) {
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
        }
        while self.machine.wants_write() {
            if self.machine.write_tls(&mut self.output).is_err() {
                return;
            }
        }
    }

    fn written(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.output.len());
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
        } else if self.sent > OUTPUT_BYTES_MAX {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }
}
