//! File name patterns with the semantics of Python's `fnmatch`, and pytest's two uses of them.
//!
//! They differ from a shell's: `*` crosses slashes, `[!x]` negates, braces and backslashes are plain characters.

use std::path::Path;

/// Whether `name` matches `pattern` (`fnmatch.fnmatchcase`; on Unix `fnmatch.fnmatch` is the same).
pub fn fnmatch(name: &str, pattern: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    let (mut n, mut p) = (0, 0);
    // The position to resume at if the text after the last `*` does not match.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                retry = Some((n, p + 1));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => match class_end(&pattern, p) {
                Some(end) => in_class(name[n], &pattern[p + 1..end]).then_some(end + 1),
                None => (name[n] == '[').then_some(p + 1),
            },
            Some(&c) => (name[n] == c).then_some(p + 1),
            None => None,
        };
        match (step, retry) {
            (Some(next), _) => {
                n += 1;
                p = next;
            }
            (None, Some((from, after))) => {
                retry = Some((from + 1, after));
                n = from + 1;
                p = after;
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// The index of the `]` that closes the `[` at `open`.
fn class_end(pattern: &[char], open: usize) -> Option<usize> {
    let mut at = open + 1;
    if pattern.get(at) == Some(&'!') {
        at += 1;
    }
    if pattern.get(at) == Some(&']') {
        at += 1;
    }
    (at..pattern.len()).find(|&end| pattern[end] == ']')
}

fn in_class(c: char, class: &[char]) -> bool {
    let (negated, class) = match class.split_first() {
        Some(('!', rest)) => (true, rest),
        _ => (false, class),
    };
    let mut at = 0;
    let mut found = false;
    while at < class.len() {
        if at + 2 < class.len() && class[at + 1] == '-' {
            found |= class[at] <= c && c <= class[at + 2];
            at += 3;
        } else {
            found |= class[at] == c;
            at += 1;
        }
    }
    found != negated
}

/// Whether a pattern is more than a plain name.
pub(crate) fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// pytest's `python_classes` and `python_functions`: a prefix, or a glob of the whole name.
pub(crate) fn prefix_or_glob(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| name.starts_with(&**pattern) || (is_glob(pattern) && fnmatch(name, pattern)))
}

/// pytest's `fnmatch_ex`: a pattern without a slash matches the file's name, one with a slash the whole path.
pub(crate) fn fnmatch_path(path: &Path, pattern: &str) -> bool {
    if !pattern.contains('/') {
        let name = path.file_name().unwrap_or_default();
        return fnmatch(&name.to_string_lossy(), pattern);
    }
    let text = path.to_string_lossy();
    if path.is_absolute() && !pattern.starts_with('/') {
        fnmatch(&text, &format!("*/{pattern}"))
    } else {
        fnmatch(&text, pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnmatch_agrees_with_python() {
        let cases = [
            ("test_a.py", "test_*.py", true),
            ("xtest_a.py", "test_*.py", false),
            ("a/b/c", "a*c", true),
            ("abc", "a?c", true),
            ("ac", "a?c", false),
            ("abc", "[!x]bc", true),
            ("xbc", "[!x]bc", false),
            ("]", "[]]", true),
            ("-", "[a-]", true),
            ("b", "[a-c]", true),
            ("[", "[", true),
            ("[a", "[a", true),
            ("{arch}", "{arch}", true),
            ("", "*", true),
            ("", "", true),
            ("a", "", false),
            ("aXbXc", "*X*X*", true),
            ("aab", "*ab", true),
            ("^", "[^x]", true),
        ];
        for (name, pattern, expected) in cases {
            assert_eq!(fnmatch(name, pattern), expected, "{name} {pattern}");
        }
    }

    #[test]
    fn a_slash_makes_the_whole_path_count() {
        let path = Path::new("/p/tests/unit/test_a.py");
        assert!(fnmatch_path(path, "tests/*.py"));
        assert!(fnmatch_path(path, "/p/*"));
        assert!(!fnmatch_path(path, "unit"));
        assert!(!fnmatch_path(path, "other/*.py"));
    }
}
