//! /etc/resolv.conf: the name servers and how to query them, read as glibc reads it
//! (`man resolv.conf`): a keyword begins its line, and unknown lines are skipped.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Servers after these are not asked (`MAXNS`).
const SERVERS_MAX: usize = 3;

const PORT: u16 = 53;

/// The settings of the file, with defaults for what it does not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Asked in this order; this machine if the file has none. Empty: all have a zone id.
    pub servers: Vec<SocketAddr>,
    /// Suffixes, without the dot at their end; empty is the root.
    pub search: Vec<String>,
    /// A name with at least this many dots is first tried as it is. 0 to 15; default 1.
    pub ndots: usize,
    /// Wait for one answer. 1 s to 30 s; default 5 s.
    pub timeout: Duration,
    /// Rounds over all servers. 1 to 5; default 2.
    pub attempts: usize,
    /// Each question begins with another server.
    pub rotates: bool,
    /// Questions go over TCP only.
    pub tcp_only: bool,
    /// Larger answers are accepted over UDP (RFC 6891).
    pub edns0: bool,
    /// IPv6 is never queried.
    pub no_aaaa: bool,
    /// A name without a dot is tried only with a suffix.
    pub no_tld_query: bool,
}

impl Settings {
    /// Parses the file's `text`. `hostname` is this machine's: its domain is the search list if the file has
    /// none.
    pub fn parse(text: &str, hostname: &str) -> Settings {
        let mut settings = Settings {
            search: domain_of(hostname),
            ..Settings::default()
        };
        let mut servers = Vec::new();
        for line in text.lines() {
            // The keyword ends with white space, and none is before it.
            let Some((keyword, rest)) = line.split_once([' ', '\t']) else {
                continue;
            };
            let mut words = rest.split_ascii_whitespace().peekable();
            match keyword {
                "nameserver" => servers.extend(words.next().and_then(server)),
                "domain" if words.peek().is_some() => {
                    settings.search = words.take(1).map(suffix).collect();
                }
                "search" if words.peek().is_some() => settings.search = words.map(suffix).collect(),
                "options" => settings.set(rest),
                _ => {}
            }
        }
        if !servers.is_empty() {
            servers.truncate(SERVERS_MAX);
            settings.servers = servers.into_iter().flatten().collect();
        }
        settings
    }

    /// Applies the variables `LOCALDOMAIN` and `RES_OPTIONS`, which override the file.
    #[must_use]
    pub fn overridden(mut self, local_domain: Option<&str>, options: Option<&str>) -> Settings {
        if let Some(domains) = local_domain {
            self.search = domains.split_ascii_whitespace().map(suffix).collect();
        }
        self.set(options.unwrap_or_default());
        self
    }

    fn set(&mut self, options: &str) {
        for option in options.split_ascii_whitespace() {
            let (name, value) = option.split_once(':').unwrap_or((option, ""));
            match name {
                "ndots" => self.ndots = number(value).min(15),
                "timeout" => self.timeout = Duration::from_secs(number(value).clamp(1, 30) as u64),
                "attempts" => self.attempts = number(value).clamp(1, 5),
                "rotate" => self.rotates = true,
                "use-vc" => self.tcp_only = true,
                "edns0" => self.edns0 = true,
                "no-aaaa" => self.no_aaaa = true,
                "no-tld-query" => self.no_tld_query = true,
                // Each query has its own socket, so `single-request` is not needed.
                _ => {}
            }
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            servers: vec![(Ipv4Addr::LOCALHOST, PORT).into()],
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotates: false,
            tcp_only: false,
            edns0: false,
            no_aaaa: false,
            no_tld_query: false,
        }
    }
}

/// `None`: no address. `Some(None)`: one with a zone id, which we cannot query.
fn server(word: &str) -> Option<Option<SocketAddr>> {
    let text = word.split([';', '#']).next().unwrap_or("");
    if let Some((address, _)) = text.split_once('%') {
        return address.parse::<IpAddr>().ok().map(|_| None);
    }
    let address: IpAddr = text.parse().ok()?;
    // "This machine" (RFC 1122 3.2.1.3), where glibc asks 127.0.0.1.
    let address = match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        other => other,
    };
    Some(Some((address, PORT).into()))
}

fn suffix(word: &str) -> String {
    let word = word.strip_prefix('.').unwrap_or(word);
    let word = word.strip_suffix('.').unwrap_or(word);
    word.to_ascii_lowercase()
}

fn domain_of(hostname: &str) -> Vec<String> {
    let domain = hostname.trim().split_once('.');
    let domain = domain.map(|(_, domain)| suffix(domain));
    domain.into_iter().filter(|it| !it.is_empty()).collect()
}

/// The digits that a text begins with; 0 without any.
fn number(text: &str) -> usize {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let digits = &text[..end.unwrap_or(text.len())];
    match digits {
        "" => 0,
        digits => digits.parse().unwrap_or(usize::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Vec<String> {
        let settings = Settings::parse(text, "");
        let servers = settings.servers.iter();
        servers.map(|server| server.ip().to_string()).collect()
    }

    #[test]
    fn name_servers() {
        let cases: [(&str, &str, &[&str]); 10] = [
            ("none is this machine", "", &["127.0.0.1"]),
            (
                "no file is like an empty one",
                "# nothing\n",
                &["127.0.0.1"],
            ),
            (
                "in order",
                "nameserver 10.0.0.2\nnameserver 10.0.0.1\n",
                &["10.0.0.2", "10.0.0.1"],
            ),
            ("IPv6", "nameserver\tfd00::53\n", &["fd00::53"]),
            (
                "three at most",
                "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n",
                &["10.0.0.1", "10.0.0.2", "10.0.0.3"],
            ),
            (
                "a comment behind",
                "nameserver 10.0.0.1 # docker\nnameserver 10.0.0.2;x\n",
                &["10.0.0.1", "10.0.0.2"],
            ),
            (
                "a comment line",
                "#nameserver 10.0.0.1\n; nameserver 10.0.0.2\n",
                &["127.0.0.1"],
            ),
            (
                "a keyword begins its line",
                " nameserver 10.0.0.1\n",
                &["127.0.0.1"],
            ),
            (
                "what is no address says nothing",
                "nameserver dns.example\nnameserver 10.0.0.1\n",
                &["10.0.0.1"],
            ),
            (
                "one with a zone id beside another",
                "nameserver fe80::1%eth0\nnameserver 10.0.0.1\n",
                &["10.0.0.1"],
            ),
        ];
        for (rule, text, expected) in cases {
            assert_eq!(servers(text), expected, "{rule}");
        }
        let none: [&str; 0] = [];
        assert_eq!(
            servers("nameserver fe80::1%eth0\n"),
            none,
            "only with a zone id"
        );
    }

    #[test]
    fn the_search_list() {
        let cases: [(&str, &str, &str, &[&str]); 8] = [
            ("none", "", "orders", &[]),
            (
                "the domain of the machine",
                "",
                "orders.corp.test",
                &["corp.test"],
            ),
            (
                "search counts more",
                "search a.test B.test.\n",
                "orders.corp.test",
                &["a.test", "b.test"],
            ),
            (
                "the last line counts",
                "search a.test\nsearch b.test\n",
                "",
                &["b.test"],
            ),
            (
                "domain is a list of one",
                "domain a.test b.test\n",
                "",
                &["a.test"],
            ),
            (
                "domain after search",
                "search a.test b.test\ndomain c.test\n",
                "",
                &["c.test"],
            ),
            (
                "an empty line says nothing",
                "search a.test\nsearch \n",
                "",
                &["a.test"],
            ),
            ("the root", "search .\n", "", &[""]),
        ];
        for (rule, text, hostname, expected) in cases {
            assert_eq!(Settings::parse(text, hostname).search, expected, "{rule}");
        }
    }

    #[test]
    fn options() {
        let default = Settings::default();
        let with = |change: fn(&mut Settings)| {
            let mut settings = default.clone();
            change(&mut settings);
            settings
        };
        let cases = [
            ("options", default.clone()),
            ("options trust-ad unknown:7", default.clone()),
            ("options ndots:5", with(|it| it.ndots = 5)),
            ("options ndots:0", with(|it| it.ndots = 0)),
            ("options ndots:99", with(|it| it.ndots = 15)),
            (
                "options timeout:1 attempts:9",
                with(|it| {
                    it.timeout = Duration::from_secs(1);
                    it.attempts = 5;
                }),
            ),
            (
                "options timeout:0 attempts:x",
                with(|it| {
                    it.timeout = Duration::from_secs(1);
                    it.attempts = 1;
                }),
            ),
            (
                "options rotate edns0 use-vc",
                with(|it| {
                    it.rotates = true;
                    it.edns0 = true;
                    it.tcp_only = true;
                }),
            ),
            (
                "options rotate\noptions no-aaaa",
                with(|it| {
                    it.rotates = true;
                    it.no_aaaa = true;
                }),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Settings::parse(text, ""), expected, "{text}");
        }
    }

    #[test]
    fn variables_count_more_than_the_file() {
        let settings = Settings::parse("search a.test\noptions ndots:2\n", "");
        let overridden = settings.overridden(Some("b.test c.test"), Some("ndots:3"));
        assert_eq!(overridden.search, ["b.test", "c.test"]);
        assert_eq!(overridden.ndots, 3);
    }
}
