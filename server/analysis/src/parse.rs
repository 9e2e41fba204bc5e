//! The tolerant parse: returns a tree for any text, and never overflows the stack.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{ModModule, PySourceType};
use ruff_python_parser::{
    InterpolatedStringErrorType, LexicalErrorType, ParseErrorType, Parsed, parse_unchecked_source,
};
use ruff_text_size::{TextRange, TextSize};

/// The longest text that is parsed: nobody edits longer source, and offsets have to fit 32 bits.
pub(crate) const MAX_LEN: usize = 256 << 20;

/// The stack that one level of nesting may need while the tree is read and dropped, in bytes (generous: debug builds).
const BYTES_PER_LEVEL: usize = 2 << 10;

/// The deepest tree that is read (CPython stops at a few hundred levels).
const MAX_LEVELS: usize = 400_000;

/// The first syntax error.
pub(crate) struct SyntaxError {
    pub(crate) at: TextSize,
    pub(crate) message: String,
}

/// Parses `text` and passes the tree to `read`, on a stack that is large enough for its nesting.
pub(crate) fn with_tree<T>(text: &str, read: impl FnOnce(&ModModule, Option<SyntaxError>) -> T) -> T {
    with_parsed(text, |parsed, error| read(parsed.syntax(), error))
}

/// As [`with_tree`], with the tokens.
pub(crate) fn with_parsed<T>(text: &str, read: impl FnOnce(&Parsed<ModModule>, Option<SyntaxError>) -> T) -> T {
    let mut parsed: Parsed<ModModule> = parse_unchecked_source(text, PySourceType::Python);
    let error = parsed
        .errors()
        .first()
        .map(|error| SyntaxError { at: error.location.start(), message: error.error.to_string() });
    if let Some(quotes) = open_triple_quote(text, &parsed) {
        parsed = parse_unchecked_source(&commented(text, quotes), PySourceType::Python);
    }
    let levels = nesting(&parsed);
    if levels > MAX_LEVELS {
        // Dropping such a tree would need gigabytes of stack. No person writes one: leaking it is the lesser evil.
        std::mem::forget(parsed);
        let error = SyntaxError { at: TextSize::new(0), message: "expressions are nested too deeply".to_owned() };
        return read(&empty(), Some(error));
    }
    let stack = levels * BYTES_PER_LEVEL + (128 << 10);
    stacker::maybe_grow(stack, stack + (1 << 20), move || {
        let result = read(&parsed, error);
        // On the large stack, because dropping recurses as deeply as reading does.
        drop(parsed);
        result
    })
}

fn empty() -> Parsed<ModModule> {
    parse_unchecked_source("", PySourceType::Python)
}

/// The quotes of a string that never ends. The string swallows the rest of the file with all its tests, each time that
/// someone begins to type a docstring; so the text is read again without these quotes.
fn open_triple_quote(text: &str, parsed: &Parsed<ModModule>) -> Option<TextRange> {
    let start = parsed.errors().iter().find_map(|error| match &error.error {
        ParseErrorType::Lexical(LexicalErrorType::UnclosedStringError) => {
            let start = error.location.start().to_usize();
            let opening = text.get(start..)?.find(['"', '\''])? + start;
            is_triple(text, opening).then_some(opening)
        }
        ParseErrorType::Lexical(
            LexicalErrorType::FStringError(InterpolatedStringErrorType::UnterminatedTripleQuotedString)
            | LexicalErrorType::TStringError(InterpolatedStringErrorType::UnterminatedTripleQuotedString),
        ) => {
            let before = text.get(..error.location.start().to_usize())?;
            [before.rfind("\"\"\""), before.rfind("'''")].into_iter().flatten().max()
        }
        _ => None,
    })?;
    Some(TextRange::at(TextSize::try_from(start).ok()?, TextSize::new(3)))
}

fn is_triple(text: &str, at: usize) -> bool {
    text.get(at..at + 3).is_some_and(|quotes| quotes == "\"\"\"" || quotes == "'''")
}

/// The text with a range turned into the start of a comment: every offset, and the line's indentation, stays the same.
fn commented(text: &str, range: TextRange) -> String {
    let (start, end) = (range.start().to_usize(), range.end().to_usize());
    let mut copy = String::with_capacity(text.len());
    copy.push_str(text.get(..start).unwrap_or(""));
    copy.push('#');
    copy.extend(std::iter::repeat_n(' ', end.saturating_sub(start + 1)));
    copy.push_str(text.get(end..).unwrap_or(""));
    copy
}

/// An upper bound of the tree's depth: an expression can't be deeper than the number of its tokens since the last comma
/// of each open bracket (a comma inside a lambda's parameters begins nothing new).
fn nesting(parsed: &Parsed<ModModule>) -> usize {
    let (mut deepest, mut sum, mut indent) = (0_usize, 0_usize, 0_usize);
    let mut open = vec![Level::default()];
    for token in parsed.tokens() {
        let kind = token.kind();
        match kind {
            TokenKind::Indent => indent += 1,
            TokenKind::Dedent => indent = indent.saturating_sub(1),
            TokenKind::Newline => {
                open.clear();
                open.push(Level::default());
                sum = 0;
            }
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => {
                open.push(Level { tokens: 1, lambda: false });
                sum += 1;
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace if open.len() > 1 => {
                sum -= open.pop().map_or(0, |level| level.tokens);
            }
            _ => {
                if let Some(level) = open.last_mut() {
                    level.lambda |= kind == TokenKind::Lambda;
                    if kind == TokenKind::Comma && !level.lambda {
                        sum -= level.tokens;
                        level.tokens = 0;
                    }
                    level.tokens += 1;
                    sum += 1;
                }
            }
        }
        deepest = deepest.max(sum + indent * 4);
    }
    deepest
}

/// One open bracket (or the statement itself).
#[derive(Default)]
struct Level {
    tokens: usize,
    lambda: bool,
}
