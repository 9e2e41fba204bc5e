//! URIs in the client's spelling. Some clients leave characters in them as they are which RFC 3986 allows only
//! percent-encoded, such as brackets and letters outside of ASCII. The server reads them percent-encoded, and the client
//! gets its own spelling back.

use std::collections::HashMap;
use std::fmt::Write;
use std::str::FromStr;

use lsp_types::Uri;
use serde_json::Value;

/// The fields of messages from the client that are URIs.
const FIELDS: [&str; 2] = ["uri", "rootUri"];

/// The client's spellings of URIs that had to be encoded, by the encoded ones.
#[derive(Debug, Default)]
pub(crate) struct Spellings(HashMap<String, String>);

impl Spellings {
    /// Encodes the URIs in a message of the client.
    pub(crate) fn encode(&mut self, message: &mut Value) {
        match message {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(uri) if FIELDS.contains(&name.as_str()) => self.encode_uri(uri),
                        value => self.encode(value),
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.encode(value)),
            _ => {}
        }
    }

    fn encode_uri(&mut self, uri: &mut String) {
        if Uri::from_str(uri).is_ok() {
            // The last spelling counts.
            self.0.remove(uri);
            return;
        }
        let encoded = percent_encoded(uri);
        if Uri::from_str(&encoded).is_ok() {
            let spelled = std::mem::replace(uri, encoded.clone());
            self.0.insert(encoded, spelled);
        }
    }

    /// A message for the client, with its own spellings of the URIs that are whole strings in it.
    pub(crate) fn restore(&self, message: Vec<u8>) -> Vec<u8> {
        if self.0.is_empty() {
            return message;
        }
        let mut text = match String::from_utf8(message) {
            Ok(text) => text,
            Err(error) => return error.into_bytes(),
        };
        for (encoded, spelled) in &self.0 {
            let quoted = |uri: &String| Value::String(uri.clone()).to_string();
            text = text.replace(&quoted(encoded), &quoted(spelled));
        }
        text.into_bytes()
    }
}

/// A URI with all characters encoded that RFC 3986 does not allow in a path, a query or a fragment.
fn percent_encoded(uri: &str) -> String {
    let mut encoded = String::with_capacity(uri.len() + 16);
    for (at, byte) in uri.bytes().enumerate() {
        let is_escape = || uri.as_bytes().get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let is_allowed = match byte {
            b'%' => is_escape(),
            other => other.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=".contains(&other),
        };
        if is_allowed {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_client_gets_its_own_spelling_back() {
        let mut spellings = Spellings::default();
        let raw =
            json!({ "params": { "textDocument": { "uri": "file:///w/[id]/ä b%.py", "text": "[" }, "rootUri": null } });
        let mut message = raw.clone();
        spellings.encode(&mut message);
        assert_eq!(message["params"]["textDocument"]["uri"], "file:///w/%5Bid%5D/%C3%A4%20b%25.py");
        assert_eq!(message["params"]["textDocument"]["text"], "[");
        let restored = spellings.restore(message.to_string().into_bytes());
        assert_eq!(serde_json::from_slice::<Value>(&restored).unwrap(), raw);
        let other = json!({ "uri": "file:///w/%5Bid%5D" }).to_string().into_bytes();
        assert_eq!(spellings.restore(other.clone()), other, "a folder that the client has not named");
        let mut encoded = json!({ "uri": "file:///w/%5Bid%5D/%C3%A4%20b%25.py" });
        spellings.encode(&mut encoded);
        let text = encoded.to_string().into_bytes();
        assert_eq!(spellings.restore(text.clone()), text, "the last spelling counts");
    }

    #[test]
    fn valid_and_hopeless_uris_stay_as_they_are() {
        let mut spellings = Spellings::default();
        for uri in ["file:///w/%5bid%5D.py", "untitled:Untitled-1", "http://[::1]/x", "a:#b#[c]", ""] {
            let mut message = json!([{ "uri": uri }]);
            spellings.encode(&mut message);
            assert_eq!(message[0]["uri"], uri);
        }
        assert!(spellings.0.is_empty());
    }
}
