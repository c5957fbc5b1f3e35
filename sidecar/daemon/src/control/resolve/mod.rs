//! Resolves a host name, with the same result as the C library of this machine.
//!
//! Reading order: `switch` (which sources, nsswitch.conf), `hosts` (/etc/hosts), `resolv_conf` (name
//! servers and search list), `search` (the names tried, and what their answers mean together), `dns`
//! (the queries), `files` (did any of these files change?). All but `dns` are pure.
//!
//! The answers are those of glibc's `getaddrinfo`. Unlike it we know the TTL of each answer, and
//! distinguish "there is no such name" from "no answer" for each name tried. Both families are always
//! queried. `localhost` and names below it are this machine even if no file says so (RFC 6761 6.3).
//! `names.rs` decides what an answer changes; nothing is kept here.

mod dns;
mod files;
mod hosts;
mod resolv_conf;
mod search;
mod switch;

#[cfg(test)]
mod getent;

pub use files::{Files, Stamps};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::answer::{Answer, Resolved};
use super::names::TTL_MAX;
use crate::clock::Clock;
use hosts::Hosts;
use resolv_conf::Settings;
use switch::{Source, Step};

/// Looks `host` up; IP literals never come here. A name that ends with a dot is absolute and tried
/// as it is; any other is also tried with the machine's search list.
///
/// Reads the machine's files each time, because lookups are rare (once per TTL).
///
/// A panic of the resolver counts as a failed lookup: the name is looked up again.
pub async fn lookup(clock: Clock, files: Files, host: String) -> Answer {
    contain(async move { lookup_now(clock, &files, &host).await }).await
}

async fn contain(lookup: impl Future<Output = Answer> + Send + 'static) -> Answer {
    // In a task of its own, which contains a panic.
    let answered = tokio::spawn(lookup).await;
    answered.unwrap_or_else(|error| Answer::Failed(format!("the resolver failed: {error}")))
}

async fn lookup_now(clock: Clock, files: &Files, host: &str) -> Answer {
    match in_order(clock, files, host).await {
        Answer::Nothing(_) | Answer::Failed(_) if is_localhost(host) => {
            found_without_ttl(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
        }
        answer => answer,
    }
}

/// Asks one source after the other, in the order of nsswitch.conf, until one has the name.
async fn in_order(clock: Clock, files: &Files, host: &str) -> Answer {
    let switch = switch::parse(&files.switch());
    let mut nothing = Answer::Nothing("no source of names is set in nsswitch.conf".to_owned());
    let mut failed = None;
    for Step { source, ends } in switch.steps {
        let answer = match source {
            Source::Files => in_hosts(&files.hosts(), host),
            // No server is asked for it (RFC 6761 6.3).
            Source::Dns if is_localhost(host) => continue,
            Source::Dns => in_dns(clock, &files.settings(), host).await,
        };
        match answer {
            Answer::Resolved(_) => return answer,
            Answer::Nothing(_) => nothing = answer,
            Answer::Failed(_) => failed = Some(answer),
        }
        if ends && failed.is_none() {
            break;
        }
    }
    let found = match switch.has_others {
        true => by_the_library(host).await.ok(),
        false => None,
    };
    found.or(failed).unwrap_or(nothing)
}

fn in_hosts(hosts: &Hosts, host: &str) -> Answer {
    let addresses = hosts.addresses(host);
    match addresses.is_empty() {
        true => Answer::Nothing("it is not in /etc/hosts".to_owned()),
        false => found_without_ttl(addresses),
    }
}

fn is_localhost(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name == "localhost" || name.ends_with(".localhost")
}

async fn in_dns(clock: Clock, settings: &Settings, host: &str) -> Answer {
    if settings.servers.is_empty() {
        // All have a zone id, which only the C library can ask.
        let answered = by_the_library(host).await;
        return answered.unwrap_or_else(Answer::Failed);
    }
    dns::ask(clock, settings, host).await
}

/// Asks the C library, whose modules also resolve names of containers, of a directory, of mDNS.
///
/// # Errors
/// The error of the C library, which is the same for "no such name" and "no answer".
async fn by_the_library(host: &str) -> Result<Answer, String> {
    let found = tokio::net::lookup_host((host, 0)).await;
    let addresses: Vec<IpAddr> = match found {
        Ok(found) => found.map(|address| address.ip()).collect(),
        Err(error) => return Err(error.to_string()),
    };
    let answer = Resolved {
        ttl: switch::LIBRARY_TTL,
        ..Resolved::new("the C library", addresses)
    };
    Ok(Answer::Resolved(answer))
}

/// Valid until a file changes; the files are checked every 2 s.
fn found_without_ttl(addresses: Vec<IpAddr>) -> Answer {
    Answer::Resolved(Resolved {
        ttl: TTL_MAX,
        ..Resolved::new("/etc/hosts", addresses)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for `host` on a machine with these files.
    async fn asked(switch: &str, hosts: &str, host: &str) -> Answer {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = Files::written(folder.path(), switch, hosts, "nameserver 127.0.0.1\n");
        lookup(Clock::start(), files, host.to_owned()).await
    }

    fn addresses(answer: &Answer) -> Vec<String> {
        match answer {
            Answer::Resolved(found) => found.addresses.iter().map(ToString::to_string).collect(),
            Answer::Nothing(_) | Answer::Failed(_) => Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_machine_without_a_name_server_knows_its_own_names() {
        let hosts = "127.0.0.1 localhost\n10.0.0.7 orders\n";
        let cases: [(&str, &str, &[&str]); 7] = [
            ("a name of /etc/hosts", "orders", &["10.0.0.7"]),
            (
                "localhost as /etc/hosts says it",
                "localhost",
                &["127.0.0.1"],
            ),
            ("an absolute localhost", "localhost.", &["127.0.0.1", "::1"]),
            ("below localhost", "a.localhost", &["127.0.0.1", "::1"]),
            ("no name", "payments", &[]),
            ("not localhost", "localhost.example", &[]),
            ("not below it", "notlocalhost", &[]),
        ];
        for (rule, host, expected) in cases {
            let answer = asked("hosts: files\n", hosts, host).await;
            assert_eq!(addresses(&answer), expected, "{rule}: {answer:?}");
        }
        let answer = asked("hosts: files\n", "", "localhost").await;
        assert_eq!(addresses(&answer), ["127.0.0.1", "::1"], "no /etc/hosts");
    }

    #[tokio::test]
    async fn a_panic_of_the_resolver_is_a_failed_lookup() {
        let answer = contain(async { panic!("on purpose") }).await;
        assert!(matches!(answer, Answer::Failed(_)), "{answer:?}");
    }
}
