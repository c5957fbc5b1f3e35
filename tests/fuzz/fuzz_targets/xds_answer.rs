//! The target `xds_answer` of `outrider-fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outrider_fuzzing::run("xds_answer", data));
