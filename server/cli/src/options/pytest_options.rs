//! Sorts the arguments of `pytest-lens run`: options of this command, options that pytest gets, and those that can't be
//! followed, with the way out.
//!
//! An unknown option may belong to a plugin or to the project, so pytest gets it and judges it.

use std::ffi::OsString;
use std::path::Path;

use super::pytest_table::{Handling, Value, handling, long_names};
use crate::failure::Failure;
use crate::suggest;

/// The hidden option by which clap takes pytest's arguments.
pub(crate) const PASSED: &str = "--pytest-argument";

/// The sorted arguments of `run`.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// Fit for clap: those of pytest follow [`PASSED`].
    pub arguments: Vec<OsString>,
    /// The first option that pytest itself follows.
    pub by_pytest: Option<String>,
}

/// Sorts the arguments after `run`.
///
/// # Errors
/// A sentence on an option that can't be followed, with the way out.
pub(crate) fn sort(arguments: &[OsString], command: &clap::Command) -> Result<Sorted, Failure> {
    let mut sorted = Sorted::default();
    let mut left = arguments.iter().peekable();
    while let Some(argument) = left.next() {
        let Some(text) = argument.to_str() else {
            sorted.arguments.push(argument.clone());
            continue;
        };
        if text == "--" {
            sorted.arguments.push(argument.clone());
            sorted.arguments.extend(left.cloned());
            break;
        }
        if text.starts_with("--") {
            let (name, attached) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            let handling = handling(name, command);
            let value = match (handling, attached) {
                (Handling::Ours { takes_value }, _) => {
                    sorted.arguments.push(argument.clone());
                    if takes_value && attached.is_none() {
                        sorted.arguments.extend(left.next().cloned());
                    }
                    continue;
                }
                (Handling::Refused(why), _) => return Err(refused(name, why)),
                (_, Some(value)) => Some(value.to_owned()),
                // The argument after an unknown option is its value, unless it may name a test.
                (Handling::Unknown, None) => left.next_if(|next| is_value(next)).map(text_of),
                (Handling::Passed(value) | Handling::ByPytest(value) | Handling::Needless(value, _), None) => {
                    match value {
                        Value::No => None,
                        Value::One => Some(left.next().map(text_of).ok_or_else(|| lacks_value(name))?),
                        Value::Optional => left.next_if(|next| !next.to_string_lossy().starts_with('-')).map(text_of),
                    }
                }
            };
            let whole = value.map_or_else(|| name.to_owned(), |value| format!("{name}={value}"));
            sorted.take(handling, name, &whole);
            continue;
        }
        let Some(flags) = text.strip_prefix('-').filter(|flags| !flags.is_empty()) else {
            sorted.arguments.push(argument.clone());
            continue;
        };
        for (at, flag) in flags.char_indices() {
            let rest = &flags[at + flag.len_utf8()..];
            let name = format!("-{flag}");
            let handling = handling(&name, command);
            match handling {
                Handling::Ours { takes_value: false } => sorted.arguments.push(name.into()),
                Handling::Ours { takes_value: true } => {
                    sorted.arguments.push(format!("{name}{rest}").into());
                    if rest.is_empty() {
                        sorted.arguments.extend(left.next().cloned());
                    }
                    break;
                }
                Handling::Refused(why) => return Err(refused(&name, why)),
                Handling::Passed(Value::One | Value::Optional)
                | Handling::ByPytest(Value::One | Value::Optional)
                | Handling::Needless(Value::One | Value::Optional, _) => {
                    let value = match rest {
                        "" => text_of(left.next().ok_or_else(|| lacks_value(&name))?),
                        _ => rest.to_owned(),
                    };
                    sorted.take(handling, &name, &format!("{name}{value}"));
                    break;
                }
                Handling::Passed(Value::No)
                | Handling::ByPytest(Value::No)
                | Handling::Needless(Value::No, _)
                | Handling::Unknown => sorted.take(handling, &name, &name),
            }
        }
    }
    Ok(sorted)
}

impl Sorted {
    /// An option that is not this command's, with its value.
    fn take(&mut self, handling: Handling, name: &str, whole: &str) {
        match handling {
            Handling::Needless(..) => {}
            Handling::ByPytest(_) => {
                self.by_pytest.get_or_insert_with(|| name.to_owned());
            }
            _ => self.arguments.push(format!("{PASSED}={whole}").into()),
        }
    }
}

fn text_of(argument: &OsString) -> String {
    argument.to_string_lossy().into_owned()
}

/// Whether an argument after an unknown option is its value: it is neither an option nor may it name tests. A file that
/// is no source, and everything outside of the current folder, names none.
fn is_value(argument: &OsString) -> bool {
    let (text, path) = (argument.to_string_lossy(), Path::new(argument));
    if text.starts_with('-') || text.contains("::") {
        return false;
    }
    let is_elsewhere = path.is_absolute() && std::env::current_dir().is_ok_and(|here| !path.starts_with(here));
    let is_source = path.extension().is_some_and(|extension| extension == "py");
    match path.metadata() {
        _ if is_elsewhere => true,
        Ok(found) => !is_source && !found.is_dir(),
        Err(_) => !is_source && !text.contains('/'),
    }
}

fn lacks_value(name: &str) -> Failure {
    Failure::usage(format!("`{name}` needs a value: write it after the option"))
}

/// The sentence on an option that can't be followed, with the command that can.
fn refused(name: &str, why: &str) -> Failure {
    Failure::usage(format!("`{name}` {why}: leave it out, or run `python -m pytest` with it"))
}

/// Options of other programs that start tests, and the way to the same.
const OF_OTHERS: &[(&str, &str)] =
    &[("--python", "set `pythonPath` in pytest-lens.toml, or run the `pytest-lens` of that environment")];

/// pytest's complaint about unknown arguments, with the nearest known option.
pub(crate) fn explained(message: &str, command: &clap::Command) -> String {
    let Some((_, unknown)) = message.split_once("unrecognized arguments: ") else { return message.to_owned() };
    // pytest adds the path of its configuration, which does not help here.
    let unknown = unknown.split("inifile:").next().unwrap_or_default().trim_end();
    let word = unknown.split_whitespace().next().unwrap_or_default();
    let word = word.split('=').next().unwrap_or_default();
    let ours = command.get_arguments().filter_map(|argument| argument.get_long()).map(|name| format!("--{name}"));
    let known: Vec<String> = ours.filter(|name| name != PASSED).chain(long_names().map(str::to_owned)).collect();
    let nearest = suggest::nearest(word, known.iter().map(String::as_str));
    let advice = match (OF_OTHERS.iter().find(|(other, _)| *other == word), nearest) {
        (Some((_, instead)), _) => format!("; {instead}"),
        (None, None) => "; see `pytest-lens run --help`".to_owned(),
        (None, nearest) => suggest::did_you_mean(nearest),
    };
    format!("neither pytest nor pytest-lens knows `{unknown}`{advice}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::parse;

    fn sorted(line: &str) -> String {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match sort(&arguments, &parse::run_command()) {
            Ok(Sorted { by_pytest: Some(name), .. }) => format!("pytest itself, for {name}"),
            Ok(sorted) => {
                let words: Vec<_> = sorted.arguments.iter().map(text_of).collect();
                words.join(" ").replace(PASSED, ">")
            }
            Err(Failure::Message { sentence, status: 4 }) => sentence,
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
            "--python /usr/bin/env tests/test_a.py",
            "--settings Cargo.toml --settings src --settings no/such/path --settings no_such.py",
            "--capture no -- -x",
            "-p",
            "--pdb tests/test_a.py::test_x",
            "--sw",
            "--ff",
            "-d a.py",
            "--dist load",
            "--tx ssh=host",
            "--maxschedchunk 4 a.py",
            "--fixtures",
            "-V",
            "--log-cli-level INFO -x",
            "--cache-clear a",
            "--numprocesses 2 --lfnf none --report-chars fE",
        ];
        let refusal: Vec<String> = lines.iter().map(|line| format!("{line}\n    {}", sorted(line))).collect();
        insta::assert_snapshot!(refusal.join("\n"), @"
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
        --python /usr/bin/env tests/test_a.py
            >=--python=/usr/bin/env tests/test_a.py
        --settings Cargo.toml --settings src --settings no/such/path --settings no_such.py
            >=--settings=Cargo.toml >=--settings src >=--settings no/such/path >=--settings no_such.py
        --capture no -- -x
            >=--capture=no -- -x
        -p
            `-p` needs a value: write it after the option
        --pdb tests/test_a.py::test_x
            >=--pdb tests/test_a.py::test_x
        --sw
            --sw
        --ff
            --ff
        -d a.py
            a.py
        --dist load
            --dist load
        --tx ssh=host
            `--tx` starts processes on other hosts or interpreters, and the engine starts those of this project only: leave it out, or run `python -m pytest` with it
        --maxschedchunk 4 a.py
            a.py
        --fixtures
            pytest itself, for --fixtures
        -V
            pytest itself, for -V
        --log-cli-level INFO -x
            >=--log-cli-level=INFO -x
        --cache-clear a
            --cache-clear a
        --numprocesses 2 --lfnf none --report-chars fE
            --numprocesses 2 --lfnf none --report-chars fE
        ");
    }

    #[test]
    fn f1_what_pytest_does_not_know_is_told_with_what_was_meant() {
        let refusal = |message: &str| explained(message, &parse::run_command());
        let json = "neither pytest nor pytest-lens knows `--jsno`; did you mean `--json`?";
        assert_eq!(refusal("unrecognized arguments: --jsno\n  inifile: None\n  rootdir: /p"), json);
        let deselect = "neither pytest nor pytest-lens knows `--deslect=a`; did you mean `--deselect`?";
        assert_eq!(refusal("unrecognized arguments: --deslect=a"), deselect);
        let bogus = "neither pytest nor pytest-lens knows `--bogus`; see `pytest-lens run --help`";
        assert_eq!(refusal("unrecognized arguments: --bogus"), bogus);
        let python = "neither pytest nor pytest-lens knows `--python=3`; set `pythonPath` in pytest-lens.toml, or run the \
                      `pytest-lens` of that environment";
        assert_eq!(refusal("unrecognized arguments: --python=3"), python);
        assert_eq!(refusal("something else"), "something else");
    }
}
