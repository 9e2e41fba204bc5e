//! `pytest-lens run` with an option that only pytest itself can follow: this process becomes `python -m pytest`, with
//! the project's interpreter, the terminal and the arguments as they were written.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use pytest_lens_analysis::{FileSettings, listing, settings_from};
use pytest_lens_platform::processes::become_program;

use crate::failure::Failure;
use crate::options::arguments::Run;
use crate::options::parse::parse_run;
use crate::options::{pytest_process, pytest_table};

/// The option that makes a run pytest's, if there is one, on the command line or among the words that the project and
/// the environment add to it.
///
/// Added words yield to options that pytest does not have: otherwise nobody could use these in such a project.
pub(super) fn option(run: &Run, added: &[String]) -> Option<String> {
    let only_ours = run.watch
        || run.json
        || run.output.timings
        || run.shard.is_some()
        || run.affected.is_some()
        || run.engine.connect.is_some()
        || run.mode.is_some();
    let added_run = added_run(added).filter(|_| !only_ours);
    let listed_by_us = only_ours
        || run.workers.is_some()
        || run.reruns.is_some()
        || run.last_failed
        || run.failed_first
        || run.new_first
        || run.cache_clear
        || run.stepwise
        || run.stepwise_skip;
    let collects = run.collect_only || added_run.as_ref().is_some_and(|added| added.collect_only);
    let lists = (collects && !listed_by_us).then(|| "--collect-only".to_owned());
    let of_added = added_run.as_ref().and_then(|added| added.by_pytest.clone());
    let names_modules = is_about_modules(run) || added_run.is_some_and(|added| is_about_modules(&added));
    let modules =
        (names_modules && run.selectors.iter().any(|selector| may_be_module(selector))).then(|| PYARGS.to_owned());
    let prints_nothing = has_no_reporter(&run.passed) || has_no_reporter(added);
    let silent = (prints_nothing && !only_ours).then(|| format!("-p {NO_REPORTER}"));
    run.by_pytest.clone().or(lists).or(modules).or(silent).or(of_added)
}

/// Blocks pytest's plugin that prints, and has the options of output.
const NO_REPORTER: &str = "no:terminal";

/// Whether these words block pytest's reporter.
fn has_no_reporter(words: &[String]) -> bool {
    let is_apart = words.windows(2).any(|pair| pair[0] == "-p" && pair[1] == NO_REPORTER);
    is_apart || words.iter().any(|word| word.strip_prefix("-p") == Some(NO_REPORTER))
}

const PYARGS: &str = "--pyargs";

fn is_about_modules(run: &Run) -> bool {
    run.passed.iter().any(|word| word == PYARGS)
}

/// Whether a selector may name a Python module, which only a session of pytest can find.
fn may_be_module(selector: &str) -> bool {
    let name = selector.split("::").next().unwrap_or_default();
    let is_identifier =
        |part: &str| !part.is_empty() && part.chars().all(|letter| letter == '_' || letter.is_alphanumeric());
    // pytest looks for the module `a.py` as well, but a file of that name is what a person means.
    name.split('.').all(is_identifier) && !name.ends_with(".py")
}

/// The options among added words. pytest reports their faults.
fn added_run(added: &[String]) -> Option<Run> {
    parse_run(&added.iter().map(OsString::from).collect::<Vec<_>>()).ok()
}

/// Whether a root has nested projects, whose tests pytest itself would collect as the root's.
pub(super) fn has_projects(root: &Path) -> bool {
    let file = FileSettings::of_root(root).given.complete();
    let pytest = settings_from(root, &|path| listing::read_text(path).ok()).unwrap_or_default();
    !listing::nested_projects(root, &pytest, file.projects.as_deref()).projects.is_empty()
}

/// Becomes pytest. Returns only if that is not possible.
pub(super) fn replace_process(option: &str, root: &Path, run: &Run) -> Failure {
    let mut words = match words_for_pytest(&run.written) {
        Ok(words) => words,
        Err(ours) => {
            return Failure::usage(format!(
                "only pytest itself follows `{option}`, and it has no `{ours}`: leave out one of them"
            ));
        }
    };
    let python = match pytest_process::python(root) {
        Ok(python) => python,
        Err(failure) => return failure,
    };
    if run.workers.is_some() && !has_xdist(&python) {
        words = without_runners(&words);
        // If standard error is closed, nobody reads it.
        let _ = writeln!(
            std::io::stderr(),
            "pytest-lens: only pytest itself follows `{option}`, and without pytest-xdist it has one runner: `-n` is left out"
        );
    }
    let file = FileSettings::of_root(root).given.complete();
    let mut pytest = Command::new(&python);
    pytest.args(["-m", "pytest"]);
    if uses_cache(run) {
        pytest.arg("-o").arg(format!("cache_dir={}", pytest_lens_engine::pytest_cache(root, &python).display()));
    }
    pytest.args(&file.arguments).args(words).envs(&file.env);
    let error = become_program(pytest.current_dir(root));
    Failure::internal(format!("`{}` can't be started: {error}", python.display()))
}

/// Whether a run shows or empties pytest's cache: that is the one of the engine's runs then.
fn uses_cache(run: &Run) -> bool {
    let is_blocked = run.passed.iter().any(|word| word == "-pno:cacheprovider");
    let is_shown = run.written.iter().any(|word| word.to_string_lossy().starts_with("--cache-show"));
    !is_blocked && (run.cache_clear || is_shown)
}

fn has_xdist(python: &Path) -> bool {
    let finds = "import importlib.util, sys; sys.exit(importlib.util.find_spec('xdist') is None)";
    Command::new(python).args(["-c", finds]).status().is_ok_and(|status| status.success())
}

/// The words without those about several runners, which only pytest-xdist has.
fn without_runners(words: &[OsString]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut left = words.iter();
    while let Some(word) = left.next() {
        let text = word.to_string_lossy();
        if text == "--" {
            kept.push(word.clone());
            kept.extend(left.by_ref().cloned());
            continue;
        }
        match pytest_table::of_package("pytest-xdist", &text) {
            Some(has_value) => drop(left.by_ref().take(usize::from(has_value)).count()),
            None => kept.push(word.clone()),
        }
    }
    kept
}

/// The words without those of this command alone.
///
/// # Errors
/// An option that pytest does not have, and whose meaning would be lost.
fn words_for_pytest(written: &[OsString]) -> Result<Vec<OsString>, String> {
    let mut words = Vec::new();
    let mut left = written.iter();
    while let Some(word) = left.next() {
        let text = word.to_string_lossy();
        let name = text.split('=').next().unwrap_or_default();
        match name {
            "--" => {
                words.push(word.clone());
                words.extend(left.by_ref().cloned());
            }
            // pytest prints in its own way.
            "--root" | "--reporter" => {
                if !text.contains('=') {
                    left.next();
                }
            }
            "--json" | "--shard" | "--strategy" | "--mode" | "--connect" | "--affected" | "--explain" | "--watch"
            | "--timings" => {
                return Err(name.to_owned());
            }
            _ => words.push(word.clone()),
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn option_of(line: &str) -> Option<String> {
        option(&parse_run(&words(line)).unwrap(), &[])
    }

    fn option_with(addopts: &str, line: &str) -> Option<String> {
        let added: Vec<String> = addopts.split_whitespace().map(str::to_owned).collect();
        option(&parse_run(&words(line)).unwrap(), &added)
    }

    #[test]
    fn reports_are_left_to_pytest() {
        assert_eq!(option_of("--fixtures -v tests").as_deref(), Some("--fixtures"));
        assert_eq!(option_of("-x --setup-show").as_deref(), Some("--setup-show"));
        assert_eq!(option_of("--basetemp=out").as_deref(), Some("--basetemp"));
        assert_eq!(option_of("-VV").as_deref(), Some("-V"));
        assert_eq!(option_of("--co -q").as_deref(), Some("--collect-only"));
        assert_eq!(option_of("--co --json"), None);
        assert_eq!(option_of("--co --lf"), None);
        assert_eq!((option_of("--co --ff"), option_of("--co --nf")), (None, None));
        assert_eq!(option_of("--co --cache-clear"), None);
        assert_eq!(option_of("--co --affected"), None);
        assert_eq!(option_of("-x -- --fixtures"), None);
    }

    #[test]
    fn a_run_without_the_reporter_is_left_to_pytest() {
        assert_eq!(option_of("-p no:terminal test_a.py").as_deref(), Some("-p no:terminal"));
        assert_eq!(option_of("-pno:terminal").as_deref(), Some("-p no:terminal"));
        assert_eq!(option_with("-p no:terminal", "-x").as_deref(), Some("-p no:terminal"));
        assert_eq!(option_of("-p no:terminal --json"), None);
        assert_eq!(option_of("-p no:terminalx -p no:logging"), None);
    }

    #[test]
    fn options_of_addopts_count_as_well() {
        assert_eq!(option_with("-q --basetemp=b", "-x tests").as_deref(), Some("--basetemp"));
        assert_eq!(option_with("--reruns 2 --reruns-delay 1", "").as_deref(), Some("--reruns-delay"));
        assert_eq!(option_with("--setup-show", "--fixtures").as_deref(), Some("--fixtures"));
        assert_eq!(option_with("--co", "-q").as_deref(), Some("--collect-only"));
        assert_eq!(option_with("--setup-show", "--json"), None);
        assert_eq!(option_with("--setup-show", "--affected"), None);
        assert_eq!(option_with("-q --tb=short tests", "-x"), None);
        assert_eq!(option_with("--maxfail few --setup-show", "-x"), None);
    }

    #[test]
    fn modules_are_found_by_pytest() {
        assert_eq!(option_of("--pyargs shop.tests").as_deref(), Some("--pyargs"));
        assert_eq!(option_of("-q tests/unit --pyargs shop::test_a").as_deref(), Some("--pyargs"));
        assert_eq!(option_with("--pyargs", "shop").as_deref(), Some("--pyargs"));
        assert_eq!(option_of("--pyargs tests/unit tests/test_a.py::test_b ./shop a.py"), None);
        assert_eq!(option_of("--pyargs"), None);
        assert_eq!(option_of("shop"), None);
    }

    #[test]
    fn pytest_gets_the_words_as_they_were_written() {
        assert_eq!(
            words_for_pytest(&words("--root a --fixtures -k=x -- --json")),
            Ok(words("--fixtures -k=x -- --json"))
        );
        assert_eq!(words_for_pytest(&words("--root=a --markers")), Ok(words("--markers")));
        assert_eq!(words_for_pytest(&words("--markers --json")), Err("--json".into()));
        assert_eq!(words_for_pytest(&words("--fixtures --watch")), Err("--watch".into()));
    }

    #[test]
    fn without_xdist_pytest_gets_no_number_of_runners() {
        let kept = |line: &str| without_runners(&words(line));
        assert_eq!(kept("-n2 --basetemp b -x"), words("--basetemp b -x"));
        assert_eq!(kept("-n auto --dist=loadfile --numprocesses 3 -v a.py"), words("-v a.py"));
        assert_eq!(kept("--numprocesses=3 -q -- -n2"), words("-q -- -n2"));
    }
}
