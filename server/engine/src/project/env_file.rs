//! `envFile`: variables for the tests, in the syntax that python-dotenv and VS Code know.
//!
//! The file is read before each run, so that a run sees its current text.

use std::collections::BTreeMap;
use std::path::Path;

use pytest_lens_analysis::listing::read_text;
use pytest_lens_protocol::Settings;

use crate::processes::activation::Activation;

/// The longest value, in bytes. Linux starts no program with a longer one, and variables that repeat others grow without
/// bound: each line of `A=${A}${A}` doubles a value.
const MOST: usize = 128 << 10;

/// The variables that the settings add to the tests' environment, and the problem with `envFile`, if there is one. In
/// that case the file's variables are missing.
pub(crate) fn variables(
    root: &Path,
    settings: &Settings,
    activation: &Activation,
) -> (BTreeMap<String, String>, Option<String>) {
    let (mut env, problem) = match settings.env_file.as_ref().map(|file| root.join(file)) {
        None => (BTreeMap::new(), None),
        Some(path) => match read_text(&path) {
            Ok(text) => (parse(&text, &|name| activation.variable(name)?.into_string().ok()), None),
            Err(error) => {
                let path = path.display();
                let problem = format!(
                    "setting `pytestLens.envFile`: {path} can't be read ({error}), so its variables are missing; make the \
                     file, or correct the path"
                );
                (BTreeMap::new(), Some(problem))
            }
        },
    };
    env.extend(settings.env.clone());
    (env, problem)
}

/// Parses an env file: comments, `export`, quotes, values over several lines, `${NAME}` and `${NAME:-default}`. Earlier
/// lines of the file take precedence over `outer`. Invalid lines are skipped, and values that are longer than [`MOST`].
pub(crate) fn parse(text: &str, outer: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while !rest.is_empty() {
        let line_end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        match binding(rest) {
            Some((name, value, length)) => {
                let known = |name: &str| found.get(name).cloned().or_else(|| outer(name)).unwrap_or_default();
                if let Some(value) = expand(&value, &known) {
                    found.insert(name.to_owned(), value);
                }
                rest = &rest[length..];
            }
            None => rest = &rest[line_end..],
        }
    }
    found
}

/// The name and value at the start of `text`, and their length.
fn binding(text: &str) -> Option<(&str, String, usize)> {
    let line = text.trim_start_matches(' ').trim_start_matches('\t');
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start_matches([' ', '\t']),
        _ => line,
    };
    let name_end = line.find(|c: char| c == '=' || c == '#' || c.is_whitespace())?;
    let name = line[..name_end].trim_matches('\'');
    let after = line[name_end..].trim_start_matches([' ', '\t']).strip_prefix('=')?;
    let value = after.trim_start_matches([' ', '\t']);
    if name.is_empty() {
        return None;
    }
    let begun = text.len() - value.len();
    if let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let (inside, length) = quoted(&value[1..], quote)?;
        let tail = &value[1 + length..];
        let tail_end = tail.find('\n').map_or(tail.len(), |end| end + 1);
        let left = tail[..tail_end].trim();
        return (left.is_empty() || left.starts_with('#')).then_some((name, inside, begun + 1 + length + tail_end));
    }
    let end = value.find('\n').map_or(value.len(), |end| end + 1);
    let bare = &value[..end];
    let comment = bare.char_indices().zip(bare.chars().skip(1));
    let comment = comment.filter(|((_, c), next)| c.is_whitespace() && *next == '#').map(|((at, _), _)| at).next();
    let comment = if bare.starts_with('#') { Some(0) } else { comment };
    Some((name, bare[..comment.unwrap_or(end)].trim_end().to_owned(), begun + end))
}

/// The text within quotes, and its length with the closing quote.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut inside = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        if c == quote {
            return Some((inside, at + 1));
        }
        if c != '\\' {
            inside.push(c);
            continue;
        }
        let (_, escaped) = characters.next()?;
        match (quote, escaped) {
            (_, '\\') => inside.push('\\'),
            (_, '\'') | ('"', '"') => inside.push(escaped),
            ('"', 'n') => inside.push('\n'),
            ('"', 'r') => inside.push('\r'),
            ('"', 't') => inside.push('\t'),
            ('"', 'a') => inside.push('\u{7}'),
            ('"', 'b') => inside.push('\u{8}'),
            ('"', 'f') => inside.push('\u{c}'),
            ('"', 'v') => inside.push('\u{b}'),
            _ => inside.extend(['\\', escaped]),
        }
    }
    None
}

/// Replaces `${NAME}` and `${NAME:-default}` by values. `\${` is a literal `${`. `None` if that is too long.
fn expand(value: &str, known: &dyn Fn(&str) -> String) -> Option<String> {
    let mut expanded = String::new();
    let mut rest = value;
    while expanded.len() <= MOST
        && let Some(at) = rest.find("${")
    {
        let end = rest[at..].find('}').map(|end| at + end);
        let (before, Some(end)) = (&rest[..at], end) else { break };
        let inside = &rest[at + 2..end];
        if let Some(before) = before.strip_suffix('\\') {
            expanded.push_str(before);
            expanded.push_str(&rest[at..=end]);
        } else {
            let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
            let found = known(name);
            expanded.push_str(before);
            expanded.push_str(if found.is_empty() { default } else { &found });
        }
        rest = &rest[end + 1..];
    }
    Some(expanded + rest).filter(|value| value.len() <= MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        parse(text, &|name| (name == "OUTER").then(|| "out".to_owned())).into_iter().collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn lines_are_read_as_dotenv_reads_them() {
        let text = "\u{feff}A=1\n# no\nexport B = \"x # y\" # z\nC='q'\nD=plain # note\nbroken\n\n  E=a#b\r\nF=\nG=#c\n'H'=é\n";
        let expected =
            [("A", "1"), ("B", "x # y"), ("C", "q"), ("D", "plain"), ("E", "a#b"), ("F", ""), ("G", ""), ("H", "é")];
        assert_eq!(values(text), pairs(&expected));
    }

    #[test]
    fn b8_values_have_variables_escapes_and_several_lines() {
        let text = "A=one\nB=${A}/two\nC=\"x\\ny\\\"\\z\"\nD='it\\'s\\n'\nE=\"first\nsecond ${B}\"\n\
                    F=${OUTER}-${NONE}-${NONE:-else}\nG='l1\nl2' # note\nH=\\${A}\nI=${A\nJ=last";
        let expected = [
            ("A", "one"),
            ("B", "one/two"),
            ("C", "x\ny\"\\z"),
            ("D", "it's\\n"),
            ("E", "first\nsecond one/two"),
            ("F", "out--else"),
            ("G", "l1\nl2"),
            ("H", "${A}"),
            ("I", "${A"),
            ("J", "last"),
        ];
        assert_eq!(values(text), pairs(&expected));
    }

    #[test]
    fn values_do_not_grow_without_bound() {
        let text = "A=0123456789abcdef\n".to_owned() + &"A=${A}${A}\n".repeat(64) + "B=${A}x\nC=1\n";
        let found = values(&text);
        let length = |at: usize| found[at].1.len();
        assert_eq!((length(0), length(1)), (MOST, 1), "{:?}", found.iter().map(|(name, _)| name).collect::<Vec<_>>());
    }

    #[test]
    fn b8_what_is_no_binding_is_passed_over() {
        assert_eq!(values("A=\"open\nB=2\n=3\nC=\"x\" y\nexport D\nexport=4\n"), pairs(&[("B", "2"), ("export", "4")]));
    }
}
