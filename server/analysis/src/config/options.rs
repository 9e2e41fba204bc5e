//! The options in `addopts` that change the collection.

use serde::{Deserialize, Serialize};

/// Options and paths that a project passes to every run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AddedOptions {
    /// Paths or node ids to collect; they replace `testpaths`.
    pub paths: Vec<String>,
    /// `--ignore`
    pub ignore: Vec<String>,
    /// `--ignore-glob`
    pub ignore_glob: Vec<String>,
    /// `--deselect`: prefixes of node ids.
    pub deselect: Vec<String>,
    /// `--import-mode`
    pub import_mode: Option<String>,
    /// `--collect-in-virtualenv`
    pub collect_in_virtualenv: bool,
    /// `--doctest-modules`
    pub doctest_modules: bool,
    /// `-o name=value`
    pub overrides: Vec<(String, String)>,
}

/// Options of pytest and of common plugins without a value: the next word is none of theirs.
const FLAGS: &[&str] = &[
    "--cache-clear",
    "--collect-in-virtualenv",
    "--collect-only",
    "--continue-on-collection-errors",
    "--disable-warnings",
    "--doctest-continue-on-failure",
    "--doctest-ignore-import-errors",
    "--doctest-modules",
    "--exitfirst",
    "--failed-first",
    "--ff",
    "--full-trace",
    "--keep-duplicates",
    "--last-failed",
    "--lf",
    "--new-first",
    "--nf",
    "--no-cov",
    "--no-header",
    "--no-summary",
    "--pdb",
    "--pyargs",
    "--quiet",
    "--runxfail",
    "--setup-show",
    "--show-capture",
    "--showlocals",
    "--stepwise",
    "--strict",
    "--strict-config",
    "--strict-markers",
    "--sw",
    "--trace",
    "--trace-config",
    "--verbose",
    "--xfail-tb",
];

impl AddedOptions {
    /// Reads the words of `addopts`.
    pub(super) fn read(words: &[String]) -> Self {
        let mut found = Self::default();
        let mut rest = words.iter().map(String::as_str).peekable();
        while let Some(word) = rest.next() {
            if word == "--" {
                found.paths.extend(rest.by_ref().map(str::to_owned));
                break;
            }
            if !word.starts_with('-') || word == "-" {
                found.paths.push(word.to_owned());
                continue;
            }
            let (option, attached) = split_option(word);
            if FLAGS.contains(&option) || is_short_flags(option) {
                found.flag(option);
                continue;
            }
            // An unknown option takes the next word as its value: a missed path does less harm than a plugin's value
            // that counts as one.
            let value = match attached {
                Some(value) => Some(value),
                None => rest.next_if(|next| !next.starts_with('-')),
            };
            if let Some(value) = value {
                found.option(option, value);
            }
        }
        found
    }

    fn flag(&mut self, option: &str) {
        match option {
            "--doctest-modules" => self.doctest_modules = true,
            "--collect-in-virtualenv" => self.collect_in_virtualenv = true,
            _ => {}
        }
    }

    fn option(&mut self, option: &str, value: &str) {
        match option {
            "--ignore" => self.ignore.push(value.to_owned()),
            "--ignore-glob" => self.ignore_glob.push(value.to_owned()),
            "--deselect" => self.deselect.push(value.to_owned()),
            "--import-mode" => self.import_mode = Some(value.to_owned()),
            "-o" | "--override-ini" => {
                if let Some((name, value)) = value.split_once('=') {
                    self.overrides.push((name.to_owned(), value.to_owned()));
                }
            }
            _ => {}
        }
    }
}

/// An option and the value that is attached to it: `--name=value`, `-ovalue`.
fn split_option(word: &str) -> (&str, Option<&str>) {
    if word.starts_with("--") {
        return match word.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (word, None),
        };
    }
    let takes_value = ["-k", "-m", "-o", "-c", "-p", "-n", "-r", "-W"];
    match word.split_at_checked(2) {
        Some((option, value)) if takes_value.contains(&option) && !value.is_empty() => {
            (option, Some(value.strip_prefix('=').unwrap_or(value)))
        }
        _ => (word, None),
    }
}

/// `-v`, `-vv`, `-qs`, `-x`, `-l`.
fn is_short_flags(option: &str) -> bool {
    option.strip_prefix('-').is_some_and(|letters| !letters.is_empty() && letters.chars().all(|c| "vqsxlh".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_values() {
        let cases: [(&str, &[&str]); 8] = [
            ("-ra -q tests", &["tests"]),
            ("-r a tests", &["tests"]),
            ("--cov pkg --strict-markers tests more", &["tests", "more"]),
            ("-m 'not slow'", &[]),
            ("-k x -n 4 -p no:cov", &[]),
            ("--doctest-modules src", &["src"]),
            ("-vv -- -odd", &["-odd"]),
            ("--tb=short tests", &["tests"]),
        ];
        for (text, paths) in cases {
            let words = crate::words::split(text).unwrap();
            assert_eq!(AddedOptions::read(&words).paths, paths, "{text}");
        }
    }

    #[test]
    fn what_changes_collection_is_kept() {
        let text = "--ignore=a --ignore b --ignore-glob=*c --deselect t.py::x --import-mode=importlib -o python_files=x.py --doctest-modules";
        let found = AddedOptions::read(&crate::words::split(text).unwrap());
        assert_eq!(found.ignore, ["a", "b"]);
        assert_eq!(found.ignore_glob, ["*c"]);
        assert_eq!(found.deselect, ["t.py::x"]);
        assert_eq!(found.import_mode.as_deref(), Some("importlib"));
        assert_eq!(found.overrides, [("python_files".to_owned(), "x.py".to_owned())]);
        assert!(found.doctest_modules);
    }
}
