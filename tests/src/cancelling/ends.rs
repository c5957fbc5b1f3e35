//! That no connection of a way ended or was told to go: as many live as were ever made, and no
//! sidecar has counted an end.
//!
//! Knows nothing of calls. The names are those of docs/METRICS.md.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Tally;
use crate::handlers::Handlers;
use crate::hops::Way;

/// What a sidecar counts when it ends a connection: family, and what the labels say.
const ENDS: [(&str, &str); 3] = [
    ("outrider_connections_ended_total{", ""),
    ("outrider_protocol_errors_total ", ""),
    ("outrider_http2_limits_total{", "limit=\"flood_"),
];
/// Calls that a sidecar refused to begin.
const REFUSED: (&str, &str) = ("outrider_http2_limits_total{", "limit=\"refused_");
const UPSTREAM: (&str, &str) = ("outrider_upstream_connections ", "");
const FROM_CALLERS: (&str, &str) = ("outrider_downstream_connections{", "side=\"outbound\"");
const FROM_SIDECARS: (&str, &str) = ("outrider_downstream_connections{", "side=\"inbound\"");
const TAKEN_BY_TLS: (&str, &str) = (
    "outrider_mtls_handshakes_total{",
    "side=\"inbound\",result=\"ok\"",
);
const MADE_BY_TLS: (&str, &str) = (
    "outrider_mtls_handshakes_total{",
    "side=\"outbound\",result=\"ok\"",
);

/// Longest that a connection may be on its way: made at one end, not yet seen at the other.
const UNDER_WAY_MAX: Duration = Duration::from_secs(5);
/// Between two looks.
const PACE: Duration = Duration::from_millis(20);

/// Looks at the whole way, and puts its connections into `tally`.
///
/// # Errors
/// An end, or a connection that is gone.
pub(super) async fn none(
    way: &Way,
    application: &Handlers,
    tally: &mut Tally,
) -> Result<(), String> {
    let patience = Instant::now() + UNDER_WAY_MAX;
    loop {
        match look(way, application, tally).await {
            Err(_) if Instant::now() < patience => sleep(PACE).await,
            seen => return seen,
        }
    }
}

async fn look(way: &Way, application: &Handlers, tally: &mut Tally) -> Result<(), String> {
    let frontend = Page::of("frontend", way.frontend.admin().page("/metrics").await.1);
    let mut pages = vec![frontend];
    if let Some(orders) = way.callee() {
        pages.push(Page::of("orders", orders.admin().page("/metrics").await.1));
    }
    tally.refused = 0;
    for page in &pages {
        tally.refused += page.sum(REFUSED)?;
        for end in ENDS {
            match page.sum(end)? {
                0 => {}
                count => return Err(format!("{} counts {count} {end:?}", page.whose)),
            }
        }
    }
    pages[0].holds(FROM_CALLERS, 1)?;
    tally.connections_between = 0;
    if let [frontend, orders] = &pages[..] {
        tally.connections_between = frontend.sum(MADE_BY_TLS)?;
        frontend.holds(UPSTREAM, tally.connections_between)?;
        orders.holds(FROM_SIDECARS, orders.sum(TAKEN_BY_TLS)?)?;
    }
    tally.application_connections = application.connections();
    let last = &pages[pages.len() - 1];
    last.holds(UPSTREAM, tally.application_connections)
}

/// A sidecar's metrics.
struct Page {
    whose: &'static str,
    text: String,
}

impl Page {
    fn of(whose: &'static str, text: String) -> Page {
        Page { whose, text }
    }

    /// The sum of a family's series with these labels. A name that nobody counts under is no zero.
    fn sum(&self, (family, labels): (&str, &str)) -> Result<usize, String> {
        let lines = self.text.lines();
        let lines = lines.filter(|line| line.starts_with(family) && line.contains(labels));
        let values = lines.map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
        let values: Option<Vec<usize>> = values.collect();
        let values = values.filter(|values| !values.is_empty());
        let values = values.ok_or_else(|| format!("{}: no {family}{labels}", self.whose))?;
        Ok(values.iter().sum())
    }

    /// Of the connections that were `made`, all live.
    fn holds(&self, living: (&str, &str), made: usize) -> Result<(), String> {
        match self.sum(living)? {
            count if count == made && made > 0 => Ok(()),
            count => Err(format!(
                "{} of {made} connections live: {} {living:?}",
                count, self.whose
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "outrider_upstream_connections 3\n\
                        outrider_http2_limits_total{end=\"upstream\",limit=\"flood_pings\"} 1\n\
                        outrider_http2_limits_total{end=\"downstream\",limit=\"flood_pings\"} 1\n\
                        outrider_http2_limits_total{end=\"upstream\",limit=\"refused_over_limit\"} 5\n";

    #[test]
    fn a_name_that_nobody_counts_under_is_no_zero() {
        let page = Page::of("orders", TEXT.to_owned());
        assert_eq!(page.sum(ENDS[2]), Ok(2));
        assert_eq!(page.sum(REFUSED), Ok(5));
        assert!(page.sum(ENDS[0]).is_err());
    }

    #[test]
    fn every_connection_that_was_made_lives() {
        let page = Page::of("orders", TEXT.to_owned());
        assert_eq!(page.holds(UPSTREAM, 3), Ok(()));
        assert!(page.holds(UPSTREAM, 4).is_err(), "one ended");
        let nothing = Page::of("orders", TEXT.replace(" 3\n", " 0\n"));
        assert!(nothing.holds(UPSTREAM, 0).is_err(), "none was made");
    }
}
