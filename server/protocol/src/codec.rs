//! Messages to and from MessagePack, in both of rmp-serde's shapes.
//!
//! *Named* messages are maps from field name to value; *compact* ones are arrays, the `type` first, then the fields in
//! the order of definition. A peer may use either, and gets its answers in the shape that it used.

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::framing::{LENGTH, Oversized, length_of};
use crate::{DecodeError, Request, Response};

/// The limit for the nesting of a message. Decoding recurses, and rmp-serde's own limit of 1,024 levels overflows the
/// stack of a thread of the usual 2 MiB.
const MAX_DEPTH: usize = 64;

/// The layout of a message in MessagePack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A map from field names to values (`rmp_serde::to_vec_named`).
    Named,
    /// An array: the tag, then the fields in order (`rmp_serde::to_vec`).
    Compact,
}

impl Shape {
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? {
            0x80..=0x8f | 0xde | 0xdf => Some(Shape::Named),
            0x90..=0x9f | 0xdc | 0xdd => Some(Shape::Compact),
            _ => None,
        }
    }
}

/// Encodes a message (without its frame).
///
/// # Errors
/// Fails if MessagePack can't express a value; every message of this crate can be encoded.
pub fn encode<T: Serialize>(message: &T, shape: Shape) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    match shape {
        Shape::Named => rmp_serde::to_vec_named(message),
        Shape::Compact => rmp_serde::to_vec(message),
    }
}

/// Encodes a message into a frame of its own: the bytes as they go over the wire.
///
/// # Errors
/// [`FrameError::Oversized`] if the message is longer than [`crate::MAX_FRAME`]; otherwise as [`encode`].
pub fn encode_framed<T: Serialize>(message: &T, shape: Shape) -> Result<Vec<u8>, FrameError> {
    let mut framed = vec![0; LENGTH];
    match shape {
        Shape::Named => rmp_serde::encode::write_named(&mut framed, message)?,
        Shape::Compact => rmp_serde::encode::write(&mut framed, message)?,
    }
    let length = length_of(framed.len() - LENGTH)?;
    framed[..LENGTH].copy_from_slice(&length);
    Ok(framed)
}

/// The reason why a message can't be encoded into a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The message is longer than a frame may be.
    #[error(transparent)]
    Oversized(#[from] Oversized),
    /// MessagePack can't express a value of the message.
    #[error("a message can't be encoded: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
}

/// Decodes a request in either shape, and returns the shape.
///
/// # Errors
/// [`DecodeError`] names the faulty field. The error carries the shape if the bytes had one, so that the
/// answer can use it.
pub fn decode_request(bytes: &[u8]) -> (Shape, Result<Request, DecodeError>) {
    decode(bytes, Request::decode_variant)
}

/// Decodes a response in either shape, and returns the shape.
///
/// # Errors
/// As [`decode_request`].
pub fn decode_response(bytes: &[u8]) -> (Shape, Result<Response, DecodeError>) {
    decode(bytes, Response::decode_variant)
}

fn decode<T>(
    bytes: &[u8],
    variant: impl FnOnce(&str, &[u8]) -> Result<T, DecodeError>,
) -> (Shape, Result<T, DecodeError>) {
    let Some(shape) = Shape::of(bytes) else {
        return (Shape::Named, Err(DecodeError::NotAMessage("neither a map nor an array".into())));
    };
    (shape, read_tag(bytes, shape).and_then(|tag| variant(&tag, bytes)))
}

fn read_tag(bytes: &[u8], shape: Shape) -> Result<String, DecodeError> {
    #[derive(Deserialize)]
    struct Tagged {
        #[serde(rename = "type")]
        tag: String,
    }
    let mut reader = rmp_serde::Deserializer::new(bytes);
    reader.set_max_depth(MAX_DEPTH);
    let tag = match shape {
        Shape::Named => Tagged::deserialize(&mut reader).map(|tagged| tagged.tag),
        Shape::Compact => reader.deserialize_seq(FirstString),
    }
    .map_err(|error| DecodeError::NotAMessage(explain(&error)))?;
    let rest = reader.get_ref().len();
    if rest > 0 {
        return Err(DecodeError::NotAMessage(format!("{rest} bytes follow the message")));
    }
    Ok(tag)
}

fn explain(error: &rmp_serde::decode::Error) -> String {
    use rmp_serde::decode::Error;
    match error {
        Error::InvalidMarkerRead(_) | Error::InvalidDataRead(_) => "it ends too early".to_owned(),
        Error::DepthLimitExceeded => "it is nested too deeply".to_owned(),
        other => other.to_string(),
    }
}

struct FirstString;

impl<'de> Visitor<'de> for FirstString {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array that begins with the type")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<String, A::Error> {
        let tag = seq.next_element()?.ok_or_else(|| serde::de::Error::custom("an empty array"))?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(tag)
    }
}

/// Decodes the fields of one variant; the error names the wrong field.
pub(crate) fn decode_struct<T: DeserializeOwned>(tag: &str, fields: &[&str], bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = rmp_serde::Deserializer::new(bytes);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner().to_string();
        let (field, reason) = name_field(&path, fields, &reason);
        DecodeError::Field { message: tag.to_owned(), field, reason }
    })
}

/// A field's name from serde's path and text, and the fault in words that need no knowledge of serde. For compact
/// messages serde gives the index of the field (`[2]`), for missing and repeated fields only a text.
fn name_field(path: &str, fields: &[&str], reason: &str) -> (String, String) {
    let place = |number: &str| number.parse::<usize>().ok().and_then(|place| fields.get(place)).copied();
    let path = match path.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((number, rest)) => format!("{}{rest}", place(number).unwrap_or(number)),
        None => path.trim_start_matches('.').to_owned(),
    };
    let within = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let quoted = |start: &str| reason.strip_prefix(start).and_then(|rest| rest.split('`').next());
    if let Some(name) = quoted("missing field `") {
        return (within(name), "it is missing".to_owned());
    }
    if let Some(name) = quoted("duplicate field `") {
        return (within(name), "it comes twice".to_owned());
    }
    if path.is_empty() {
        let count = reason.strip_prefix("invalid length ").and_then(|rest| rest.split(',').next());
        if let Some(name) = count.and_then(place) {
            return (name.to_owned(), "it is missing".to_owned());
        }
        if let Some(count) = reason.strip_prefix("array had incorrect length, expected ") {
            return (format!("[{count}]"), "the message has fewer fields".to_owned());
        }
    }
    if let Some(marker) = reason.strip_prefix("wrong msgpack marker ") {
        return (path, format!("it has a wrong type, {marker} of MessagePack"));
    }
    (path, reason.to_owned())
}
