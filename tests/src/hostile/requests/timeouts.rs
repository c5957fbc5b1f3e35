//! `grpc-timeout` outside its grammar: one to eight digits and one of `HMSmun`.

use super::{Expected, Form, good, names, only, run};
use crate::hostile::Class;
use crate::raw::Frame;

pub(super) const CLASS: Class = Class {
    name: "grpc_timeout_grammar",
    source: "gRPC over HTTP/2, Timeout",
    forms: &names(&FORMS),
    run: |target, form| run(target, FORMS[form]),
};

const fn bad(name: &'static str, frames: fn(&str) -> Vec<Frame>) -> Form {
    Form {
        name,
        frames,
        expected: Expected::Status("3"),
    }
}

fn within(authority: &str, timeout: &str) -> Vec<Frame> {
    only(&good(authority).literal("grpc-timeout", timeout))
}

const FORMS: [Form; 24] = [
    bad("empty", |a| within(a, "")),
    bad("no_unit", |a| within(a, "1")),
    bad("no_number", |a| within(a, "S")),
    bad("nine_digits", |a| within(a, "123456789n")),
    bad("nine_digits_with_zeros_in_front", |a| {
        within(a, "000000001S")
    }),
    bad("twenty_digits", |a| within(a, "99999999999999999999S")),
    bad("minus", |a| within(a, "-1S")),
    bad("plus", |a| within(a, "+1S")),
    bad("space_inside", |a| within(a, "1 S")),
    bad("space_of_unicode_behind", |a| within(a, "1S\u{a0}")),
    bad("tab_inside", |a| within(a, "1\tS")),
    bad("seconds_in_lower_case", |a| within(a, "1s")),
    bad("hours_in_lower_case", |a| within(a, "1h")),
    bad("unit_of_two_letters", |a| within(a, "1ms")),
    bad("unknown_unit", |a| within(a, "1D")),
    bad("unit_twice", |a| within(a, "1SS")),
    bad("unit_in_front", |a| within(a, "S1")),
    bad("fraction", |a| within(a, "1.5S")),
    bad("exponent", |a| within(a, "1e3S")),
    bad("hexadecimal", |a| within(a, "0x1S")),
    bad("list", |a| within(a, "1S,2S")),
    bad("digits_above_ascii", |a| within(a, "\u{ff11}S")),
    bad("infinite", |a| within(a, "infinity")),
    bad("two_of_them", |a| {
        only(
            &good(a)
                .literal("grpc-timeout", "1S")
                .literal("grpc-timeout", "9S"),
        )
    }),
];
