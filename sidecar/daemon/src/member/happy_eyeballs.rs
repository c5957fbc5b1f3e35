//! Which of several addresses answers first (RFC 8305, "Happy Eyeballs").
//!
//! The families take turns, IPv6 first. The next address is tried when the one before has failed or
//! has not answered for [`ATTEMPT_DELAY`], so one that swallows packets costs a quarter of a second.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;

/// Wait before the next address is tried beside those that have not answered (RFC 8305 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// What `connect` makes of the first address that answers; all other attempts end.
///
/// # Errors
/// Why the last address could not be reached, when none could.
pub async fn connect_first<T, F>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut attempts = JoinSet::new();
    let mut rest = in_turns(addresses).into_iter();
    let mut last = io::Error::other("there is no address");
    loop {
        if let Some(address) = rest.next() {
            attempts.spawn(connect(address));
        }
        tokio::select! {
            ended = attempts.join_next() => match ended {
                Some(Ok(Ok(made))) => return Ok(made),
                Some(Ok(Err(error))) => last = error,
                Some(Err(panic)) => last = io::Error::other(panic),
                None => return Err(last),
            },
            () = tokio::time::sleep(ATTEMPT_DELAY), if rest.len() > 0 => {}
        }
    }
}

/// One of each family after the other, IPv6 first, each family in its own order.
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let (ipv6, ipv4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv6);
    let (mut ipv6, mut ipv4) = (ipv6.into_iter(), ipv4.into_iter());
    let mut turns = Vec::new();
    while ipv6.len() + ipv4.len() > 0 {
        turns.extend(ipv6.next());
        turns.extend(ipv4.next());
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a connection, by the port: 1 is made, 2 is refused, 3 is never answered.
    async fn connect(address: SocketAddr) -> io::Result<SocketAddr> {
        match address.port() {
            1 => Ok(address),
            2 => Err(io::ErrorKind::ConnectionRefused.into()),
            _ => std::future::pending().await,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_address_that_answers_counts() {
        let (good4, good6) = ("10.0.0.1:1", "[fd00::1]:1");
        let (bad4, bad6, hole4, hole6) = ("10.0.0.1:2", "[fd00::1]:2", "10.0.0.1:3", "[fd00::1]:3");
        let cases: [(&str, &[&str], Option<&str>, u64); 8] = [
            ("IPv6 is tried first", &[good4, good6], Some(good6), 0),
            ("IPv4 alone", &[good4], Some(good4), 0),
            ("IPv6 is refused", &[good4, bad6], Some(good4), 0),
            ("IPv6 is swallowed", &[good4, hole6], Some(good4), 250),
            ("IPv4 is swallowed", &[hole4, good6], Some(good6), 0),
            (
                "two are swallowed",
                &[hole4, hole6, good4],
                Some(good4),
                500,
            ),
            ("all are refused", &[bad4, bad6], None, 0),
            ("there is none", &[], None, 0),
        ];
        for (rule, addresses, expected, millis) in cases {
            let addresses = addresses.iter().map(|it| it.parse().expect("an address"));
            let addresses: Vec<SocketAddr> = addresses.collect();
            let within = |millis: u64| {
                let racing = connect_first(addresses.clone(), connect);
                tokio::time::timeout(Duration::from_millis(millis), racing)
            };
            let made = within(millis + 1).await.expect("it ends");
            let expected = expected.map(|it| it.parse().expect("an address"));
            assert_eq!(made.ok(), expected, "{rule}");
            let is_early = millis > 0 && within(millis - 1).await.is_ok();
            assert!(!is_early, "{rule}: before {millis} ms");
        }
    }
}
