//! How many connections the process has descriptors for.

use std::fs;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors that no connection at `--listen` gets: for the store and other files, 64 connections to
/// the admin pages and 64 address checks. 192.
const RESERVE: u64 = 192;

/// Connections that are accepted even without enough descriptors. 16: so that operators can connect.
const CONNECTIONS_MIN: u64 = 16;

/// Descriptors assumed to be in use where the system does not show them.
const IN_USE_ASSUMED: u64 = 32;

/// Takes as many descriptors as the system lets the process have: the usual soft limit, 1,024, is less
/// than a mesh has sidecars.
pub fn raise() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of file descriptors stays as it is");
    }
}

/// How many connections may be open at once.
pub fn connections_max() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    let in_use = fs::read_dir("/proc/self/fd").map_or(IN_USE_ASSUMED, |all| all.count() as u64);
    divide(limit, in_use)
}

fn divide(limit: u64, in_use: u64) -> usize {
    let left = limit.saturating_sub(in_use).saturating_sub(RESERVE);
    usize::try_from(left.max(CONNECTIONS_MIN)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_kept_back() {
        let cases = [
            (1_024, 32, 800),
            (256, 60, 16),
            (u64::MAX, 0, usize::MAX - 192),
        ];
        for (limit, in_use, expected) in cases {
            assert_eq!(divide(limit, in_use), expected, "{limit}");
        }
    }
}
