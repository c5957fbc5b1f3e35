//! Asks the system's resolver for the addresses behind a name.
//!
//! Decides nothing about what an answer means (`names.rs` does) and keeps nothing: the resolver's
//! own cache is off, because the TTL is honoured there. `/etc/hosts` and `localhost` (RFC 6761)
//! are answered without asking anybody. IPv4 addresses are taken if there are any, else IPv6.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;

use super::names::Answer;
use crate::clock::Clock;

/// Time for one question to one server; two are tried.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks for `host`, an absolute or relative name; IP literals never come here.
///
/// Reads the system's resolver configuration each time: questions are rare (once per TTL), and a
/// laptop that changed its network must not keep the old servers.
pub async fn lookup(clock: Clock, host: &str) -> Answer {
    let resolver = match system_resolver() {
        Ok(resolver) => resolver,
        Err(error) => return Answer::Failed(format!("no resolver configuration: {error}")),
    };
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
    let mut builder = TokioResolver::builder_tokio()?;
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
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn localhost_is_this_machine_without_a_server() {
        let answer = lookup(Clock::start(), "localhost").await;
        let Answer::Found { addresses, .. } = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(addresses, [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    }
}
