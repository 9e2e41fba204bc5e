//! The options of pytest that change only its report, or leave out tests. With any other, such as `-W error` or one of the
//! project's, a test may end in another way, and use other code.

/// As the words are written after parsing: short options with their value, long ones with `=` before it.
const LONG: [&str; 11] = [
    "--deselect",
    "--ignore",
    "--ignore-glob",
    "--junitxml",
    "--junit-xml",
    "--junit-prefix",
    "--html",
    "--color",
    "--no-header",
    "--no-summary",
    "--show-capture",
];

/// Whether an option may decide how a test ends.
pub(crate) fn may_decide(word: &str) -> bool {
    let is_selecting_lines = word.starts_with("-r");
    !is_selecting_lines && !LONG.contains(&word.split('=').next().unwrap_or(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_is_not_known_to_be_harmless_may_decide() {
        for word in ["--deselect=a.py::t", "-rA", "--color=yes", "--junitxml=x.xml", "--no-header"] {
            assert!(!may_decide(word), "{word}");
        }
        for word in ["-Werror", "-oxfail_strict=true", "-pno:warnings", "--fast", "--ignore-case"] {
            assert!(may_decide(word), "{word}");
        }
    }
}
