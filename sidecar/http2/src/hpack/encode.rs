//! Field lists to field blocks (RFC 7541 6).
//!
//! Decides which fields are worth a place in the peer's table. What differs in every message
//! (trace ids, deadlines, lengths) is sent literally behind its name's index, secrets are never
//! indexed, all else is indexed when small enough. Huffman code is for what is indexed: there it is
//! paid once.

use super::dynamic_table::DynamicTable;
use super::index::Index;
use super::static_table::{self, Habit, Known};
use super::{huffman, integer};
use crate::fields::Field;
use crate::octets::Octets;

/// Largest table used, whatever the peer allows. Bytes: the protocol's default.
const TABLE_BYTES_MAX: usize = 4_096;

/// A field above this share of the table evicts more than it saves.
const ENTRY_SHARE_MAX: usize = 4;

pub(crate) struct Encoder {
    table: DynamicTable,
    /// Insertions so far: the newest entry's serial number. Entry of age `a` is `inserted - a`.
    inserted: u32,
    by_name: Index,
    by_field: Index,
    /// The smallest size since the last block, if the size changed (RFC 7541 4.2).
    resized_to: Option<usize>,
}

impl Encoder {
    pub(crate) fn new() -> Encoder {
        Encoder {
            table: DynamicTable::new(TABLE_BYTES_MAX),
            inserted: 0,
            by_name: Index::new(),
            by_field: Index::new(),
            resized_to: None,
        }
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE. Told to its decoder with the next block.
    pub(crate) fn resize(&mut self, bytes_max: u32) {
        let size = TABLE_BYTES_MAX.min(bytes_max as usize);
        if size == self.table.size_max() {
            return;
        }
        self.table.resize(size);
        self.resized_to = Some(self.resized_to.map_or(size, |smallest| smallest.min(size)));
    }

    /// Appends the block of `fields`.
    pub(crate) fn encode<'a>(
        &mut self,
        fields: impl IntoIterator<Item = Field<'a>>,
        out: &mut Vec<u8>,
    ) {
        self.put_size_updates(out);
        for field in fields {
            self.put(field, out);
        }
    }

    fn put_size_updates(&mut self, out: &mut Vec<u8>) {
        let Some(smallest) = self.resized_to.take() else {
            return;
        };
        if smallest < self.table.size_max() {
            integer::encode(out, 0x20, 5, smallest);
        }
        integer::encode(out, 0x20, 5, self.table.size_max());
    }

    fn put(&mut self, field: Field<'_>, out: &mut Vec<u8>) {
        let known = static_table::known(field.name);
        if let Some(index) = static_match(&known, field.value) {
            return integer::encode(out, 0x80, 7, index);
        }
        if field.sensitive || known.habit == Habit::Secret {
            let name_index = self.name_index(&known, field.name);
            return put_literal(out, Literal::NeverIndexed, name_index, field);
        }
        if known.habit == Habit::Varies || differs_by_nature(field) {
            return self.put_varying(&known, field, out);
        }
        let field_hash = hash(hash(0, field.name), field.value);
        if let Some(index) = self.find(field, field_hash) {
            return integer::encode(out, 0x80, 7, index);
        }
        let name_index = self.name_index(&known, field.name);
        if self.is_worth_a_place(field) {
            self.put_indexed(name_index, field, out);
        } else {
            put_literal(out, Literal::NotIndexed, name_index, field);
        }
    }

    /// The first one takes a place for its name's sake; those behind it refer to the name.
    fn put_varying(&mut self, known: &Known, field: Field<'_>, out: &mut Vec<u8>) {
        let name_index = self.name_index(known, field.name);
        if name_index == 0 && self.is_worth_a_place(field) {
            self.put_indexed(name_index, field, out);
        } else {
            put_literal(out, Literal::NotIndexed, name_index, field);
        }
    }

    fn put_indexed(&mut self, name_index: usize, field: Field<'_>, out: &mut Vec<u8>) {
        put_literal(out, Literal::Indexing, name_index, field);
        self.table.insert(field, Octets::Good);
        self.inserted = self.inserted.wrapping_add(1);
        let oldest = self
            .inserted
            .saturating_sub(self.table.len() as u32)
            .saturating_add(1);
        let name = hash(0, field.name);
        self.by_name.note(name, self.inserted, oldest);
        self.by_field
            .note(hash(name, field.value), self.inserted, oldest);
    }

    fn is_worth_a_place(&self, field: Field<'_>) -> bool {
        field.size() <= self.table.size_max() / ENTRY_SHARE_MAX
    }

    fn find(&self, field: Field<'_>, hash: u32) -> Option<usize> {
        let age = self.age(self.by_field.find(hash)?);
        let is_it = self.table.entry(age) == Some((field.name, field.value));
        is_it.then(|| table_index(age))
    }

    /// Index of an entry with this name, 0 if there is none.
    fn name_index(&self, known: &Known, name: &[u8]) -> usize {
        if known.index > 0 {
            return usize::from(known.index);
        }
        let age = self
            .by_name
            .find(hash(0, name))
            .map(|serial| self.age(serial));
        let is_it = |age: &usize| {
            self.table
                .entry(*age)
                .is_some_and(|(entry, _)| entry == name)
        };
        age.filter(is_it).map_or(0, table_index)
    }

    /// How many entries are newer.
    fn age(&self, serial: u32) -> usize {
        self.inserted.wrapping_sub(serial) as usize
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> &DynamicTable {
        &self.table
    }
}

/// RFC 7541 2.3.3: the dynamic table follows the static one, newest first.
fn table_index(age: usize) -> usize {
    static_table::ENTRIES.len() + 1 + age
}

/// Binary metadata, and paths with a query: rarely the same twice.
fn differs_by_nature(field: Field<'_>) -> bool {
    field.name.ends_with(b"-bin") || (field.name == b":path" && field.value.contains(&b'?'))
}

fn static_match(known: &Known, value: &[u8]) -> Option<usize> {
    let first = usize::from(known.index);
    (first..first + usize::from(known.values))
        .find(|&index| static_table::ENTRIES[index - 1].1 == value)
}

#[derive(Copy, Clone)]
enum Literal {
    Indexing,
    NotIndexed,
    NeverIndexed,
}

fn put_literal(out: &mut Vec<u8>, literal: Literal, name_index: usize, field: Field<'_>) {
    match literal {
        Literal::Indexing => integer::encode(out, 0x40, 6, name_index),
        Literal::NotIndexed => integer::encode(out, 0x00, 4, name_index),
        Literal::NeverIndexed => integer::encode(out, 0x10, 4, name_index),
    }
    if name_index == 0 {
        put_string(out, field.name);
    }
    match literal {
        Literal::Indexing => put_string(out, field.value),
        // Sent in every message, so the code would be worked out in every message, here and at
        // the peer: 2,600 instructions for a traceparent, to save 18 octets.
        Literal::NotIndexed | Literal::NeverIndexed => put_plain(out, field.value),
    }
}

fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    let huffman_len = huffman::encoded_len(string);
    if huffman_len < string.len() {
        integer::encode(out, 0x80, 7, huffman_len);
        huffman::encode(string, out);
    } else {
        put_plain(out, string);
    }
}

fn put_plain(out: &mut Vec<u8>, string: &[u8]) {
    integer::encode(out, 0x00, 7, string.len());
    out.extend_from_slice(string);
}

/// A quick hash, the same in every process: a hit is always compared in full, so a
/// collision costs time for the one who made it and nothing else.
fn hash(seed: u32, bytes: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = u64::from(seed) ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = (state.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
    }
    let tail = rest
        .iter()
        .fold(0, |tail, &octet| tail << 8 | u64::from(octet));
    state = (state.rotate_left(5) ^ tail).wrapping_mul(FACTOR);
    (state >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::super::decode::{Decoder, ListLimits};
    use super::*;
    use crate::fields::Fields;
    use proptest::prelude::*;

    fn field(name: &'static str, value: &'static str) -> Field<'static> {
        Field::new(name.as_bytes(), value.as_bytes())
    }

    fn encoded(encoder: &mut Encoder, fields: &[Field<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.encode(fields.iter().copied(), &mut out);
        out
    }

    #[test]
    fn a_repeated_field_takes_one_octet_the_second_time() {
        let mut encoder = Encoder::new();
        let call = [field(":path", "/bench.Echo/Unary"), field("te", "trailers")];
        assert!(encoded(&mut encoder, &call).len() > 20);
        assert_eq!(encoded(&mut encoder, &call), [0x80 | 63, 0x80 | 62]);
    }

    #[test]
    fn what_differs_in_every_message_takes_one_place_for_its_name() {
        let mut encoder = Encoder::new();
        for name in ["traceparent", "x-request-id", "grpc-timeout", "my-bin"] {
            let first = encoded(&mut encoder, &[field(name, "1")]).len();
            let second = encoded(&mut encoder, &[field(name, "2")]).len();
            assert!(second <= 4 && first > second, "{name}");
        }
        assert_eq!(encoder.table().len(), 4);
        for name in ["content-length", "date"] {
            encoded(&mut encoder, &[field(name, "value")]);
        }
        encoded(&mut encoder, &[field(":path", "/search?q=1")]);
        assert_eq!(
            encoder.table().len(),
            4,
            "these names are in the static table"
        );
    }

    #[test]
    fn secrets_are_sent_never_indexed() {
        let mut encoder = Encoder::new();
        let marked = Field {
            sensitive: true,
            ..field("x", "y")
        };
        for secret in [field("authorization", "a"), field("cookie", "b"), marked] {
            assert_eq!(encoded(&mut encoder, &[secret])[0] & 0xf0, 0x10);
        }
        assert_eq!(encoder.table().len(), 0);
    }

    #[test]
    fn a_smaller_table_is_told_before_the_next_field() {
        let mut encoder = Encoder::new();
        encoded(&mut encoder, &[field("a", "b")]);
        encoder.resize(0);
        encoder.resize(100);
        assert_eq!(encoder.table().len(), 0);
        assert_eq!(encoded(&mut encoder, &[])[..], [0x20, 0x3f, 69]);
        assert!(encoded(&mut encoder, &[]).is_empty(), "told once");
    }

    fn any_field() -> impl Strategy<Value = (usize, String, String, bool)> {
        (0..8_usize, "[a-c:]{0,3}", "[a-d]{0,40}", any::<bool>())
    }

    proptest! {
        #[test]
        fn lists_come_back_whatever_the_table_sizes(
            lists in prop::collection::vec((prop::option::of(0..5_000_u32), prop::collection::vec(any_field(), 0..12)), 0..20)
        ) {
            let mut encoder = Encoder::new();
            let mut decoder = Decoder::new(4_096, ListLimits { bytes: 100_000, fields: 100 });
            for (resize, list) in &lists {
                resize.iter().for_each(|&size| encoder.resize(size));
                let fields: Fields = list.iter().map(|(known, name, value, sensitive)| {
                    let known = [":path", ":method", "traceparent", "content-type", "te"].get(*known);
                    let name = known.map_or(name.as_bytes(), |name| name.as_bytes());
                    Field { name, value: value.as_bytes(), sensitive: *sensitive }
                }).collect();
                let mut block = Vec::new();
                encoder.encode(&fields, &mut block);
                let decoded = decoder.decode(&block).unwrap().fields;
                prop_assert!(decoded.iter().zip(&fields).all(|(a, b)| (a.name, a.value) == (b.name, b.value)));
                prop_assert_eq!(decoded.len(), fields.len());
                prop_assert_eq!(encoder.table().size(), decoder.table().size());
            }
        }
    }
}
