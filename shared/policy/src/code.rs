//! gRPC status codes: numbers, names, and what an HTTP status means where no gRPC status came.
//!
//! Source: grpc/grpc `doc/statuscodes.md` and `doc/http-grpc-status-mapping.md`.

/// A gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Code {
    /// The call succeeded.
    Ok = 0,
    /// The caller gave the call up.
    Cancelled = 1,
    /// An error without a better code; also any code that this enum does not know.
    Unknown = 2,
    /// An argument is wrong whatever the state of the system.
    InvalidArgument = 3,
    /// The deadline passed before an answer came.
    DeadlineExceeded = 4,
    /// The thing asked for does not exist.
    NotFound = 5,
    /// The thing to create exists.
    AlreadyExists = 6,
    /// The caller is known and may not do this.
    PermissionDenied = 7,
    /// A quota or a resource is used up.
    ResourceExhausted = 8,
    /// The system is not in the state the call needs.
    FailedPrecondition = 9,
    /// The call collided with another one.
    Aborted = 10,
    /// An argument is beyond the valid range in the present state.
    OutOfRange = 11,
    /// The server does not have this method.
    Unimplemented = 12,
    /// An invariant of the system is broken.
    Internal = 13,
    /// The service cannot be reached at present.
    Unavailable = 14,
    /// Data is lost or damaged beyond repair.
    DataLoss = 15,
    /// The caller is not known.
    Unauthenticated = 16,
}

impl Code {
    /// All codes, in the order of their numbers.
    pub const ALL: [Code; 17] = [
        Code::Ok,
        Code::Cancelled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
    ];

    /// The code of a number; a number above 16 is [`Code::Unknown`].
    pub fn from_u32(number: u32) -> Code {
        let known = usize::try_from(number).ok().and_then(|n| Code::ALL.get(n));
        known.copied().unwrap_or(Code::Unknown)
    }

    /// The number on the wire, 0 to 16.
    pub const fn as_u32(self) -> u32 {
        self as u32
    }

    /// The name in capitals, such as `UNAVAILABLE`.
    pub const fn name(self) -> &'static str {
        match self {
            Code::Ok => "OK",
            Code::Cancelled => "CANCELLED",
            Code::Unknown => "UNKNOWN",
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::Aborted => "ABORTED",
            Code::OutOfRange => "OUT_OF_RANGE",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
            Code::Unavailable => "UNAVAILABLE",
            Code::DataLoss => "DATA_LOSS",
            Code::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    /// The code with this [`name`](Code::name), as documents write it.
    pub fn from_name(name: &str) -> Option<Code> {
        Code::ALL.into_iter().find(|code| code.name() == name)
    }

    /// The word for this code in Envoy's `retry_on`, for the five codes that have one (Envoy, "Router",
    /// `x-envoy-retry-grpc-on`).
    pub const fn envoy_retry_word(self) -> Option<&'static str> {
        match self {
            Code::Cancelled => Some("cancelled"),
            Code::DeadlineExceeded => Some("deadline-exceeded"),
            Code::Internal => Some("internal"),
            Code::ResourceExhausted => Some("resource-exhausted"),
            Code::Unavailable => Some("unavailable"),
            Code::Ok
            | Code::Unknown
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss
            | Code::Unauthenticated => None,
        }
    }

    /// The code with this [`envoy_retry_word`](Code::envoy_retry_word).
    pub fn from_envoy_retry_word(word: &str) -> Option<Code> {
        let has_word = |code: &Code| code.envoy_retry_word() == Some(word);
        Code::ALL.into_iter().find(has_word)
    }

    /// The code in a `grpc-status` value. Only the canonical decimal form counts: an empty
    /// value, a sign, a leading zero or a number above 16 is [`Code::Unknown`], never a success.
    pub fn parse(value: &[u8]) -> Code {
        match *value {
            [digit @ b'0'..=b'9'] => Code::from_u32(u32::from(digit - b'0')),
            [b'1', digit @ b'0'..=b'9'] => Code::from_u32(10 + u32::from(digit - b'0')),
            _ => Code::Unknown,
        }
    }

    /// What the HTTP status of an answer without `grpc-status` means to a gRPC caller.
    pub const fn from_http(status: u16) -> Code {
        match status {
            400 => Code::Internal,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::Unimplemented,
            429 | 502 | 503 | 504 => Code::Unavailable,
            _ => Code::Unknown,
        }
    }
}

/// A set of codes in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CodeSet(u32);

impl CodeSet {
    /// No code at all.
    pub const EMPTY: CodeSet = CodeSet(0);

    /// This set and `code`.
    pub const fn with(self, code: Code) -> CodeSet {
        CodeSet(self.0 | 1 << code.as_u32())
    }

    /// Is `code` in the set?
    pub const fn contains(self, code: Code) -> bool {
        self.0 & 1 << code.as_u32() != 0
    }
}

impl FromIterator<Code> for CodeSet {
    fn from_iter<I: IntoIterator<Item = Code>>(codes: I) -> CodeSet {
        codes.into_iter().fold(CodeSet::EMPTY, CodeSet::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_its_number_its_name_and_its_wire_form() {
        for (number, code) in (0..).zip(Code::ALL) {
            assert_eq!(code.as_u32(), number);
            assert_eq!(Code::from_u32(number), code);
            assert_eq!(Code::parse(number.to_string().as_bytes()), code);
            assert_eq!(Code::from_name(code.name()), Some(code));
            let word = code.envoy_retry_word();
            assert!(word.is_none_or(|word| Code::from_envoy_retry_word(word) == Some(code)));
        }
    }

    #[test]
    fn anything_but_a_canonical_number_is_unknown() {
        for value in [
            "",
            "00",
            "01",
            "-1",
            "+0",
            " 0",
            "0 ",
            "17",
            "99",
            "100",
            "OK",
            "4294967296",
        ] {
            assert_eq!(Code::parse(value.as_bytes()), Code::Unknown, "{value:?}");
        }
        assert_eq!(Code::from_u32(17), Code::Unknown);
        assert_eq!(Code::from_u32(u32::MAX), Code::Unknown);
        assert_eq!(Code::from_name("unavailable"), None);
    }

    #[test]
    fn http_statuses_map_as_grpc_says() {
        let cases = [
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (429, Code::Unavailable),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
            (200, Code::Unknown),
            (301, Code::Unknown),
            (418, Code::Unknown),
            (500, Code::Unknown),
        ];
        for (status, code) in cases {
            assert_eq!(Code::from_http(status), code, "{status}");
        }
    }

    #[test]
    fn a_set_holds_exactly_its_codes() {
        let set: CodeSet = [Code::Unavailable, Code::Ok].into_iter().collect();
        for code in Code::ALL {
            assert_eq!(
                set.contains(code),
                code == Code::Ok || code == Code::Unavailable
            );
        }
        assert_eq!(set, CodeSet::EMPTY.with(Code::Ok).with(Code::Unavailable));
    }
}
