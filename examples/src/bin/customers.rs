//! The shop's customers as a program: they look at orders at a steady rate, and every fifth buys.
//!
//! Environment: `SHOP_UPSTREAM` as for the services (see `outrider_examples::Options`),
//! `SHOP_CALLS_PER_SECOND` (1 to 1000, default 5), `SHOP_CALLS` (default 0: until SIGTERM, SIGINT or
//! SIGQUIT).
//! Says what failed when it fails, and how many calls there were every ten seconds and at the end.
//! Exit code 1 if the shop failed to show an order: that is a call which may be repeated, so a mesh
//! with a living instance has no excuse.

use std::{
    collections::BTreeMap, env, fmt, pin::pin, process::ExitCode, str::FromStr, time::Duration,
};

use outrider_examples::shop::{Item, Order, OrderId, frontend_client::FrontendClient};
use outrider_examples::{Options, Upstream, origin, signals, upstream};
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tonic::{Request, Status};

/// How long a customer waits.
const PATIENCE: Duration = Duration::from_secs(5);
const SUMMARY_EVERY: Duration = Duration::from_secs(10);

type Shop = FrontendClient<Upstream>;

#[derive(Clone, Copy)]
enum Wish {
    /// `ShowOrder`: may be repeated.
    Show,
    /// `Checkout`: must not happen twice.
    Buy,
}

impl Wish {
    fn of(number: u64) -> Wish {
        if number % 5 == 4 {
            Wish::Buy
        } else {
            Wish::Show
        }
    }
}

/// What came of all calls so far.
#[derive(Default)]
struct Tally {
    shows: u64,
    failed_shows: u64,
    checkouts: u64,
    failed_checkouts: u64,
    /// Answers by instance of `orders`.
    served_by: BTreeMap<String, u64>,
}

impl Tally {
    fn record(&mut self, wish: Wish, answer: Result<Order, Status>) {
        let (calls, failed) = match wish {
            Wish::Show => (&mut self.shows, &mut self.failed_shows),
            Wish::Buy => (&mut self.checkouts, &mut self.failed_checkouts),
        };
        *calls += 1;
        match answer {
            Ok(order) => *self.served_by.entry(order.served_by).or_default() += 1,
            Err(status) => {
                *failed += 1;
                eprintln!("failed: {:?}: {}", status.code(), status.message());
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally {
            shows,
            failed_shows,
            checkouts,
            failed_checkouts,
            served_by,
        } = self;
        write!(f, "shows={shows} failed_shows={failed_shows} ")?;
        write!(
            f,
            "checkouts={checkouts} failed_checkouts={failed_checkouts}"
        )?;
        served_by
            .iter()
            .try_for_each(|(instance, calls)| write!(f, " {instance}={calls}"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(tally) if tally.failed_shows == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

/// Sends each call on time, whether or not earlier ones have ended.
async fn run() -> Result<Tally, String> {
    let Options { upstream: door, .. } = Options::from_env("customers")?;
    let per_second = number("SHOP_CALLS_PER_SECOND", 5)?.clamp(1, 1000);
    let last = match number("SHOP_CALLS", 0)? {
        0 => u64::MAX,
        calls => calls,
    };
    let shop = FrontendClient::with_origin(upstream(), origin(door));
    let mut stopped = pin!(signals::stopped().map_err(|error| error.to_string())?);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut summaries = tokio::time::interval(SUMMARY_EVERY);
    summaries.reset(); // The first tick would be at once.
    let (mut calls, mut sent, mut tally) = (JoinSet::new(), 0, Tally::default());
    while sent < last {
        tokio::select! {
            _ = ticks.tick() => {
                calls.spawn(call(shop.clone(), sent));
                sent += 1;
            }
            Some(Ok((wish, answer))) = calls.join_next() => tally.record(wish, answer),
            _ = summaries.tick() => println!("{tally}"),
            () = &mut stopped => break,
        }
    }
    while let Some(Ok((wish, answer))) = calls.join_next().await {
        tally.record(wish, answer);
    }
    println!("{tally}");
    Ok(tally)
}

async fn call(mut shop: Shop, number: u64) -> (Wish, Result<Order, Status>) {
    let wish = Wish::of(number);
    let answer = match wish {
        Wish::Show => shop.show_order(patiently(OrderId { id: number })).await,
        Wish::Buy => shop.checkout(patiently(bread())).await,
    };
    (wish, answer.map(tonic::Response::into_inner))
}

fn patiently<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

fn bread() -> Item {
    Item {
        article: "bread".to_owned(),
        pieces: 2,
    }
}

fn number<T: FromStr>(variable: &str, default: T) -> Result<T, String> {
    match env::var(variable) {
        Ok(text) if !text.is_empty() => text
            .parse()
            .map_err(|_| format!("{variable}={text} is not a number")),
        Ok(_) | Err(_) => Ok(default),
    }
}
