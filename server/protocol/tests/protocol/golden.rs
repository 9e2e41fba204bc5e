//! The bytes themselves, in both shapes: a change of them breaks a peer that was built yesterday.

use std::fmt::Write as _;

use pytest_lens_protocol::{Request, Response, Shape, decode_request, decode_response, encode};
use serde::Serialize;

use crate::samples;

/// A hex dump with the text next to it, sixteen bytes a line.
fn dump(title: &str, bytes: &[u8]) -> String {
    let mut text = format!("{title}, {} bytes\n", bytes.len());
    for line in bytes.chunks(16) {
        let hex: String = line.iter().map(|byte| format!("{byte:02x} ")).collect();
        let shown = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        let shown: String = line.iter().map(shown).collect();
        writeln!(text, "  {hex:48} {shown}").unwrap();
    }
    text
}

fn both<T: Serialize>(tag: &str, message: &T) -> String {
    let compact = encode(message, Shape::Compact).unwrap();
    let named = encode(message, Shape::Named).unwrap();
    format!("{}{}\n", dump(&format!("{tag}: compact"), &compact), dump(&format!("{tag}: named"), &named))
}

#[test]
fn bytes_of_every_request() {
    let messages = samples::requests();
    insta::assert_snapshot!(
        "requests",
        messages.iter().map(|message| both(message.tag(), message)).collect::<String>()
    );
}

#[test]
fn bytes_of_every_response() {
    let messages = samples::responses();
    insta::assert_snapshot!(
        "responses",
        messages.iter().map(|message| both(message.tag(), message)).collect::<String>()
    );
}

#[test]
fn no_variant_is_left_out() {
    let mut tags: Vec<&str> = samples::requests().iter().map(Request::tag).collect();
    tags.dedup();
    assert_eq!(tags, Request::TAGS);
    let mut tags: Vec<&str> = samples::responses().iter().map(Response::tag).collect();
    tags.dedup();
    assert_eq!(tags, Response::TAGS);
}

#[test]
fn the_samples_come_back_in_the_shape_they_went_out_in() {
    for shape in [Shape::Compact, Shape::Named] {
        for message in samples::requests() {
            assert_eq!(decode_request(&encode(&message, shape).unwrap()), (shape, Ok(message)));
        }
        for message in samples::responses() {
            assert_eq!(decode_response(&encode(&message, shape).unwrap()), (shape, Ok(message)));
        }
    }
}

#[test]
fn events_in_json_are_what_editors_and_scripts_read() {
    let lines: Vec<String> =
        samples::payloads().iter().map(|payload| serde_json::to_string_pretty(payload).unwrap()).collect();
    insta::assert_snapshot!("events", lines.join("\n"));
}
