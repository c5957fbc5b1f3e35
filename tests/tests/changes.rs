//! The promise: a change of any field of any document holds within a second on everything that exists,
//! or `docs/CONFIG.md` says when and why ("When a change holds").
//!
//! A case says what exists, what changes, and what shows that the new value holds. Each is played twice:
//! with the change, which must show, and without it, which must not. A field without a line on the page,
//! or without a case here, fails. Virtual time; documents go the way that a process takes them.

#[path = "changes/bed.rs"]
mod bed;
#[path = "changes/calls.rs"]
mod calls;
#[path = "changes/case.rs"]
mod case;
#[path = "changes/connections.rs"]
mod connections;
#[path = "changes/health.rs"]
mod health;
#[path = "changes/mesh.rs"]
mod mesh;
#[path = "changes/page.rs"]
mod page;
#[path = "changes/rates.rs"]
mod rates;
#[path = "changes/routes.rs"]
mod routes;
#[expect(
    dead_code,
    unused_imports,
    reason = "the engine's own tests use all of it"
)]
#[path = "../../sidecar/engine/tests/engine/world/mod.rs"]
mod world;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bed::{Bed, SECOND, snapshot};
use case::Case;

fn cases() -> Vec<Case> {
    [
        calls::cases(),
        connections::cases(),
        health::cases(),
        rates::cases(),
        routes::cases(),
    ]
    .concat()
}

/// Does the case show its new value, with the change or without it?
fn shows(case: &Case, changed: bool) -> bool {
    let mut bed = Bed::new(&case.before);
    (case.arrange)(&mut bed);
    if changed {
        bed.change(&case.after);
    }
    bed.advance(SECOND);
    (case.shows)(&mut bed)
}

#[test]
fn every_field_that_is_changed_holds_on_what_exists() {
    let mut wrong = Vec::new();
    for (number, case) in cases().iter().enumerate() {
        for changed in [true, false] {
            let shown = catch_unwind(AssertUnwindSafe(|| shows(case, changed)));
            match shown {
                Ok(shown) if shown == changed => {}
                Ok(_) if changed => {
                    wrong.push(format!("{number} {:?} does not arrive", case.fields))
                }
                Ok(_) => wrong.push(format!("{number} {:?} shows without a change", case.fields)),
                Err(_) => wrong.push(format!(
                    "{number} {:?} panics, changed: {changed}",
                    case.fields
                )),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Over a control plane a sidecar gets the same as from documents, each field alone, within a second; on a
/// busy machine most of the time. That it then holds on what exists, the test above shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_arrives_over_a_control_plane() {
    let cases = cases();
    let all = cases.iter().flat_map(|case| [&case.before, &case.after]);
    let live = mesh::Live::start(all.map(String::as_str)).await;
    let (mut wrong, mut times) = (Vec::new(), Vec::new());
    for case in &cases {
        for documents in [&case.before, &case.after] {
            match live.change(documents).await {
                Ok(time) => times.push(time),
                Err(instead) => wrong.push(format!("{:?}: {instead}", case.fields)),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    times.sort();
    let most = times[times.len() * 9 / 10];
    assert!(most <= Duration::from_secs(1), "{times:?}");
}

/// What is for people, or another way to say the same, is nothing to a sidecar.
#[test]
fn what_is_for_people_changes_nothing() {
    for (fields, before, after) in case::without_effect() {
        let [before, after] = [before, after].map(|text| snapshot(&text));
        assert_eq!(before.version, after.version, "{fields:?}");
    }
}

#[test]
fn every_field_has_a_line_on_the_page_and_a_case_here() {
    let fields = page::fields();
    let said = page::lines();
    assert_eq!(said, fields, "docs/CONFIG.md, `When a change holds`");
    let cases = cases();
    let shown = cases.iter().flat_map(|case| case.fields);
    let quiet = case::without_effect();
    let quiet = quiet.iter().flat_map(|(fields, ..)| *fields);
    let elsewhere = case::ELSEWHERE.iter();
    let tried: Vec<_> = shown.chain(quiet).chain(elsewhere).collect();
    let tried: BTreeSet<String> = tried.into_iter().map(|field| (*field).to_owned()).collect();
    assert_eq!(tried, fields, "tests/tests/changes/");
}
