//! Hostile clients: the closed list.

mod blocks;
mod bodies;
mod chatter;
mod connections;
mod flood;
mod nobody;
mod resets;
mod rules;

pub(super) use connections::{IDLE, IDLE_CONNECTIONS};

use super::Class;

/// All classes of hostile clients.
pub fn all() -> Vec<Class> {
    let lists = [
        resets::CLASSES,
        blocks::CLASSES,
        chatter::CLASSES,
        bodies::CLASSES,
        rules::CLASSES,
        connections::CLASSES,
    ];
    lists.concat()
}

/// All classes at the port that other sidecars reach: the same frames spoken by a verified member of
/// the mesh, and callers who are nobody.
pub fn at_the_inbound_port() -> Vec<Class> {
    [all(), vec![nobody::CLASS]].concat()
}

/// The class of this name.
///
/// # Panics
/// There is none.
pub fn named(name: &str) -> Class {
    let found = at_the_inbound_port()
        .into_iter()
        .find(|class| class.name == name);
    found.unwrap_or_else(|| panic!("there is no class {name}"))
}
