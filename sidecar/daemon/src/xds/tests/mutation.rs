//! Damaged input, exhaustively: each octet of documents and of encoded resources.

use super::{ECHO, first, resources};
use outrider_documents::{load, render};
use outrider_proto::{Resource, Resources, Versioned};

/// A good file with one character changed, for every character; what it becomes
/// goes round, because trying all of it takes half a minute.
fn damaged_documents() -> impl Iterator<Item = String> {
    let replacements = ["", "0", "-", ":", "\n", "é", "a"];
    let replacements = replacements.into_iter().cycle();
    ECHO.char_indices()
        .zip(replacements)
        .map(|((start, old), new)| {
            let end = start + old.len_utf8();
            format!("{}{new}{}", &ECHO[..start], &ECHO[end..])
        })
}

#[test]
fn what_the_documents_say_is_never_refused_later() {
    let mut good = 0;
    for text in damaged_documents() {
        match load(&[("echo.yaml", &text)]) {
            Ok(documents) => {
                good += 1;
                let rejected = first(&render(&documents)).rejected;
                assert!(rejected.is_empty(), "{rejected:?}\n{text}");
            }
            Err(errors) => assert!(!errors.is_empty()),
        }
    }
    assert!(
        good > 50,
        "only {good} were still good: the test looks at nothing"
    );
}

/// Every decodable message that differs from a good one in one bit.
fn damaged<M: Resource>(good: &M) -> Vec<Versioned<M>> {
    let bytes = good.encode_to_vec();
    let flips = (0..bytes.len()).flat_map(|place| (0..8).map(move |bit| (place, bit)));
    let decoded = flips.filter_map(|(place, bit)| {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1 << bit;
        M::decode(bytes.as_slice()).ok()
    });
    decoded.map(Versioned::new).collect()
}

fn accept_or_refuse(resources: &Resources) {
    let accepted = first(resources);
    accepted.configuration.snapshot("", |_| &[]);
    for rejection in &accepted.rejected {
        assert!(!rejection.errors.is_empty(), "{rejection:?}");
    }
}

#[test]
fn no_flipped_bit_brings_the_acceptance_down() {
    let Resources {
        clusters,
        endpoints,
        listeners,
        routes,
        ..
    } = resources();
    for cluster in clusters.iter().flat_map(|one| damaged(&one.message)) {
        accept_or_refuse(&Resources {
            clusters: vec![cluster],
            ..Resources::default()
        });
    }
    for assignment in endpoints.iter().flat_map(|one| damaged(&one.message)) {
        accept_or_refuse(&Resources {
            endpoints: vec![assignment],
            ..Resources::default()
        });
    }
    for listener in listeners.iter().flat_map(|one| damaged(&one.message)) {
        accept_or_refuse(&Resources {
            listeners: vec![listener],
            ..Resources::default()
        });
    }
    for route in routes.iter().flat_map(|one| damaged(&one.message)) {
        accept_or_refuse(&Resources {
            routes: vec![route],
            ..Resources::default()
        });
    }
}
