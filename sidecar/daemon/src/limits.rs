//! Limits on what the peers of connections may do, as an operator writes them.
//!
//! Decides names and ranges. What each limit stops is said in `outrider_http2::Config`, what the
//! defaults are worth in `docs/TRUST.md`.

use std::fmt;
use std::str::FromStr;

use outrider_engine::config::{INBOUND_STREAMS_DEFAULT, OUTBOUND_STREAMS_DEFAULT};
use outrider_http2::{Budget, Config};

/// Limits of every connection and of every worker. [`Limits::default`] are the documented ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Streams that the local application may have open on a connection. Default 8,000.
    pub outbound_streams: u32,
    /// Streams that another sidecar may have open on a connection. Default 1,000.
    pub inbound_streams: u32,
    /// TLS handshakes of other sidecars that may be under way on a worker. Default 2,048.
    pub handshakes: u32,
    /// Growth of windows that the streams of a worker share. Bytes; default 8 MiB.
    pub window_growth_bytes: u32,
    /// Everything else.
    pub http2: Config,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            outbound_streams: OUTBOUND_STREAMS_DEFAULT,
            inbound_streams: INBOUND_STREAMS_DEFAULT,
            handshakes: 2_048,
            window_growth_bytes: 8 << 20,
            http2: Config::default(),
        }
    }
}

/// What is wrong with a list of limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitError {
    item: String,
    problem: &'static str,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.item, self.problem)
    }
}

impl std::error::Error for LimitError {}

/// `NAME=VALUE` with commas between; of a budget the value is `BURST/PER-SECOND`. What is not named
/// keeps its default.
impl FromStr for Limits {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Limits, LimitError> {
        let mut limits = Limits::default();
        for item in text.split(',') {
            limits.take(item).map_err(|problem| LimitError {
                item: item.to_owned(),
                problem,
            })?;
        }
        Ok(limits)
    }
}

impl Limits {
    fn take(&mut self, item: &str) -> Result<(), &'static str> {
        let (name, value) = item.split_once('=').ok_or("not NAME=VALUE")?;
        let known = NAMES.iter().find(|(known, _)| *known == name);
        let (_, set) = known.ok_or("no such limit")?;
        set(self, value)
    }
}

/// Takes the value of one limit.
type Set = fn(&mut Limits, &str) -> Result<(), &'static str>;

/// Every limit that can be named, as `docs/CONFIG.md` has them.
const NAMES: &[(&str, Set)] = &[
    ("outbound-streams", |limits, value| {
        put(&mut limits.outbound_streams, number(value, 1, 1_000_000))
    }),
    ("inbound-streams", |limits, value| {
        put(&mut limits.inbound_streams, number(value, 1, 1_000_000))
    }),
    ("header-list-bytes", |limits, value| {
        let http2 = &mut limits.http2;
        http2.header_list_bytes_max = number(value, 4_096, 1 << 20)?;
        // What four times the limit needs in full frames, and a quarter more.
        let frames = 4 * http2.header_list_bytes_max / 16_384;
        http2.continuation_frames_max = (frames + frames / 4).max(5);
        Ok(())
    }),
    ("header-fields", |limits, value| {
        put(
            &mut limits.http2.header_fields_max,
            number(value, 16, 10_000),
        )
    }),
    ("empty-data", |limits, value| {
        put(
            &mut limits.http2.empty_data_max,
            number(value, 1, 1_000_000),
        )
    }),
    ("control-frames", |limits, value| {
        put(
            &mut limits.http2.control_frames_max,
            number(value, 10, 1_000_000),
        )
    }),
    ("resets", |limits, value| {
        put(&mut limits.http2.resets, budget(value))
    }),
    ("window-updates", |limits, value| {
        put(&mut limits.http2.window_updates, budget(value))
    }),
    ("settings", |limits, value| {
        put(&mut limits.http2.settings, budget(value))
    }),
    ("pings", |limits, value| {
        put(&mut limits.http2.pings, budget(value))
    }),
    ("idle-frames", |limits, value| {
        put(&mut limits.http2.idle_frames, budget(value))
    }),
    ("window-bytes", |limits, value| {
        put(
            &mut limits.http2.max_window,
            number(value, 65_535, 16 << 20),
        )
    }),
    ("window-growth-bytes", |limits, value| {
        put(&mut limits.window_growth_bytes, number(value, 0, 256 << 20))
    }),
    ("handshakes", |limits, value| {
        put(&mut limits.handshakes, number(value, 1, 1_000_000))
    }),
];

fn put<T>(place: &mut T, value: Result<T, &'static str>) -> Result<(), &'static str> {
    *place = value?;
    Ok(())
}

fn number(text: &str, least: u32, most: u32) -> Result<u32, &'static str> {
    let value = text.parse().map_err(|_| "not a whole number")?;
    match (least..=most).contains(&value) {
        true => Ok(value),
        false => Err("out of its range"),
    }
}

fn budget(text: &str) -> Result<Budget, &'static str> {
    let (burst, refill) = text.split_once('/').ok_or("not BURST/PER-SECOND")?;
    Ok(Budget {
        burst: number(burst, 1, 1_000_000)?,
        refill_per_second: number(refill, 0, 1_000_000)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use outrider_engine::config::Settings;

    #[test]
    fn what_is_named_changes_and_the_rest_keeps_its_default() {
        let limits =
            "outbound-streams=7,resets=300/60,header-list-bytes=65536,handshakes=64".parse();
        let mut expected = Limits {
            outbound_streams: 7,
            handshakes: 64,
            ..Limits::default()
        };
        expected.http2.resets = Budget {
            burst: 300,
            refill_per_second: 60,
        };
        expected.http2.header_list_bytes_max = 65_536;
        expected.http2.continuation_frames_max = 20;
        assert_eq!(limits, Ok(expected));
    }

    #[test]
    fn nonsense_is_refused_with_its_item() {
        for (text, expected) in [
            ("", "``: not NAME=VALUE"),
            ("resets=1", "`resets=1`: not BURST/PER-SECOND"),
            ("pings=1/1,pongs=1/1", "`pongs=1/1`: no such limit"),
            ("header-fields=1", "`header-fields=1`: out of its range"),
            ("resets=0/1", "`resets=0/1`: out of its range"),
            ("window-bytes=1", "`window-bytes=1`: out of its range"),
            ("empty-data=x", "`empty-data=x`: not a whole number"),
        ] {
            let error = text.parse::<Limits>().map_err(|error| error.to_string());
            assert_eq!(error, Err(expected.to_owned()));
        }
    }

    #[test]
    fn every_limit_is_documented_with_its_default() {
        let page = include_str!("../../../docs/CONFIG.md");
        for (name, _) in NAMES {
            let start = format!("| `{name}` |");
            let row = page.lines().find_map(|line| line.strip_prefix(&start));
            let default = row.and_then(|row| row.split('`').nth(1)).expect(name);
            let parsed = format!("{name}={default}").parse();
            assert_eq!(parsed, Ok(Limits::default()), "{name}");
        }
    }

    #[test]
    fn the_engine_alone_has_the_same_defaults() {
        let (limits, settings) = (Limits::default(), Settings::new("orders"));
        assert_eq!(limits.outbound_streams, settings.outbound_streams_max);
        assert_eq!(limits.inbound_streams, settings.inbound_streams_max);
        assert_eq!(limits.handshakes as usize, settings.handshakes_max);
        let growth = limits.window_growth_bytes as usize;
        assert_eq!(growth, settings.window_growth_bytes);
    }
}
