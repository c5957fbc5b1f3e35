//! A small name server: it answers over UDP from a zone.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const HEADER: usize = 12;

/// The answers for names, a line each: the name with its dot, then addresses, `-` for none, or one of
/// `SERVFAIL`, `REFUSED`, `SILENCE`, each also for a family alone (`AAAA=SERVFAIL`). Any other name
/// does not exist.
#[derive(Clone, Debug)]
pub struct Zone(String);

/// A server that runs until the test ends.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    asked: UnboundedReceiver<String>,
}

impl Server {
    /// What it was asked for since the last call, as `orders. AAAA`.
    pub fn asked(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }
}

impl Zone {
    /// A zone with these lines.
    pub fn of(text: &str) -> Zone {
        Zone(text.to_owned())
    }

    /// Response code and records for a name and a family; `None` is silence.
    fn answer(&self, name: &str, family: &str) -> Option<(u8, Vec<IpAddr>)> {
        let lines = self.0.lines().filter_map(|line| line.split_once(' '));
        let mut found = lines.filter(|(owner, _)| owner.eq_ignore_ascii_case(name));
        let Some((_, says)) = found.next() else {
            return Some((3, Vec::new()));
        };
        let mut addresses = Vec::new();
        for word in says.split_whitespace() {
            let word = match word.split_once('=') {
                Some((of, word)) if of == family => word,
                Some(_) => continue,
                None => word,
            };
            match word {
                "SERVFAIL" => return Some((2, Vec::new())),
                "REFUSED" => return Some((5, Vec::new())),
                "SILENCE" => return None,
                "-" => {}
                address => addresses.push(address.parse().expect("an address")),
            }
        }
        addresses.retain(|address: &IpAddr| address.is_ipv4() == (family == "A"));
        Some((0, addresses))
    }
}

/// Serves `zone` at `address`; port 0 is a free one.
pub async fn start(address: SocketAddr, zone: Zone) -> Server {
    let socket = Arc::new(UdpSocket::bind(address).await.expect("a free port"));
    let address = socket.local_addr().expect("an address");
    let (tell, asked) = unbounded_channel();
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question).await {
            let question = &question[..length];
            let (name, end) = asked_for(question);
            let family = if question[end - 3] == 28 { "AAAA" } else { "A" };
            let _ = tell.send(format!("{name} {family}"));
            if let Some((code, addresses)) = zone.answer(&name, family) {
                let response = response(&question[..end], code, &addresses);
                let _ = socket.send_to(&response, from).await;
            }
        }
    });
    Server { address, asked }
}

/// The name that a question asks for, and where the question ends (RFC 1035 4.1.2).
fn asked_for(question: &[u8]) -> (String, usize) {
    let (mut name, mut at) = (String::new(), HEADER);
    while question[at] > 0 {
        let next = at + 1 + usize::from(question[at]);
        name.push_str(std::str::from_utf8(&question[at + 1..next]).expect("ASCII"));
        name.push('.');
        at = next;
    }
    (name, at + 5)
}

/// An answer with a TTL of 30 s, as RFC 1035 4.1 writes it.
fn response(question: &[u8], code: u8, addresses: &[IpAddr]) -> Vec<u8> {
    let count = u8::try_from(addresses.len()).expect("few addresses");
    let mut response = question[..2].to_vec();
    response.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    response.extend(&question[HEADER..]);
    for address in addresses {
        let (kind, octets) = match address {
            IpAddr::V4(address) => (1, address.octets().to_vec()),
            IpAddr::V6(address) => (28, address.octets().to_vec()),
        };
        let length = u8::try_from(octets.len()).expect("an address is short");
        response.extend([0xc0, 0x0c, 0, kind, 0, 1, 0, 0, 0, 30, 0, length]);
        response.extend(octets);
    }
    response
}
