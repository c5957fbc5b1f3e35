//! The target `authority` of `outrider-fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outrider_fuzzing::run("authority", data));
