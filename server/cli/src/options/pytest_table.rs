//! The options of pytest and of well-known plugins, and how `pytest-lens run` handles each.

use std::sync::LazyLock;

/// How to handle an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handling {
    /// It is an option of this command.
    Ours { takes_value: bool },
    /// pytest gets it, with a value as said.
    Passed(Value),
    /// pytest itself, without the engine, carries out the whole command.
    ByPytest(Value),
    /// It changes nothing here, for this reason.
    Needless(Value, &'static str),
    /// It is in no table: an option of a plugin, of the project, or an error.
    Unknown,
    /// It can't be followed here, for this reason.
    Refused(&'static str),
}

/// Whether an option has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    No,
    One,
    /// If one follows.
    Optional,
}

/// An option of pytest or of a plugin.
pub(super) struct Known {
    /// The package that has it, with the version that was read.
    pub package: &'static str,
    pub names: Vec<&'static str>,
    pub value: Value,
}

/// Made by `tests/known_options/collect.py` from the parsers of pytest and of the plugins.
const COLLECTED: &str = include_str!("known_options.tsv");

/// The collected options, in their order.
pub(super) static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let known = |line: &'static str| {
        let mut fields = line.split('\t');
        let (package, names) = (fields.next()?, fields.next()?.split(' ').collect());
        let value = match fields.next()? {
            "none" => Value::No,
            "optional" => Value::Optional,
            _ => Value::One,
        };
        Some(Known { package, names, value })
    };
    COLLECTED.lines().filter_map(known).collect()
});

/// Whether a word is an option of this package (its name without the version) that pytest alone does not carry out, and
/// whether a value follows it.
pub(crate) fn of_package(package: &str, word: &str) -> Option<bool> {
    let is_option = |name: &str| {
        let rest = word.strip_prefix(name);
        let is_long = name.starts_with("--");
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('=') || !is_long)
    };
    let is_by_pytest = |known: &Known| known.names.iter().any(|name| BY_PYTEST.contains(name));
    let of_package = |known: &&Known| known.package.split(' ').next() == Some(package) && !is_by_pytest(known);
    let mut options = KNOWN.iter().filter(of_package);
    let known = options.find(|known| known.names.iter().any(|name| is_option(name)))?;
    Some(known.value != Value::No && known.names.contains(&word))
}

/// Options of other plugins that have a value.
const OTHERS_WITH_VALUE: &[&str] = &[
    "--json-report-file",
    "--report-log",
    "--alluredir",
    "--count",
    "--splits",
    "--group",
    "--durations-path",
    "--base-url",
    "--browser",
];

/// Options of other plugins that have none.
const OTHERS: &[&str] = &["--json-report", "--snapshot-update", "--headed"];

/// Options with which pytest prints a report instead of running tests, or besides, and those of plugins that report or
/// repeat by themselves; `--basetemp`, because the engine gives each runner a folder of its own; and `--keep-duplicates`,
/// because a run has each test once.
const BY_PYTEST: &[&str] = &[
    "--markers",
    "--fixtures",
    "--fixtures-per-test",
    "--cache-show",
    "--setup-only",
    "--setup-plan",
    "--setup-show",
    "--trace-config",
    "--debug",
    "--version",
    "--pastebin",
    "--basetemp",
    "--max-warnings",
    "--keep-duplicates",
    "--keepduplicates",
    "--looponfail",
    "--force-reruns",
    "--only-rerun",
    "--rerun-except",
    "--rerun-exclude-path",
    "--reruns-delay",
    "--reruns-delay-backoff-factor",
    "--reruns-mode",
    "--fail-on-flaky",
    "--rerun-show-tracebacks",
    "--max-suite-reruns",
    "--generate-missing",
    "--gherkin-terminal-reporter",
    "--hypothesis-show-statistics",
];

const SENDS_ITSELF: &str = "the engine decides how many tests a runner gets at a time";
const KEEPS_ORDER: &str = "the engine decides in which order files are started";

/// Options that change nothing here, each with the reason.
const NEEDLESS: &[(&str, &str)] = &[
    ("-d", "`-n` distributes the tests"),
    ("--maxschedchunk", SENDS_ITSELF),
    ("--loadscope-reorder", KEEPS_ORDER),
    ("--no-loadscope-reorder", KEEPS_ORDER),
];

const HOSTS: &str = "starts processes on other hosts or interpreters, and the engine starts those of this project only";

/// Options that can't be followed, each with the reason.
const REFUSED: &[(&str, &str)] = &[("--tx", HOSTS), ("--px", HOSTS), ("--rsyncdir", HOSTS), ("--rsyncignore", HOSTS)];

/// All options in the tables that have long names.
pub(super) fn long_names() -> impl Iterator<Item = &'static str> {
    let known = KNOWN.iter().flat_map(|known| known.names.iter().copied());
    known.chain(OTHERS_WITH_VALUE.iter().copied()).chain(OTHERS.iter().copied()).filter(|name| name.starts_with("--"))
}

/// How to handle the option of this name, `--long` or `-s`.
pub(super) fn handling(name: &str, command: &clap::Command) -> Handling {
    let known = KNOWN.iter().find(|known| known.names.contains(&name));
    let alone = [name];
    let names: &[&str] = known.map_or(&alone, |known| &known.names);
    if let Some(ours) = names.iter().find_map(|name| ours(name, command)) {
        return ours;
    }
    let reason = |table: &[(&str, &'static str)]| {
        table.iter().find(|(known, _)| names.contains(known)).map(|(_, reason)| *reason)
    };
    if let Some(reason) = reason(REFUSED) {
        return Handling::Refused(reason);
    }
    let value = match known {
        Some(known) => known.value,
        None if OTHERS_WITH_VALUE.contains(&name) => Value::One,
        None if OTHERS.contains(&name) => Value::No,
        None => return Handling::Unknown,
    };
    match reason(NEEDLESS) {
        Some(reason) => Handling::Needless(value, reason),
        None if names.iter().any(|name| BY_PYTEST.contains(name)) => Handling::ByPytest(value),
        None => Handling::Passed(value),
    }
}

/// Whether this command has an option of that name.
fn ours(name: &str, command: &clap::Command) -> Option<Handling> {
    if matches!(name, "-h" | "--help") {
        return Some(Handling::Ours { takes_value: false });
    }
    let is_named = |argument: &&clap::Arg| match name.strip_prefix("--") {
        Some(long) => {
            argument.get_long() == Some(long) || argument.get_all_aliases().is_some_and(|all| all.contains(&long))
        }
        None => argument.get_short().is_some_and(|short| name.strip_prefix('-') == Some(short.to_string().as_str())),
    };
    let argument = command.get_arguments().find(is_named)?;
    // A value that may be left out is attached by `=`.
    let may_lack = argument.get_num_args().is_some_and(|count| count.min_values() == 0);
    Some(Handling::Ours { takes_value: argument.get_action().takes_values() && !may_lack })
}
