//! Our HTTP/2 against the h2 crate's, over memory pipes.
//!
//! A seed decides chunk sizes, windows, tables, bodies, trailers and resets. Every message that
//! neither side resets must arrive whole on both sides; every other one must end.

mod ours;
mod plan;
mod theirs;

use ours::Ours;
use plan::{Message, Plan, Random, Resets};
use theirs::Seen;

const SEEDS: std::ops::Range<u64> = 0..40;
const CALLS: usize = 25;

/// All seeds, or the one in the variable SEED: to replay a failure.
fn seeds() -> std::ops::Range<u64> {
    let one = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    one.map_or(SEEDS, |seed: u64| seed..seed + 1)
}

fn check(seed: u64, side: &str, seen: &[(usize, Seen)], message: impl Fn(&Plan) -> &Message) {
    for call in 0..CALLS {
        let plan = Plan::of(seed, call);
        let mut of_call = seen.iter().filter(|(number, _)| *number == call);
        let found = of_call.next().map(|(_, seen)| seen);
        assert!(
            of_call.next().is_none(),
            "seed {seed}: call {call} ended twice at the {side}"
        );
        if plan.resets != Resets::Nobody {
            continue;
        }
        let sorted = |mut fields: Vec<(String, String)>| {
            fields.sort();
            fields
        };
        let message = message(&plan);
        let expected = Seen {
            fields: sorted(message.head_fields()),
            body: message.body.clone(),
            trailers: message.trailers.clone().map(sorted),
            is_whole: true,
        };
        let found =
            found.unwrap_or_else(|| panic!("seed {seed}: call {call} is missing at the {side}"));
        assert!(
            *found == expected,
            "seed {seed}: call {call} differs at the {side}"
        );
    }
}

fn pipe(seed: u64) -> (tokio::io::DuplexStream, tokio::io::DuplexStream) {
    let capacity = [7, 500, 5_000, 100_000][Random(seed ^ 4).below(4)];
    tokio::io::duplex(capacity)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

#[test]
fn our_client_talks_to_their_server() {
    for seed in seeds() {
        let (here, there) = pipe(seed);
        runtime().block_on(async {
            let server = tokio::spawn(theirs::serve(seed, there));
            let answers = Ours::client(seed, CALLS).run(here).await;
            check(seed, "client", &answers, |plan| &plan.answer);
            check(seed, "server", &server.await.unwrap(), |plan| &plan.request);
        });
    }
}

#[test]
fn our_server_talks_to_their_client() {
    for seed in seeds() {
        let (here, there) = pipe(seed);
        runtime().block_on(async {
            let client = tokio::spawn(theirs::call(seed, CALLS, there));
            let requests = Ours::server(seed).run(here).await;
            check(seed, "server", &requests, |plan| &plan.request);
            check(seed, "client", &client.await.unwrap(), |plan| &plan.answer);
        });
    }
}
