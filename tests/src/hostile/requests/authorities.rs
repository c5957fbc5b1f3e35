//! Requests that name two places, or one that two parsers could read differently.

use super::{Expected, Form, PATH, good, names, only, run};
use crate::hostile::Class;
use crate::raw::{Block, Frame};

pub(super) const CLASS: Class = Class {
    name: "authority_disagreement",
    source: "RFC 9113 8.3.1; faults.md: host differs from :authority",
    forms: &names(&FORMS),
    run: |target, form| run(target, FORMS[form]),
};

const fn bad(name: &'static str, frames: fn(&str) -> Vec<Frame>) -> Form {
    Form {
        name,
        frames,
        expected: Expected::Refused,
    }
}

/// A good request with more hosts.
fn with_hosts(authority: &str, hosts: &[&str]) -> Vec<Frame> {
    let block = hosts
        .iter()
        .fold(good(authority), |block, host| block.literal("host", host));
    only(&block)
}

/// A request to these authorities.
fn to(authorities: &[&str]) -> Vec<Frame> {
    let head = Block::new()
        .literal(":method", "POST")
        .literal(":scheme", "http")
        .literal(":path", PATH);
    let head = authorities.iter().fold(head, |head, authority| {
        head.literal(":authority", authority)
    });
    only(&head.literal("content-type", "application/grpc"))
}

const FORMS: [Form; 25] = [
    bad("host_differs", |a| with_hosts(a, &["evil"])),
    bad("host_differs_in_its_port", |a| {
        with_hosts(a, &[&format!("{a}:81")])
    }),
    bad("host_differs_in_the_port_of_another_scheme", |a| {
        with_hosts(a, &[&format!("{a}:443")])
    }),
    bad("host_is_empty", |a| with_hosts(a, &[""])),
    bad("two_hosts", |a| with_hosts(a, &[a, a])),
    bad("two_hosts_of_which_one_differs", |a| {
        with_hosts(a, &[a, "evil"])
    }),
    bad("host_is_a_list", |a| {
        with_hosts(a, &[&format!("{a}, evil")])
    }),
    bad("two_authorities", |a| to(&[a, a])),
    bad("two_authorities_that_differ", |a| to(&[a, "evil"])),
    bad("no_authority", |_| to(&[])),
    bad("empty_authority", |_| to(&[""])),
    bad("userinfo", |a| to(&[&format!("evil@{a}")])),
    bad("userinfo_with_a_password", |a| {
        to(&[&format!("evil:pw@{a}")])
    }),
    bad("userinfo_of_the_good_one", |a| to(&[&format!("{a}@evil")])),
    bad("authority_with_a_path", |a| to(&[&format!("{a}/x")])),
    bad("authority_with_a_query", |a| to(&[&format!("{a}?x")])),
    bad("authority_with_a_fragment", |a| to(&[&format!("{a}#x")])),
    bad("authority_with_a_backslash", |a| {
        to(&[&format!("{a}\\evil")])
    }),
    bad("authority_with_a_space", |a| to(&[&format!("{a} evil")])),
    bad("authority_list", |a| to(&[&format!("{a},evil")])),
    bad("authority_with_an_escape", |a| {
        to(&[&format!("{a}%00.evil")])
    }),
    bad("authority_with_two_ports", |a| to(&[&format!("{a}:80:81")])),
    bad("authority_with_a_port_above_all", |a| {
        to(&[&format!("{a}:65536")])
    }),
    bad("authority_with_an_empty_label", |a| {
        to(&[&format!("{a}..mesh")])
    }),
    bad("authority_above_ascii", |a| {
        to(&[&format!("{a}\u{ff0e}evil")])
    }),
];
