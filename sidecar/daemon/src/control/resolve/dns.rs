//! Asks the machine's name servers for the addresses of the names tried.
//!
//! As glibc does it: one server after the other, in rounds; the next server is asked when one does
//! not answer, or answers SERVFAIL or REFUSED. The resolver's cache and its search list are off. A
//! and AAAA are asked at once.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    NameServerConfig, ResolveHosts, ResolverConfig, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};

use outrider_policy::Family;

use super::resolv_conf::Settings;
use super::search::{LookupOutcome, names_tried, verdict};
use crate::clock::Clock;
use crate::control::answer::Answer;

/// Wait for the other family once one has answered. 1 s: some networks lose every query for AAAA,
/// and calls wait for this answer (RFC 8305 3 waits 50 ms, and also takes later answers).
const OTHER_FAMILY: Duration = Duration::from_secs(1);

/// With which server `options rotate` begins next.
static TURN: AtomicUsize = AtomicUsize::new(0);

/// Tries all names that `host` may mean, in order.
pub async fn ask(clock: Clock, settings: &Settings, host: &str) -> Answer {
    let servers = match Servers::new(clock, settings) {
        Ok(servers) => servers,
        Err(error) => return Answer::Failed(error.to_string()),
    };
    let names = names_tried(host, settings);
    let last = names.len().saturating_sub(1);
    let (mut tried, mut is_silent) = (Vec::new(), false);
    for (index, name) in names.into_iter().enumerate() {
        // Servers that did not answer for one suffix will probably not answer for the next.
        if is_silent && index < last {
            continue;
        }
        let outcome = servers.addresses(&name).await;
        let is_found = matches!(outcome, LookupOutcome::Addresses { .. });
        is_silent = outcome == LookupOutcome::Silence;
        tried.push((name, outcome));
        if is_found {
            break;
        }
    }
    verdict(tried)
}

struct Servers {
    clock: Clock,
    /// One for each server, in the order in which they are asked.
    resolvers: Vec<TokioResolver>,
    attempts: usize,
    asks_ipv6: bool,
}

/// What came for one name and one family.
type Records = Result<(Vec<IpAddr>, Duration), LookupOutcome>;

impl Servers {
    fn new(clock: Clock, settings: &Settings) -> Result<Servers, NetError> {
        let resolvers = settings.servers.iter();
        let mut resolvers = resolvers
            .map(|server| resolver(*server, settings))
            .collect::<Result<Vec<_>, _>>()?;
        if settings.rotates && !resolvers.is_empty() {
            let first = TURN.fetch_add(1, Ordering::Relaxed) % resolvers.len();
            resolvers.rotate_left(first);
        }
        Ok(Servers {
            clock,
            resolvers,
            attempts: settings.attempts,
            asks_ipv6: !settings.no_aaaa,
        })
    }

    async fn addresses(&self, name: &str) -> LookupOutcome {
        if !self.asks_ipv6 {
            let ipv4 = self.records(name, RecordType::A).await;
            return together(Some(ipv4), Some(Err(LookupOutcome::Denied("no address"))));
        }
        let mut ipv4 = std::pin::pin!(self.records(name, RecordType::A));
        let mut ipv6 = std::pin::pin!(self.records(name, RecordType::AAAA));
        tokio::select! {
            first = &mut ipv4 => {
                let other = after(&first, ipv6).await;
                together(Some(first), other)
            }
            first = &mut ipv6 => {
                let other = after(&first, ipv4).await;
                together(other, Some(first))
            }
        }
    }

    async fn records(&self, name: &str, kind: RecordType) -> Records {
        let mut last = LookupOutcome::Silence;
        for _ in 0..self.attempts {
            for resolver in &self.resolvers {
                match self.ask_one(resolver, name, kind).await {
                    Err(failed @ (LookupOutcome::Failed(_) | LookupOutcome::Silence)) => {
                        last = failed
                    }
                    answered => return answered,
                }
            }
        }
        Err(last)
    }

    async fn ask_one(&self, resolver: &TokioResolver, name: &str, kind: RecordType) -> Records {
        // Relaxed: underscores are no host names by RFC 1123, and compose files are full of them.
        let name = Name::from_str_relaxed(name);
        let name = name.map_err(|error| LookupOutcome::Failed(error.to_string()))?;
        let found = resolver
            .lookup(name, kind)
            .await
            .map_err(|it| outcome(&it))?;
        let records = found.answers().iter();
        let addresses: Vec<IpAddr> = records.filter_map(|it| it.data.ip_addr()).collect();
        match addresses.is_empty() {
            true => Err(LookupOutcome::Denied("no address")),
            false => Ok((addresses, self.clock.until(found.valid_until()))),
        }
    }
}

/// The other family's answer. Without an address of the first family the wait has no limit of its own.
async fn after(first: &Records, other: impl Future<Output = Records>) -> Option<Records> {
    match first {
        Ok(_) => tokio::time::timeout(OTHER_FAMILY, other).await.ok(),
        Err(_) => Some(other.await),
    }
}

/// The answers of both families for a name, as one; `None` is a family that has not answered.
fn together(ipv4: Option<Records>, ipv6: Option<Records>) -> LookupOutcome {
    let unanswered = |records: &Option<Records>| match records {
        Some(Ok(_) | Err(LookupOutcome::Denied(_))) => false,
        Some(Err(_)) | None => true,
    };
    let unanswered = match (unanswered(&ipv4), unanswered(&ipv6)) {
        (true, _) => Some(Family::Ipv4),
        (false, true) => Some(Family::Ipv6),
        (false, false) => None,
    };
    let outcome = |records: Option<Records>| records.unwrap_or(Err(LookupOutcome::Silence));
    match (outcome(ipv4), outcome(ipv6)) {
        (Ok((mut addresses, ttl)), Ok((others, other_ttl))) => {
            addresses.extend(others);
            let ttl = ttl.min(other_ttl);
            LookupOutcome::Addresses {
                addresses,
                ttl,
                unanswered,
            }
        }
        (Ok((addresses, ttl)), Err(_)) | (Err(_), Ok((addresses, ttl))) => {
            LookupOutcome::Addresses {
                addresses,
                ttl,
                unanswered,
            }
        }
        (Err(failed @ LookupOutcome::Failed(_)), Err(_))
        | (Err(_), Err(failed @ LookupOutcome::Failed(_))) => failed,
        (Err(LookupOutcome::Silence), Err(_)) | (Err(_), Err(LookupOutcome::Silence)) => {
            LookupOutcome::Silence
        }
        // NXDOMAIN is of the name; the other family can only say less.
        (Err(LookupOutcome::Denied(ipv4)), Err(LookupOutcome::Denied(ipv6))) => {
            LookupOutcome::Denied(if ipv6 == NXDOMAIN { ipv6 } else { ipv4 })
        }
        (Err(other), Err(_)) => other,
    }
}

const NXDOMAIN: &str = "no such name";

fn resolver(server: SocketAddr, settings: &Settings) -> Result<TokioResolver, NetError> {
    let mut config = match settings.tcp_only {
        true => NameServerConfig::tcp(server.ip()),
        false => NameServerConfig::udp_and_tcp(server.ip()),
    };
    for connection in &mut config.connections {
        connection.port = server.port();
    }
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![config]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.cache_size = 0;
    options.timeout = settings.timeout;
    options.attempts = 0;
    options.edns0 = settings.edns0;
    options.use_hosts_file = ResolveHosts::Never;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    builder.build()
}

/// "No records" is also what the resolver calls SERVFAIL and REFUSED: only NXDOMAIN and NOERROR
/// say that there is nothing.
fn outcome(error: &NetError) -> LookupOutcome {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NoError => LookupOutcome::Denied("no address"),
            ResponseCode::NXDomain => LookupOutcome::Denied(NXDOMAIN),
            code => failed_with(code),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => failed_with(*code),
        NetError::Timeout => LookupOutcome::Silence,
        other => LookupOutcome::Failed(other.to_string()),
    }
}

fn failed_with(code: ResponseCode) -> LookupOutcome {
    let name = match code {
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => other.to_string(),
    };
    LookupOutcome::Failed(format!("the name server answered {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::resolve::getent::server::{self, Zone};
    use std::net::Ipv4Addr;

    /// The outcome for `orders` with the search list `corp.test`, where each server answers so.
    async fn asked(zones: &[Zone]) -> (Answer, Vec<String>) {
        asked_with(zones, |_| {}).await
    }

    async fn asked_with(
        zones: &[Zone],
        change: impl FnOnce(&mut Settings),
    ) -> (Answer, Vec<String>) {
        let mut settings = Settings {
            servers: Vec::new(),
            search: vec!["corp.test".to_owned()],
            timeout: Duration::from_secs(1),
            attempts: 1,
            ..Settings::default()
        };
        let mut servers = Vec::new();
        for zone in zones {
            let server = server::start((Ipv4Addr::LOCALHOST, 0).into(), zone.clone()).await;
            settings.servers.push(server.address);
            servers.push(server);
        }
        change(&mut settings);
        let answer = ask(Clock::start(), &settings, "orders").await;
        let asked = servers.iter_mut().flat_map(|server| server.asked());
        (answer, asked.collect())
    }

    fn found(answer: &Answer) -> Vec<String> {
        match answer {
            Answer::Resolved(found) => {
                let mut found = found.addresses.clone();
                found.sort();
                found.iter().map(ToString::to_string).collect()
            }
            Answer::Nothing(_) | Answer::Failed(_) => Vec::new(),
        }
    }

    #[tokio::test]
    async fn both_families_are_asked_for_and_both_count() {
        let (answer, mut asked) = asked(&[Zone::of("orders.corp.test. 10.0.0.7 fd00::7")]).await;
        assert_eq!(found(&answer), ["10.0.0.7", "fd00::7"]);
        asked.sort();
        assert_eq!(asked, ["orders.corp.test. A", "orders.corp.test. AAAA"]);
        let Answer::Resolved(found) = answer else {
            panic!("{answer:?}")
        };
        assert!((29..=30).contains(&found.ttl.as_secs()), "{:?}", found.ttl);
        assert_eq!(found.unanswered, None);
    }

    #[tokio::test]
    async fn what_servers_say_of_the_names_tried() {
        let cases: [(&str, &str, &[&str], &str); 9] = [
            ("neither name exists", "", &[], "nothing"),
            (
                "neither has an address",
                "orders.corp.test. -\norders. -",
                &[],
                "nothing",
            ),
            (
                "the second has one",
                "orders. 10.0.0.7",
                &["10.0.0.7"],
                "found",
            ),
            ("IPv6 alone", "orders. fd00::7", &["fd00::7"], "found"),
            (
                "SERVFAIL for the suffix",
                "orders.corp.test. SERVFAIL",
                &[],
                "failed",
            ),
            ("SERVFAIL for the name", "orders. SERVFAIL", &[], "failed"),
            ("REFUSED for the name", "orders. REFUSED", &[], "failed"),
            (
                "SERVFAIL, then an address",
                "orders.corp.test. SERVFAIL\norders. 10.0.0.7",
                &["10.0.0.7"],
                "found",
            ),
            ("silence for the name", "orders. SILENCE", &[], "failed"),
        ];
        for (rule, zone, addresses, word) in cases {
            let (answer, _) = asked(&[Zone::of(zone)]).await;
            assert_eq!(found(&answer), addresses, "{rule}: {answer:?}");
            assert_eq!(answer.word(), word, "{rule}: {answer:?}");
        }
    }

    #[tokio::test]
    async fn the_next_server_is_asked_when_one_cannot_say() {
        for what in ["SERVFAIL", "REFUSED", "SILENCE"] {
            let bad = Zone::of(&format!("orders.corp.test. {what}"));
            let good = Zone::of("orders.corp.test. 10.0.0.7");
            let (answer, _) = asked(&[bad, good]).await;
            assert_eq!(found(&answer), ["10.0.0.7"], "{what}: {answer:?}");
        }
        let (no, yes) = (Zone::of(""), Zone::of("orders.corp.test. 10.0.0.7"));
        let (answer, asked) = asked(&[no, yes]).await;
        assert_eq!(answer.word(), "nothing", "the first server's no counts");
        assert_eq!(asked.len(), 4, "{asked:?}");
    }

    #[tokio::test]
    async fn one_family_without_an_answer_is_noted() {
        let zone = Zone::of("orders.corp.test. 10.0.0.7 AAAA=SERVFAIL");
        let (answer, _) = asked(&[zone]).await;
        let Answer::Resolved(found) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(found.addresses, [IpAddr::from([10, 0, 0, 7])]);
        assert_eq!(found.unanswered, Some(Family::Ipv6));
    }

    #[tokio::test]
    async fn options_change_what_is_asked() {
        let zone = || [Zone::of("orders. 10.0.0.7 fd00::7")];
        let (_, asked) = asked_with(&zone(), |it| it.no_aaaa = true).await;
        assert_eq!(asked, ["orders.corp.test. A", "orders. A"]);
        let (answer, _) = asked_with(&zone(), |it| it.ndots = 0).await;
        let Answer::Resolved(found) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(found.name, "orders.");
    }
}
