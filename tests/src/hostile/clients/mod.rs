//! Hostile clients: the closed list.

mod blocks;
mod bodies;
mod chatter;
mod connections;
mod flood;
mod resets;
mod rules;

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

/// The class of this name.
///
/// # Panics
/// There is none.
pub fn named(name: &str) -> Class {
    let found = all().into_iter().find(|class| class.name == name);
    found.unwrap_or_else(|| panic!("there is no class {name}"))
}
