//! LSP's framing: `Content-Length` headers, an empty line, and a JSON body.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead, Write};
use std::time::Instant;

/// Reads one message; `None` at the end of the stream. An error names the fault of the frame.
pub fn read_frame(reader: &mut impl BufRead) -> Result<Option<Value>> {
    Ok(read_timed_frame(reader)?.map(|(message, _)| message))
}

/// The same, with the time at which the last byte was read, before the message was parsed.
pub(crate) fn read_timed_frame(reader: &mut impl BufRead) -> Result<Option<(Value, Instant)>> {
    let mut length = None;
    let mut is_first = true;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            if is_first {
                return Ok(None);
            }
            bail!("the stream ends within a header");
        }
        is_first = false;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').with_context(|| format!("`{line}` is no header"))?;
        if name.eq_ignore_ascii_case("content-length") {
            let value = value.trim();
            let number: usize = value.parse().with_context(|| format!("`{value}` is no length"))?;
            length = Some(number);
        }
    }
    let length = length.context("a frame without Content-Length")?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).context("the stream ends within a body")?;
    let at = Instant::now();
    let value = serde_json::from_slice(&body).context("the body is no JSON")?;
    Ok(Some((value, at)))
}

/// Writes one message, whole, and flushes it.
pub fn write_frame(writer: &mut impl Write, message: &Value) -> Result<()> {
    let body = serde_json::to_vec(message)?;
    // One write for each frame: a server that reads in pieces would otherwise be tested with other pieces than an
    // editor's.
    let mut frame = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    frame.extend_from_slice(&body);
    writer.write_all(&frame)?;
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::Cursor;

    #[test]
    fn what_is_written_is_read_again() {
        let messages = [json!({"method": "a", "params": "ü€"}), json!({"id": 1, "result": null})];
        let mut bytes = Vec::new();
        for message in &messages {
            write_frame(&mut bytes, message).unwrap();
        }
        let mut reader = Cursor::new(bytes);
        for message in messages {
            assert_eq!(read_frame(&mut reader).unwrap(), Some(message));
        }
        assert_eq!(read_frame(&mut reader).unwrap(), None);
    }

    #[test]
    fn broken_frames_are_told_apart() {
        let error = |text: &str| {
            let result = read_frame(&mut Cursor::new(text.to_owned()));
            format!("{:#}", result.unwrap_err())
        };
        assert!(error("hello\r\n\r\n").contains("`hello` is no header"));
        assert!(error("Content-Type: x\r\n\r\n{}").contains("without Content-Length"));
        assert!(error("Content-Length: 9\r\n\r\n{}").contains("within a body"));
        assert!(error("Content-Length: 2\r\n").contains("within a header"));
    }
}
