//! Asks the system's resolver for the addresses behind a name.
//!
//! Decides nothing about what an answer means (`names.rs` does) and keeps nothing: the resolver's
//! own cache is off, because the TTL is honoured there. `/etc/hosts` and `localhost` (RFC 6761)
//! are answered without asking anybody. IPv4 addresses are taken if there are any, else IPv6.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::{ResolverBuilder, TokioResolver};

use super::names::Answer;
use crate::clock::Clock;

/// Time for one question to one server; two are tried.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks for `host`; IP literals never come here. A name that ends with a dot is absolute and asked for as
/// it is; any other is tried with the system's search list, too.
///
/// Reads the system's resolver configuration each time: questions are rare (once per TTL), and a
/// laptop that changed its network must not keep the old servers.
///
/// A panic of the resolver is a failed lookup: the name is asked for again.
pub async fn lookup(clock: Clock, host: String) -> Answer {
    contain(async move { lookup_now(clock, &host).await }).await
}

async fn contain(lookup: impl Future<Output = Answer> + Send + 'static) -> Answer {
    // A task of its own is where a panic ends.
    let answered = tokio::spawn(lookup).await;
    answered.unwrap_or_else(|error| Answer::Failed(format!("the resolver failed: {error}")))
}

async fn lookup_now(clock: Clock, host: &str) -> Answer {
    let resolver = match system_resolver() {
        Ok(resolver) => resolver,
        Err(error) => return Answer::Failed(format!("no resolver configuration: {error}")),
    };
    ask(clock, &resolver, host).await
}

async fn ask(clock: Clock, resolver: &TokioResolver, host: &str) -> Answer {
    match resolver.lookup_ip(host).await {
        Ok(found) => {
            let addresses: Vec<IpAddr> = found.iter().collect();
            let ttl = clock.until(found.valid_until());
            if addresses.is_empty() {
                Answer::Nothing
            } else {
                Answer::Found { addresses, ttl }
            }
        }
        Err(error) => said_nothing(&error),
    }
}

fn system_resolver() -> Result<TokioResolver, NetError> {
    build(TokioResolver::builder_tokio()?)
}

fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<TokioResolver, NetError> {
    let options = builder.options_mut();
    options.cache_size = 0;
    options.timeout = TIMEOUT;
    options.attempts = 2;
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
    builder.build()
}

/// "No records" is also what the resolver calls SERVFAIL and REFUSED: only NXDOMAIN and NOERROR
/// say that there is nothing.
fn said_nothing(error: &NetError) -> Answer {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Answer::Nothing,
            code => Answer::Failed(format!("the server answered {code}")),
        },
        other => Answer::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::config::{NameServerConfig, ResolverConfig};
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;
    use tokio::net::UdpSocket;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    #[tokio::test]
    async fn localhost_is_this_machine_without_a_server() {
        let answer = lookup(Clock::start(), "localhost".to_owned()).await;
        let Answer::Found { addresses, .. } = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(addresses, [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    }

    #[tokio::test]
    async fn an_absolute_localhost_is_this_machine_too() {
        let answer = lookup(Clock::start(), "localhost.".to_owned()).await;
        assert!(matches!(answer, Answer::Found { .. }), "{answer:?}");
    }

    #[tokio::test]
    async fn an_absolute_name_is_asked_for_without_a_search_list() {
        for (host, expected) in [
            ("orders.", &["orders."][..]),
            ("orders", &["orders.corp.example.", "orders."]),
        ] {
            let (resolver, mut asked) = resolver(Says::Code(3)).await;
            let answer = ask(Clock::start(), &resolver, host).await;
            assert_eq!(answer, Answer::Nothing, "{host}");
            let mut names = Vec::new();
            while let Ok(name) = asked.try_recv() {
                names.push(name);
            }
            names.dedup();
            let names: BTreeSet<_> = names.iter().map(String::as_str).collect();
            assert_eq!(names, expected.iter().copied().collect(), "{host}");
        }
    }

    #[tokio::test]
    async fn a_panic_of_the_resolver_is_a_failed_lookup() {
        let answer = contain(async { panic!("on purpose") }).await;
        assert!(matches!(answer, Answer::Failed(_)), "{answer:?}");
    }

    /// What a server says to every question.
    #[derive(Clone, Copy)]
    enum Says {
        /// 10.0.0.7 with a TTL of 30 s, when asked for IPv4.
        Address,
        /// Nothing, with this response code (RFC 1035 4.1.1).
        Code(u8),
    }

    /// The answer to a question, as RFC 1035 4.1 writes it.
    fn response(question: &[u8], says: Says) -> Vec<u8> {
        const HEADER: usize = 12;
        const TYPE_A: [u8; 2] = [0, 1];
        let name_end = question.iter().skip(HEADER).position(|octet| *octet == 0);
        let end = HEADER + name_end.expect("a name ends") + 5;
        let asks_ipv4 = question[end - 4..end - 2] == TYPE_A;
        let (code, answers) = match says {
            Says::Address => (0, u8::from(asks_ipv4)),
            Says::Code(code) => (code, 0),
        };
        let mut response = question[..2].to_vec();
        response.extend([0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0]);
        response.extend(&question[HEADER..end]);
        if answers > 0 {
            response.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, 7]);
        }
        response
    }

    /// The name that a question asks for.
    fn asked_for(question: &[u8]) -> String {
        const HEADER: usize = 12;
        let (mut name, mut rest) = (String::new(), &question[HEADER..]);
        while let [length, labels @ ..] = rest
            && *length > 0
        {
            let (label, others) = labels.split_at(usize::from(*length));
            name.push_str(std::str::from_utf8(label).expect("ASCII"));
            name.push('.');
            rest = others;
        }
        name
    }

    /// A resolver whose only server says `says`, with a search list; and the names it asks for.
    async fn resolver(says: Says) -> (TokioResolver, UnboundedReceiver<String>) {
        let (tell, asked) = unbounded_channel();
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let port = socket.local_addr().expect("an address").port();
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let _ = tell.send(asked_for(&question[..length]));
                let response = response(&question[..length], says);
                socket.send_to(&response, from).await.expect("it is sent");
            }
        });
        let mut server = NameServerConfig::udp(IpAddr::from(Ipv4Addr::LOCALHOST));
        server.connections[0].port = port;
        let search = vec!["corp.example.".parse().expect("a name")];
        let config = ResolverConfig::from_parts(None, search, vec![server]);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        (build(builder).expect("a resolver"), asked)
    }

    async fn answer(says: Says) -> Answer {
        ask(Clock::start(), &resolver(says).await.0, "orders.example.").await
    }

    #[tokio::test]
    async fn an_address_comes_with_its_ttl() {
        let Answer::Found { addresses, ttl } = answer(Says::Address).await else {
            panic!("no address")
        };
        assert_eq!(addresses, [IpAddr::from([10, 0, 0, 7])]);
        assert!((29..=30).contains(&ttl.as_secs()), "{ttl:?}");
    }

    #[tokio::test]
    async fn only_nxdomain_and_noerror_say_that_there_is_nothing() {
        assert_eq!(answer(Says::Code(3)).await, Answer::Nothing, "NXDOMAIN");
        assert_eq!(answer(Says::Code(0)).await, Answer::Nothing, "NOERROR");
        for (code, name) in [(2, "SERVFAIL"), (5, "REFUSED")] {
            let answer = answer(Says::Code(code)).await;
            assert!(matches!(answer, Answer::Failed(_)), "{name}: {answer:?}");
        }
    }
}
