//! The options that the project and the environment add to every command line: `addopts` and `PYTEST_ADDOPTS`.
//!
//! pytest's session reads them, too. So only options of this command are taken from them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pytest_lens_analysis::{
    ConfigError, ConfigRules, FileSettings, PytestSettings, fnmatch, listing, settings_with, split_words,
};
use pytest_lens_protocol::{NodeId, Settings, WorkerCount};

use super::arguments::{OutputOptions, Run};
use super::parse::parse_run;
use super::projects;
use super::pytest_process;
use super::values::{Figure, PartLevels};
use super::variable;

/// The words that the project around the selected tests and the environment add to these options, and then the arguments
/// of `settings`, which are those in the files of `root`. Faults of nested projects are printed to standard error.
pub(crate) fn of_project(root: &Path, settings: &Settings, options: &Run) -> Added {
    let nested = projects::nested(root, settings);
    let words = [&settings.arguments[..], &options.passed].concat();
    let folder = projects::configured_in(root, &nested, &options.selectors);
    let mut added = read(root, &folder, &words);
    added.words.extend(settings.arguments.iter().cloned());
    added.workers = settings.workers;
    added
}

/// The words that are added in each project of these node ids (none stand for all), with the arguments in its settings;
/// with the project's folder, which is empty for the root.
pub(crate) fn of_each_project(root: &Path, ids: &[String]) -> Vec<(String, Vec<String>)> {
    let nested = projects::nested(root, &FileSettings::of_root(root).given.complete());
    let words = |path: String| {
        let folder = root.join(&path);
        let mut words = read(root, &folder, &[]).words;
        words.extend(FileSettings::of_root(&folder).given.complete().arguments);
        (path, words)
    };
    projects::of_ids(&nested, ids).into_iter().map(words).collect()
}

/// Everything that the project and the environment add to a command line.
#[derive(Debug, Default)]
pub(crate) struct Added {
    /// The words, in pytest's order.
    pub words: Vec<String>,
    /// `console_output_style` of the configuration.
    pub figure: Figure,
    /// `verbosity_test_cases` and `verbosity_subtests` of the configuration.
    pub parts: PartLevels,
    /// `log_cli` of the configuration.
    pub log_cli: bool,
    /// The number of runners in the settings, which the engine reads by itself.
    pub workers: Option<WorkerCount>,
}

/// Reads the additions of pytest's configuration and of `PYTEST_ADDOPTS`, for a run with these arguments in a folder of
/// the root. pytest itself reports the faults of its configuration.
fn read(root: &Path, folder: &Path, arguments: &[String]) -> Added {
    let of_variable = split_words(&variable::value()).unwrap_or_default();
    let words = [&of_variable, arguments].concat();
    let installed = || {
        // A nested project has an interpreter of its own, or that of the root.
        let has_own = [".venv", "venv"].iter().any(|name| folder.join(name).is_dir());
        pytest_process::python(if has_own { folder } else { root })
            .map_or(ConfigRules::Since9, |python| pytest_lens_engine::config_rules(&python))
    };
    let settings = ConfigRules::follow(installed, |rules| configuration(folder, &words, rules)).unwrap_or_default();
    let figure = settings.console_output_style.as_deref().map(Figure::of_style).unwrap_or_default();
    let parts = PartLevels { tests: settings.verbosity_test_cases, subtests: settings.verbosity_subtests };
    let words = [settings.addopts, of_variable].concat();
    Added { figure, parts, log_cli: settings.log_cli, words, workers: None }
}

/// The rest of the last word that begins with one of these.
fn last_value<'a>(words: &'a [String], beginnings: &[&str]) -> Option<&'a str> {
    words.iter().rev().find_map(|word| beginnings.iter().find_map(|beginning| word.strip_prefix(beginning)))
}

/// pytest's configuration for a run with these words: of the project's file, or the one that `-c` names.
fn configuration(root: &Path, words: &[String], rules: ConfigRules) -> Result<PytestSettings, ConfigError> {
    match last_value(words, &["-c", "--config-file="]) {
        None => settings_with(root, &|path| listing::read_text(path).ok(), words, rules),
        Some(named) => {
            let named = root.join(named);
            // The kind of a file decides how pytest reads it; any name will do.
            let usual = match named.extension().and_then(|kind| kind.to_str()) {
                Some("toml")
                    if rules == ConfigRules::Since9
                        && (named.ends_with("pytest.toml") || named.ends_with(".pytest.toml")) =>
                {
                    "pytest.toml"
                }
                Some("toml") => "pyproject.toml",
                Some("cfg") => "setup.cfg",
                _ => "pytest.ini",
            };
            let folder: PathBuf = named.parent().unwrap_or(root).to_owned();
            let usual = folder.join(usual);
            let text = |path: &Path| listing::read_text(&named).ok().filter(|_| *path == usual);
            settings_with(&folder, &text, words, rules)
        }
    }
}

/// Adds the options of this command that are among the words to those of the command line, which count more.
///
/// A fault in them is left to pytest, which reads them as well.
pub(crate) fn add(run: &mut Run, added: &Added) {
    (run.output.figure, run.output.parts, run.set_workers) = (added.figure, added.parts, added.workers);
    let words: Vec<OsString> = added.words.iter().map(OsString::from).collect();
    let Ok(added) = parse_run(&words) else { return };
    if !run.has_terminal {
        run.workers = run.workers.or(added.workers);
    }
    run.max_workers = run.max_workers.or(added.max_workers);
    run.distribution = run.distribution.or(added.distribution);
    run.max_worker_restart = run.max_worker_restart.or(added.max_worker_restart);
    if run.maxfail.is_none() && !run.exit_first {
        (run.maxfail, run.exit_first) = (added.maxfail, added.exit_first);
    } else if run.maxfail == Some(0) && (added.exit_first || added.maxfail.is_some()) {
        // pytest's session must not keep the limit of its configuration.
        run.passed.push("--maxfail=0".into());
    }
    run.continue_on_collection_errors |= added.continue_on_collection_errors;
    run.last_failed |= added.last_failed;
    run.no_failures = run.no_failures.take().or(added.no_failures);
    run.failed_first |= added.failed_first;
    run.new_first |= added.new_first;
    run.cache_clear |= added.cache_clear;
    run.stepwise |= added.stepwise;
    run.stepwise_skip |= added.stepwise_skip;
    run.stepwise_reset |= added.stepwise_reset;
    run.reruns = run.reruns.or(added.reruns);
    let is_short = |word: &String| word == "--force-short-summary";
    run.output.force_short_summary = run.passed.iter().chain(&added.passed).any(is_short);
    // As pytest recognizes a CI service.
    run.output.on_ci =
        ["CI", "BUILD_NUMBER"].iter().any(|name| std::env::var_os(name).is_some_and(|it| !it.is_empty()));
    add_output(&mut run.output, added.output);
}

/// Whether options of pytest leave out a test or a file, given by its id. A file that is named is collected in spite of
/// them, so that an id that nobody named must not become an argument.
pub(crate) fn leave_out(root: &Path, id: &str, passed: &[String]) -> bool {
    let path = root.join(NodeId::new(id).file());
    passed.iter().any(|word| match word.split_once('=') {
        Some(("--deselect", start)) => id.starts_with(start),
        Some(("--ignore", ignored)) => path.starts_with(root.join(ignored)),
        Some(("--ignore-glob", pattern)) => {
            let pattern = root.join(pattern);
            let matches = |path: &Path| fnmatch(&path.to_string_lossy(), &pattern.to_string_lossy());
            path.ancestors().take_while(|above| *above != root).any(matches)
        }
        _ => false,
    })
}

impl OutputOptions {
    /// Takes the options that code of the project has set, given as words; they count more than all others.
    pub(crate) fn set_by_code(&mut self, set: &[String]) {
        let words: Vec<OsString> = set.iter().map(OsString::from).collect();
        let Ok(Run { output: set, passed, .. }) = parse_run(&words) else { return };
        if set.verbosity.is_some() {
            (self.added_level, self.verbosity, self.verbose, self.quiet) = (0, set.verbosity, 0, 0);
        }
        self.tb = set.tb.or(self.tb.take());
        self.letters = set.letters.or(self.letters.take());
        self.durations = set.durations.or(self.durations);
        self.durations_min = set.durations_min.or(self.durations_min);
        self.show_capture = set.show_capture.or(self.show_capture.take());
        self.no_summary |= set.no_summary;
        self.disable_warnings |= set.disable_warnings;
        self.no_fold_skipped |= set.no_fold_skipped;
        self.xfail_tb |= set.xfail_tb;
        self.no_header |= passed.iter().any(|word| word == "--no-header");
    }
}

fn add_output(output: &mut OutputOptions, added: OutputOptions) {
    if output.verbosity.is_none() {
        output.added_level = added.level();
    }
    output.added_tb = added.tb;
    output.letters = output.letters.take().or(added.letters);
    output.durations = output.durations.or(added.durations);
    output.durations_min = output.durations_min.or(added.durations_min);
    output.timings |= added.timings;
    output.show_capture = output.show_capture.take().or(added.show_capture);
    output.no_summary |= added.no_summary;
    output.disable_warnings |= added.disable_warnings;
    output.no_fold_skipped |= added.no_fold_skipped;
    output.xfail_tb |= added.xfail_tb;
    output.color = output.color.take().or(added.color);
}

#[cfg(test)]
mod tests {
    use pytest_lens_protocol::WorkerCount;

    use super::*;
    use crate::options::values::Distribution;

    fn run(line: &str, addopts: &str) -> Run {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let mut run = parse_run(&words).unwrap();
        let words = addopts.split_whitespace().map(str::to_owned).collect();
        add(&mut run, &Added { words, ..Added::default() });
        run
    }

    #[test]
    fn addopts_mean_what_they_mean_on_the_command_line() {
        let read =
            run("", "-n 2 -q -x --ff --reruns 2 --dist loadfile --tb=short -rA --lf --sw --cov=src --strict tests");
        assert_eq!((read.workers, read.reruns), (Some(WorkerCount::Fixed(2)), Some(2)));
        assert_eq!((read.output.is_quiet(), read.exit_first, read.failed_first), (true, true, true));
        assert_eq!((read.last_failed, read.stepwise), (true, true));
        assert_eq!(read.distribution, Some(Distribution::ByFile));
        assert_eq!((read.output.tb(), read.output.letters.as_deref()), (Some("short"), Some("A")));
        assert!(read.passed.is_empty() && read.selectors.is_empty(), "pytest reads them by itself");
    }

    #[test]
    fn the_command_line_counts_more_than_addopts() {
        let read = run("-n 1 --maxfail=3 --tb=no -v --reruns 0", "-n 4 -x --tb=long -q --reruns 5");
        assert_eq!((read.workers, read.reruns), (Some(WorkerCount::Fixed(1)), Some(0)));
        assert_eq!((read.maxfail, read.exit_first), (Some(3), false));
        assert_eq!((read.output.tb(), read.output.level()), (Some("no"), 0));
        assert_eq!(run("--verbosity=1", "-qq").output.level(), 1);
        assert_eq!(run("--maxfail=0", "-x").passed, ["--maxfail=0"]);
    }

    #[test]
    fn faults_in_addopts_are_left_to_pytest() {
        let read = run("-x", "--maxfail few -n 3");
        assert_eq!((read.exit_first, read.workers), (true, None));
    }

    #[test]
    fn addopts_are_read_where_pytest_reads_them() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("pytest.ini"), "[pytest]\naddopts = -x -k 'a b'\n").unwrap();
        std::fs::write(root.path().join("ci.ini"), "[pytest]\naddopts = -n 3\n").unwrap();
        std::fs::write(root.path().join("ci.toml"), "[tool.pytest.ini_options]\naddopts = '-n 4'\n").unwrap();
        let read = |passed: &[&str]| {
            let passed: Vec<String> = passed.iter().map(|&word| word.to_owned()).collect();
            read(root.path(), root.path(), &passed).words.join("|")
        };
        assert_eq!(read(&[]), "-x|-k|a b");
        assert_eq!(read(&["-cci.ini"]), "-n|3");
        assert_eq!(read(&["--config-file=ci.toml"]), "-n|4");
        assert_eq!(read(&["-oaddopts=-q --ff"]), "-q|--ff");
        assert_eq!(read(&["--override-ini=addopts="]), "");
    }

    #[test]
    fn the_installed_version_decides_which_files_are_read() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let packages = root.join(".venv/lib/python3.9/site-packages");
        std::fs::create_dir_all(root.join(".venv/bin")).unwrap();
        std::fs::write(root.join(".venv/pyvenv.cfg"), "").unwrap();
        std::fs::write(root.join(".venv/bin/python"), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(root.join(".venv/bin/python"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(root.join("pyproject.toml"), "[tool.pytest]\naddopts = ['-x']\n").unwrap();
        std::fs::write(root.join("pytest.toml"), "[pytest]\naddopts = ['-v']\n").unwrap();
        for (version, expected) in [("8.4.2", ["", ""]), ("9.0.0", ["-v", "-v"])] {
            let installed = packages.join(format!("pytest-{version}.dist-info"));
            std::fs::create_dir_all(&installed).unwrap();
            let read = |words: &[&str]| {
                let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
                read(root, root, &words).words.join(" ")
            };
            assert_eq!([read(&[]), read(&["-cpytest.toml"])], expected, "{version}");
            std::fs::remove_dir(&installed).unwrap();
        }
    }

    #[test]
    fn the_last_value_of_an_option_of_the_configuration_counts() {
        let root = tempfile::tempdir().unwrap();
        let file = "[pytest]\naddopts = -o log_cli=true\nconsole_output_style = count\n";
        std::fs::write(root.path().join("pytest.ini"), file).unwrap();
        let read = |passed: &[&str]| {
            let passed: Vec<String> = passed.iter().map(|&word| word.to_owned()).collect();
            let Added { figure, log_cli, .. } = read(root.path(), root.path(), &passed);
            (figure, log_cli)
        };
        assert_eq!(read(&[]), (Figure::Count, true));
        assert_eq!(read(&["-olog_cli=0", "-oconsole_output_style=times"]), (Figure::Time, false));
        assert_eq!(read(&["-oconsole_output_style=times", "-oconsole_output_style=classic"]), (Figure::None, true));
        assert_eq!(read(&["--override-ini=console_output_style=progress"]), (Figure::Percent, true));
        assert_eq!(read(&["-oaddopts="]), (Figure::Count, false), "what replaces `addopts` replaces its `-o`");
        assert!(!read(&["-oaddopts=-o log_cli=0 -o console_output_style=none"]).1);
    }
}
