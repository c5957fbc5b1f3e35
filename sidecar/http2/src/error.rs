//! Error codes (RFC 9113 7) and how a connection dies.

/// Why a stream was reset or a connection closed (RFC 9113 7).
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
#[repr(u32)]
pub enum ErrorCode {
    /// Graceful end; on RST_STREAM after a whole answer: the rest of the request is not needed.
    NoError = 0,
    /// The peer broke the protocol in a way no other code names.
    ProtocolError = 1,
    /// The sender met an internal fault.
    InternalError = 2,
    /// More DATA than the window allowed, or a window beyond 2^31-1.
    FlowControlError = 3,
    /// SETTINGS were not acknowledged in time.
    SettingsTimeout = 4,
    /// A frame for a stream whose sender had already ended it.
    StreamClosed = 5,
    /// A frame of an impossible size.
    FrameSizeError = 6,
    /// The stream was not processed at all: safe to try elsewhere.
    RefusedStream = 7,
    /// The stream is no longer needed.
    Cancel = 8,
    /// The field compression state cannot be kept.
    CompressionError = 9,
    /// The connection of a CONNECT request was lost.
    ConnectError = 10,
    /// The peer makes too much work.
    EnhanceYourCalm = 11,
    /// The transport is not secure enough.
    InadequateSecurity = 12,
    /// HTTP/1.1 is asked for.
    Http11Required = 13,
    /// Of Outrider, "OUTR" in ASCII: who sends this is well, but what its application said behind the head
    /// of its answer cannot be passed on. To others an unknown number, so `InternalError` (RFC 9113 7).
    /// Whether to believe it is not decided here.
    Blameless = 0x4f55_5452,
}

impl ErrorCode {
    /// The code of a number. Unknown numbers mean `InternalError`, as RFC 9113 7 allows.
    pub const fn from_u32(code: u32) -> ErrorCode {
        match code {
            0 => ErrorCode::NoError,
            1 => ErrorCode::ProtocolError,
            3 => ErrorCode::FlowControlError,
            4 => ErrorCode::SettingsTimeout,
            5 => ErrorCode::StreamClosed,
            6 => ErrorCode::FrameSizeError,
            7 => ErrorCode::RefusedStream,
            8 => ErrorCode::Cancel,
            9 => ErrorCode::CompressionError,
            10 => ErrorCode::ConnectError,
            11 => ErrorCode::EnhanceYourCalm,
            12 => ErrorCode::InadequateSecurity,
            13 => ErrorCode::Http11Required,
            0x4f55_5452 => ErrorCode::Blameless,
            _ => ErrorCode::InternalError,
        }
    }

    /// The name that RFC 9113 7 gives it, or we.
    pub const fn name(self) -> &'static str {
        match self {
            ErrorCode::NoError => "NO_ERROR",
            ErrorCode::ProtocolError => "PROTOCOL_ERROR",
            ErrorCode::InternalError => "INTERNAL_ERROR",
            ErrorCode::FlowControlError => "FLOW_CONTROL_ERROR",
            ErrorCode::SettingsTimeout => "SETTINGS_TIMEOUT",
            ErrorCode::StreamClosed => "STREAM_CLOSED",
            ErrorCode::FrameSizeError => "FRAME_SIZE_ERROR",
            ErrorCode::RefusedStream => "REFUSED_STREAM",
            ErrorCode::Cancel => "CANCEL",
            ErrorCode::CompressionError => "COMPRESSION_ERROR",
            ErrorCode::ConnectError => "CONNECT_ERROR",
            ErrorCode::EnhanceYourCalm => "ENHANCE_YOUR_CALM",
            ErrorCode::InadequateSecurity => "INADEQUATE_SECURITY",
            ErrorCode::Http11Required => "HTTP_1_1_REQUIRED",
            ErrorCode::Blameless => "BLAMELESS",
        }
    }

    /// The number as on the wire.
    pub const fn as_u32(self) -> u32 {
        self as u32
    }
}

/// The connection cannot go on. A GOAWAY with `code` is queued in the output.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct ConnectionError {
    /// The code that GOAWAY carries.
    pub code: ErrorCode,
    /// Which rule was broken, for people.
    pub reason: &'static str,
}

impl ConnectionError {
    pub(crate) const fn protocol(reason: &'static str) -> ConnectionError {
        ConnectionError {
            code: ErrorCode::ProtocolError,
            reason,
        }
    }

    pub(crate) const fn frame_size(reason: &'static str) -> ConnectionError {
        ConnectionError {
            code: ErrorCode::FrameSizeError,
            reason,
        }
    }

    pub(crate) const fn flow_control(reason: &'static str) -> ConnectionError {
        ConnectionError {
            code: ErrorCode::FlowControlError,
            reason,
        }
    }

    pub(crate) const fn stream_closed(reason: &'static str) -> ConnectionError {
        ConnectionError {
            code: ErrorCode::StreamClosed,
            reason,
        }
    }

    pub(crate) const fn compression(reason: &'static str) -> ConnectionError {
        ConnectionError {
            code: ErrorCode::CompressionError,
            reason,
        }
    }

    pub(crate) const fn enhance_your_calm(reason: &'static str) -> ConnectionError {
        ConnectionError {
            code: ErrorCode::EnhanceYourCalm,
            reason,
        }
    }
}

impl std::fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.code, self.reason)
    }
}

impl std::error::Error for ConnectionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_wire_and_unknown_means_internal() {
        for code in (0..=13).chain([0x4f55_5452]) {
            assert_eq!(ErrorCode::from_u32(code).as_u32(), code);
        }
        assert_eq!(ErrorCode::from_u32(14), ErrorCode::InternalError);
        assert_eq!(ErrorCode::from_u32(u32::MAX), ErrorCode::InternalError);
    }
}
