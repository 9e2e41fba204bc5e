//! The frames of the engine's socket, in pieces of the length that the first byte gives: no message is longer than a
//! frame may be, pieces make no difference, and each message is refused or decoded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pytest_lens_protocol::{FrameReader, decode_request, decode_response, frame};

/// The messages, and whether the connection is still usable.
fn read(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let (mut reader, mut messages) = (FrameReader::new(), Vec::new());
    for part in bytes.chunks(piece) {
        reader.push(part);
        loop {
            match reader.next_message() {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(_) => return (messages, false),
            }
        }
    }
    (messages, true)
}

fuzz_target!(|data: &[u8]| {
    let Some((piece, bytes)) = data.split_first() else { return };
    let (messages, is_usable) = read(bytes, usize::from(*piece).max(1));
    assert_eq!((&messages, is_usable), (&read(bytes, bytes.len().max(1)).0, read(bytes, bytes.len().max(1)).1));
    let framed: Vec<u8> = messages.iter().flat_map(|message| frame(message).unwrap()).collect();
    assert!(bytes.starts_with(&framed));
    for message in &messages {
        drop((decode_request(message), decode_response(message)));
    }
});
