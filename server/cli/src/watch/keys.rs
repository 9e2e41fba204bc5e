//! Makes keys of the bytes that a terminal sends.

/// A key that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Enter,
    Backspace,
    /// Ctrl-U: clears the line.
    Clear,
    Escape,
    /// Ctrl-D.
    End,
}

/// The bytes of a key that is not complete yet.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    rest: Vec<u8>,
}

impl Keys {
    /// The keys in the next bytes. An escape sequence (an arrow, a function key) is no key. An escape at the end of the
    /// bytes is the key Escape: a terminal sends sequences whole.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut left = std::mem::take(&mut self.rest);
        left.extend(bytes);
        let mut left = &left[..];
        let mut keys = Vec::new();
        while let Some((&first, after)) = left.split_first() {
            left = match first {
                0x1b => match after.first() {
                    None => {
                        keys.push(Key::Escape);
                        after
                    }
                    Some(_) => after_sequence(after),
                },
                b'\r' | b'\n' => {
                    keys.push(Key::Enter);
                    after
                }
                0x08 | 0x7f => {
                    keys.push(Key::Backspace);
                    after
                }
                0x15 => {
                    keys.push(Key::Clear);
                    after
                }
                0x04 => {
                    keys.push(Key::End);
                    after
                }
                0..0x20 => after,
                _ => match first_char(left) {
                    Some((letter, length)) => {
                        keys.extend(letter.filter(|letter| !letter.is_control()).map(Key::Char));
                        left.get(length..).unwrap_or_default()
                    }
                    None => {
                        self.rest = left.to_vec();
                        return keys;
                    }
                },
            };
        }
        keys
    }
}

/// The first character and its number of bytes; no character for bytes that are none. `None` if bytes are missing.
fn first_char(bytes: &[u8]) -> Option<(Option<char>, usize)> {
    let chunk = bytes.utf8_chunks().next()?;
    match chunk.valid().chars().next() {
        Some(letter) => Some((Some(letter), letter.len_utf8())),
        None => {
            let expected = match bytes.first()? {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => 1,
            };
            let invalid = chunk.invalid().len();
            let may_be_completed = invalid == bytes.len() && invalid < expected;
            if may_be_completed { None } else { Some((None, invalid.max(1))) }
        }
    }
}

/// The bytes that follow an escape sequence, whose escape is read already.
fn after_sequence(bytes: &[u8]) -> &[u8] {
    let length = match bytes {
        // A control sequence: parameters, then one final byte.
        [b'[', rest @ ..] => {
            1 + rest.iter().position(|byte| (0x40..0x7f).contains(byte)).map_or(rest.len(), |at| at + 1)
        }
        [b'O', _, ..] => 2,
        // Alt and a key.
        _ => 1,
    };
    bytes.get(length..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        Keys::default().read(bytes)
    }

    #[test]
    fn keys_are_recognized() {
        use Key::{Backspace, Char, Clear, End, Enter, Escape};
        assert_eq!(keys(b"aQ\r\n\x7f\x15\x04"), [Char('a'), Char('Q'), Enter, Enter, Backspace, Clear, End]);
        assert_eq!(keys(b"\x1b"), [Escape]);
        assert_eq!(keys("\x1b[A\x1b[1;5Cx\x1bOP\x1baß".as_bytes()), [Char('x'), Char('ß')]);
        assert_eq!(keys(b"\xff\x00q"), [Char('q')]);
    }

    #[test]
    fn a_character_in_two_parts_is_one() {
        let mut reader = Keys::default();
        assert_eq!(reader.read(&"é".as_bytes()[..1]), []);
        assert_eq!(reader.read(&"é".as_bytes()[1..]), [Key::Char('é')]);
    }

    proptest! {
        #[test]
        fn text_is_read_as_it_is_typed(text in "[ -~äöü漢字🦀]{0,40}", at in 0..40usize) {
            let mut reader = Keys::default();
            let (first, second) = text.as_bytes().split_at(at.min(text.len()));
            let mut read = reader.read(first);
            read.extend(reader.read(second));
            let read: String = read.iter().filter_map(|key| if let Key::Char(c) = key { Some(*c) } else { None }).collect();
            prop_assert_eq!(read, text);
        }

        #[test]
        fn any_bytes_are_read(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..9)) {
            let mut reader = Keys::default();
            for chunk in chunks {
                reader.read(&chunk);
            }
            prop_assert!(reader.rest.len() < 4);
        }
    }
}
