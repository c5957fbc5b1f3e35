//! The static table (RFC 7541 appendix A), and what is known in advance about field names.

/// Entries 1 to 61.
pub(super) static ENTRIES: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

/// How the encoder treats a name's values.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Habit {
    /// The same values come again: worth a place in the dynamic table.
    Repeats,
    /// Nearly every message has another value: a place would only evict others.
    Varies,
    /// A secret: never indexed (RFC 7541 7.1.3).
    Secret,
}

/// What is known of a name: its first entry (0: none), how many entries of the name have a
/// value worth comparing, and its habit.
pub(super) struct Known {
    pub(super) index: u8,
    pub(super) values: u8,
    pub(super) habit: Habit,
}

/// Looks a name up. One `match` by length and content: no hashing on the hot path.
pub(super) fn known(name: &[u8]) -> Known {
    use Habit::{Repeats, Secret, Varies};
    let (index, values, habit) = match name {
        b":authority" => (1, 0, Repeats),
        b":method" => (2, 2, Repeats),
        b":path" => (4, 2, Repeats),
        b":scheme" => (6, 2, Repeats),
        b":status" => (8, 7, Repeats),
        b"accept-charset" => (15, 0, Repeats),
        b"accept-encoding" => (16, 1, Repeats),
        b"accept-language" => (17, 0, Repeats),
        b"accept-ranges" => (18, 0, Repeats),
        b"accept" => (19, 0, Repeats),
        b"access-control-allow-origin" => (20, 0, Repeats),
        b"age" => (21, 0, Varies),
        b"allow" => (22, 0, Repeats),
        b"authorization" => (23, 0, Secret),
        b"cache-control" => (24, 0, Repeats),
        b"content-disposition" => (25, 0, Repeats),
        b"content-encoding" => (26, 0, Repeats),
        b"content-language" => (27, 0, Repeats),
        b"content-length" => (28, 0, Varies),
        b"content-location" => (29, 0, Repeats),
        b"content-range" => (30, 0, Varies),
        b"content-type" => (31, 0, Repeats),
        b"cookie" => (32, 0, Secret),
        b"date" => (33, 0, Varies),
        b"etag" => (34, 0, Varies),
        b"expect" => (35, 0, Repeats),
        b"expires" => (36, 0, Varies),
        b"from" => (37, 0, Repeats),
        b"host" => (38, 0, Repeats),
        b"if-match" => (39, 0, Varies),
        b"if-modified-since" => (40, 0, Varies),
        b"if-none-match" => (41, 0, Varies),
        b"if-range" => (42, 0, Varies),
        b"if-unmodified-since" => (43, 0, Varies),
        b"last-modified" => (44, 0, Varies),
        b"link" => (45, 0, Repeats),
        b"location" => (46, 0, Varies),
        b"max-forwards" => (47, 0, Repeats),
        b"proxy-authenticate" => (48, 0, Repeats),
        b"proxy-authorization" => (49, 0, Secret),
        b"range" => (50, 0, Varies),
        b"referer" => (51, 0, Repeats),
        b"refresh" => (52, 0, Repeats),
        b"retry-after" => (53, 0, Repeats),
        b"server" => (54, 0, Repeats),
        b"set-cookie" => (55, 0, Secret),
        b"strict-transport-security" => (56, 0, Repeats),
        b"transfer-encoding" => (57, 0, Repeats),
        b"user-agent" => (58, 0, Repeats),
        b"vary" => (59, 0, Repeats),
        b"via" => (60, 0, Repeats),
        b"www-authenticate" => (61, 0, Repeats),
        b"b3"
        | b"baggage"
        | b"grpc-message"
        | b"grpc-status-details-bin"
        | b"grpc-tags-bin"
        | b"grpc-timeout"
        | b"grpc-trace-bin"
        | b"traceparent"
        | b"tracestate"
        | b"x-amzn-trace-id"
        | b"x-b3-spanid"
        | b"x-b3-traceid"
        | b"x-request-id" => (0, 0, Varies),
        _ => (0, 0, Repeats),
    };
    Known {
        index,
        values,
        habit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_known_at_its_index() {
        for (at, (name, value)) in ENTRIES.iter().enumerate() {
            let known = known(name);
            let first = usize::from(known.index) - 1;
            assert_eq!(ENTRIES[first].0, *name);
            assert!(
                first == 0 || ENTRIES[first - 1].0 != *name,
                "first of its name"
            );
            let compared = first..first + usize::from(known.values);
            assert_eq!(compared.contains(&at), !value.is_empty(), "{at}");
        }
    }
}
