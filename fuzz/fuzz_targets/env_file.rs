//! `.env` files: no name is empty or holds `=`, and expanding variables does not grow without bound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pytest_lens_engine::fuzzing::env_file;

fuzz_target!(|text: &str| {
    for name in env_file(text).keys() {
        assert!(!name.contains('='), "{name:?}");
    }
});
