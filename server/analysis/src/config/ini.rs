//! The ini dialect of pytest (that of the `iniconfig` package): no interpolation, no escapes, no inline comments.

/// One `name = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Continuation lines are joined by `\n`.
    pub(super) value: String,
    /// 1-based.
    pub(super) line: u32,
}

/// One `[section]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    /// 1-based.
    pub(super) line: u32,
    pub(super) entries: Vec<Entry>,
}

/// Reads the sections of a file.
///
/// # Errors
/// The 1-based line, and the fault.
pub(super) fn parse(text: &str) -> Result<Vec<Section>, (u32, String)> {
    let mut sections: Vec<Section> = Vec::new();
    // Whether a value can be continued: not right after a section's header.
    let mut open = false;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in (1_u32..).zip(lines(text)) {
        let line = match line.trim_start().chars().next() {
            None | Some('#' | ';') => continue,
            Some(_) => line.trim_end(),
        };
        if let Some(name) = header(line) {
            if name.is_empty() {
                return Err((index, "a section has no name".to_owned()));
            }
            if sections.iter().any(|section| section.name == name) {
                return Err((index, format!("section [{name}] is there twice; merge the two")));
            }
            sections.push(Section { name: name.to_owned(), line: index, entries: Vec::new() });
            open = false;
            continue;
        }
        let continues = line.starts_with('[') || line.starts_with(char::is_whitespace);
        let Some(section) = sections.last_mut() else {
            let what = if continues {
                "an indented line continues nothing; take the blanks before it away"
            } else {
                "a value outside of any section; put a header such as [pytest] before it"
            };
            return Err((index, what.to_owned()));
        };
        if continues {
            match section.entries.last_mut().filter(|_| open) {
                Some(entry) => {
                    if !entry.value.is_empty() {
                        entry.value.push('\n');
                    }
                    entry.value.push_str(line.trim());
                }
                None => {
                    let what = "an indented line continues nothing; take the blanks before it away";
                    return Err((index, what.to_owned()));
                }
            }
            continue;
        }
        let Some((name, value)) = key_value(line) else {
            return Err((index, format!("{line:?} is neither `name = value` nor a [section]")));
        };
        if section.entries.iter().any(|entry| entry.name == name) {
            return Err((index, format!("{name} is set twice; keep one of them")));
        }
        section.entries.push(Entry { name: name.to_owned(), value: value.to_owned(), line: index });
        open = true;
    }
    Ok(sections)
}

/// Lines as Python's `str.splitlines` sees them.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.filter(|text| !text.is_empty())?;
        let is_end = |c: char| {
            matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
        };
        let Some(end) = text.find(is_end) else {
            rest = None;
            return Some(text);
        };
        let (line, tail) = text.split_at(end);
        rest = tail.strip_prefix("\r\n").or_else(|| tail.get(tail.chars().next().map_or(0, char::len_utf8)..));
        Some(line)
    })
}

/// The name in a line that is a section's header; a comment may follow it.
fn header(line: &str) -> Option<&str> {
    let line = line.strip_prefix('[')?;
    let line = line.split(['#', ';']).next().unwrap_or(line).trim_end();
    line.strip_suffix(']')
}

fn key_value(line: &str) -> Option<(&str, &str)> {
    let by_equals = line.split_once('=').filter(|(name, _)| !name.contains(':'));
    let (name, value) = by_equals.or_else(|| line.split_once(':'))?;
    Some((name.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, String, u32)> {
        parse(text)
            .unwrap()
            .into_iter()
            .flat_map(|section| {
                section
                    .entries
                    .into_iter()
                    .map(move |entry| (section.name.clone(), entry.name, entry.value, entry.line))
            })
            .collect()
    }

    #[test]
    fn values_comments_and_continuations() {
        let text = "\u{feff}# c\r\n[a] ; note\r\nx = 1 # kept\r\ny: 2\nurl = http://h\n\n[b]\nlist =\n    one\n ; comment\n\n    two\n";
        let expected =
            [("a", "x", "1 # kept", 3), ("a", "y", "2", 4), ("a", "url", "http://h", 5), ("b", "list", "one\ntwo", 8)];
        let expected: Vec<_> =
            expected.iter().map(|(s, n, v, l)| (s.to_string(), n.to_string(), v.to_string(), *l)).collect();
        assert_eq!(read(text), expected);
    }

    #[test]
    fn errors_name_the_line() {
        let cases = [
            ("x = 1\n", 1),
            ("[a]\n x\n", 2),
            ("[a]\nx = 1\nx = 2\n", 3),
            ("[a]\n[b]\n[a]\n", 3),
            ("[a]\nword\n", 2),
            ("[]\n", 1),
        ];
        for (text, line) in cases {
            assert_eq!(parse(text).unwrap_err().0, line, "{text:?}");
        }
    }
}
