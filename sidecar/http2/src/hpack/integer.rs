//! Integers with a prefix (RFC 7541 5.1).

/// Largest number taken. Table sizes and string lengths above it have no use here; the
/// octets of one number are bounded by it.
const VALUE_MAX: u32 = (1 << 28) - 1;

/// Takes a number whose first `prefix_bits` (1..=8) are the low bits of the first octet.
/// `None`: cut short, or above [`VALUE_MAX`].
pub(super) fn decode(input: &mut &[u8], prefix_bits: u32) -> Option<u32> {
    let (&first, mut rest) = input.split_first()?;
    let prefix_max = u32::from(u8::MAX) >> (8 - prefix_bits);
    let mut value = u32::from(first) & prefix_max;
    if value == prefix_max {
        value = decode_rest(&mut rest, value)?;
    }
    *input = rest;
    Some(value)
}

fn decode_rest(input: &mut &[u8], prefix: u32) -> Option<u32> {
    let mut value = prefix;
    for shift in [0, 7, 14, 21] {
        let (&octet, rest) = input.split_first()?;
        *input = rest;
        value += u32::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return (value <= VALUE_MAX).then_some(value);
        }
    }
    None
}

/// Appends `value` with `flags` in the bits above the prefix. Inlined: nearly every number is one octet.
#[inline(always)]
pub(super) fn encode(out: &mut Vec<u8>, flags: u8, prefix_bits: u32, value: usize) {
    let prefix_max = usize::from(u8::MAX >> (8 - prefix_bits));
    if value < prefix_max {
        out.push(flags | value as u8);
        return;
    }
    out.push(flags | prefix_max as u8);
    encode_rest(out, value - prefix_max);
}

fn encode_rest(out: &mut Vec<u8>, mut left: usize) {
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_examples_of_appendix_c_1() {
        for (value, prefix_bits, octets) in [
            (10, 5, &[0b01010][..]),
            (1337, 5, &[0b11111, 0b1001_1010, 0b1010]),
            (42, 8, &[0b10_1010]),
        ] {
            let mut out = Vec::new();
            encode(&mut out, 0, prefix_bits, value as usize);
            assert_eq!(out, octets);
            assert_eq!(decode(&mut &out[..], prefix_bits), Some(value));
        }
    }

    #[test]
    fn refuses_what_is_cut_short_or_endless() {
        assert_eq!(decode(&mut &[][..], 5), None);
        assert_eq!(decode(&mut &[31, 0x80][..], 5), None);
        assert_eq!(decode(&mut &[31, 0x80, 0x80, 0x80, 0x80, 0][..], 5), None);
        assert_eq!(decode(&mut &[31, 0xff, 0xff, 0xff, 0x7f][..], 5), None);
    }
}
