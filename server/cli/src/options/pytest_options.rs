//! Sorts the arguments of `pytest-lens run`: options of this command, options that pytest gets, and those that can't be
//! followed, with the way out.
//!
//! An unknown option may belong to a plugin or to the project, so pytest gets it and judges it. Only pytest's own parser
//! knows which of the words after it are its values.

use std::collections::HashSet;
use std::ffi::OsString;
use std::iter::Peekable;
use std::path::Path;
use std::slice::Iter;

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
    pub question: Question,
    /// Paths may be relative to another folder than the current one.
    is_elsewhere: bool,
}

/// The question for pytest's own parser which words name tests.
#[derive(Debug, Default, Clone)]
pub(crate) struct Question {
    /// The words; other options take the places of those that are not pytest's.
    pub words: Vec<OsString>,
    /// Whether a guess may be wrong.
    pub is_open: bool,
}

/// An option of pytest that no plugin has, and that takes no value.
const ANY_OPTION: &str = "-x";

/// Sorts the arguments after `run`. `tests`: the places of the words that name tests, as pytest's own parser answers the
/// question of a sort without them, which guesses.
///
/// # Errors
/// A sentence on an option that can't be followed, with the way out.
pub(crate) fn sort(
    arguments: &[OsString],
    command: &clap::Command,
    tests: Option<&HashSet<usize>>,
) -> Result<Sorted, Failure> {
    let is_elsewhere = arguments.iter().any(|word| word.to_string_lossy().starts_with("--root"));
    let mut sorted = Sorted { is_elsewhere, ..Sorted::default() };
    let mut left = arguments.iter().peekable();
    while let Some(argument) = left.next() {
        let Some(text) = argument.to_str() else {
            sorted.take_free(argument);
            continue;
        };
        if text == "--" {
            sorted.take_free(argument);
            left.for_each(|free| sorted.take_free(free));
            break;
        }
        if text.starts_with("--") {
            let (name, attached) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            let handling = handling(name, command);
            let value = match (handling, attached) {
                (Handling::Ours { takes_value }, _) => {
                    sorted.question.words.push(ANY_OPTION.into());
                    sorted.arguments.push(argument.clone());
                    if takes_value && attached.is_none() {
                        sorted.arguments.extend(left.next().cloned());
                    }
                    continue;
                }
                (Handling::Refused(why), _) => return Err(refused(name, why)),
                (_, Some(value)) => Some(value.to_owned()),
                (Handling::Unknown, None) => {
                    sorted.take_unknown(name, "=", &mut left, tests);
                    continue;
                }
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
            sorted.take_free(argument);
            continue;
        };
        for (at, flag) in flags.char_indices() {
            let rest = &flags[at + flag.len_utf8()..];
            let name = format!("-{flag}");
            let handling = handling(&name, command);
            match handling {
                Handling::Ours { takes_value: false } => {
                    sorted.question.words.push(ANY_OPTION.into());
                    sorted.arguments.push(name.into());
                }
                Handling::Ours { takes_value: true } => {
                    sorted.question.words.push(ANY_OPTION.into());
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
                Handling::Unknown if rest.is_empty() => sorted.take_unknown(&name, "", &mut left, tests),
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
        let is_passed = !matches!(handling, Handling::Needless(..) | Handling::ByPytest(_));
        self.question.words.push(if is_passed { whole } else { ANY_OPTION }.into());
        match handling {
            Handling::Needless(..) => {}
            Handling::ByPytest(_) => {
                self.by_pytest.get_or_insert_with(|| name.to_owned());
            }
            _ => self.pass(whole),
        }
    }

    /// A word that is neither an option nor a value, and a `--`.
    fn take_free(&mut self, word: &OsString) {
        self.question.words.push(word.clone());
        self.arguments.push(word.clone());
    }

    /// An option that is in no table, with the words after it that are its values. `joint`: stands between it and one
    /// value.
    fn take_unknown(
        &mut self,
        name: &str,
        joint: &str,
        left: &mut Peekable<Iter<'_, OsString>>,
        tests: Option<&HashSet<usize>>,
    ) {
        self.question.words.push(name.into());
        let free: Vec<&OsString> = left.clone().take_while(|word| is_free(word)).collect();
        self.question.is_open |= match free[..] {
            [] => false,
            [only] => self.is_elsewhere || may_name_tests(only),
            _ => true,
        };
        let count = match tests {
            Some(tests) => (self.question.words.len()..).zip(&free).take_while(|(at, _)| !tests.contains(at)).count(),
            None => usize::from(free.first().is_some_and(|first| is_value(first))),
        };
        let values: Vec<String> = left.by_ref().take(count).map(text_of).collect();
        self.question.words.extend(values.iter().map(OsString::from));
        match &values[..] {
            [only] => self.pass(&format!("{name}{joint}{only}")),
            _ => {
                self.pass(name);
                values.iter().for_each(|value| self.pass(value));
            }
        }
    }

    /// A word for pytest.
    fn pass(&mut self, word: &str) {
        self.arguments.push(format!("{PASSED}={word}").into());
    }
}

fn text_of(argument: &OsString) -> String {
    argument.to_string_lossy().into_owned()
}

/// Whether a parser takes a word for a value or a path.
fn is_free(word: &OsString) -> bool {
    word == "-" || !word.to_string_lossy().starts_with('-')
}

/// Whether a word may be a path or a node id.
fn may_name_tests(word: &OsString) -> bool {
    let text = word.to_string_lossy();
    text.contains(['/', '\\']) || text.contains("::") || text.ends_with(".py") || Path::new(word).exists()
}

/// Whether a word after an unknown option is probably its value. pytest refuses a path that is not there; a file that is
/// no source, and everything outside of the current folder, is rarely a path of tests.
fn is_value(word: &OsString) -> bool {
    let text = word.to_string_lossy();
    let path = Path::new(text.split("::").next().unwrap_or_default());
    let is_elsewhere = path.is_absolute() && std::env::current_dir().is_ok_and(|here| !path.starts_with(here));
    let is_source = path.extension().is_some_and(|extension| extension == "py");
    match path.metadata() {
        _ if is_elsewhere => true,
        Ok(found) => !is_source && !found.is_dir(),
        Err(_) => true,
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
        match sort(&arguments, &parse::run_command(), None) {
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
            >=--settings=Cargo.toml >=--settings src >=--settings=no/such/path >=--settings=no_such.py
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

    /// The words for pytest's parser, if it has to be asked, and the arguments if the words at these places name tests.
    fn split(line: &str, tests: &[usize]) -> (String, String) {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let text = |words: &[OsString]| words.iter().map(text_of).collect::<Vec<_>>().join(" ").replace(PASSED, ">");
        let Question { words, is_open } = sort(&arguments, &parse::run_command(), None).unwrap().question;
        let tests = tests.iter().copied().collect();
        let sorted = sort(&arguments, &parse::run_command(), Some(&tests)).unwrap();
        assert_eq!(sorted.question.words, words, "the places are those of the question");
        (if is_open { text(&words) } else { String::new() }, text(&sorted.arguments))
    }

    #[test]
    fn the_words_after_an_unknown_option_are_split_by_pytests_own_parser() {
        for (line, tests, question, arguments) in [
            ("--url http://x", &[][..], "--url http://x", ">=--url=http://x"),
            ("--url src -x", &[], "--url src -x", ">=--url=src -x"),
            ("--flag src -x", &[1], "--flag src -x", ">=--flag src -x"),
            ("--x1 p q a.py", &[3], "--x1 p q a.py", ">=--x1 >=p >=q a.py"),
            ("-k e --xs a b -n 2 a::b", &[5], "-x --xs a b -x a::b", "-k e >=--xs >=a >=b -n 2 a::b"),
            ("--xs a b -- c", &[4], "--xs a b -- c", ">=--xs >=a >=b -- c"),
            ("a -vE b c --deselect d", &[0, 4], "a -x -E b c --deselect=d", "a -v >=-Eb c >=--deselect=d"),
            ("--flag src b", &[1, 2], "--flag src b", ">=--flag src b"),
            ("--env ci -x", &[], "", ">=--env=ci -x"),
            ("src --url=http://x --json", &[0], "", "src >=--url=http://x --json"),
        ] {
            assert_eq!(split(line, tests), (question.to_owned(), arguments.to_owned()), "{line}");
        }
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
