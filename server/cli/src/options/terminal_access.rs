//! Decides whether the tests of a run use this process's standard streams, and so its terminal: if nothing is captured,
//! for a debugger, or to print log records while tests run.

use std::io::IsTerminal;

use crate::failure::Failure;
use crate::options::addopts::Added;
use crate::options::arguments;
use crate::options::values::are_several;

/// Whether Ctrl-C reaches the tests as well as this process.
pub(crate) fn is_shared() -> bool {
    std::io::stdin().is_terminal() || std::io::stdout().is_terminal() || std::io::stderr().is_terminal()
}

/// Whether the tests of a run use the terminal, by the command line and what is added to it. `for_agent`: an agent reads
/// the output.
///
/// # Errors
/// A sentence, if a debugger can't have the terminal because of another option.
pub(crate) fn is_wanted(options: &arguments::Run, added: &Added, for_agent: bool) -> Result<bool, Failure> {
    let addopts = &added.words;
    let several = are_several(options.workers);
    if let Some(debugger) = options.passed.iter().find(|word| is_debugger(word)) {
        let hindrance = match (options.json, several) {
            (true, _) => Some("`--json`, which prints events there"),
            (false, true) => Some("`-n`, since only one process can have it"),
            (false, false) => None,
        };
        return match hindrance {
            Some(hindrance) => Err(Failure::usage(format!("`{debugger}` needs the terminal: leave out {hindrance}"))),
            None => Ok(true),
        };
    }
    if options.json || several {
        return Ok(false);
    }
    if addopts.iter().any(|word| is_debugger(word)) {
        return Ok(true);
    }
    // The last option counts, and the command line's come last.
    let captured = addopts.iter().chain(&options.passed).filter_map(|word| captures(word)).next_back();
    let shares_out = options.workers.is_none() && is_distributed(addopts);
    let shows_log = added.log_cli || addopts.iter().chain(&options.passed).any(|word| word.starts_with(LOG_LEVEL));
    // With several runners nothing shows them, as with pytest-xdist.
    let has_several = shares_out || (options.workers.is_none() && are_several(added.workers));
    Ok((captured == Some(false) && !shares_out) || (shows_log && !has_several && !for_agent))
}

const LOG_LEVEL: &str = "--log-cli-level";

/// The first word that asks for a debugger in the terminal.
pub(crate) fn debugger<'a>(mut words: impl Iterator<Item = &'a String>) -> Option<&'a str> {
    words.find(|word| is_debugger(word)).map(String::as_str)
}

fn is_debugger(word: &str) -> bool {
    matches!(word, "--pdb" | "--trace") || word.starts_with("--pdbcls=")
}

/// Whether an option turns capturing on or off, if it does either.
fn captures(word: &str) -> Option<bool> {
    if let Some(method) = word.strip_prefix("--capture=") {
        return Some(method != "no");
    }
    let flags = word.strip_prefix('-')?;
    (flags.contains('s') && flags.chars().all(|flag| "vqsxl".contains(flag))).then_some(false)
}

/// Whether the project distributes its tests by pytest-xdist.
fn is_distributed(addopts: &[String]) -> bool {
    let mut words = addopts.iter();
    let mut count = None;
    while let Some(word) = words.next() {
        let attached = ["--numprocesses=", "-n="].iter().find_map(|name| word.strip_prefix(name));
        count = match (&**word, attached) {
            ("-n" | "--numprocesses", _) => words.next().map(String::as_str),
            (_, Some(value)) => Some(value),
            (word, None) if !word.starts_with("--") => word.strip_prefix("-n").or(count),
            _ => count,
        };
    }
    count.is_some_and(|count| count != "0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::parse::parse;

    fn decided(line: &str, addopts: &str) -> String {
        let arguments = format!("pytest-lens run {line}");
        let Ok(arguments::Command::Run(options)) = parse(arguments.split_whitespace().map(Into::into)) else {
            return "not a run".into();
        };
        let mut words: Vec<String> = addopts.split_whitespace().map(str::to_owned).collect();
        let log_cli = words.iter().any(|word| word == "LOG_CLI");
        words.retain(|word| word != "LOG_CLI");
        match is_wanted(&options, &Added { words, log_cli, ..Added::default() }, false) {
            Ok(wanted) => wanted.to_string(),
            Err(Failure::Message { sentence, .. }) => sentence,
            Err(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn r20_who_wants_the_terminal_has_it() {
        for (line, addopts, wanted) in [
            ("", "", "false"),
            ("-s", "", "true"),
            ("-vs a.py::t", "", "true"),
            ("--capture=no", "", "true"),
            ("--capture no", "", "true"),
            ("--capture=sys", "", "false"),
            ("-s --capture=fd", "", "false"),
            ("--pdb", "", "true"),
            ("--trace", "", "true"),
            ("--pdbcls IPython.terminal.debugger:Pdb", "", "true"),
            ("", "-s", "true"),
            ("", "-qs", "true"),
            ("", "--strict", "false"),
            ("", "--pdb", "true"),
            ("--capture=fd", "-s", "false"),
            ("-s", "-n 4", "false"),
            ("-s", "-n4", "false"),
            ("-s", "-nauto", "false"),
            ("-s", "--numprocesses=2", "false"),
            ("-s", "-n 4 -n0", "true"),
            ("-s -n 1", "-n 4", "true"),
            ("--pdb", "-n 4", "true"),
            ("-s -n 2", "", "false"),
            ("-s -n auto", "", "false"),
            ("-s --json", "", "false"),
            ("", "LOG_CLI", "true"),
            ("-q", "LOG_CLI -n0", "true"),
            ("--log-cli-level=INFO", "", "true"),
            ("", "--log-cli-level INFO", "true"),
            ("-n 2", "LOG_CLI", "false"),
            ("", "LOG_CLI -n 4", "false"),
            ("--json", "LOG_CLI", "false"),
            ("--json", "--pdb", "false"),
            ("--pdb --json", "", "`--pdb` needs the terminal: leave out `--json`, which prints events there"),
            ("--trace -n 2", "", "`--trace` needs the terminal: leave out `-n`, since only one process can have it"),
        ] {
            assert_eq!(decided(line, addopts), wanted, "run {line}, addopts = {addopts}");
        }
    }
}
