//! A client's bytes to the language server, in pieces of the length that the first byte gives: pieces make no difference.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pytest_lens_lsp::fuzzing::client_input;

fuzz_target!(|data: &[u8]| {
    let Some((piece, bytes)) = data.split_first() else { return };
    let messages = client_input(bytes, usize::from(*piece));
    assert_eq!(messages, client_input(bytes, bytes.len()));
});
