//! Frames: however the bytes are cut on their way, the same messages come out.

use proptest::prelude::*;
use pytest_lens_protocol::{FrameReader, MAX_FRAME, frame};

/// Feeds the bytes in chunks of the given sizes (the last ones as one), and takes out messages after each.
fn read(bytes: &[u8], sizes: &[usize]) -> (Vec<Vec<u8>>, FrameReader) {
    let mut reader = FrameReader::new();
    let mut messages = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().copied().chain([usize::MAX]) {
        let (now, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        reader.push(now);
        while let Some(message) = reader.next_message().unwrap() {
            messages.push(message.to_vec());
        }
    }
    (messages, reader)
}

proptest! {
    #[test]
    fn chunks_do_not_matter(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
        sizes in prop::collection::vec(0..20usize, 0..60),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|message| frame(message).unwrap()).collect();
        let (found, reader) = read(&bytes, &sizes);
        prop_assert_eq!(found, messages);
        prop_assert!(!reader.is_partial());
    }

    #[test]
    fn a_truncated_stream_gives_what_is_whole_and_says_that_it_is_partial(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..4),
        cut in 1..4usize,
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|message| frame(message).unwrap()).collect();
        let (found, reader) = read(&bytes[..bytes.len() - cut], &[]);
        prop_assert_eq!(&found[..], &messages[..messages.len() - 1]);
        prop_assert!(reader.is_partial());
    }

    #[test]
    fn a_length_over_the_limit_is_refused_at_once(over in 1..=u32::MAX - MAX_FRAME as u32) {
        let mut reader = FrameReader::new();
        reader.push(&frame(b"before").unwrap());
        reader.push(&(MAX_FRAME as u32 + over).to_le_bytes());
        prop_assert_eq!(reader.next_message().unwrap(), Some(&b"before"[..]));
        let error = reader.next_message().unwrap_err();
        prop_assert_eq!(error.0, MAX_FRAME + over as usize);
        prop_assert!(reader.next_message().is_err(), "and it stays refused");
    }
}

#[test]
fn pending_bytes_are_those_that_no_message_has_taken() {
    let mut reader = FrameReader::new();
    assert_eq!(reader.pending(), 0);
    reader.push(&[frame(b"abc").unwrap(), b"\x02\0".to_vec()].concat());
    assert_eq!(reader.pending(), 9);
    assert_eq!(reader.next_message(), Ok(Some(&b"abc"[..])));
    assert_eq!((reader.pending(), reader.is_partial()), (2, true));
    reader.push(b"\0\0xy");
    assert_eq!(reader.next_message(), Ok(Some(&b"xy"[..])));
    assert_eq!((reader.pending(), reader.is_partial()), (0, false));
}

#[test]
fn the_length_is_little_endian() {
    assert_eq!(frame(b"abc").unwrap(), b"\x03\0\0\0abc");
}

#[test]
fn the_limit_itself_is_allowed() {
    let largest = vec![0; MAX_FRAME];
    let framed = frame(&largest).unwrap();
    let mut reader = FrameReader::new();
    reader.push(&framed[..4]);
    assert_eq!(reader.next_message(), Ok(None));
    reader.push(&framed[4..]);
    assert_eq!(reader.next_message().unwrap().map(<[u8]>::len), Some(MAX_FRAME));

    let error = frame(&vec![0; MAX_FRAME + 1]).unwrap_err();
    insta::assert_snapshot!(error, @"a frame of 67108865 bytes is over the limit of 67108864; split the request");
}
