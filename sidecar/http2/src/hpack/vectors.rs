//! The public HPACK test cases of http2jp, all of them: origin and licence in
//! `tests/vectors/pack.py`.

use super::decode::{Decoder, ListLimits};
use super::encode::Encoder;
use crate::fields::{Field, Fields};
use crate::octets;
use stories::{List, Stories};

#[path = "../../tests/vectors/stories.rs"]
mod stories;

/// Largest table that any encoder of the set was allowed. Octets.
const TABLE_BYTES_MAX: usize = 16_384;

/// 12 encoders made all 3,384 lists into blocks, 2 left one story of 117 lists out.
const BLOCKS: usize = 12 * 3_384 + 2 * 3_267;

fn decoder(table_bytes: usize) -> Decoder {
    let limits = ListLimits {
        bytes: 100_000,
        fields: 1_000,
    };
    Decoder::new(table_bytes, limits)
}

fn assert_same(fields: &Fields, list: &List, whose: &str) {
    let expected = list.fields.iter();
    // Some servers of the set put white space at the ends of values, which is stripped.
    let expected = expected.map(|(name, value)| (name.as_bytes(), octets::strip(value.as_bytes())));
    let same = fields.iter().map(|field| (field.name, field.value));
    assert!(same.eq(expected), "{whose}: {fields:?}");
}

#[test]
fn every_block_of_every_encoder_decodes_to_its_list() {
    let Stories { encoders, stories } = stories::read();
    let mut blocks = 0;
    for story in &stories {
        let mut decoders: Vec<_> = encoders.iter().map(|_| decoder(TABLE_BYTES_MAX)).collect();
        for list in story {
            for (numbers, block) in &list.blocks {
                for &number in numbers {
                    let decoded = decoders[number].decode(block);
                    let decoded = decoded.unwrap_or_else(|why| {
                        panic!("{}: {why:?}, {:?}", encoders[number], list.fields)
                    });
                    assert_same(&decoded.fields, list, &encoders[number]);
                    blocks += 1;
                }
            }
        }
    }
    assert_eq!(blocks, BLOCKS);
}

#[test]
fn every_list_survives_our_encoder_and_decoder_at_any_table_size() {
    let stories = stories::read().stories;
    for table_bytes in [0, 100, 1_365, 4_096] {
        for story in &stories {
            let (mut encoder, mut decoder) = (Encoder::new(), decoder(4_096));
            encoder.resize(table_bytes);
            for list in story {
                let fields = list.fields.iter();
                let fields =
                    fields.map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()));
                let mut block = Vec::new();
                encoder.encode(fields, &mut block);
                let decoded = decoder.decode(&block).expect("our own block");
                assert_same(&decoded.fields, list, "ours");
            }
        }
    }
}
