//! The rules of `docs/style.md` that a program can check: sentences that begin with "What ..." or "Whoever ...", and
//! words that the page forbids, in comments, docs, strings and Markdown.
//!
//! The check prefers silence to a false alarm: it reads comments and Markdown as prose, sentence by sentence, and looks
//! at code only for words that no identifier has.

use std::path::Path;

/// Files that quote the forbidden words.
const QUOTES: &[&str] = &["docs/style.md", "xtask/src/plain_words.rs"];

/// Folders and files that are not in plain words yet. Shorten this list; add nothing.
const NOT_YET: &[&str] = &[];

/// Words that no comment, string or document contains, and the words to write instead.
const EVERYWHERE: &[(&str, &str)] = &[
    ("anew", "again"),
    ("afresh", "again"),
    ("in vain", "without success, or the name of the failure"),
    ("whoever", "the name of the one who acts"),
    ("so many at most", "at most, and the number"),
    ("so often at most", "at most, and the number"),
];

/// Words that prose does not contain; code has them as identifiers.
const IN_PROSE: &[(&str, &str)] = &[
    ("told", "sent, reported, given, known"),
    ("tells", "sends, reports, says, shows"),
    ("telling", "sending, reporting"),
    ("beside", "next to, with, besides"),
    ("mend", "fix, repair"),
    ("mends", "fixes, repairs"),
    ("mended", "fixed, repaired"),
];

/// Words that begin a sentence whose subject is a clause.
const OPENINGS: &[&str] = &["What", "Whatever", "Whoever", "Whichever", "Who", "Whom", "Whose"];

/// One paragraph of prose: its lines, and for each the offset at which it begins and its number, from 1.
#[derive(Default)]
struct Paragraph {
    text: String,
    lines: Vec<(usize, usize)>,
}

/// A line of a file: prose, or code with what its strings say.
enum Line<'a> {
    Prose(&'a str),
    Code(&'a str),
    /// Separates paragraphs and is not read.
    Break,
}

/// The sentences and words in one file that `docs/style.md` forbids, each with its line and a better word.
pub(crate) fn complaints(path: &Path, text: &str) -> Vec<String> {
    if QUOTES.iter().chain(NOT_YET).any(|skipped| path.starts_with(skipped)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut paragraph = Paragraph::default();
    for (index, line) in lines(path, text).into_iter().enumerate() {
        let number = index + 1;
        match line {
            Line::Prose(prose) => paragraph.add(number, prose),
            Line::Break => paragraph.end(&mut found),
            Line::Code(code) => {
                paragraph.end(&mut found);
                found.extend(code_faults(code).into_iter().map(|fault| (number, fault)));
            }
        }
    }
    paragraph.end(&mut found);
    found.into_iter().map(|(line, fault)| format!("{}:{line}: {fault} (docs/style.md)", path.display())).collect()
}

/// Whether the file is one of those that people read as a whole, beyond the source files.
pub(crate) fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "md") || path.ends_with("package.json")
}

/// Splits a file into prose and code, by its kind.
fn lines<'a>(path: &Path, text: &'a str) -> Vec<Line<'a>> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("md") => markdown(text),
        Some("py") => python(text),
        Some("rs") => comments(text, &["//!", "///", "//"]),
        Some("ts" | "js" | "mjs") => comments(text, &["//", "/**", "/*", "* "]),
        Some("lua") => comments(text, &["---", "--"]),
        _ => text.lines().map(Line::Code).collect(),
    }
}

/// Lines that begin with one of `marks` are prose; a longer mark comes before its beginning.
fn comments<'a>(text: &'a str, marks: &[&str]) -> Vec<Line<'a>> {
    let line = |line: &'a str| {
        let line = line.trim();
        let rest = marks.iter().find_map(|mark| line.strip_prefix(mark));
        rest.map_or(Line::Code(line), |rest| prose(rest.trim_end_matches("*/")))
    };
    text.lines().map(line).collect()
}

/// Comments and docstrings are prose; other strings over several lines are code.
fn python(text: &str) -> Vec<Line<'_>> {
    const QUOTES: &str = "\"\"\"";
    let mut open = None;
    let line = |line| {
        let line: &str = str::trim(line);
        let is_doc = line.trim_start_matches('r').starts_with(QUOTES);
        let was_open = open;
        if line.matches(QUOTES).count() % 2 == 1 {
            open = if was_open.is_some() { None } else { Some(is_doc) };
        }
        match line.strip_prefix('#') {
            _ if was_open.unwrap_or(is_doc) => prose(line.trim_start_matches('r').trim_matches('"')),
            Some(rest) if was_open.is_none() => prose(rest),
            _ => Line::Code(line),
        }
    };
    text.lines().map(line).collect()
}

/// All is prose but fenced code and headings.
fn markdown(text: &str) -> Vec<Line<'_>> {
    let mut is_code = false;
    let line = |line| {
        let line: &str = str::trim(line);
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        if is_code || is_fence || line.starts_with('#') { Line::Break } else { prose(line) }
    };
    text.lines().map(line).collect()
}

fn prose(line: &str) -> Line<'_> {
    let line = line.trim();
    if line.is_empty() { Line::Break } else { Line::Prose(line) }
}

impl Paragraph {
    /// Adds a line.
    fn add(&mut self, number: usize, line: &str) {
        self.lines.push((self.text.len(), number));
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Checks the paragraph and empties it.
    fn end(&mut self, found: &mut Vec<(usize, String)>) {
        let paragraph = std::mem::take(self);
        let at = |offset: usize| {
            let after = paragraph.lines.partition_point(|(begin, _)| *begin <= offset);
            paragraph.lines.get(after.wrapping_sub(1)).map_or(0, |(_, number)| *number)
        };
        let flat = paragraph.text.replace('\n', " ");
        for (word, instead) in EVERYWHERE.iter().chain(IN_PROSE) {
            for offset in places(&flat, word) {
                if !sentence_at(&flat, offset).contains(" apart") {
                    found.push((at(offset), format!("write \"{instead}\", not \"{word}\"")));
                }
            }
        }
        for begin in sentence_begins(&paragraph.text) {
            let sentence = sentence_at(&flat, begin);
            if let Some(opening) = opening(sentence) {
                found.push((at(begin), format!("begin with the thing that acts, not with \"{opening} ...\"")));
            }
        }
    }
}

/// The faults of a line of code: forbidden words, and strings that begin as no sentence should.
fn code_faults(code: &str) -> Vec<String> {
    let words = EVERYWHERE.iter().filter(|(word, _)| !places(code, word).is_empty());
    let mut found: Vec<String> = words.map(|(word, instead)| format!("write \"{instead}\", not \"{word}\"")).collect();
    for word in ["What", "Whatever"] {
        let begins = |quote: char| code.contains(&format!("{quote}{word} "));
        if !code.contains('?') && ['"', '\'', '`'].into_iter().any(begins) {
            found.push(format!("begin with the thing that acts, not with \"{word} ...\""));
        }
    }
    found
}

/// Where `word` is in `text` as a word of its own, in either case of its first letter, and not in backticks.
fn places(text: &str, word: &str) -> Vec<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '`';
    let lower = text.to_ascii_lowercase();
    let is_whole = |offset: &usize| {
        let (before, after) = (&text[..*offset], &text[offset + word.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    };
    lower.match_indices(word).map(|(offset, _)| offset).filter(is_whole).collect()
}

/// Where the sentences of a paragraph begin: at its first line, at items of lists and cells, and after a full stop.
fn sentence_begins(text: &str) -> Vec<usize> {
    let mut begins = vec![0];
    begins.extend(text.match_indices(['.', '?', '!']).filter_map(|(offset, _)| {
        let rest = &text[offset + 1..];
        rest.starts_with([' ', '\n']).then_some(offset + 2)
    }));
    for mark in ["\n- ", "\n* ", "| ", "- **"] {
        begins.extend(text.match_indices(mark).map(|(offset, _)| offset + mark.len()));
    }
    begins.sort_unstable();
    begins.dedup();
    begins
}

/// The rest of the sentence from `begin` on.
fn sentence_at(text: &str, begin: usize) -> &str {
    let rest = text.get(begin..).unwrap_or_default();
    let end = rest
        .match_indices(['.', '?', '!'])
        .find(|(offset, _)| rest[offset + 1..].chars().next().is_none_or(char::is_whitespace));
    end.map_or(rest, |(offset, _)| &rest[..=offset])
}

/// The word that the sentence should not begin with; none if it is a question, or if it begins well.
fn opening(sentence: &str) -> Option<&'static str> {
    let sentence = sentence.trim_start_matches(['-', '*', ' ', '"', '(', '>']);
    let (first, rest) = sentence.split_once(' ')?;
    if sentence.trim_end().ends_with('?') || !rest.starts_with(|c: char| c.is_alphanumeric() || c == '`') {
        return None;
    }
    if first == "Where" && !sentence.contains([',', ':']) {
        return Some("Where");
    }
    OPENINGS.iter().copied().find(|opening| *opening == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        let complaints = complaints(Path::new(name), text).into_iter();
        complaints.map(|line| line.trim_end_matches(" (docs/style.md)").to_owned()).collect()
    }

    #[test]
    fn a_sentence_with_a_clause_for_its_subject_is_found() {
        let text = "//! Why.\n\n/// Sorted. What is\n/// missing is last.\nfn f() {}\n";
        assert_eq!(found("a.rs", text), ["a.rs:3: begin with the thing that acts, not with \"What ...\""]);
        for text in ["// Whoever asks", "/// Where it lies.", "//! Whatever comes, it runs."] {
            assert!(!found("a.rs", text).is_empty(), "{text}");
        }
        assert_eq!(found("a.md", "- What is gone").len(), 1);
        assert_eq!(found("a.md", "| a | What is gone |").len(), 1);
        assert_eq!(found("a.py", "\"\"\"Why.\n\nWhat is gone.\n\"\"\"\n").len(), 1);
        assert!(found("a.py", "x(\"\"\"\nWhat is gone.\n\"\"\")\nWhat is = gone\n").is_empty());
        assert_eq!(found("a.ts", "/** Why. */\nshow('What is wrong: ' + it);\n").len(), 1);
    }

    #[test]
    fn questions_headings_and_conditions_are_fine() {
        for text in ["// What is that?", "// Where nothing is set, the default holds.", "// It says what is wrong."] {
            assert!(found("a.rs", text).is_empty(), "{text}");
        }
        assert!(found("a.md", "## What it does\n\n```\nWhat is that\n```\n").is_empty());
        assert!(found("a.rs", "let what = \"Whatsoever\";").is_empty());
    }

    #[test]
    fn forbidden_words_are_found_in_prose_and_in_strings() {
        assert_eq!(found("a.rs", "/// Read\n/// anew."), ["a.rs:2: write \"again\", not \"anew\""]);
        assert_eq!(found("a.rs", "show(\"tried in\u{20}vain\")").len(), 1);
        assert_eq!(found("a.lua", "-- The client is told.").len(), 1);
        assert!(found("a.lua", "local told = anew_told").is_empty());
        assert!(found("a.rs", "// Tells them apart; the function is `told`.").is_empty());
    }
}
