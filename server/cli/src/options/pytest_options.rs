//! pytest's own options on `pytest-lens run`: which are ours, which its session is given, and what to say of the rest.
//!
//! What is not known at all is a plugin's or the project's own option as far as we can tell: pytest judges it.

use std::ffi::OsString;
use std::path::Path;

use crate::failure::Failure;
use crate::suggest;

/// The hidden option under which clap takes what pytest is to be given.
pub const PASSED: &str = "--pytest-argument";

/// What becomes of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// clap knows it, and whether a value follows.
    Ours { takes_value: bool },
    /// pytest's session gets it.
    Flag,
    /// With the value that follows.
    Value,
    /// With a value where one follows.
    OptionalValue,
    /// A plugin's or the project's, or nobody's.
    Unknown,
    /// It can't be done here, and why.
    Refused(&'static str),
}

use Fate::{Flag, OptionalValue, Refused, Unknown, Value};

const CACHE: &str = "goes by a cache of pytest's, which is not kept here; `--lf` and `--sw` go by what is recorded";
const PRINTS: &str = "prints what only pytest's own terminal shows";
const RUNNERS: &str = "belongs to pytest-xdist, whose place `-n N` takes here";

/// Options of pytest and of well-known plugins of which it matters here what they are.
const LONG: &[(&str, Fate)] = &[
    ("--pdb", Flag),
    ("--trace", Flag),
    ("--pdbcls", Value),
    ("--ff", Refused(CACHE)),
    ("--failed-first", Refused(CACHE)),
    ("--nf", Refused(CACHE)),
    ("--new-first", Refused(CACHE)),
    ("--sw-reset", Refused(CACHE)),
    ("--stepwise-reset", Refused(CACHE)),
    ("--lfnf", Refused(CACHE)),
    ("--last-failed-no-failures", Refused(CACHE)),
    ("--cache-show", Refused(CACHE)),
    ("--cache-clear", Refused(CACHE)),
    ("--fixtures", Refused(PRINTS)),
    ("--funcargs", Refused(PRINTS)),
    ("--fixtures-per-test", Refused(PRINTS)),
    ("--markers", Refused(PRINTS)),
    ("--setup-show", Refused(PRINTS)),
    ("--setup-only", Refused(PRINTS)),
    ("--setup-plan", Refused(PRINTS)),
    ("--trace-config", Refused(PRINTS)),
    ("--debug", Refused(PRINTS)),
    ("--pastebin", Refused(PRINTS)),
    ("--version", Refused(PRINTS)),
    ("--numprocesses", Refused(RUNNERS)),
    ("--dist", Refused(RUNNERS)),
    ("--tx", Refused(RUNNERS)),
    ("--px", Refused(RUNNERS)),
    ("--rsyncdir", Refused(RUNNERS)),
    ("--maxprocesses", Refused(RUNNERS)),
    ("--looponfail", Refused(RUNNERS)),
    ("--deselect", Value),
    ("--ignore", Value),
    ("--ignore-glob", Value),
    ("--confcutdir", Value),
    ("--noconftest", Flag),
    ("--keep-duplicates", Flag),
    ("--collect-in-virtualenv", Flag),
    ("--continue-on-collection-errors", Flag),
    ("--import-mode", Value),
    ("--pyargs", Flag),
    ("--rootdir", Value),
    ("--config-file", Value),
    ("--override-ini", Value),
    ("--pythonwarnings", Value),
    ("--strict-config", Flag),
    ("--strict-markers", Flag),
    ("--strict", Flag),
    ("--runxfail", Flag),
    ("--assert", Value),
    ("--basetemp", Value),
    ("--capture", Value),
    ("--full-trace", Flag),
    ("--showlocals", Flag),
    ("--no-showlocals", Flag),
    ("--disable-plugin-autoload", Flag),
    ("--no-header", Flag),
    ("--no-fold-skipped", Flag),
    ("--xfail-tb", Flag),
    ("--force-short-summary", Flag),
    ("--code-highlight", Value),
    ("--junitxml", Value),
    ("--junit-xml", Value),
    ("--junitprefix", Value),
    ("--junit-prefix", Value),
    ("--doctest-modules", Flag),
    ("--doctest-report", Value),
    ("--doctest-glob", Value),
    ("--doctest-ignore-import-errors", Flag),
    ("--doctest-continue-on-failure", Flag),
    ("--log-level", Value),
    ("--log-format", Value),
    ("--log-date-format", Value),
    ("--log-cli-level", Value),
    ("--log-cli-format", Value),
    ("--log-cli-date-format", Value),
    ("--log-file", Value),
    ("--log-file-mode", Value),
    ("--log-file-level", Value),
    ("--log-file-format", Value),
    ("--log-file-date-format", Value),
    ("--log-auto-indent", Value),
    ("--log-disable", Value),
    ("--cov", OptionalValue),
    ("--cov-report", Value),
    ("--cov-config", Value),
    ("--cov-fail-under", Value),
    ("--cov-context", Value),
    ("--cov-precision", Value),
    ("--cov-branch", Flag),
    ("--cov-append", Flag),
    ("--no-cov", Flag),
    ("--no-cov-on-fail", Flag),
    ("--timeout", Value),
    ("--timeout-method", Value),
    ("--session-timeout", Value),
    ("--reruns-delay", Value),
    ("--only-rerun", Value),
    ("--rerun-except", Value),
    ("--html", Value),
    ("--self-contained-html", Flag),
    ("--json-report", Flag),
    ("--json-report-file", Value),
    ("--report-log", Value),
    ("--alluredir", Value),
    ("--randomly-seed", Value),
    ("--count", Value),
    ("--ds", Value),
    ("--dc", Value),
    ("--reuse-db", Flag),
    ("--create-db", Flag),
    ("--no-migrations", Flag),
    ("--nomigrations", Flag),
    ("--asyncio-mode", Value),
    ("--snapshot-update", Flag),
    ("--hypothesis-profile", Value),
    ("--hypothesis-seed", Value),
    ("--hypothesis-verbosity", Value),
    ("--splits", Value),
    ("--group", Value),
    ("--durations-path", Value),
    ("--base-url", Value),
    ("--browser", Value),
    ("--headed", Flag),
    ("--benchmark-json", Value),
];

const SHORT: &[(char, Fate)] = &[
    ('s', Flag),
    ('l', Flag),
    ('W', Value),
    ('o', Value),
    ('c', Value),
    ('p', Value),
    ('f', Refused(RUNNERS)),
    ('d', Refused(RUNNERS)),
    ('V', Refused(PRINTS)),
];

/// The arguments of `run` (without that word) as clap reads them: what is pytest's stands behind [`PASSED`].
///
/// # Errors
/// A sentence on an option that can't be followed here, with the way out.
pub fn sort(arguments: &[OsString], command: &clap::Command) -> Result<Vec<OsString>, Failure> {
    let mut sorted = Vec::with_capacity(arguments.len());
    let mut left = arguments.iter().peekable();
    while let Some(argument) = left.next() {
        let Some(text) = argument.to_str() else {
            sorted.push(argument.clone());
            continue;
        };
        if text == "--" {
            sorted.push(argument.clone());
            sorted.extend(left.cloned());
            break;
        }
        if text.starts_with("--") {
            let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            let follows = |value: &&OsString| !value.to_string_lossy().starts_with('-');
            match long(name, command) {
                Fate::Ours { takes_value } => {
                    sorted.push(argument.clone());
                    if takes_value && value.is_none() {
                        sorted.extend(left.next().cloned());
                    }
                }
                // Of an option that nobody knows, what follows is taken for its value where it can be no test.
                Unknown if value.is_none() => match left.next_if(|next| is_value(next)) {
                    Some(value) => pass(&mut sorted, &format!("{name}={}", value.to_string_lossy())),
                    None => pass(&mut sorted, name),
                },
                Flag | Unknown => pass(&mut sorted, text),
                Value if value.is_none() => {
                    let value = left.next().ok_or_else(|| lacks_value(name))?;
                    pass(&mut sorted, &format!("{name}={}", value.to_string_lossy()));
                }
                OptionalValue if value.is_none() => match left.next_if(follows) {
                    Some(value) => pass(&mut sorted, &format!("{name}={}", value.to_string_lossy())),
                    None => pass(&mut sorted, name),
                },
                Value | OptionalValue => pass(&mut sorted, text),
                Refused(why) => return Err(refused(name, why, arguments)),
            }
            continue;
        }
        let Some(flags) = text.strip_prefix('-').filter(|flags| !flags.is_empty()) else {
            sorted.push(argument.clone());
            continue;
        };
        for (at, flag) in flags.char_indices() {
            let rest = &flags[at + flag.len_utf8()..];
            let name = format!("-{flag}");
            match short(flag, command) {
                Fate::Ours { takes_value: false } => sorted.push(name.into()),
                Fate::Ours { takes_value: true } => {
                    sorted.push(format!("{name}{rest}").into());
                    if rest.is_empty() {
                        sorted.extend(left.next().cloned());
                    }
                    break;
                }
                Flag | Unknown => pass(&mut sorted, &name),
                Value | OptionalValue => {
                    let value = match rest {
                        "" => left.next().ok_or_else(|| lacks_value(&name))?.to_string_lossy().into_owned(),
                        _ => rest.to_owned(),
                    };
                    pass(&mut sorted, &format!("{name}{value}"));
                    break;
                }
                Refused(why) => return Err(refused(&name, why, arguments)),
            }
        }
    }
    Ok(sorted)
}

fn pass(sorted: &mut Vec<OsString>, argument: &str) {
    sorted.push(format!("{PASSED}={argument}").into());
}

fn takes_value(argument: &clap::Arg) -> Fate {
    Fate::Ours { takes_value: argument.get_action().takes_values() }
}

fn long(name: &str, command: &clap::Command) -> Fate {
    let bare = name.trim_start_matches("--");
    let is_named = |argument: &&clap::Arg| {
        argument.get_long() == Some(bare) || argument.get_all_aliases().is_some_and(|all| all.contains(&bare))
    };
    let known = || LONG.iter().find(|(known, _)| *known == name).map(|(_, fate)| *fate);
    if bare == "help" {
        return Fate::Ours { takes_value: false };
    }
    command.get_arguments().find(is_named).map(takes_value).or_else(known).unwrap_or(Unknown)
}

/// Whether an argument behind an unknown option is its value: it is neither an option nor anything that tests lie in.
fn is_value(argument: &OsString) -> bool {
    let text = argument.to_string_lossy();
    let is_path = text.contains("::") || text.contains('/') || text.ends_with(".py") || Path::new(argument).exists();
    !text.starts_with('-') && !is_path
}

fn short(flag: char, command: &clap::Command) -> Fate {
    let known = || SHORT.iter().find(|(known, _)| *known == flag).map(|(_, fate)| *fate);
    if flag == 'h' {
        return Fate::Ours { takes_value: false };
    }
    command
        .get_arguments()
        .find(|argument| argument.get_short() == Some(flag))
        .map(takes_value)
        .or_else(known)
        .unwrap_or(Flag)
}

fn lacks_value(name: &str) -> Failure {
    Failure::usage(format!("`{name}` needs a value: write it behind the option"))
}

/// Why an option can't be followed, and what does it.
fn refused(name: &str, why: &str, arguments: &[OsString]) -> Failure {
    let is_test =
        |argument: &&str| !argument.starts_with('-') && (argument.contains("::") || argument.ends_with(".py"));
    let test = arguments.iter().filter_map(|argument| argument.to_str()).find(is_test);
    let test = test.map_or_else(String::new, |test| format!(" {test}"));
    Failure::usage(format!("`{name}` {why}: `python -m pytest {name}{test}` does it"))
}

/// pytest's complaint about arguments it does not know, with the option that was meant.
pub fn explained(message: &str, command: &clap::Command) -> String {
    let Some((_, unknown)) = message.split_once("unrecognized arguments: ") else { return message.to_owned() };
    // Where pytest's configuration lies says nothing of a slip of the fingers.
    let unknown = unknown.split("inifile:").next().unwrap_or_default().trim_end();
    let word = unknown.split_whitespace().next().unwrap_or_default();
    let word = word.split('=').next().unwrap_or_default();
    let ours: Vec<String> =
        command.get_arguments().filter_map(|argument| argument.get_long()).map(|name| format!("--{name}")).collect();
    let known = ours.iter().map(String::as_str).chain(LONG.iter().map(|(name, _)| *name));
    let known = known.filter(|name| *name != PASSED);
    let meant = suggest::nearest(word, known);
    let meant = meant.map_or_else(
        || "; `pytest-lens run --help` tells what there is".to_owned(),
        |meant| suggest::question(Some(meant)),
    );
    format!("neither pytest nor pytest-lens knows `{unknown}`{meant}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::arguments as args;

    fn sorted(line: &str) -> String {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match sort(&arguments, &args::run_command()) {
            Ok(sorted) => {
                let words: Vec<_> = sorted.iter().map(|word| word.to_string_lossy().into_owned()).collect();
                words.join(" ").replace(PASSED, ">")
            }
            Err(Failure::Said { sentence, status: 4 }) => sentence,
            Err(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn f1_each_option_goes_where_it_belongs() {
        let lines = [
            "-x -v -q tests",
            "-xvs a.py::t",
            "-vvsl",
            "--nosuch=1 -z",
            "-n 4 -k a -m b --maxfail 2",
            "-n4 -ka -rA",
            "-r fE",
            "-W error -Wignore -p no:x -pno:y -o a=b -c ci.ini --rootdir sub",
            "--deselect a.py::t --deselect=b --ignore sub tests",
            "--cov src --cov --cov-report term --cov=lib",
            "--tb short --tb=no --durations 3 --co --lf",
            "--env=ci --env ci",
            "--capture no -- -x",
            "-p",
            "--pdb tests/test_a.py::test_x",
            "--sw",
            "--ff",
            "-d",
            "--dist load",
            "--fixtures",
            "--cache-clear a",
        ];
        let told: Vec<String> = lines.iter().map(|line| format!("{line}\n    {}", sorted(line))).collect();
        insta::assert_snapshot!(told.join("\n"), @"
        -x -v -q tests
            -x -v -q tests
        -xvs a.py::t
            -x -v >=-s a.py::t
        -vvsl
            -v -v >=-s >=-l
        --nosuch=1 -z
            >=--nosuch=1 >=-z
        -n 4 -k a -m b --maxfail 2
            -n 4 -k a -m b --maxfail 2
        -n4 -ka -rA
            -n4 -ka -rA
        -r fE
            -r fE
        -W error -Wignore -p no:x -pno:y -o a=b -c ci.ini --rootdir sub
            >=-Werror >=-Wignore >=-pno:x >=-pno:y >=-oa=b >=-cci.ini >=--rootdir=sub
        --deselect a.py::t --deselect=b --ignore sub tests
            >=--deselect=a.py::t >=--deselect=b >=--ignore=sub tests
        --cov src --cov --cov-report term --cov=lib
            >=--cov=src >=--cov >=--cov-report=term >=--cov=lib
        --tb short --tb=no --durations 3 --co --lf
            --tb short --tb=no --durations 3 --co --lf
        --env=ci --env ci
            >=--env=ci >=--env=ci
        --capture no -- -x
            >=--capture=no -- -x
        -p
            `-p` needs a value: write it behind the option
        --pdb tests/test_a.py::test_x
            >=--pdb tests/test_a.py::test_x
        --sw
            --sw
        --ff
            `--ff` goes by a cache of pytest's, which is not kept here; `--lf` and `--sw` go by what is recorded: `python -m pytest --ff` does it
        -d
            `-d` belongs to pytest-xdist, whose place `-n N` takes here: `python -m pytest -d` does it
        --dist load
            `--dist` belongs to pytest-xdist, whose place `-n N` takes here: `python -m pytest --dist` does it
        --fixtures
            `--fixtures` prints what only pytest's own terminal shows: `python -m pytest --fixtures` does it
        --cache-clear a
            `--cache-clear` goes by a cache of pytest's, which is not kept here; `--lf` and `--sw` go by what is recorded: `python -m pytest --cache-clear` does it
        ");
    }

    #[test]
    fn f1_what_pytest_does_not_know_is_told_with_what_was_meant() {
        let told = |message: &str| explained(message, &args::run_command());
        let json = "neither pytest nor pytest-lens knows `--jsno`; did you mean `--json`?";
        assert_eq!(told("unrecognized arguments: --jsno\n  inifile: None\n  rootdir: /p"), json);
        let deselect = "neither pytest nor pytest-lens knows `--deslect=a`; did you mean `--deselect`?";
        assert_eq!(told("unrecognized arguments: --deslect=a"), deselect);
        let bogus = "neither pytest nor pytest-lens knows `--bogus`; `pytest-lens run --help` tells what there is";
        assert_eq!(told("unrecognized arguments: --bogus"), bogus);
        assert_eq!(told("something else"), "something else");
    }
}
