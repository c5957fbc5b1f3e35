//! The Huffman code of RFC 7541 appendix B.
//!
//! The code is canonical (codes of one length follow each other in symbol order, shorter
//! codes first), so its lengths say everything; codes and decoding tables are worked out from
//! them at compile time. Symbols of up to eight bits, which is nearly all text in headers,
//! decode with one look-up.

/// The end-of-string symbol; only its first bits occur, as padding.
const EOS: usize = 256;
/// Bits of the shortest and the longest code.
const BITS_MIN: usize = 5;
const BITS_MAX: usize = 30;

/// Bits of each symbol's code.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// Codes, symbols in code order, and where each length begins.
struct Canonical {
    /// Code of each symbol, right-aligned.
    codes: [u32; 257],
    /// Symbols from the shortest code to the longest.
    symbols: [u16; 257],
    /// For each length: the first code (right-aligned) and how many symbols are shorter.
    firsts: [(u32, u32); BITS_MAX + 1],
    /// For each length: the first longer code, left-aligned in 32 bits; 2^32 at the end.
    limits: [u64; BITS_MAX + 1],
}

const CANONICAL: Canonical = canonical();

const fn canonical() -> Canonical {
    let mut made = Canonical {
        codes: [0; 257],
        symbols: [0; 257],
        firsts: [(0, 0); BITS_MAX + 1],
        limits: [0; BITS_MAX + 1],
    };
    let (mut code, mut rank, mut length) = (0_u32, 0, 1);
    while length <= BITS_MAX {
        made.firsts[length] = (code, rank);
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                made.codes[symbol] = code;
                made.symbols[rank as usize] = symbol as u16;
                code += 1;
                rank += 1;
            }
            symbol += 1;
        }
        made.limits[length] = (code as u64) << (32 - length);
        code <<= 1;
        length += 1;
    }
    made
}

/// For each first octet: symbol and length of the code it begins with; length 0 when that
/// code is longer than the octet.
static SHORT: [(u8, u8); 256] = short();

const fn short() -> [(u8, u8); 256] {
    let mut table = [(0, 0); 256];
    let mut symbol = 0;
    while symbol < EOS {
        let length = LENGTHS[symbol];
        if length <= 8 {
            let first = CANONICAL.codes[symbol] << (8 - length);
            let mut low = 0;
            while low < 1 << (8 - length) {
                table[(first + low) as usize] = (symbol as u8, length);
                low += 1;
            }
        }
        symbol += 1;
    }
    table
}

static TABLES: Canonical = CANONICAL;

/// Appends what `input` stands for. `None`: padding is longer than seven bits or not all ones,
/// or the end-of-string symbol occurs (RFC 7541 5.2).
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.reserve(input.len() * 8 / BITS_MIN);
    let mut rest = input;
    // The first `bits` bits of `word` are unread; below them is what follows them in `rest`,
    // or zeros.
    let (mut word, mut bits) = (0_u64, 0_u32);
    loop {
        (word, bits) = refill(&mut rest, word, bits);
        if bits < 32 {
            break;
        }
        // No code is cut here: none is longer than 30 bits.
        while bits >= 32 {
            let (symbol, length) = first_symbol(word)?;
            out.push(symbol);
            word <<= length;
            bits -= length;
        }
    }
    loop {
        let (symbol, length) = first_symbol(word)?;
        if length > bits {
            return is_padding(word, bits).then_some(());
        }
        out.push(symbol);
        word <<= length;
        bits -= length;
    }
}

/// More than 32 bits, unless `rest` is used up. Eight octets at once where there are so many.
fn refill(rest: &mut &[u8], mut word: u64, mut bits: u32) -> (u64, u32) {
    if let Some(&octets) = rest.first_chunk() {
        let taken = (63 - bits) / 8;
        *rest = &rest[taken as usize..];
        return (word | u64::from_be_bytes(octets) >> bits, bits + taken * 8);
    }
    while bits <= 56
        && let Some((&octet, later)) = rest.split_first()
    {
        word |= u64::from(octet) << (56 - bits);
        bits += 8;
        *rest = later;
    }
    (word, bits)
}

fn first_symbol(word: u64) -> Option<(u8, u32)> {
    let (symbol, length) = SHORT[(word >> 56) as usize];
    if length > 0 {
        Some((symbol, u32::from(length)))
    } else {
        decode_long((word >> 32) as u32)
    }
}

/// Symbol and length of the code that `bits` begins with, longer than eight bits. `None` for
/// end of string, whose thirty ones can only come from the input: missing bits are zeros.
fn decode_long(bits: u32) -> Option<(u8, u32)> {
    let length = (9..=BITS_MAX).find(|&length| u64::from(bits) < TABLES.limits[length])?;
    let (first, rank) = TABLES.firsts[length];
    let at = rank + ((bits >> (32 - length)) - first);
    match TABLES
        .symbols
        .get(at as usize)
        .map(|&symbol| usize::from(symbol))
    {
        Some(symbol) if symbol < EOS => Some((symbol as u8, length as u32)),
        Some(_) | None => None,
    }
}

fn is_padding(word: u64, bits: u32) -> bool {
    bits < 8 && word.leading_ones() >= bits
}

/// Octets that `input` takes when encoded.
pub(super) fn encoded_len(input: &[u8]) -> usize {
    let bits: usize = input
        .iter()
        .map(|&octet| usize::from(LENGTHS_OF[usize::from(octet)]))
        .sum();
    bits.div_ceil(8)
}

static LENGTHS_OF: [u8; 257] = LENGTHS;

/// Appends `input` encoded, padded with ones.
pub(super) fn encode(input: &[u8], out: &mut Vec<u8>) {
    // The low `bits` bits of `word` are not written yet; always fewer than 8 between symbols.
    let (mut word, mut bits) = (0_u64, 0_u32);
    for &octet in input {
        let length = u32::from(LENGTHS_OF[usize::from(octet)]);
        word = word << length | u64::from(TABLES.codes[usize::from(octet)]);
        bits += length;
        while bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
        }
    }
    if bits > 0 {
        out.push((word << (8 - bits)) as u8 | 0xff >> bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(input: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(input, &mut out).map(|()| out)
    }

    #[test]
    fn codes_match_samples_of_appendix_b() {
        for (symbol, code) in [
            (b'0', 0),
            (b'a', 3),
            (b'z', 0x7b),
            (b'X', 0xfc),
            (0, 0x1ff8),
            (22, 0x3fff_fffe),
        ] {
            assert_eq!(TABLES.codes[usize::from(symbol)], code, "{symbol}");
        }
        assert_eq!(TABLES.codes[EOS], 0x3fff_ffff);
    }

    #[test]
    fn refuses_bad_padding_and_end_of_string() {
        assert_eq!(decoded(&[0b0001_1111]), Some(b"a".to_vec()));
        assert_eq!(decoded(&[0b0001_1110]), None, "padding with a zero");
        assert_eq!(
            decoded(&[0b0001_1111, 0xff]),
            None,
            "eight bits of padding and more"
        );
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), None, "end of string");
        assert_eq!(decoded(&[0xff]), None, "nothing but padding");
        assert_eq!(decoded(&[]), Some(vec![]));
    }

    proptest! {
        #[test]
        fn any_octets_come_back(input: Vec<u8>) {
            let mut encoded = Vec::new();
            encode(&input, &mut encoded);
            prop_assert_eq!(encoded.len(), encoded_len(&input));
            prop_assert_eq!(decoded(&encoded), Some(input));
        }

        #[test]
        fn any_noise_is_taken_or_refused(input: Vec<u8>) {
            if let Some(out) = decoded(&input) {
                let mut encoded = Vec::new();
                encode(&out, &mut encoded);
                prop_assert_eq!(encoded, input, "one text has one code");
            }
        }
    }
}
