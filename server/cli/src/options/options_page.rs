//! Makes `docs/pytest-options.md` from the tables and from `--help`, and keeps it true.

use std::fmt::Write;
use std::path::Path;

use super::parse::run_command;
use super::pytest_table::{Handling, KNOWN, Known, handling};

const ABOUT: &str = "\
# pytest's options

<!-- Made by `PYTEST_LENS_WRITE=1 cargo test -p pytest-lens options_page`; the data by tests/known_options/collect.py. -->

`pytest-lens [ARGS]` takes the place of `pytest [ARGS]`, and is short for `pytest-lens run [ARGS]`: the first word is a
path, a node id or an option. If it is the name of a command (`pytest-lens --help` lists them), it is the command: write
`./list` for a folder of that name. `--help`, `-h`, `--version` and `-V` as the first word are those of pytest-lens; after
`run`, `--version` and `-V` are pytest's.

Options in `addopts` and `PYTEST_ADDOPTS` mean the same as on the command line. Those of the command line count more.
With `--connect` the variable of the command counts, not the daemon's; all other variables (`PYTEST_PLUGINS`, `PYTHONPATH`,
those that tests read) are the daemon's, except `VIRTUAL_ENV`, `CONDA_PREFIX` and `PATH` (see the README). Paths in
options are relative to the current folder, as selected ones are.
An option \"by pytest\" in `addopts` makes a run pytest's, too, except with options that pytest does not have (`--json`).

- **ours**: the engine or the command line carries it out, with pytest's meaning. The tests' `sys.argv` has no `-x`,
  `--maxfail`, `-r` and `-n`, and may have the other arguments in another order and form (`-Wignore`).
- **passed on**: pytest's session in the engine gets it. So does any option that is not in this table: if pytest does not
  know it either, the error says so.
- **by pytest**: `pytest-lens` becomes `python -m pytest` with the project's interpreter and the same arguments. Nothing of
  the run is recorded.
- **no effect**: accepted, for the reason given.
- **refused**: an error, for the reason given.
";

/// Marks of pytest-lens's own reading of an option.
const REMARKS: &[(&str, &str)] = &[
    ("--maxfail", "with several runners, too"),
    ("--lf", "by the recorded outcomes, which editors share"),
    ("--ff", "by the recorded outcomes, which editors share"),
    ("--nf", "tests without a recorded outcome are new"),
    ("--sw", "by the recorded outcomes, which editors share"),
    ("--sw-reset", "the recorded outcomes stay"),
    ("--cache-show", "the cache of the engine's runs"),
    (
        "--cache-clear",
        "empties pytest's cache; `--lf`, `--ff`, `--nf` and `--sw` take no notice of earlier runs any more",
    ),
    (
        "--collect-only",
        "with pytest's output; by the engine with `--json`, `--lf`, `--ff`, `--nf`, `--sw`, `--cache-clear`, `-n`, `--reruns` and options of pytest-lens alone",
    ),
    (
        "--numprocesses",
        "`auto` and `logical` choose the fastest number; 0 is 1. Sections that conftests and plugins add to the summary \
         need one runner, or `pytest --lens -n N`",
    ),
    (
        "--dist",
        "`load`, `worksteal`, `no`: tests of a class, a group or a parametrized function stay together; `loadgroup`: groups; \
         `loadscope`, `loadfile`: those of a file. `each` is refused: tests run once, in one environment",
    ),
    ("--reruns", "without pytest-rerunfailures, too"),
    ("--pdb", "in one process, which has the terminal"),
    ("--trace", "in one process, which has the terminal"),
    ("-s", "in one process, which has the terminal"),
    (
        "--log-cli-level",
        "as for `log_cli = true`, tests run in one process, which has the terminal; with several runners nothing is \
                         shown while they run, as with pytest-xdist",
    ),
    ("-o", "`console_output_style` counts for `-v` and for pipes; on a terminal a bar takes its place"),
    ("--no-header", "on pipes and with `-v`, where runs begin with pytest's heading"),
    ("--junitxml", "one session runs all tests, and pytest writes the report: of tests that crashed or run again, too"),
    (
        "--cov",
        "one session runs all tests, and pytest-cov makes the reports and enforces its gates; lines that a process executed before it crashed are missing",
    ),
    ("-p", "a run with `-p no:terminal` is pytest's"),
    ("--pyargs", "a run that names modules is pytest's"),
    ("--keep-duplicates", "a run of the engine has each test once"),
    ("--basetemp", "without pytest-xdist, `-n` is left out"),
    ("--html", "one session runs all tests, and the plugin writes the report"),
    ("--help", "of pytest-lens; `python -m pytest --help` lists this table's options"),
];

fn row(known: &Known) -> String {
    let command = run_command();
    let handling = handling(known.names[0], &command);
    let (how, reason) = match handling {
        Handling::Ours { .. } => ("ours", ""),
        Handling::Passed(_) => ("passed on", ""),
        Handling::ByPytest(_) => ("by pytest", ""),
        Handling::Needless(_, reason) => ("no effect", reason),
        Handling::Refused(reason) => ("refused", reason),
        Handling::Unknown => ("unknown", ""),
    };
    let remark = REMARKS.iter().find(|(name, _)| known.names.contains(name)).map_or(reason, |(_, remark)| remark);
    let names: Vec<String> = known.names.iter().map(|name| format!("`{name}`")).collect();
    format!("| {} | {how} | {remark} |", names.join(", "))
}

fn page() -> String {
    let mut page = ABOUT.to_owned();
    let mut package = "";
    for known in KNOWN.iter() {
        if known.package != package {
            package = known.package;
            writeln!(page, "\n## {package}\n\n| option | how | remark |\n|---|---|---|").unwrap();
        }
        writeln!(page, "{}", row(known)).unwrap();
    }
    page
}

#[test]
fn the_page_of_options_is_that_of_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pytest-options.md");
    if std::env::var_os("PYTEST_LENS_WRITE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page(), "docs/pytest-options.md is not up to date: see its first lines");
}

#[test]
fn each_name_of_an_option_is_known_where_one_is() {
    let command = run_command();
    for known in KNOWN.iter() {
        let Handling::Ours { takes_value } = handling(known.names[0], &command) else { continue };
        for name in &known.names {
            if matches!(*name, "-h" | "--help") {
                continue;
            }
            let mut words = vec!["run", name];
            if takes_value {
                words.push("1");
            }
            let unknown = command
                .clone()
                .try_get_matches_from(words)
                .err()
                .filter(|error| error.kind() == clap::error::ErrorKind::UnknownArgument);
            assert!(unknown.is_none(), "{name}");
        }
    }
}

#[test]
fn every_option_is_handled() {
    assert!(KNOWN.len() > 150, "the collected options are there");
    for known in KNOWN.iter() {
        assert_ne!(handling(known.names[0], &run_command()), Handling::Unknown, "{:?}", known.names);
    }
    for (name, _) in REMARKS {
        assert!(KNOWN.iter().any(|known| known.names.contains(name)), "{name} is no option");
    }
}
