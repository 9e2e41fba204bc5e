//! Renders log records in the requested form. A runner writes each record as one line of JSON, with pytest's formatted
//! line as `text`.

use serde_json::Value;

/// The records as a JSON array; empty if there are none.
pub(crate) fn batch(lines: &[u8]) -> Vec<u8> {
    let mut array = Vec::with_capacity(lines.len() + 2);
    for line in records(lines) {
        array.push(if array.is_empty() { b'[' } else { b',' });
        match serde_json::from_slice::<Value>(line) {
            Ok(_) => array.extend_from_slice(line),
            Err(_) => array.extend(Value::from(String::from_utf8_lossy(line)).to_string().into_bytes()),
        }
    }
    if !array.is_empty() {
        array.push(b']');
    }
    array
}

/// The formatted lines of the records.
pub(crate) fn archive(lines: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(lines.len());
    for line in records(lines) {
        let record: Option<Value> = serde_json::from_slice(line).ok();
        match record.as_ref().and_then(|record| record.get("text")).and_then(Value::as_str) {
            Some(formatted) => text.extend_from_slice(formatted.as_bytes()),
            None => text.extend_from_slice(line),
        }
        text.push(b'\n');
    }
    text
}

fn records(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &[u8] = b"{\"message\":\"a\",\"text\":\"INFO a\"}\n\n[... 5 bytes left out ...]\n{\"text\":\"b\"}\n";

    #[test]
    fn records_are_an_array_or_lines() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(
            text(batch(LINES)),
            r#"[{"message":"a","text":"INFO a"},"[... 5 bytes left out ...]",{"text":"b"}]"#
        );
        assert_eq!(text(archive(LINES)), "INFO a\n[... 5 bytes left out ...]\nb\n");
        assert_eq!(batch(b""), b"");
    }
}
