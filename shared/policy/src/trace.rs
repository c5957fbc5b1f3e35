//! W3C trace context: read a `traceparent`, continue it, or begin one; and request ids.
//!
//! Source: W3C Trace Context (Recommendation 2021), section 3.2. `tracestate` (`tracestate.rs`) and the
//! decision whether to sample (`sampling.rs`) are not known here.

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

    /// The same place in the same trace, recorded or not.
    pub fn with_sampled(self, sampled: bool) -> TraceContext {
        TraceContext { sampled, ..self }
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
    let digits = text.get_mut(start..).unwrap_or_default();
    for (pair, octet) in digits.chunks_exact_mut(2).zip(octets) {
        pair[0] = HEX_DIGITS[usize::from(octet >> 4)];
        pair[1] = HEX_DIGITS[usize::from(octet & 0xf)];
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of the specification, section 3.2.
    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn the_example_of_the_specification_is_read_and_written_back() {
        let context = TraceContext::parse(EXAMPLE.as_bytes()).expect("legal");
        assert_eq!(
            context.trace_id(),
            0x0af7651916cd43dd8448eb211c80319c_u128.to_be_bytes()
        );
        assert_eq!(context.span_id(), 0xb7ad6b7169203331_u64.to_be_bytes());
        assert!(context.sampled());
        assert_eq!(context.format(), EXAMPLE.as_bytes());
    }

    #[test]
    fn accepts_what_it_may_and_ignores_the_rest() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let zeros = "0".repeat(32);
        #[rustfmt::skip] // A table: one case a line.
        let cases = [
            ("not sampled", format!("00-{trace}-b7ad6b7169203331-00"),
                true),
            ("unknown flags", format!("00-{trace}-b7ad6b7169203331-fe"),
                true),
            ("future version", format!("cc-{trace}-b7ad6b7169203331-01"),
                true),
            ("future fields", format!("cc-{trace}-b7ad6b7169203331-01-what"),
                true),
            ("future version, bare dash", format!("cc-{trace}-b7ad6b7169203331-01-"),
                true),
            ("future fields without a dash", format!("cc-{trace}-b7ad6b7169203331-01.x"),
                false),
            ("version 00 with more", format!("00-{trace}-b7ad6b7169203331-01-x"),
                false),
            ("version ff", format!("ff-{trace}-b7ad6b7169203331-01"),
                false),
            ("upper-case trace id", format!("00-{}-b7ad6b7169203331-01", trace.to_uppercase()),
                false),
            ("zero trace id", format!("00-{zeros}-b7ad6b7169203331-01"),
                false),
            ("zero span id", format!("00-{trace}-0000000000000000-01"),
                false),
            ("not hexadecimal", format!("00-{trace}-b7ad6b716920333g-01"),
                false),
            ("wrong separator", format!("00_{trace}-b7ad6b7169203331-01"),
                false),
            ("too short", format!("00-{trace}-b7ad6b7169203331-1"), false),
            ("empty", String::new(), false),
        ];
        for (rule, value, accepted) in cases {
            assert_eq!(
                TraceContext::parse(value.as_bytes()).is_some(),
                accepted,
                "{rule}"
            );
        }
    }

    #[test]
    fn only_the_lowest_flag_is_sampled() {
        let parse = |flags| TraceContext::parse(format!("{}{flags}", &EXAMPLE[..53]).as_bytes());
        assert!(parse("ff").is_some_and(|context| context.sampled()));
        assert!(parse("fe").is_some_and(|context| !context.sampled()));
    }

    #[test]
    fn a_child_keeps_the_trace_and_a_zero_id_is_never_made() {
        let parent = TraceContext::parse(EXAMPLE.as_bytes()).expect("legal");
        let child = parent.child(7);
        assert_eq!(
            (child.trace_id(), child.sampled()),
            (parent.trace_id(), true)
        );
        assert_eq!(child.span_id(), 7_u64.to_be_bytes());
        let least = TraceContext::root(0, 0, false).child(0);
        assert_eq!(TraceContext::parse(&least.format()), Some(least));
    }

    #[test]
    fn a_request_id_is_a_uuid_of_version_4() {
        assert_eq!(&request_id(0), b"00000000-0000-4000-8000-000000000000");
        assert_eq!(
            &request_id(u128::MAX),
            b"ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(trace: u128, span: u64, sampled: bool) {
            let context = TraceContext::root(trace, span, sampled);
            prop_assert_eq!(TraceContext::parse(&context.format()), Some(context));
        }

        #[test]
        fn no_octets_make_it_panic(value in proptest::collection::vec(any::<u8>(), 0..70)) {
            prop_assert_eq!(TraceContext::parse(&value), None);
        }
    }
}
