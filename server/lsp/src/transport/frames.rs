//! Splits the client's bytes into message bodies. Garbage is skipped, and a wrong length costs no more than its own
//! message.

/// The longest message, in bytes: a longer length is a wrong header.
const LONGEST: usize = 1 << 30;

/// The bytes that are kept of endless garbage: a header may have begun in them.
const KEPT: usize = 4096;

const NAME: &[u8] = b"content-length:";

/// The next part of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The body of a message.
    Body(Vec<u8>),
    /// A header without a usable length.
    BadHeader,
}

/// Input that was not parsed yet.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    input: Vec<u8>,
    /// The length of the body at the beginning of the input.
    length: Option<usize>,
    /// The input before this offset contains no end of a header.
    searched: usize,
}

impl Frames {
    /// Adds input.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Puts back bytes that were taken as a part of a body.
    pub(crate) fn put_back(&mut self, bytes: &[u8]) {
        self.input.splice(0..0, bytes.iter().copied());
        self.length = None;
        self.searched = 0;
    }

    /// Returns the next message, once it is complete.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(length) = self.length {
                if self.input.len() < length {
                    return None;
                }
                self.length = None;
                let rest = self.input.split_off(length);
                let body = std::mem::replace(&mut self.input, rest);
                if body.is_empty() {
                    continue;
                }
                return Some(Frame::Body(body));
            }
            let Some((end, behind)) = header_end(&self.input, self.searched) else {
                if self.input.len() > 2 * KEPT && find_name(&self.input).is_none() {
                    self.input.drain(..self.input.len() - KEPT);
                }
                self.searched = self.input.len().saturating_sub(3);
                return None;
            };
            self.searched = 0;
            let length = length_in(self.input.get(..end).unwrap_or_default());
            self.input.drain(..behind);
            match length {
                Some(Ok(length)) => self.length = Some(length),
                Some(Err(())) => return Some(Frame::BadHeader),
                // Garbage.
                None => {}
            }
        }
    }
}

/// The offset at which the first block of header lines ends, and the body begins.
fn header_end(input: &[u8], from: usize) -> Option<(usize, usize)> {
    let rest = input.get(from..)?;
    let found = rest.windows(2).enumerate().find_map(|(at, two)| match two {
        b"\n\n" => Some((at, at + 2)),
        b"\n\r" if rest.get(at + 2) == Some(&b'\n') => Some((at, at + 3)),
        _ => None,
    });
    found.map(|(end, behind)| (from + end, from + behind))
}

/// The offset of the last length in a block of header lines: anything may be before it.
fn find_name(block: &[u8]) -> Option<usize> {
    block.windows(NAME.len()).rposition(|part| part.eq_ignore_ascii_case(NAME))
}

/// The content length in a header, if there is one.
fn length_in(block: &[u8]) -> Option<Result<usize, ()>> {
    let value = block.get(find_name(block)? + NAME.len()..)?;
    let line = value.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let number = std::str::from_utf8(line).ok().and_then(|text| text.trim().parse::<usize>().ok());
    Some(number.filter(|length| *length <= LONGEST).ok_or(()))
}

/// The offset of the next message's header in a body that is no message: the body's length was wrong. JSON never
/// contains a header, because line ends in its strings are escaped.
pub(crate) fn header_within(body: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some((end, behind)) = header_end(body, from) {
        let block = body.get(from..end).unwrap_or_default();
        if let (Some(at), Some(Ok(_))) =
            (block.windows(NAME.len()).position(|part| part.eq_ignore_ascii_case(NAME)), length_in(block))
        {
            return Some(from + at);
        }
        from = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(body: &str) -> Vec<u8> {
        format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    fn read(input: &[u8], chunk: usize) -> Vec<Frame> {
        let mut frames = Frames::default();
        let mut found = Vec::new();
        for part in input.chunks(chunk) {
            frames.push(part);
            while let Some(frame) = frames.next() {
                found.push(frame);
            }
        }
        found
    }

    fn body(text: &str) -> Frame {
        Frame::Body(text.into())
    }

    #[test]
    fn d1_headers_are_read_however_they_are_written() {
        for header in [
            "content-length: 2\r\n\r\n",
            "CONTENT-LENGTH:2\r\n\r\n",
            "Content-Type: text/plain; charset=latin1\r\nContent-Length: 2\r\nX: y\r\nZ: 0\r\n\r\n",
            "Content-Length: 2\n\n",
            "garbage\r\n\r\n\0\u{fffd}Content-Length: 9\r\ncontent-length: 2 \r\n\r\n",
        ] {
            let input = [header.as_bytes(), b"{}", &frame("[1]")].concat();
            assert_eq!(read(&input, 1), [body("{}"), body("[1]")], "{header}");
        }
        let input = [b"Content-Length: x\r\n\r\n", frame("{}").as_slice()].concat();
        assert_eq!(read(&input, 7), [Frame::BadHeader, body("{}")]);
        let input = [b"Content-Length: 99999999999999\r\n\r\n", frame("{}").as_slice()].concat();
        assert_eq!(read(&input, 7), [Frame::BadHeader, body("{}")]);
    }

    #[test]
    fn d1_the_next_header_is_found_in_a_body_that_was_too_long() {
        let next = frame("{\"b\": 2}");
        let long = [b"{\"a\": 1}".as_slice(), &next].concat();
        assert_eq!(header_within(&long), Some(8));
        assert_eq!(header_within(b"{\"a\": \"Content-Length: 5\\r\\n\\r\\n\"}"), None);
        assert_eq!(header_within(b"{\n\n\"a\": 1}"), None);
    }

    proptest! {
        #[test]
        fn d1_messages_are_found_in_any_garbage_and_in_any_pieces(
            parts in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..40), "[a-z{}\"\r\n]{1,30}"), 1..6
            ),
            chunk in 1usize..50,
        ) {
            let mut input = Vec::new();
            let mut expected = Vec::new();
            for (garbage, text) in &parts {
                input.extend_from_slice(garbage);
                input.extend_from_slice(&frame(text));
                expected.push(body(text));
            }
            prop_assert_eq!(read(&input, chunk), expected);
        }
    }
}
