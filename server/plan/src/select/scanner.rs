//! Cuts an expression into tokens, one at a time: text after the first fault is never read, so the error is the one
//! that pytest reports.

use super::Fault;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    LeftParenthesis,
    RightParenthesis,
    Or,
    And,
    Not,
    Identifier,
    End,
    Equal,
    Text,
    Comma,
}

impl Kind {
    /// The name of the token in pytest's messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LeftParenthesis => "left parenthesis",
            Self::RightParenthesis => "right parenthesis",
            Self::Or => "or",
            Self::And => "and",
            Self::Not => "not",
            Self::Identifier => "identifier",
            Self::End => "end of input",
            Self::Equal => "=",
            Self::Text => "string literal",
            Self::Comma => ",",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The text as written; for a string literal the text between the quotes.
    pub(super) text: String,
    /// 0-based, in characters.
    pub(super) position: usize,
}

pub(super) struct Scanner {
    input: Vec<char>,
    position: usize,
}

impl Scanner {
    pub(super) fn new(input: &str) -> Self {
        Self { input: input.chars().collect(), position: 0 }
    }

    pub(super) fn next(&mut self) -> Result<Token, Fault> {
        while matches!(self.input.get(self.position), Some(' ' | '\t')) {
            self.position += 1;
        }
        let Some(&first) = self.input.get(self.position) else {
            return Ok(self.token(Kind::End, 0));
        };
        match first {
            '(' => Ok(self.token(Kind::LeftParenthesis, 1)),
            ')' => Ok(self.token(Kind::RightParenthesis, 1)),
            '=' => Ok(self.token(Kind::Equal, 1)),
            ',' => Ok(self.token(Kind::Comma, 1)),
            '\'' | '"' => self.text(first),
            _ => self.word(first),
        }
    }

    fn text(&mut self, quote: char) -> Result<Token, Fault> {
        let start = self.position;
        let rest = &self.input[start + 1..];
        let Some(length) = rest.iter().position(|&c| c == quote) else {
            return Err(Fault { position: start, reason: format!("closing quote \"{quote}\" is missing") });
        };
        if let Some(backslash) = rest[..length].iter().position(|&c| c == '\\') {
            return Err(Fault {
                position: start + 1 + backslash,
                reason: r#"escaping with "\" not supported in marker expression"#.to_owned(),
            });
        }
        let text = rest[..length].iter().collect();
        self.position = start + length + 2;
        Ok(Token { kind: Kind::Text, text, position: start })
    }

    fn word(&mut self, first: char) -> Result<Token, Fault> {
        let rest = &self.input[self.position..];
        let length = rest.iter().take_while(|&&c| is_word(c)).count();
        if length == 0 {
            return Err(Fault { position: self.position, reason: format!("unexpected character \"{first}\"") });
        }
        let mut token = self.token(Kind::Identifier, length);
        token.kind = match token.text.as_str() {
            "or" => Kind::Or,
            "and" => Kind::And,
            "not" => Kind::Not,
            _ => Kind::Identifier,
        };
        Ok(token)
    }

    fn token(&mut self, kind: Kind, length: usize) -> Token {
        let position = self.position;
        self.position += length;
        Token { kind, text: self.input[position..self.position].iter().collect(), position }
    }
}

/// Node ids are words too, so that users can paste a part of one. Python's `\w` leaves out the vowel signs of some
/// scripts, which makes words of these scripts unusable there; here they count.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | ':' | '+' | '-' | '.' | '[' | ']' | '\\' | '/')
}
