//! Parses the command line; turns clap's complaints into one sentence each.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

use super::arguments::{Arguments, Command, Run};
use super::{files, pytest_options, pytest_process, selectors};
use crate::failure::Failure;
use crate::style::Style;
use crate::suggest;

/// The command `run`, for a look at its options.
pub(crate) fn run_command() -> clap::Command {
    Arguments::command().find_subcommand("run").cloned().unwrap_or_default()
}

/// The whole command line, as users see it: without the hidden options.
pub(crate) fn shown_command() -> clap::Command {
    shown(Arguments::command())
}

fn shown(command: clap::Command) -> clap::Command {
    let arguments: Vec<clap::Arg> =
        command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned().collect();
    let subcommands: Vec<clap::Command> = command.get_subcommands().cloned().map(shown).collect();
    let mut bare = clap::Command::new(command.get_name().to_owned()).args(arguments).subcommands(subcommands);
    if let Some(about) = command.get_about() {
        bare = bare.about(about.clone());
    }
    if let Some(after) = command.get_after_help() {
        bare = bare.after_help(after.clone());
    }
    if let Some(version) = command.get_version() {
        bare = bare.version(version.to_owned());
    }
    bare.subcommand_required(command.is_subcommand_required_set()).disable_help_subcommand(true).max_term_width(100)
}

/// Parses the command line; the program's name comes first.
///
/// # Errors
/// The help, if the user asks for it; else one sentence on the argument at fault.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Failure> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if is_run_without_its_name(arguments.get(1))? {
        arguments.insert(arguments.len().min(1), "run".into());
    }
    if arguments.get(1).is_some_and(|command| command == "run") {
        return parse_run(&arguments[2..]).map(|run| Command::Run(Box::new(run)));
    }
    parse_words(arguments)
}

/// Whether the first word is none of a command: then the words are those of `run`.
fn is_run_without_its_name(first: Option<&OsString>) -> Result<bool, Failure> {
    let Some(word) = first.map(|word| word.to_string_lossy()) else { return Ok(true) };
    if matches!(&*word, "-h" | "--help" | "-V" | "--version") {
        return Ok(false);
    }
    let known = commands("");
    if known.iter().any(|name| *name == word) {
        return Ok(false);
    }
    let path = word.split("::").next().unwrap_or_default();
    let nearest = suggest::nearest(&word, known.iter().map(String::as_str));
    match nearest.filter(|_| !word.starts_with('-') && !Path::new(path).exists()) {
        Some(nearest) => Err(Failure::usage(format!(
            "there is no command, file or folder `{word}`{}",
            suggest::did_you_mean(Some(nearest))
        ))),
        None => Ok(true),
    }
}

/// Parses the arguments of `run`.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_run(written: &[OsString]) -> Result<Run, Failure> {
    parse_split(&files::expanded(written), None)
}

/// The options of `run` after pytest's own parser, if needed, has said which words are values of options that are in no
/// table.
///
/// # Errors
/// As [`parse`].
pub(crate) fn split_by_pytest(run: Box<Run>) -> Result<Box<Run>, Failure> {
    if !run.question.is_open || run.by_pytest.is_some() {
        return Ok(run);
    }
    let here = selectors::root(run.root.root.as_deref())?;
    match pytest_process::places_of_tests(&here, &run.question.words) {
        Some(tests) => parse_split(&run.written, Some(&tests)).map(Box::new),
        // pytest refuses the words, or does not start: its session reports why.
        None => Ok(run),
    }
}

fn parse_split(written: &[OsString], tests: Option<&HashSet<usize>>) -> Result<Run, Failure> {
    let sorted = pytest_options::sort(written, &run_command(), tests)?;
    let words = ["pytest-lens", "run"].map(OsString::from).into_iter().chain(sorted.arguments);
    match parse_words(words.collect())? {
        Command::Run(mut run) => {
            run.by_pytest = sorted.by_pytest;
            run.written = written.to_vec();
            run.question = sorted.question;
            Ok(*run)
        }
        _ => Err(Failure::internal("the arguments of `run` were read as another command's")),
    }
}

fn parse_words(arguments: Vec<OsString>) -> Result<Command, Failure> {
    let subcommand = arguments.get(1).and_then(|word| word.to_str()).map(str::to_owned).unwrap_or_default();
    let parsed = Arguments::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            Failure::Help(if Style::of_stdout().colour { error.render().ansi().to_string() } else { error.to_string() })
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Failure::usage(no_command(&subcommand)),
        ErrorKind::InvalidSubcommand => Failure::usage(unknown_command(&error, &subcommand)),
        ErrorKind::UnknownArgument => Failure::usage(unknown_option(&error, &subcommand)),
        _ => Failure::usage(sentence(&error.to_string(), &subcommand)),
    })?;
    Ok(parsed.command)
}

/// The commands below the subcommand, or all if it has none.
fn commands(subcommand: &str) -> Vec<String> {
    let all = Arguments::command();
    let above = all.find_subcommand(subcommand).filter(|command| command.has_subcommands()).unwrap_or(&all);
    above.get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// The sentence on a command that is missing.
fn no_command(subcommand: &str) -> String {
    let quoted: Vec<String> = commands(subcommand).iter().map(|name| format!("`{name}`")).collect();
    format!("give a command: {}; see `{}`", quoted.join(", "), help_of(subcommand))
}

/// The sentence on a command that does not exist, with the nearest one that does.
fn unknown_command(error: &clap::Error, subcommand: &str) -> String {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return sentence(&error.to_string(), subcommand);
    };
    let known = commands(subcommand);
    let quoted: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    match suggest::nearest(word, known.iter().map(String::as_str)) {
        Some(nearest) => format!("there is no command `{word}`{}", suggest::did_you_mean(Some(nearest))),
        None => format!("there is no command `{word}`; the commands are {}", quoted.join(", ")),
    }
}

/// The sentence on an option that does not exist, with the nearest one that does.
fn unknown_option(error: &clap::Error, subcommand: &str) -> String {
    let word = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) if word.starts_with('-') => word,
        _ => return sentence(&error.to_string(), subcommand),
    };
    let all = shown_command();
    let command = all.find_subcommand(subcommand).unwrap_or(&all);
    let options = command.get_arguments().chain(command.get_subcommands().flat_map(clap::Command::get_arguments));
    let known: Vec<String> = options.filter_map(clap::Arg::get_long).map(|name| format!("--{name}")).collect();
    let meant = suggest::did_you_mean(suggest::nearest(word, known.iter().map(String::as_str)));
    let advice = if meant.is_empty() { format!("; see `{}`", help_of(subcommand)) } else { meant };
    let command = if all.find_subcommand(subcommand).is_some() { subcommand } else { "pytest-lens" };
    format!("`{command}` has no option `{word}`{advice}")
}

/// The command line that prints the help which fits a subcommand.
fn help_of(subcommand: &str) -> String {
    match Arguments::command().find_subcommand(subcommand) {
        Some(_) => format!("pytest-lens {subcommand} --help"),
        None => "pytest-lens --help".to_owned(),
    }
}

/// clap's complaint as one sentence, with its tip and without the usage.
fn sentence(complaint: &str, subcommand: &str) -> String {
    let wrong = complaint.split("\n\nUsage:").next().unwrap_or_default();
    let wrong = wrong.split("\n\nFor more information").next().unwrap_or_default();
    let wrong = wrong.strip_prefix("error: ").unwrap_or(wrong);
    let plain = |line: &str| match line.strip_prefix("[possible values: ").and_then(|line| line.strip_suffix(']')) {
        Some(values) => format!("choose one of {values}"),
        None => line.to_owned(),
    };
    let parts: Vec<String> = wrong.lines().map(str::trim).filter(|line| !line.is_empty()).map(plain).collect();
    let parts = parts.join("; ").replace(":; ", ": ").replace("tip: ", "");
    format!("{parts}; see `{}`", help_of(subcommand))
}

#[cfg(test)]
mod tests {
    use pytest_lens_protocol::WorkerCount;

    use super::*;

    fn refusal(line: &str) -> String {
        match parse(line.split(' ').map(OsString::from)) {
            Err(Failure::Message { sentence, status: 4 }) => sentence,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn complaints_are_one_sentence() {
        let lines = [
            "pytest-lens rum",
            "pytest-lens histroy import a.xml",
            "pytest-lens list --jsno",
            "pytest-lens history import --roto x",
            "pytest-lens doctor --quux",
            "pytest-lens run -n many",
            "pytest-lens run -n 2 --dist each",
            "pytest-lens run --dist some",
            "pytest-lens run --maxfail few",
            "pytest-lens run -n -1",
            "pytest-lens run -n 4294967295",
            "pytest-lens run --verbosity x",
            "pytest-lens run --durations x",
            "pytest-lens run --mode warm",
            "pytest-lens run -k",
            "pytest-lens list --static -k a",
            "pytest-lens doctor x",
            "pytest-lens run --shard 0/3",
            "pytest-lens run --shard 4/3",
            "pytest-lens run --shard 1/0",
            "pytest-lens run --shard 2",
            "pytest-lens run --shard +1/3",
            "pytest-lens run --strategy best",
            "pytest-lens run --reruns -1",
            "pytest-lens shard",
            "pytest-lens shard 0",
            "pytest-lens shard 1/x",
            "pytest-lens shard +3",
            "pytest-lens daemon --idle-timeout soon",
            "pytest-lens daemon --idle-timeout -1",
        ];
        let refusals: Vec<String> = lines.iter().map(|line| format!("{line}\n    {}", refusal(line))).collect();
        insta::assert_snapshot!(refusals.join("\n"), @"
        pytest-lens rum
            there is no command, file or folder `rum`; did you mean `run`?
        pytest-lens histroy import a.xml
            there is no command, file or folder `histroy`; did you mean `history`?
        pytest-lens list --jsno
            `list` has no option `--jsno`; did you mean `--json`?
        pytest-lens history import --roto x
            `history` has no option `--roto`; did you mean `--root`?
        pytest-lens doctor --quux
            `doctor` has no option `--quux`; see `pytest-lens doctor --help`
        pytest-lens run -n many
            invalid value 'many' for '--numprocesses <N>': a number or `auto` is needed; see `pytest-lens run --help`
        pytest-lens run -n 2 --dist each
            invalid value 'each' for '--dist <MODE>': tests run once, in one environment: run `pytest-lens` once for each environment; see `pytest-lens run --help`
        pytest-lens run --dist some
            invalid value 'some' for '--dist <MODE>': choose one of load, loadscope, loadfile, loadgroup, worksteal, no; see `pytest-lens run --help`
        pytest-lens run --maxfail few
            invalid value 'few' for '--maxfail <N>': a whole number is needed; see `pytest-lens run --help`
        pytest-lens run -n -1
            invalid value '-1' for '--numprocesses <N>': a number or `auto` is needed; see `pytest-lens run --help`
        pytest-lens run -n 4294967295
            invalid value '4294967295' for '--numprocesses <N>': 4294967295 runners are too many; give at most 65536; see `pytest-lens run --help`
        pytest-lens run --verbosity x
            invalid value 'x' for '--verbosity <N>': a whole number is needed; see `pytest-lens run --help`
        pytest-lens run --durations x
            invalid value 'x' for '--durations <N>': a whole number is needed; see `pytest-lens run --help`
        pytest-lens run --mode warm
            invalid value 'warm' for '--mode <MODE>'; choose one of embedded, subprocess, auto; see `pytest-lens run --help`
        pytest-lens run -k
            a value is required for '-k <EXPR>' but none was supplied; see `pytest-lens run --help`
        pytest-lens list --static -k a
            the argument '--static' cannot be used with '-k <EXPR>'; see `pytest-lens list --help`
        pytest-lens doctor x
            unexpected argument 'x' found; see `pytest-lens doctor --help`
        pytest-lens run --shard 0/3
            invalid value '0/3' for '--shard <I/N>': there is no shard 0 of 3: they are counted from 1 to 3; see `pytest-lens run --help`
        pytest-lens run --shard 4/3
            invalid value '4/3' for '--shard <I/N>': there is no shard 4 of 3: they are counted from 1 to 3; see `pytest-lens run --help`
        pytest-lens run --shard 1/0
            invalid value '1/0' for '--shard <I/N>': at least one shard is needed; see `pytest-lens run --help`
        pytest-lens run --shard 2
            invalid value '2' for '--shard <I/N>': shards are named as I/N, the first of three as 1/3; see `pytest-lens run --help`
        pytest-lens run --shard +1/3
            invalid value '+1/3' for '--shard <I/N>': shards are named as I/N, the first of three as 1/3; see `pytest-lens run --help`
        pytest-lens run --strategy best
            invalid value 'best' for '--strategy <STRATEGY>'; choose one of hash, round_robin, duration_balanced; see `pytest-lens run --help`
        pytest-lens run --reruns -1
            invalid value '-1' for '--reruns <N>': a whole number is needed; see `pytest-lens run --help`
        pytest-lens shard
            the following required arguments were not provided: <N or I/N>; see `pytest-lens shard --help`
        pytest-lens shard 0
            invalid value '0' for '<N or I/N>': at least one shard is needed; see `pytest-lens shard --help`
        pytest-lens shard 1/x
            invalid value '1/x' for '<N or I/N>': shards are named as I/N, the first of three as 1/3; see `pytest-lens shard --help`
        pytest-lens shard +3
            invalid value '+3' for '<N or I/N>': shards are named as I/N, the first of three as 1/3; see `pytest-lens shard --help`
        pytest-lens daemon --idle-timeout soon
            invalid value 'soon' for '--idle-timeout <SECONDS>': a number of seconds is needed; see `pytest-lens daemon --help`
        pytest-lens daemon --idle-timeout -1
            invalid value '-1' for '--idle-timeout <SECONDS>': a number of seconds is needed; see `pytest-lens daemon --help`
        ");
    }

    #[test]
    fn a_run_is_read() {
        let line = ["pytest-lens", "run", "a.py::t[x y]", "b", "-k", "not c", "-n", "3", "--maxfail=1", "--json"];
        let Ok(Command::Run(run)) = parse(line.map(OsString::from)) else { panic!("a run") };
        assert_eq!(run.selectors, ["a.py::t[x y]", "b"]);
        assert_eq!((run.workers, run.maxfail, run.json), (Some(WorkerCount::Fixed(3)), Some(1), true));
        assert_eq!((run.filter.keyword.as_deref(), run.root.root.as_deref()), (Some("not c"), None));
    }
    #[test]
    fn without_a_command_the_words_are_those_of_run() {
        let read = |line: &str| match parse(line.split_whitespace().map(OsString::from)) {
            Ok(Command::Run(run)) => format!("{:?} {} {:?}", run.selectors, run.exit_first, run.by_pytest),
            Ok(other) => format!("{other:?}"),
            Err(Failure::Help(text)) => text.lines().next().unwrap_or_default().to_owned(),
            Err(other) => format!("{other:?}"),
        };
        for (line, means) in [
            ("pytest-lens", "[] false None"),
            ("pytest-lens -x", "[] true None"),
            ("pytest-lens -q tests/test_a.py -x", "[\"tests/test_a.py\"] true None"),
            ("pytest-lens src::TestA::test_b", "[\"src::TestA::test_b\"] false None"),
            ("pytest-lens tests", "[\"tests\"] false None"),
            ("pytest-lens --fixtures", "[] false Some(\"--fixtures\")"),
            ("pytest-lens run --version", "[] false Some(\"--version\")"),
            ("pytest-lens --help", "Run pytest tests from a warm engine, at a terminal or for an editor"),
        ] {
            assert_eq!(read(line), means, "{line}");
        }
        let version = format!("pytest-lens {}", env!("CARGO_PKG_VERSION"));
        assert_eq!((read("pytest-lens --version"), read("pytest-lens -V")), (version.clone(), version));
    }

    #[test]
    fn of_two_options_that_exclude_each_other_the_last_counts() {
        let read = |line: &str| {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            let run = parse_run(&words).unwrap();
            (run.exit_first, run.maxfail, run.output.tb().map(str::to_owned), run.output.level())
        };
        assert_eq!(read("-x --maxfail=3 --tb=long --tb=no -qq"), (false, Some(3), Some("no".into()), -2));
        assert_eq!(read("--maxfail 3 -x -x -qv"), (true, None, None, 0));
    }
}
