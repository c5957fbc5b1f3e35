//! File descriptors: how many of them traffic may use.
//!
//! Callers may open as many connections as the system allows. The process itself (control plane, admin
//! pages, name lookups, files) and the connections to endpoints must not run short because of that, so
//! each has a part of the descriptors reserved. Envoy's overload manager does the same with its
//! `envoy.resource_monitors.global_downstream_max_connections`.

/// Descriptors that traffic does not get. Two connections to the control plane, two
/// lookups of a name, the collector, the application's health, a file being replaced, and some pages
/// of the admin listener at once.
pub const DESCRIPTORS_RESERVED: u64 = 16;

/// Of the descriptors for traffic, the part kept for connections to endpoints: one of so many.
const UPSTREAM_PART: u32 = 4;

/// How the descriptors of the process are divided.
///
/// Invariant: 1 <= `downstream_max` < `connections_max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorRules {
    connections_max: u32,
    downstream_max: u32,
}

impl DescriptorRules {
    /// Divides what a process with `limit` descriptors (RLIMIT_NOFILE) has left when it uses
    /// `in_use`. A limit below what the process itself needs leaves one connection for each end.
    pub fn divide(limit: u64, in_use: u64) -> DescriptorRules {
        let left = limit.saturating_sub(in_use.saturating_add(DESCRIPTORS_RESERVED));
        let connections_max = u32::try_from(left).unwrap_or(u32::MAX).max(2);
        let upstream = (connections_max / UPSTREAM_PART).max(1);
        DescriptorRules {
            connections_max,
            downstream_max: connections_max - upstream,
        }
    }

    /// Most connections of both ends together.
    pub fn connections_max(&self) -> u32 {
        self.connections_max
    }

    /// Of these, most connections from callers.
    pub fn downstream_max(&self) -> u32 {
        self.downstream_max
    }
}

/// Which side of the proxy a connection is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionSide {
    /// From a caller.
    Downstream,
    /// To an endpoint or to the local application.
    Upstream,
}

/// The connections that hold a descriptor, of all workers. Packs into one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenConnections {
    downstream: u32,
    upstream: u32,
}

impl OpenConnections {
    /// One more at `side`; `None` when there is no descriptor for it.
    pub fn open(self, rules: &DescriptorRules, side: ConnectionSide) -> Option<OpenConnections> {
        let open = self.downstream.saturating_add(self.upstream);
        match side {
            _ if open >= rules.connections_max => None,
            ConnectionSide::Downstream if self.downstream >= rules.downstream_max => None,
            ConnectionSide::Downstream => Some(OpenConnections {
                downstream: self.downstream + 1,
                ..self
            }),
            ConnectionSide::Upstream => Some(OpenConnections {
                upstream: self.upstream + 1,
                ..self
            }),
        }
    }

    /// One less at `side`.
    pub fn close(self, side: ConnectionSide) -> OpenConnections {
        let less_one = |count: u32| {
            debug_assert!(count > 0, "a connection that was not counted");
            count.saturating_sub(1)
        };
        match side {
            ConnectionSide::Downstream => OpenConnections {
                downstream: less_one(self.downstream),
                ..self
            },
            ConnectionSide::Upstream => OpenConnections {
                upstream: less_one(self.upstream),
                ..self
            },
        }
    }

    /// For sharing.
    pub fn to_bits(self) -> u64 {
        u64::from(self.downstream) << 32 | u64::from(self.upstream)
    }

    /// The inverse of [`OpenConnections::to_bits`].
    pub fn from_bits(bits: u64) -> OpenConnections {
        OpenConnections {
            downstream: (bits >> 32) as u32,
            upstream: bits as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn traffic_gets_what_the_process_and_its_reserve_leave() {
        // (limit, in use, connections, from callers)
        let cases = [
            ("the test of 64", 64, 14, 34, 26),
            ("the usual soft limit", 1_024, 14, 994, 746),
            ("less than the process needs", 20, 14, 2, 1),
            ("none at all", 0, 14, 2, 1),
            ("no limit", u64::MAX, 14, u32::MAX, u32::MAX - u32::MAX / 4),
        ];
        for (name, limit, in_use, connections, downstream) in cases {
            let rules = DescriptorRules::divide(limit, in_use);
            let divided = (rules.connections_max(), rules.downstream_max());
            assert_eq!(divided, (connections, downstream), "{name}");
        }
    }

    #[test]
    fn callers_leave_descriptors_for_endpoints() {
        let rules = DescriptorRules::divide(64, 40);
        let mut open = OpenConnections::default();
        while let Some(next) = open.open(&rules, ConnectionSide::Downstream) {
            open = next;
        }
        assert_eq!(open.downstream, 6);
        let with_upstream = open.open(&rules, ConnectionSide::Upstream);
        let full = with_upstream.and_then(|open| open.open(&rules, ConnectionSide::Upstream));
        assert!(full.is_some_and(|full| full.open(&rules, ConnectionSide::Upstream).is_none()));
        assert!(full.is_some_and(|full| {
            let freed = full.close(ConnectionSide::Downstream);
            freed.open(&rules, ConnectionSide::Upstream).is_some()
        }));
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_and_all_comes_back(
            limit in 0..200_u64, steps in prop::collection::vec((any::<bool>(), any::<bool>()), 0..300)
        ) {
            let rules = DescriptorRules::divide(limit, 10);
            let mut open = OpenConnections::default();
            let mut held = Vec::new();
            for (opens, is_upstream) in steps {
                let side = if is_upstream { ConnectionSide::Upstream } else { ConnectionSide::Downstream };
                match open.open(&rules, side) {
                    Some(next) if opens => {
                        open = next;
                        held.push(side);
                    }
                    _ => open = held.pop().map_or(open, |side| open.close(side)),
                }
                prop_assert!(open.downstream <= rules.downstream_max());
                prop_assert!(open.downstream + open.upstream <= rules.connections_max());
                prop_assert_eq!(OpenConnections::from_bits(open.to_bits()), open);
            }
            let left = held.into_iter().fold(open, OpenConnections::close);
            prop_assert_eq!(left, OpenConnections::default());
        }
    }
}
