//! The limits of one connection.
//!
//! Figures come from the project's table of limits that Envoy, nginx, h2 and hyper ship; each
//! field says what it stops.

use crate::WindowPool;
use crate::stream::Growth;

/// A bucket of tokens: what a peer may do at once on a connection that does nothing, and how fast it
/// may do it again. Work earns more, up to a hundred times the burst (`resets`: up to the burst).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Tokens at the start, and the most that time refills. At least 1.
    pub burst: u32,
    /// Tokens regained each second. 0: only what is earned by useful work.
    pub refill_per_second: u32,
}

/// Limits and announcements of one connection. `Config::default()` fits a client connection to
/// another sidecar; a server sets `max_concurrent_streams`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Streams the peer may have open (SETTINGS_MAX_CONCURRENT_STREAMS). More are answered with
    /// REFUSED_STREAM out of `idle_frames`. Default `None`: not announced, not limited; right for
    /// clients only.
    pub max_concurrent_streams: Option<u32>,
    /// Receive window of a new stream. Bytes; default and least 65,535 (peers built on h2 stall
    /// below it); at most 2^31-1. Memory of a stalled stream.
    pub initial_window: u32,
    /// Largest window a draining stream grows to out of the [`WindowPool`](crate::WindowPool).
    /// Bytes; default 1 MiB; below `initial_window` means no growth.
    pub max_window: u32,
    /// Largest field list taken, as RFC 9113 6.5.2 counts it, and announced as
    /// SETTINGS_MAX_HEADER_LIST_SIZE. Bytes; default 32 KiB. Over it the stream is answered or
    /// reset, over four times as much the connection fails (CVE-2016-6581).
    pub header_list_bytes_max: u32,
    /// Most fields in a list, cookie crumbs counted. Default 128; over it as above
    /// (CVE-2026-47774).
    pub header_fields_max: u32,
    /// Our HPACK decoding table (SETTINGS_HEADER_TABLE_SIZE). Bytes; default and least 4,096.
    pub header_table_bytes: u32,
    /// DATA is framed only while unsent output is below this. Bytes; default 256 KiB.
    pub output_bytes_max: usize,
    /// Unsent answers to the peer (acknowledgements, resets) above which
    /// [`Connection::wants_read`](crate::Connection::wants_read) says no. Default 1,000 (Envoy;
    /// CVE-2019-9512, -9515). Ends nothing: it is read again when they are out. Stock libraries read
    /// while they write, so their answers go out as they are made.
    pub control_frames_max: u32,
    /// The peer is a verified member of the mesh: whatever it resets or makes us reset, its new
    /// streams are held or refused at most, and the connection is never closed for it. Default false.
    pub peer_is_trusted: bool,
    /// Client: small pieces of requests that the server does not answer wait for more, so that it holds
    /// few small frames unread. The owner must call
    /// [`Connection::send_coalesced`](crate::Connection::send_coalesced) some milliseconds after there are
    /// any, or they wait for ever. Default false.
    pub coalesces: bool,
    /// Resets the peer makes or makes us make (CVE-2023-44487, CVE-2025-8671). Its own cost nothing
    /// when the stream is 10 ms old or its answer has begun. Each stream that ends normally, and not
    /// by an answer of the owner ([`Connection::mark_local_reply`](crate::Connection::mark_local_reply)), earns two, never
    /// above the burst. When it is spent new streams are held until they are 10 ms old
    /// ([`Connection::held_until`](crate::Connection::held_until)); a peer that makes *us* reset is
    /// closed. Default 200, 50 a second. At worst an application of any library cancels all that it
    /// opens. Taken directly: without limit by grpc-go, by C-core, and by grpc-java unless
    /// `maxRstFramesPerWindow` is set; 1,000 and 33 a second by nghttp2 (Node), 20 that the
    /// application has not accepted yet by the h2 crate, 200 in 30 s by netty itself.
    pub resets: Budget,
    /// WINDOW_UPDATE frames. Each stream earns 10, each DATA frame we send 10 (Envoy) and one for
    /// 5 octets (the smallest gRPC message), each that we receive 2. Default 1,000, 100 a second. At
    /// worst C-core sends one for each message its application asks for and one of the connection
    /// beside each of its writes; grpc-go one of the connection for a DATA frame (before each
    /// bandwidth probe) and two of the stream for a message; netty, nghttp2 and the h2 crate one when
    /// half of a window is used.
    pub window_updates: Budget,
    /// SETTINGS frames; each stream earns one. Default 100, 10 a second. At worst C-core sends them
    /// after each bandwidth estimate that moved by a fifth: some ten a second, twice as often after
    /// each doubling; grpc-go and grpc-java each time that the window they estimate has doubled, up to
    /// 16 and 8 MiB: 8 in all.
    pub settings: Budget,
    /// PING frames; each DATA frame received or sent and each stream earns one. Default 1,000, 100 a
    /// second. At worst grpc-go, grpc-java and hyper probe bandwidth with one for each DATA frame
    /// that comes (one at a time; an empty frame is enough), C-core less often; a server of C-core pings
    /// after one of a hundred resets. Keepalive adds one in 10 s at most.
    pub pings: Budget,
    /// Frames that do nothing: PRIORITY, unknown types, 1xx heads, GOAWAY, late frames on closed
    /// streams, streams that are refused, or reset while they are held (two each); each stream
    /// earns 5, and 200 when it ends with an answer that is not the owner's. Default 1,000, 100 a second
    /// (CVE-2019-9513; Envoy: 100 PRIORITY a stream). At worst netty sends the DATA and END_STREAM
    /// of a cancelled call behind its RST_STREAM, nghttp2's client five PRIORITY a connection and one a
    /// stream, servers one or two 1xx heads a stream; clients that respect the announced number
    /// of streams have none refused, and stock ones do once they have it: they open 100 before.
    pub idle_frames: Budget,
    /// DATA frames without an octet of data and without END_STREAM; each stream and each DATA frame
    /// with octets earns 10. Default 100 at once (h2; Envoy: 1 in a row; CVE-2019-9518). At worst
    /// stock gRPC libraries send none, applications on hyper or Node one for each empty chunk.
    pub empty_data_max: u32,
    /// CONTINUATION frames of one header block. Default 10: what four times the list limit needs
    /// in full frames, and a quarter more (h2's rule; CVE-2024-27316). Every stock library fills its
    /// frames, so a list within the limit has two at most.
    pub continuation_frames_max: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            max_concurrent_streams: None,
            initial_window: INITIAL_WINDOW_MIN,
            max_window: 1 << 20,
            header_list_bytes_max: 32 << 10,
            header_fields_max: 128,
            header_table_bytes: HEADER_TABLE_BYTES_MIN,
            output_bytes_max: 256 << 10,
            control_frames_max: 1_000,
            peer_is_trusted: false,
            coalesces: false,
            resets: Budget {
                burst: 200,
                refill_per_second: 50,
            },
            window_updates: Budget {
                burst: 1_000,
                refill_per_second: 100,
            },
            settings: Budget {
                burst: 100,
                refill_per_second: 10,
            },
            pings: Budget {
                burst: 1_000,
                refill_per_second: 100,
            },
            idle_frames: Budget {
                burst: 1_000,
                refill_per_second: 100,
            },
            empty_data_max: 100,
            continuation_frames_max: 10,
        }
    }
}

impl Config {
    pub(crate) fn growth<'a>(&self, pool: &'a WindowPool) -> Growth<'a> {
        Growth {
            initial: self.initial_window,
            max: self.max_window,
            pool,
        }
    }

    /// The same with every field inside its documented range.
    pub(crate) fn in_range(mut self) -> Config {
        self.initial_window = self
            .initial_window
            .clamp(INITIAL_WINDOW_MIN, i32::MAX as u32);
        self.max_window = self.max_window.clamp(self.initial_window, i32::MAX as u32);
        self.header_table_bytes = self.header_table_bytes.max(HEADER_TABLE_BYTES_MIN);
        self
    }
}

/// The protocol's default stream window (RFC 9113 6.9.2).
pub(crate) const INITIAL_WINDOW_MIN: u32 = 65_535;

// A smaller table would have to be agreed on with the peer before it may be enforced
// (RFC 7541 4.2); the protocol's default is small enough to need no such step.
const HEADER_TABLE_BYTES_MIN: u32 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_range_numbers_are_moved_to_the_nearest_end() {
        let config = Config {
            initial_window: 1,
            max_window: 2,
            header_table_bytes: 0,
            ..Config::default()
        };
        let config = config.in_range();
        assert_eq!(
            (
                config.initial_window,
                config.max_window,
                config.header_table_bytes
            ),
            (65_535, 65_535, 4_096)
        );
    }
}
