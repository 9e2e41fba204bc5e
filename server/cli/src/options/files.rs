//! Files of arguments: pytest takes `@FILE` for the lines of that file, one argument each.

use std::ffi::{OsStr, OsString};

/// How deep files may name files, so that a circle ends.
const DEPTH: u8 = 8;

/// The arguments, each `@FILE` replaced by the lines of the file. A file that can't be read stays as it is written.
pub(super) fn expanded(arguments: &[OsString]) -> Vec<OsString> {
    expanded_to(arguments, DEPTH)
}

fn expanded_to(arguments: &[OsString], depth: u8) -> Vec<OsString> {
    let mut all = Vec::with_capacity(arguments.len());
    for argument in arguments {
        match lines_of(argument).filter(|_| depth > 0) {
            Some(lines) => all.extend(expanded_to(&lines, depth - 1)),
            None => all.push(argument.clone()),
        }
    }
    all
}

fn lines_of(argument: &OsStr) -> Option<Vec<OsString>> {
    let file = argument.to_str()?.strip_prefix('@')?;
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.lines().map(OsString::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_an_argument_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("@{}", folder.path().join(name).display());
        std::fs::write(folder.path().join("more.txt"), "-k\na or b\n").unwrap();
        std::fs::write(folder.path().join("args.txt"), format!("-v\n{}\n", at("more.txt"))).unwrap();
        std::fs::write(folder.path().join("circle.txt"), format!("{}\n", at("circle.txt"))).unwrap();
        let read = |words: &[&str]| expanded(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(read(&["-x", &at("args.txt"), "t.py"]), ["-x", "-v", "-k", "a or b", "t.py"]);
        assert_eq!(read(&["@acme", "a@b.py"]), ["@acme", "a@b.py"]);
        assert_eq!(read(&[&at("circle.txt")]), [OsString::from(at("circle.txt"))]);
    }
}
