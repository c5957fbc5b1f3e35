//! /etc/hosts: addresses of a name (`man hosts`), read as glibc reads it.

use std::net::IpAddr;

/// The file's text, and whether several lines of a name count.
#[derive(Clone, Debug)]
pub struct Hosts {
    text: String,
    /// Of several lines with a name only the first counts.
    first_only: bool,
}

impl Hosts {
    /// The texts of /etc/hosts and of /etc/host.conf. If host.conf exists without `multi on`, glibc uses only
    /// the first line. If it does not exist, as in images without a glibc, all lines count.
    pub fn new(text: String, host_conf: &str) -> Hosts {
        let mut lines = host_conf.lines().map(str::split_ascii_whitespace);
        let multi = lines.any(|line| line.take(2).eq(["multi", "on"]));
        let first_only = !host_conf.is_empty() && !multi;
        Hosts { text, first_only }
    }

    /// The addresses of `host` in the file's order, none twice. A line without a valid address, such as
    /// one with a zone id, is skipped. Upper and lower case are equal; a name with a dot at its end is another
    /// name.
    pub fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        let lines = self.text.lines().filter_map(|line| address_of(line, host));
        for address in lines.take(if self.first_only { 1 } else { usize::MAX }) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }
}

fn address_of(line: &str, host: &str) -> Option<IpAddr> {
    let line = line.split('#').next()?;
    let mut words = line.split_ascii_whitespace();
    let address = words.next()?.parse().ok()?;
    let mut names = words.filter(|name| name.eq_ignore_ascii_case(host));
    names.next().map(|_| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_that_has_the_name_counts() {
        let text = "# 10.0.0.9 orders\n127.0.0.1\tlocalhost\n10.0.0.1 orders.internal orders # x\n\
             10.0.0.2 Orders\n10.0.0.1 orders\nfd00::1 orders\nfe80::1%eth0 orders\n\
             010.0.0.3 orders\n10.0.0.4 # orders\n10.0.0.5 orders.\n10.0.0.6\n";
        let cases: [(&str, &[&str]); 5] = [
            ("orders", &["10.0.0.1", "10.0.0.2", "fd00::1"]),
            ("orders.internal", &["10.0.0.1"]),
            ("orders.", &["10.0.0.5"]),
            ("order", &[]),
            ("#", &[]),
        ];
        let found = |host: &str, host_conf: &str| {
            let found = Hosts::new(text.to_owned(), host_conf).addresses(host);
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        for (host, expected) in cases {
            assert_eq!(found(host, ""), expected, "{host}");
            assert_eq!(found(host, "order hosts\nmulti  on\n"), expected, "{host}");
        }
        assert_eq!(found("orders", "multi off\n"), ["10.0.0.1"]);
    }
}
