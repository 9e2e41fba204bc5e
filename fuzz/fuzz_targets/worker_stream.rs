//! The stream of a worker. An odd first byte gives the length of the pieces in which the rest arrives; after an even one,
//! each line of the rest is put into a frame of its own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pytest_lens_engine::fuzzing::worker_stream;

fuzz_target!(|data: &[u8]| {
    let Some((piece, bytes)) = data.split_first() else { return };
    if piece % 2 == 1 {
        let messages = worker_stream(bytes.chunks(usize::from(*piece)));
        assert_eq!(messages, worker_stream([bytes]));
        return;
    }
    let frame = |line: &[u8]| [&u32::try_from(line.len()).unwrap_or_default().to_le_bytes(), line].concat();
    let frames: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(frame).collect();
    worker_stream(frames.iter().map(Vec::as_slice));
});
