//! The examples of RFC 7541 appendix C (IETF Trust, quoted as published test vectors).

use super::decode::{Decoder, ListLimits};
use super::encode::Encoder;
use crate::fields::{Field, Fields};

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}

fn list(fields: &[(&str, &str)]) -> Fields {
    fields
        .iter()
        .map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()))
        .collect()
}

/// A block, what it stands for, and the size of the table behind it.
struct Step(&'static str, &'static [(&'static str, &'static str)], usize);

fn check(table_bytes: usize, steps: &[Step]) {
    let mut decoder = Decoder::new(
        table_bytes,
        ListLimits {
            bytes: 10_000,
            fields: 100,
        },
    );
    for Step(hex, fields, size) in steps {
        let decoded = decoder.decode(&octets(hex)).unwrap().fields;
        assert!(
            decoded
                .iter()
                .map(|f| (f.name, f.value))
                .eq(list(fields).iter().map(|f| (f.name, f.value))),
            "{hex}"
        );
        assert_eq!(decoder.table().size(), *size, "{hex}");
    }
}

const REQUESTS: [&[(&str, &str)]; 3] = [
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cache-control", "no-cache"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
];

const RESPONSES: [&[(&str, &str)]; 3] = [
    &[
        (":status", "302"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "307"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        (
            "set-cookie",
            "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ),
    ],
];

#[test]
fn c_2_one_field_each() {
    check(
        4_096,
        &[Step(
            "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
            &[("custom-key", "custom-header")],
            55,
        )],
    );
    check(
        4_096,
        &[Step(
            "040c2f73616d706c652f70617468",
            &[(":path", "/sample/path")],
            0,
        )],
    );
    check(
        4_096,
        &[Step(
            "100870617373776f726406736563726574",
            &[("password", "secret")],
            0,
        )],
    );
    check(4_096, &[Step("82", &[(":method", "GET")], 0)]);
}

#[test]
fn c_3_requests_without_huffman() {
    check(
        4_096,
        &[
            Step("828684410f7777772e6578616d706c652e636f6d", REQUESTS[0], 57),
            Step("828684be58086e6f2d6361636865", REQUESTS[1], 110),
            Step(
                "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
                REQUESTS[2],
                164,
            ),
        ],
    );
}

const HUFFMAN_REQUESTS: [&str; 3] = [
    "828684418cf1e3c2e5f23a6ba0ab90f4ff",
    "828684be5886a8eb10649cbf",
    "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
];

#[test]
fn c_4_requests_with_huffman() {
    let sizes = [57, 110, 164];
    let steps: Vec<Step> = (0..3)
        .map(|i| Step(HUFFMAN_REQUESTS[i], REQUESTS[i], sizes[i]))
        .collect();
    check(4_096, &steps);
}

#[test]
fn c_4_is_what_our_encoder_says_too() {
    let mut encoder = Encoder::new();
    for (fields, hex) in REQUESTS.iter().zip(HUFFMAN_REQUESTS) {
        let mut out = Vec::new();
        encoder.encode(&list(fields), &mut out);
        assert_eq!(out, octets(hex));
    }
}

#[test]
fn c_5_responses_without_huffman() {
    check(
        256,
        &[
            Step(
                "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54\
                 6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
                RESPONSES[0],
                222,
            ),
            Step("4803333037c1c0bf", RESPONSES[1], 222),
            Step(
                "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f\
                 6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b\
                 2076657273696f6e3d31",
                RESPONSES[2],
                215,
            ),
        ],
    );
}

#[test]
fn c_6_responses_with_huffman() {
    check(
        256,
        &[
            Step(
                "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c7\
                 8f0b97c8e9ae82ae43d3",
                RESPONSES[0],
                222,
            ),
            Step("4883640effc1c0bf", RESPONSES[1], 222),
            Step(
                "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335\
                 dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
                RESPONSES[2],
                215,
            ),
        ],
    );
}
