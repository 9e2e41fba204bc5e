//! Splitting of option strings as Python's `shlex.split` does it, which pytest uses for `addopts` and its like.

/// The words of a POSIX shell-like string; `#` begins no comment.
///
/// # Errors
/// The message of Python's `ValueError`, in our own words: an open quote, or a backslash at the very end.
pub fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => match chars.next() {
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return Err("the backslash at the end escapes nothing; double it".to_owned()),
            },
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => match chars.next() {
                            Some(escaped @ ('"' | '\\')) => word.push(escaped),
                            Some(other) => word.extend(['\\', other]),
                            None => return Err("the backslash at the end escapes nothing; double it".to_owned()),
                        },
                        Some(inner) => word.push(inner),
                        None => return Err(format!("a quotation that begins with {c} is not closed; close it")),
                    }
                }
            }
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_python_does() {
        let cases: [(&str, &[&str]); 7] = [
            ("-ra -q", &["-ra", "-q"]),
            ("-k 'a and b'", &["-k", "a and b"]),
            ("\n  --x=\"a b\"\n  '' ", &["--x=a b", ""]),
            ("a\\ b c#d", &["a b", "c#d"]),
            ("\"a\\\"b\\n\"", &["a\"b\\n"]),
            ("a'b'c", &["abc"]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text).unwrap(), expected, "{text:?}");
        }
        assert!(split("'a").is_err());
        assert!(split("a\\").is_err());
    }
}
