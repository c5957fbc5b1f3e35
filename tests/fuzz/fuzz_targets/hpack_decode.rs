//! The target `hpack_decode` of `outrider-fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outrider_fuzzing::run("hpack_decode", data));
