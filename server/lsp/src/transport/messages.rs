//! Parses message bodies. An invalid message is refused as JSON-RPC specifies; a wrong character is replaced, because a
//! lost edit would leave the document wrong for good.

use serde_json::{Value, json};
use tower_lsp::jsonrpc::{Error, Id, Request, Response};

use crate::transport::spellings::Spellings;

/// A message from a client.
#[derive(Debug, PartialEq)]
pub(crate) enum Message {
    /// A request or a notification.
    Request(Request),
    /// The response to a request of the server.
    Response(Response),
    /// None of these; contains the error response.
    Refused(Response),
}

/// Parses a body, and returns the length of the message: a length that was too large includes the bytes that follow.
/// `None` if it is no JSON.
pub(crate) fn read(body: &[u8], spellings: &mut Spellings) -> Option<(Message, usize)> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    let (value, length) = match values.next() {
        Some(Ok(value)) => (value, values.byte_offset()),
        _ => (serde_json::from_str(&repaired(body)).ok()?, body.len()),
    };
    let rest = body.get(length..).unwrap_or_default();
    let length = if rest.iter().all(u8::is_ascii_whitespace) { body.len() } else { length };
    Some((understand(value, spellings), length))
}

/// The error response to a body that is no JSON.
pub(crate) fn unreadable() -> Response {
    Response::from_error(Id::Null, Error::parse_error())
}

fn understand(mut value: Value, spellings: &mut Spellings) -> Message {
    spellings.encode(&mut value);
    settle_parameters(&mut value);
    let id = value.get("id").and_then(|id| serde_json::from_value(id.clone()).ok()).unwrap_or_default();
    let method = value.get("method").and_then(Value::as_str);
    if value.get("id").is_some()
        && let Some(unknown) = method.filter(|method| method.starts_with("$/"))
    {
        // LSP: such notifications may be ignored, but not requests. `tower_lsp` ignores both.
        let error = Error { data: Some(unknown.into()), ..Error::method_not_found() };
        return Message::Refused(Response::from_error(id, error));
    }
    let is_request = method.is_some();
    let is_response = value.get("result").is_some() || value.get("error").is_some();
    let understood = if is_request {
        serde_json::from_value(value).ok().map(Message::Request)
    } else if is_response {
        serde_json::from_value(value).ok().map(Message::Response)
    } else {
        None
    };
    understood.unwrap_or_else(|| Message::Refused(Response::from_error(id, Error::invalid_request())))
}

/// Some clients send parameters with a message that has none, or leave out those that are an empty object.
fn settle_parameters(message: &mut Value) {
    let Some(message) = message.as_object_mut() else { return };
    match message.get("method").and_then(Value::as_str) {
        Some("shutdown" | "exit") => drop(message.remove("params")),
        Some("initialized") => drop(message.insert("params".into(), json!({}))),
        _ => {}
    }
}

/// Decodes UTF-8, with the replacement character for invalid bytes and halves of surrogate pairs.
fn repaired(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}');
    let mut repaired = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        repaired.push_str(before);
        let (kept, length) = match (utf16_unit(escape), escape.get(6..).and_then(utf16_unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (escape.get(..12), 12),
            (Some(0xD800..=0xDFFF), _) => (Some("\\ufffd"), 6),
            // Also a backslash that escapes a backslash.
            _ => {
                let length = 1 + escape.chars().nth(1).map_or(0, char::len_utf8);
                (escape.get(..length), length)
            }
        };
        repaired.push_str(kept.unwrap_or_default());
        rest = escape.get(length..).unwrap_or_default();
    }
    repaired.push_str(rest);
    repaired
}

/// The number of an escape like `\u00e4` at the start of a text.
fn utf16_unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &[u8]) -> Option<(Message, usize)> {
        super::read(body, &mut Spellings::default())
    }

    fn method(body: &[u8]) -> String {
        match read(body) {
            Some((Message::Request(request), _)) => request.method().to_owned(),
            other => format!("{other:?}"),
        }
    }

    fn refused(body: &str) -> Option<(i64, Id)> {
        match read(body.as_bytes()) {
            Some((Message::Refused(response), _)) => Some((response.error()?.code.code(), response.id().clone())),
            _ => None,
        }
    }

    #[test]
    fn d1_halves_of_characters_are_replaced() {
        let text = |escaped: &str| {
            let body = format!(r#"{{"jsonrpc":"2.0","method":"m","params":{{"text":"{escaped}"}}}}"#);
            match read(body.as_bytes()) {
                Some((Message::Request(request), _)) => request.params().unwrap()["text"].as_str().unwrap().to_owned(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(text(r"# \ud83d"), "# \u{fffd}");
        assert_eq!(text(r"\ude00 \ud83d\ude00 \ud83dx\ud83d\ud83d\ude00"), "\u{fffd} 😀 \u{fffd}x\u{fffd}😀");
        assert_eq!(text(r"\\ud83d \ud83d \n"), "\\ud83d \u{fffd} \n");
        let latin = b"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"text\":\"\xe4\"}}";
        assert_eq!(method(latin), "m");
        assert_eq!(method("\u{feff}{\"jsonrpc\":\"2.0\",\"method\":\"m\"}".as_bytes()), "m");
    }

    #[test]
    fn d1_what_is_no_message_is_refused() {
        assert_eq!(read(b"{"), None);
        assert_eq!(read(b"\xff\xfe{\0}\0"), None);
        assert_eq!(refused("[]"), Some((-32600, Id::Null)));
        assert_eq!(refused(r#"[{"jsonrpc":"2.0","method":"m"}]"#), Some((-32600, Id::Null)));
        assert_eq!(refused(r#"{"id":7,"method":"m"}"#), Some((-32600, Id::Number(7))));
        assert_eq!(refused(r#"{"jsonrpc":"1.0","id":"x","method":"m"}"#), Some((-32600, Id::String("x".into()))));
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#), Some((-32600, Id::Null)));
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":3,"method":4}"#), Some((-32600, Id::Number(3))));
        assert_eq!(refused("3"), Some((-32600, Id::Null)));
        let answer = json!({"jsonrpc": "2.0", "id": 1, "result": null}).to_string();
        assert!(matches!(read(answer.as_bytes()), Some((Message::Response(_), _))));
    }

    proptest! {
        #[test]
        fn d1_any_text_arrives_as_it_is(text in ".{0,40}") {
            let body = json!({"jsonrpc": "2.0", "method": "m", "params": [text]}).to_string();
            let same: Value = serde_json::from_str(&repaired(body.as_bytes())).unwrap();
            prop_assert_eq!(same["params"][0].as_str(), Some(text.as_str()));
        }

        #[test]
        fn d1_no_bytes_end_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&bytes);
        }
    }
}
