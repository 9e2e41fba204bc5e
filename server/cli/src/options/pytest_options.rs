//! Sorts the arguments of `pytest-lens run`: options of this command, options that pytest gets, and those that can't be
//! followed, with the way out.
//!
//! An unknown option may belong to a plugin or to the project, so pytest gets it and judges it.

use std::ffi::OsString;
use std::path::Path;

use super::pytest_table::Handling::{Flag, OptionalValue, Refused, Unknown, Value};
use super::pytest_table::{Handling, LONG, SHORT};
use crate::failure::Failure;
use crate::suggest;

/// The hidden option by which clap takes pytest's arguments.
pub(crate) const PASSED: &str = "--pytest-argument";

/// Makes the arguments after `run` fit for clap: those of pytest follow [`PASSED`].
///
/// # Errors
/// A sentence on an option that can't be followed, with the way out.
pub(crate) fn sort(arguments: &[OsString], command: &clap::Command) -> Result<Vec<OsString>, Failure> {
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
                Handling::Ours { takes_value } => {
                    sorted.push(argument.clone());
                    if takes_value && value.is_none() {
                        sorted.extend(left.next().cloned());
                    }
                }
                // The argument after an unknown option is its value, unless it may name a test.
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
                Handling::Ours { takes_value: false } => sorted.push(name.into()),
                Handling::Ours { takes_value: true } => {
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

fn takes_value(argument: &clap::Arg) -> Handling {
    let may_lack = argument.get_num_args().is_some_and(|count| count.min_values() == 0);
    Handling::Ours { takes_value: argument.get_action().takes_values() && !may_lack }
}

fn long(name: &str, command: &clap::Command) -> Handling {
    let bare = name.trim_start_matches("--");
    let is_named = |argument: &&clap::Arg| {
        argument.get_long() == Some(bare) || argument.get_all_aliases().is_some_and(|all| all.contains(&bare))
    };
    let known = || LONG.iter().find(|(known, _)| *known == name).map(|(_, fate)| *fate);
    if bare == "help" {
        return Handling::Ours { takes_value: false };
    }
    command.get_arguments().find(is_named).map(takes_value).or_else(known).unwrap_or(Unknown)
}

/// Whether an argument after an unknown option is its value: it is neither an option nor a path or test.
fn is_value(argument: &OsString) -> bool {
    let text = argument.to_string_lossy();
    let is_path = text.contains("::") || text.contains('/') || text.ends_with(".py") || Path::new(argument).exists();
    !text.starts_with('-') && !is_path
}

fn short(flag: char, command: &clap::Command) -> Handling {
    let known = || SHORT.iter().find(|(known, _)| *known == flag).map(|(_, fate)| *fate);
    if flag == 'h' {
        return Handling::Ours { takes_value: false };
    }
    command
        .get_arguments()
        .find(|argument| argument.get_short() == Some(flag))
        .map(takes_value)
        .or_else(known)
        .unwrap_or(Flag)
}

fn lacks_value(name: &str) -> Failure {
    Failure::usage(format!("`{name}` needs a value: write it after the option"))
}

/// The sentence on an option that can't be followed, with the command that can.
fn refused(name: &str, why: &str, arguments: &[OsString]) -> Failure {
    let is_test =
        |argument: &&str| !argument.starts_with('-') && (argument.contains("::") || argument.ends_with(".py"));
    let test = arguments.iter().filter_map(|argument| argument.to_str()).find(is_test);
    let test = test.map_or_else(String::new, |test| format!(" {test}"));
    Failure::usage(format!("`{name}` {why}: run `python -m pytest {name}{test}`"))
}

/// pytest's complaint about unknown arguments, with the nearest known option.
pub(crate) fn explained(message: &str, command: &clap::Command) -> String {
    let Some((_, unknown)) = message.split_once("unrecognized arguments: ") else { return message.to_owned() };
    // pytest adds the path of its configuration, which does not help here.
    let unknown = unknown.split("inifile:").next().unwrap_or_default().trim_end();
    let word = unknown.split_whitespace().next().unwrap_or_default();
    let word = word.split('=').next().unwrap_or_default();
    let ours: Vec<String> =
        command.get_arguments().filter_map(|argument| argument.get_long()).map(|name| format!("--{name}")).collect();
    let known = ours.iter().map(String::as_str).chain(LONG.iter().map(|(name, _)| *name));
    let known = known.filter(|name| *name != PASSED);
    let nearest = suggest::nearest(word, known);
    let advice = nearest
        .map_or_else(|| "; see `pytest-lens run --help`".to_owned(), |nearest| suggest::did_you_mean(Some(nearest)));
    format!("neither pytest nor pytest-lens knows `{unknown}`{advice}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::parse;

    fn sorted(line: &str) -> String {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match sort(&arguments, &parse::run_command()) {
            Ok(sorted) => {
                let words: Vec<_> = sorted.iter().map(|word| word.to_string_lossy().into_owned()).collect();
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
        --capture no -- -x
            >=--capture=no -- -x
        -p
            `-p` needs a value: write it after the option
        --pdb tests/test_a.py::test_x
            >=--pdb tests/test_a.py::test_x
        --sw
            --sw
        --ff
            `--ff` needs pytest's cache, which pytest-lens does not keep (`--lf` and `--sw` use the recorded outcomes): run `python -m pytest --ff`
        -d
            `-d` is pytest-xdist's, which `-n N` replaces here: run `python -m pytest -d`
        --dist load
            `--dist` is pytest-xdist's, which `-n N` replaces here: run `python -m pytest --dist`
        --fixtures
            `--fixtures` prints a report that pytest-lens does not show: run `python -m pytest --fixtures`
        --cache-clear a
            `--cache-clear` needs pytest's cache, which pytest-lens does not keep (`--lf` and `--sw` use the recorded outcomes): run `python -m pytest --cache-clear`
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
        assert_eq!(refusal("something else"), "something else");
    }
}
