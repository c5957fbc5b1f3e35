//! W3C trace context: read a `traceparent`, continue it, or begin one; and request ids.
//!
//! Source: W3C Trace Context (Recommendation 2021), section 3.2. `tracestate` and the decision
//! whether to sample are not known here.

/// Octets of a version 00 `traceparent`.
const TRACEPARENT_OCTETS: usize = 55;
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Where a call stands in a trace. Neither id is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`. `None` means that it must be ignored and a new trace begun:
    /// upper-case digits, a zero id, version `ff`, or a wrong length. A version above 00 is
    /// read as far as version 00 goes, if what follows is separated by a dash.
    pub fn parse(value: &[u8]) -> Option<TraceContext> {
        let (head, tail) = value.split_at_checked(TRACEPARENT_OCTETS)?;
        let (version, fields) = head.split_at_checked(3)?;
        let version = hex::<1>(version.strip_suffix(b"-")?)?;
        let tail_fits = tail.is_empty() || (version != [0] && tail.first() == Some(&b'-'));
        if version == [0xff] || !tail_fits {
            return None;
        }
        let (trace_id, fields) = fields.split_at_checked(33)?;
        let (span_id, flags) = fields.split_at_checked(17)?;
        let trace_id = hex::<16>(trace_id.strip_suffix(b"-")?)?;
        let span_id = hex::<8>(span_id.strip_suffix(b"-")?)?;
        let [flags] = hex::<1>(flags)?;
        let is_zero = trace_id == [0; 16] || span_id == [0; 8];
        (!is_zero).then_some(TraceContext {
            trace_id,
            span_id,
            sampled: flags & 1 == 1,
        })
    }

    /// Begins a trace from random numbers; a zero becomes one.
    pub fn root(random_trace_id: u128, random_span_id: u64, sampled: bool) -> TraceContext {
        TraceContext {
            trace_id: random_trace_id.max(1).to_be_bytes(),
            span_id: random_span_id.max(1).to_be_bytes(),
            sampled,
        }
    }

    /// The same trace, one span deeper.
    pub fn child(self, random_span_id: u64) -> TraceContext {
        TraceContext {
            span_id: random_span_id.max(1).to_be_bytes(),
            ..self
        }
    }

    /// The trace.
    pub const fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The span.
    pub const fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// Does the caller record this trace?
    pub const fn sampled(&self) -> bool {
        self.sampled
    }

    /// The `traceparent` of version 00.
    pub fn format(&self) -> [u8; TRACEPARENT_OCTETS] {
        let mut text = [b'-'; TRACEPARENT_OCTETS];
        let flags = [u8::from(self.sampled)];
        write_hex(&mut text, 0, &[0]);
        write_hex(&mut text, 3, &self.trace_id);
        write_hex(&mut text, 36, &self.span_id);
        write_hex(&mut text, 53, &flags);
        text
    }
}

/// A random UUID (version 4, RFC 9562 5.4) as text, for `x-request-id`.
pub fn request_id(random: u128) -> [u8; 36] {
    const VERSION_MASK: u128 = 0xf << 76;
    const VERSION_4: u128 = 0x4 << 76;
    const VARIANT_MASK: u128 = 0b11 << 62;
    const VARIANT_RFC: u128 = 0b10 << 62;
    let octets = (random & !VERSION_MASK & !VARIANT_MASK | VERSION_4 | VARIANT_RFC).to_be_bytes();
    let mut text = [b'-'; 36];
    write_hex(&mut text, 0, &octets[..4]);
    write_hex(&mut text, 9, &octets[4..6]);
    write_hex(&mut text, 14, &octets[6..8]);
    write_hex(&mut text, 19, &octets[8..10]);
    write_hex(&mut text, 24, &octets[10..]);
    text
}

/// Writes `octets` as lower-case digits into `text` from `start`.
fn write_hex(text: &mut [u8], start: usize, octets: &[u8]) {
    let places = text.iter_mut().skip(start);
    let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 0xf]);
    for (place, digit) in places.zip(digits) {
        *place = HEX_DIGITS[usize::from(digit)];
    }
}

/// Reads exactly `N` octets of lower-case digits.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut octets = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
        *octet = pair
            .iter()
            .try_fold(0, |sum, digit| Some(sum << 4 | hex_digit(*digit)?))?;
    }
    Some(octets)
}

const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
