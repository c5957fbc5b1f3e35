//! Backends that do not get as far as a request.

use super::script::{Form, Script, Then, wire};
use crate::raw::{Frame, flag, grpc_response, kind, setting};

/// A form that says these octets first, then nothing.
const fn says(name: &'static str, octets: fn() -> Vec<u8>) -> Form {
    Form {
        name,
        script: Script::Instead(octets, Then::Hangs),
    }
}

const fn greets(name: &'static str, settings: &'static [(u16, u32)]) -> Form {
    Form {
        name,
        script: Script::Greets(settings),
    }
}

pub(super) const FORMS: &[Form] = &[
    says("silence", Vec::new),
    Form {
        name: "close-at-once",
        script: Script::Instead(Vec::new, Then::Closes),
    },
    Form {
        name: "close-after-preface",
        script: Script::ClosesAfterPreface,
    },
    says("http1-answer", || {
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()
    }),
    Form {
        name: "http1-error-and-close",
        script: Script::Instead(
            || b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n".to_vec(),
            Then::Closes,
        ),
    },
    says("tls-alert", || vec![0x15, 3, 3, 0, 2, 2, 70]),
    says("tls-server-hello", || {
        let mut octets = vec![0x16, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3];
        octets.resize(95, 0x5a);
        octets
    }),
    says("noise", || {
        (0..4_096_u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    }),
    says("half-a-frame-head", || vec![0, 0, 0, kind::SETTINGS]),
    says("settings-cut-in-the-middle", || {
        let mut octets = Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 1_000)]).encode();
        octets.truncate(12);
        octets
    }),
    says("headers-before-settings", || {
        Frame::headers(1, flag::END_STREAM, grpc_response().octets()).encode()
    }),
    says("acknowledgement-before-settings", || {
        Frame::settings_ack().encode()
    }),
    says("settings-on-a-stream", || {
        Frame::new(kind::SETTINGS, 0, 1, &[]).encode()
    }),
    says("settings-of-five-octets", || {
        Frame::new(kind::SETTINGS, 0, 0, &[0; 5]).encode()
    }),
    says("settings-acknowledgement-with-a-payload", || {
        wire(&[
            Frame::settings(&[]),
            Frame::new(kind::SETTINGS, flag::ACK, 0, &[0; 6]),
        ])
    }),
    says("goaway-first", || {
        wire(&[Frame::settings(&[]), Frame::goaway(0, 0)])
    }),
    says("client-preface", || crate::raw::PREFACE.to_vec()),
    greets(
        "settings-streams-0",
        &[(setting::MAX_CONCURRENT_STREAMS, 0)],
    ),
    greets("settings-window-0", &[(setting::INITIAL_WINDOW_SIZE, 0)]),
    greets(
        "settings-window-overflow",
        &[(setting::INITIAL_WINDOW_SIZE, 1 << 31)],
    ),
    greets("settings-frame-size-1", &[(setting::MAX_FRAME_SIZE, 1)]),
    greets("settings-push-enabled", &[(setting::ENABLE_PUSH, 1)]),
    greets("settings-push-2", &[(setting::ENABLE_PUSH, 2)]),
    greets(
        "settings-header-list-0",
        &[(setting::MAX_HEADER_LIST_SIZE, 0)],
    ),
    greets("hang-after-request", &[]),
];
