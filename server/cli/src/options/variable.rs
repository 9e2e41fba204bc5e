//! `PYTEST_ADDOPTS` of a command that uses a daemon, whose processes leave the variable out: the request has its words.

use std::ffi::OsString;

use pytest_lens_analysis::split_words;

use super::arguments::Run;
use super::parse::parse_run;
use crate::failure::Failure;

/// The variable, as pytest reads it.
pub(crate) fn value() -> String {
    std::env::var("PYTEST_ADDOPTS").unwrap_or_default()
}

/// Takes what pytest's session would read from the variable: arguments that it gets before those of the command line,
/// expressions if the command line has none, and selectors. `addopts` takes the rest.
///
/// # Errors
/// A sentence on words that can't be followed.
pub(crate) fn take(run: &mut Run, variable: &str) -> Result<(), Failure> {
    let words = split_words(variable).map_err(|error| named(Failure::usage(error)))?;
    let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    let given = parse_run(&words).map_err(named)?;
    run.passed.splice(0..0, given.session_words());
    run.selectors.splice(0..0, given.selectors);
    run.filter.keyword = run.filter.keyword.take().or(given.filter.keyword);
    run.filter.marker = run.filter.marker.take().or(given.filter.marker);
    Ok(())
}

fn named(failure: Failure) -> Failure {
    match failure {
        Failure::Message { sentence, status } => {
            Failure::Message { sentence: format!("the variable PYTEST_ADDOPTS: {sentence}"), status }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(line: &str, variable: &str) -> Result<Run, String> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let mut run = parse_run(&words).unwrap();
        match take(&mut run, variable) {
            Ok(()) => Ok(run),
            Err(Failure::Message { sentence, .. }) => Err(sentence),
            Err(other) => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn the_variables_words_come_before_those_of_the_command_line() {
        let run = taken("-l -k a -q tests", "--deselect=x::y -vv --tb=short -k b -m 'c or d' -x more").unwrap();
        assert_eq!(run.session_words(), ["--deselect=x::y", "-vv", "--tb=short", "-l", "-q"]);
        assert_eq!(run.selectors, ["more", "tests"]);
        assert_eq!((run.filter.keyword.as_deref(), run.filter.marker.as_deref()), (Some("a"), Some("c or d")));
        assert!(!run.exit_first, "`addopts` adds it");
        assert_eq!(taken("-l", "").unwrap().session_words(), ["-l"]);
    }

    #[test]
    fn its_faults_are_named() {
        for (variable, part) in [("-k 'a", "quot"), ("--maxfail few", "`few`"), ("--tx ssh=a", "`--tx`")] {
            let sentence = taken("", variable).unwrap_err();
            assert!(sentence.starts_with("the variable PYTEST_ADDOPTS: "), "{sentence}");
            assert!(sentence.contains(part) || sentence.contains(&part.replace('`', "'")), "{sentence}");
        }
    }
}
