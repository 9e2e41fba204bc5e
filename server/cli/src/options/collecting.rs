//! The options of pytest that decide which tests there are. The engine's inventory is collected without the words of a
//! command line, so that it can't narrow a run with one of these.

/// As the words are written after parsing: short options with their value, long ones with `=` before it.
const LONG: [&str; 8] = [
    "--doctest-modules",
    "--doctest-glob",
    "--import-mode",
    "--config-file",
    "--rootdir",
    "--confcutdir",
    "--noconftest",
    "--pyargs",
];

/// Keys of pytest's configuration.
const KEYS: [&str; 7] = [
    "python_files",
    "python_classes",
    "python_functions",
    "collect_imported_tests",
    "norecursedirs",
    "consider_namespace_packages",
    "pythonpath",
];

/// The first word that changes which tests there are.
pub(crate) fn word(passed: &[String]) -> Option<&str> {
    passed.iter().map(String::as_str).find(|word| changes(word))
}

fn changes(word: &str) -> bool {
    let key = word.strip_prefix("--override-ini=").or_else(|| word.strip_prefix("-o"));
    match key.and_then(|pair| pair.split('=').next()) {
        Some(key) => KEYS.contains(&key.trim()),
        None => LONG.contains(&word.split('=').next().unwrap_or(word)) || word.starts_with("-c"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_changes_which_tests_there_are_is_found() {
        let found = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            word(&words).map(str::to_owned)
        };
        for word in ["--doctest-modules", "--doctest-glob=*.md", "-opython_files=*.py", "-cci.ini", "--config-file=x"] {
            assert_eq!(found(&["-v", word]).as_deref(), Some(word));
        }
        assert_eq!(found(&["--override-ini=python_classes = X"]).as_deref(), Some("--override-ini=python_classes = X"));
        assert_eq!(found(&["--tb=short", "-oxfail_strict=true", "--color=yes", "-Werror", "--cov=x"]), None);
    }
}
