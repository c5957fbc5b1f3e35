//! Parses a sidecar's announcement into what the registry takes.
//!
//! The certificate says whose instance it is; checked here is the address that others connect to.
//! Knows no leases.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use outrider_proto::v1::{Announcement, Observation};

use super::change::{Announced, ServiceName};
use crate::members::caller::Workload;
use crate::storage::journal::EventKind;
use crate::text::clean;

/// Longest name of an instance. Bytes; 64: a UUID has 36.
const INSTANCE_BYTES_MAX: usize = 64;

/// Longest name of a service in an observation. Bytes; 63: a DNS label.
const SERVICE_BYTES_MAX: usize = 63;

/// Longest kept reason for taking no calls. Bytes; 256: two lines.
const REASON_BYTES_MAX: usize = 256;

/// Why an announcement is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is no IP and port.
    #[error("`{0}` is no address: announce IP:port, such as 10.0.0.7:15006")]
    NoAddress(String),
    /// Others cannot connect to it.
    #[error("{0} is no address that others could connect to: announce a unicast IP and a port")]
    Unreachable(SocketAddr),
    /// The instance has no proper name.
    #[error("an instance has a name of 1 to {INSTANCE_BYTES_MAX} letters, digits, `.`, `_`, `-`")]
    Instance,
    /// Authorities of that name mean something else.
    #[error("`localhost` is every machine itself and cannot be a service")]
    Localhost,
}

/// The instance that an announcement of `workload` is about.
///
/// # Errors
/// [`Unusable`] says what to change.
pub fn parse(workload: &Workload, announcement: &Announcement) -> Result<Announced, Unusable> {
    if workload.service == "localhost" {
        return Err(Unusable::Localhost);
    }
    if !is_instance(&announcement.instance) {
        return Err(Unusable::Instance);
    }
    Ok(Announced {
        name: ServiceName {
            service: workload.service.clone(),
            namespace: workload.namespace.clone(),
        },
        member: workload.member,
        instance: announcement.instance.clone(),
        address: parse_address(&announcement.address)?,
    })
}

/// Why the instance takes no calls, as it may be shown: one short line.
pub fn reason(announcement: &Announcement) -> String {
    clean(&announcement.unready_because, REASON_BYTES_MAX)
}

fn is_instance(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=INSTANCE_BYTES_MAX).contains(&name.len()) && name.bytes().all(legal)
}

fn parse_address(text: &str) -> Result<SocketAddr, Unusable> {
    let parsed = text.parse::<SocketAddr>();
    let address = parsed.map_err(|_| Unusable::NoAddress(text.chars().take(64).collect()))?;
    // One spelling for one address: `::ffff:10.0.0.7` is 10.0.0.7.
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let reachable = match address.ip() {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !needs_a_scope(ip),
    };
    if reachable && address.port() > 0 {
        Ok(address)
    } else {
        Err(Unusable::Unreachable(address))
    }
}

/// A link-local address needs an interface, which means nothing on another machine.
fn needs_a_scope(ip: Ipv6Addr) -> bool {
    ip.is_unicast_link_local()
}

/// An observation as an event: kind, service and sentence. `None`: not a known kind, or malformed.
pub fn observed(by: &Workload, observation: &Observation) -> Option<(EventKind, String, String)> {
    let Observation {
        kind,
        service,
        endpoint,
    } = observation;
    let kind = match kind.as_str() {
        "ejected" => EventKind::Ejected,
        "returned" => EventKind::Returned,
        _ => return None,
    };
    let endpoint: SocketAddr = endpoint.parse().ok()?;
    let label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let named = (1..=SERVICE_BYTES_MAX).contains(&service.len()) && service.bytes().all(label);
    let verb = match kind {
        EventKind::Returned => "sends calls again to",
        _ => "sends nothing for a while to",
    };
    let detail = format!("{} {verb} the endpoint {endpoint}.", by.name());
    named.then(|| (kind, service.clone(), detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::MemberId;

    fn orders() -> Workload {
        Workload {
            namespace: "shop".to_owned(),
            service: "orders".to_owned(),
            member: MemberId::UNKNOWN,
            expires_unix: 0,
            issuer: String::new(),
        }
    }

    fn parsed(instance: &str, address: &str) -> Option<String> {
        let announcement = Announcement {
            instance: instance.to_owned(),
            address: address.to_owned(),
            ..Announcement::default()
        };
        let announced = parse(&orders(), &announcement).ok()?;
        assert_eq!(announced.name.to_string(), "shop/orders");
        Some(announced.address.to_string())
    }

    #[test]
    fn an_address_is_one_that_others_could_connect_to() {
        let cases = [
            ("10.0.0.7:15006", Some("10.0.0.7:15006")),
            ("127.0.0.1:15006", Some("127.0.0.1:15006")),
            ("[2001:db8::7]:15006", Some("[2001:db8::7]:15006")),
            ("[::ffff:10.0.0.7]:15006", Some("10.0.0.7:15006")),
            ("0.0.0.0:15006", None),
            ("[::]:15006", None),
            ("[::ffff:0.0.0.0]:15006", None),
            ("224.0.0.1:15006", None),
            ("255.255.255.255:15006", None),
            ("[ff02::1]:15006", None),
            ("[fe80::1]:15006", None),
            ("[fe80::1%2]:15006", None),
            ("10.0.0.7:0", None),
            ("10.0.0.7", None),
            ("orders:15006", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parsed("run", text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn an_instance_has_a_short_plain_name() {
        let long = "a".repeat(65);
        let cases = [
            ("a-1.b_2", true),
            ("", false),
            ("a b", false),
            (&long, false),
        ];
        for (name, good) in cases {
            assert_eq!(parsed(name, "10.0.0.7:1").is_some(), good, "{name}");
        }
    }

    #[test]
    fn nobody_is_localhost() {
        let workload = Workload {
            service: "localhost".to_owned(),
            ..orders()
        };
        let refused = parse(&workload, &Announcement::default());
        assert_eq!(refused, Err(Unusable::Localhost));
    }

    #[test]
    fn a_reason_is_one_short_line() {
        let long = "ö".repeat(300);
        let cases = [
            ("", ""),
            ("no process\u{1b}[2J\nlistens", "no process [2J listens"),
            (&long, &long[..256]),
        ];
        for (said, expected) in cases {
            let announcement = Announcement {
                unready_because: said.to_owned(),
                ..Announcement::default()
            };
            assert_eq!(reason(&announcement), expected);
        }
    }

    #[test]
    fn only_known_observations_of_services_and_endpoints_are_events() {
        let cases = [
            ("ejected", "pay", "10.0.0.7:1", Some(EventKind::Ejected)),
            ("returned", "pay", "10.0.0.7:1", Some(EventKind::Returned)),
            ("applied", "pay", "10.0.0.7:1", None),
            ("ejected", "", "10.0.0.7:1", None),
            ("ejected", "<b>", "10.0.0.7:1", None),
            ("ejected", "pay", "somewhere", None),
        ];
        for (kind, service, endpoint, expected) in cases {
            let observation = Observation {
                kind: kind.to_owned(),
                service: service.to_owned(),
                endpoint: endpoint.to_owned(),
            };
            let event = observed(&orders(), &observation);
            assert_eq!(event.map(|(kind, _, _)| kind), expected, "{kind} {service}");
        }
    }
}
