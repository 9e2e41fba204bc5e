//! Messages to and from MessagePack, in both of rmp-serde's shapes.
//!
//! *Named* messages are maps from field name to value; *compact* ones are arrays, the `type` first, then the fields in
//! the order of definition. A peer may use either, and is answered in the one it used.

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::{DecodeError, Request, Response};

/// How a message is laid out in MessagePack.
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
/// Only where the message holds what MessagePack can't say; no message of this crate does.
pub fn encode<T: Serialize>(message: &T, shape: Shape) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    match shape {
        Shape::Named => rmp_serde::to_vec_named(message),
        Shape::Compact => rmp_serde::to_vec(message),
    }
}

/// Decodes a request in either shape, and tells which it was.
///
/// # Errors
/// [`DecodeError`] names the field at fault; the shape comes with it where the bytes had one, so that the answer can
/// go out in it.
pub fn decode_request(bytes: &[u8]) -> (Shape, Result<Request, DecodeError>) {
    decode(bytes, Request::decode_variant)
}

/// Decodes a response in either shape, and tells which it was.
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
    let tag = match shape {
        Shape::Named => Tagged::deserialize(&mut reader).map(|tagged| tagged.tag),
        Shape::Compact => reader.deserialize_seq(FirstString),
    }
    .map_err(|error| DecodeError::NotAMessage(error.to_string()))?;
    let rest = reader.get_ref().len();
    if rest > 0 {
        return Err(DecodeError::NotAMessage(format!("{rest} bytes follow the message")));
    }
    Ok(tag)
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

/// Decodes one variant's fields, naming the field that is wrong.
pub(crate) fn decode_struct<T: DeserializeOwned>(tag: &str, fields: &[&str], bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = rmp_serde::Deserializer::new(bytes);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner().to_string();
        let (field, reason) = name_field(&path, fields, &reason);
        DecodeError::Field { message: tag.to_owned(), field, reason }
    })
}

/// A field's name from serde's path and text: compact messages give a field's place (`[2]`, or `.[2]`), missing ones
/// only a text.
fn name_field(path: &str, fields: &[&str], reason: &str) -> (String, String) {
    if let Some(rest) = reason.strip_prefix("missing field `") {
        let field = rest.split('`').next().unwrap_or_default();
        return (field.to_owned(), "it is missing".to_owned());
    }
    if let Some(count) = reason.strip_prefix("invalid length ").and_then(|rest| rest.split(',').next()) {
        let place = count.parse::<usize>().ok();
        if let Some(field) = place.and_then(|place| fields.get(place)) {
            return ((*field).to_owned(), "it is missing".to_owned());
        }
    }
    let place = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    if let Some((place, rest)) = place
        && let Some(field) = place.parse::<usize>().ok().and_then(|place| fields.get(place))
    {
        return (format!("{field}{rest}"), reason.to_owned());
    }
    (path.to_owned(), reason.to_owned())
}
