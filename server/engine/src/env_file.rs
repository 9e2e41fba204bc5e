//! `envFile`: lines of `NAME=value`, as dotenv files have them.

use std::collections::BTreeMap;

/// Reads the text of an env file: comments, `export`, and quotes are understood, nothing is expanded.
pub(crate) fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    if line.starts_with('#') {
        return None;
    }
    let (name, value) = line.split_once('=')?;
    let value = value.trim();
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.split_once(quote));
    let value = match quoted {
        Some((inside, _)) => inside,
        None => value.split_once(" #").map_or(value, |(value, _)| value.trim_end()),
    };
    Some((name.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_dotenv_reads_them() {
        let text = "A=1\n# no\nexport B = \"x # y\" # z\nC='q'\nD=plain # note\nbroken\n";
        let expected = [("A", "1"), ("B", "x # y"), ("C", "q"), ("D", "plain")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parse(text), BTreeMap::from(expected));
    }
}
