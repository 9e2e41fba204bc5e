//! Decides which cases of a suite its filters select.
//!
//! A filter is a glob over a case's whole name; one that begins with `-` excludes. With no filter every case runs; with
//! positive ones those that match at least one; with negative ones those that match none of them; with both, those
//! that match a positive one and no negative one.
//!
//! In a glob `*` stands for any text, `?` for one character, `[ab]`, `[a-z]` and `[!a]` for one of a set, and `\` makes
//! the next character literal. Names of parametrized cases hold brackets themselves, so a filter also selects a case if
//! it equals the case's name, or the beginning of the name followed by a `*`.

/// The filters of a suite.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaseFilters {
    positive: Vec<Vec<char>>,
    negative: Vec<Vec<char>>,
}

impl CaseFilters {
    /// Takes the filters as they were given.
    pub fn new<S: AsRef<str>>(filters: impl IntoIterator<Item = S>) -> Self {
        let mut taken = CaseFilters::default();
        for filter in filters {
            match filter.as_ref().strip_prefix('-') {
                Some(rest) => taken.negative.push(rest.chars().collect()),
                None => taken.positive.push(filter.as_ref().chars().collect()),
            }
        }
        taken
    }

    /// Whether there is no filter at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positive.is_empty() && self.negative.is_empty()
    }

    /// Whether the filters select a case of this name.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        if self.is_empty() {
            return true;
        }
        let name: Vec<char> = name.chars().collect();
        let any = |globs: &[Vec<char>]| globs.iter().any(|glob| is_meant(glob, &name));
        (self.positive.is_empty() || any(&self.positive)) && !any(&self.negative)
    }
}

fn is_meant(glob: &[char], name: &[char]) -> bool {
    let literally = match glob.split_last() {
        Some(('*', start)) => name.starts_with(start),
        _ => glob == name,
    };
    literally || matches(glob, name)
}

/// Whether a glob matches a whole text. The time is at most proportional to the product of their lengths.
fn matches(glob: &[char], text: &[char]) -> bool {
    let (mut at, mut read) = (0, 0);
    // The position to try next if the rest does not match: the last `*` takes one character more.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if glob.get(at) == Some(&'*') {
            at += 1;
            retry = Some((at, read));
            continue;
        }
        if at == glob.len() && read == text.len() {
            return true;
        }
        match text.get(read).and_then(|letter| one(&glob[at..], *letter)) {
            Some(length) => {
                at += length;
                read += 1;
            }
            None => match retry {
                Some((star, from)) if from < text.len() => {
                    at = star;
                    read = from + 1;
                    retry = Some((star, read));
                }
                _ => return false,
            },
        }
    }
}

/// The length of the glob's beginning that matches this one character; `None` if it matches another one.
fn one(glob: &[char], letter: char) -> Option<usize> {
    match glob {
        ['?', ..] => Some(1),
        ['\\', literal, ..] => (*literal == letter).then_some(2),
        ['[', rest @ ..] => match set(rest) {
            Some((set, length)) => set_takes(set, letter).then_some(length + 1),
            None => (letter == '[').then_some(1),
        },
        [literal, ..] => (*literal == letter).then_some(1),
        [] => None,
    }
}

/// The text between a bracket and its closing one, and the length including that one; `None` if none closes it. A
/// closing bracket in the first place belongs to the set.
fn set(rest: &[char]) -> Option<(&[char], usize)> {
    let first = usize::from(rest.first() == Some(&'!'));
    let end = rest.iter().skip(first + 1).position(|letter| *letter == ']')? + first + 1;
    Some((&rest[..end], end + 1))
}

fn set_takes(set: &[char], letter: char) -> bool {
    let (negated, mut members) = match set {
        ['!', members @ ..] => (true, members),
        members => (false, members),
    };
    let mut found = false;
    loop {
        members = match members {
            [from, '-', to, rest @ ..] => {
                found |= (*from..=*to).contains(&letter);
                rest
            }
            [member, rest @ ..] => {
                found |= *member == letter;
                rest
            }
            [] => return found != negated,
        };
    }
}
