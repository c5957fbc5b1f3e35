//! The target `hpack_round_trip` of `outrider-fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outrider_fuzzing::run("hpack_round_trip", data));
