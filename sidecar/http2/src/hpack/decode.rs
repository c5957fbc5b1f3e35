//! Field blocks to field lists (RFC 7541 3, 6).
//!
//! Octets are judged here as well, because an entry of the table is judged once for all its uses;
//! white space at the ends of a value is stripped here, because the table keeps what was sent.
//! A list is counted while it is decoded: over a limit, fields are decoded on for the table's
//! sake but no longer kept; over four times a limit, decoding stops and the connection with it.

use super::dynamic_table::DynamicTable;
use super::{huffman, integer, static_table};
use crate::Malformed;
use crate::fields::{Field, Fields};
use crate::octets::{self, Octets};

/// Limits on one list; see `Config` for the reasons.
#[derive(Copy, Clone)]
pub(crate) struct ListLimits {
    pub(crate) bytes: u64,
    pub(crate) fields: u64,
}

/// Beyond this many times a limit the connection fails.
const HARD_FACTOR: u64 = 4;

/// A decoded list and its whole size, kept or not.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) fields: Fields,
    pub(crate) bytes: u64,
    pub(crate) count: u64,
    /// All fields were kept.
    pub(crate) is_whole: bool,
    pub(crate) flaws: Flaws,
}

/// What is wrong with the octets of a list, kept or not.
#[derive(Debug, Default)]
pub(crate) struct Flaws {
    /// Values that had white space at an end, which was stripped: RFC 9113 8.2.1 calls it malformed,
    /// stock gRPC libraries send it, and gRPC over HTTP/2 ("Custom-Metadata") lets it be stripped.
    pub(crate) stripped: u64,
    /// The first field that no field may be.
    forbidden: Option<Malformed>,
}

impl Flaws {
    fn note(&mut self, field: Field<'_>, octets: Octets) {
        match octets {
            Octets::Good => {}
            Octets::Padded => self.stripped += 1,
            Octets::Forbidden => {
                self.forbidden
                    .get_or_insert_with(|| Malformed::of_octets(field));
            }
        }
    }
}

/// The connection cannot go on.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum DecodeError {
    /// COMPRESSION_ERROR: which rule of RFC 7541 was broken.
    Compression(&'static str),
    /// More than four times a limit.
    WayTooLarge,
}

pub(crate) struct Decoder {
    table: DynamicTable,
    /// What we announced: the peer may use less, never more.
    table_bytes_max: usize,
    limits: ListLimits,
}

impl Decoder {
    pub(crate) fn new(table_bytes_max: usize, limits: ListLimits) -> Decoder {
        // The peer starts from the protocol's 4,096 and must say so to use more.
        Decoder {
            table: DynamicTable::new(4_096.min(table_bytes_max)),
            table_bytes_max,
            limits,
        }
    }

    /// Decodes a whole field block.
    pub(crate) fn decode(&mut self, block: &[u8]) -> Result<Decoded, DecodeError> {
        let mut input = block;
        self.take_size_updates(&mut input)?;
        let mut list = Decoded {
            fields: Fields::new(),
            bytes: 0,
            count: 0,
            is_whole: true,
            flaws: Flaws::default(),
        };
        while let Some(&first) = input.first() {
            match first {
                0x80.. => self.take_indexed(&mut input, &mut list)?,
                0x40..0x80 => self.take_literal(&mut input, &mut list, Kind::Indexing)?,
                0x20..0x40 => {
                    return Err(DecodeError::Compression("table size update behind a field"));
                }
                0x10..0x20 => self.take_literal(&mut input, &mut list, Kind::NeverIndexed)?,
                0x00..0x10 => self.take_literal(&mut input, &mut list, Kind::NotIndexed)?,
            }
        }
        Ok(list)
    }

    fn take_size_updates(&mut self, input: &mut &[u8]) -> Result<(), DecodeError> {
        while let Some(0x20..0x40) = input.first() {
            let size =
                integer::decode(input, 5).ok_or(DecodeError::Compression("bad integer"))? as usize;
            if size > self.table_bytes_max {
                return Err(DecodeError::Compression("table size above the announced"));
            }
            self.table.resize(size);
        }
        Ok(())
    }

    fn take_indexed(&self, input: &mut &[u8], list: &mut Decoded) -> Result<(), DecodeError> {
        let index = integer::decode(input, 7).ok_or(DecodeError::Compression("bad integer"))?;
        let Entry { field, octets } = entry(&self.table, index)?;
        list.flaws.note(field, octets);
        if list.count(self.limits, field.size())? {
            let value = match octets {
                Octets::Padded => octets::strip(field.value),
                Octets::Good | Octets::Forbidden => field.value,
            };
            list.fields.push(Field { value, ..field });
        }
        Ok(())
    }

    /// A literal is decoded to the end of the list's buffer, counted, and cut off again if it
    /// is not to be kept.
    fn take_literal(
        &mut self,
        input: &mut &[u8],
        list: &mut Decoded,
        kind: Kind,
    ) -> Result<(), DecodeError> {
        let index = integer::decode(input, kind.prefix_bits())
            .ok_or(DecodeError::Compression("bad integer"))?;
        let mut draft = list.fields.draft();
        if index == 0 {
            take_string(input, draft.bytes())?;
        } else {
            draft
                .bytes()
                .extend_from_slice(entry(&self.table, index)?.field.name);
        }
        draft.end_name();
        take_string(input, draft.bytes())?;
        let (name, value) = draft.parts();
        let field = Field::new(name, value);
        let (size, octets) = (field.size(), octets::classify(field));
        if kind == Kind::Indexing {
            self.table.insert(field, octets);
        }
        list.flaws.note(field, octets);
        if octets == Octets::Padded {
            draft.strip_value();
        }
        let place = draft.place(kind == Kind::NeverIndexed);
        if list.count(self.limits, size)? {
            list.fields.keep(place);
        } else {
            list.fields.cut(place);
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> &DynamicTable {
        &self.table
    }
}

impl Decoded {
    /// # Errors
    /// The list is malformed: a name or value has a forbidden octet. Said once.
    pub(crate) fn check_octets(&mut self) -> Result<(), Malformed> {
        self.flaws.forbidden.take().map_or(Ok(()), Err)
    }

    /// Counts a field of `size`. True: keep it.
    fn count(&mut self, limits: ListLimits, size: usize) -> Result<bool, DecodeError> {
        self.bytes += size as u64;
        self.count += 1;
        if self.bytes > limits.bytes || self.count > limits.fields {
            self.is_whole = false;
        }
        if self.bytes > HARD_FACTOR * limits.bytes || self.count > HARD_FACTOR * limits.fields {
            return Err(DecodeError::WayTooLarge);
        }
        Ok(self.is_whole)
    }
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum Kind {
    Indexing,
    NotIndexed,
    NeverIndexed,
}

impl Kind {
    fn prefix_bits(self) -> u32 {
        match self {
            Kind::Indexing => 6,
            Kind::NotIndexed | Kind::NeverIndexed => 4,
        }
    }
}

struct Entry<'a> {
    field: Field<'a>,
    octets: Octets,
}

/// The entry of an index over both tables (RFC 7541 2.3.3).
fn entry(table: &DynamicTable, index: u32) -> Result<Entry<'_>, DecodeError> {
    let bad = DecodeError::Compression("no such table entry");
    let at = (index as usize).checked_sub(1).ok_or(bad)?;
    if let Some(&(name, value)) = static_table::ENTRIES.get(at) {
        return Ok(Entry {
            field: Field::new(name, value),
            octets: Octets::Good,
        });
    }
    let age = at - static_table::ENTRIES.len();
    let (name, value) = table.entry(age).ok_or(bad)?;
    Ok(Entry {
        field: Field::new(name, value),
        octets: table.octets(age),
    })
}

fn take_string(input: &mut &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let is_huffman = input.first().is_some_and(|first| first & 0x80 != 0);
    let len = integer::decode(input, 7).ok_or(DecodeError::Compression("bad integer"))?;
    let cut = DecodeError::Compression("string runs over the block's end");
    let (string, rest) = input.split_at_checked(len as usize).ok_or(cut)?;
    *input = rest;
    if is_huffman {
        return huffman::decode(string, out).ok_or(DecodeError::Compression("bad Huffman code"));
    }
    out.extend_from_slice(string);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoder(bytes: u64, fields: u64) -> Decoder {
        Decoder::new(4_096, ListLimits { bytes, fields })
    }

    fn refusal(block: &[u8]) -> DecodeError {
        decoder(1_000, 10).decode(block).unwrap_err()
    }

    #[test]
    fn breaches_are_compression_errors() {
        let cases: [(&str, &[u8]); 8] = [
            ("index 0", &[0x80]),
            ("index beyond both tables", &[0x80 | 62]),
            ("name index beyond both tables", &[0x40 | 62, 0]),
            ("string cut short", &[0x40, 3, b'a']),
            ("no value", &[0x40, 1, b'a']),
            ("size above the announced", &[0x3f, 0xe2, 0x1f]),
            ("size update behind a field", &[0x82, 0x20]),
            ("bad Huffman padding", &[0x40, 0x81, 0b0001_1110, 0]),
        ];
        for (case, block) in cases {
            assert!(
                matches!(refusal(block), DecodeError::Compression(_)),
                "{case}"
            );
        }
    }

    #[test]
    fn fields_over_the_count_are_counted_but_not_kept() {
        let list = decoder(1_000_000, 2).decode(&[0x82; 8]).unwrap();
        assert_eq!(
            (list.fields.len(), list.count, list.is_whole),
            (2, 8, false)
        );
        assert_eq!(
            decoder(1_000_000, 2).decode(&[0x82; 9]).unwrap_err(),
            DecodeError::WayTooLarge
        );
    }

    #[test]
    fn bytes_are_counted_with_32_for_each_field() {
        // ":method: GET" counts 42.
        assert!(decoder(84, 100).decode(&[0x82; 2]).unwrap().is_whole);
        let list = decoder(83, 100).decode(&[0x82; 7]).unwrap();
        assert_eq!((list.fields.len(), list.bytes), (1, 294));
        assert_eq!(
            decoder(83, 100).decode(&[0x82; 8]).unwrap_err(),
            DecodeError::WayTooLarge
        );
    }

    #[test]
    fn a_field_that_is_not_kept_still_enters_the_table() {
        let mut decoder = decoder(60, 100);
        let list = decoder.decode(&[0x82, 0x40, 1, b'a', 1, b'b']).unwrap();
        assert_eq!((list.fields.len(), list.is_whole), (1, false));
        let list = decoder.decode(&[0x80 | 62]).unwrap();
        assert_eq!(list.fields.find(b"a"), Some(&b"b"[..]));
    }

    #[test]
    fn never_indexed_is_told() {
        let list = decoder(1_000, 10)
            .decode(&[0x10, 1, b'a', 1, b'b', 0x00, 1, b'c', 0])
            .unwrap();
        assert_eq!(
            list.fields
                .iter()
                .map(|field| field.sensitive)
                .collect::<Vec<_>>(),
            [true, false]
        );
    }

    #[test]
    fn white_space_at_the_ends_of_a_value_is_stripped_at_every_use() {
        let mut decoder = decoder(1_000, 10);
        let literal = decoder.decode(b"\x40\x01x\x05\t a  ").unwrap();
        let (plain, indexed) = (decoder.decode(b"\x40\x01x\x01a").unwrap(), &[0x80 | 63]);
        let indexed = decoder.decode(indexed).unwrap();
        for (list, stripped) in [(&literal, 1), (&plain, 0), (&indexed, 1)] {
            assert_eq!(list.fields.find(b"x"), Some(&b"a"[..]));
            assert_eq!(list.flaws.stripped, stripped);
        }
        assert_eq!(literal.bytes, 38, "it counts as it was sent");
        assert_eq!(
            decoder.table().size(),
            38 + 34,
            "and is kept so in the table"
        );
    }

    proptest! {
        #[test]
        fn noise_never_panics_and_never_passes_the_limits(block: Vec<u8>) {
            if let Ok(list) = decoder(200, 4).decode(&block) {
                prop_assert!(list.fields.size() <= 200 && list.fields.len() <= 4);
                prop_assert!(list.bytes <= 800 && list.count <= 16);
            }
        }
    }
}
