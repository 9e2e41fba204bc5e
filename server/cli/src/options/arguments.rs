//! The subcommands and their options, as clap parses them and as `--help` shows them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{ArgAction, Args, Parser, Subcommand};
use pytest_lens_protocol::WorkerCount;

use super::pytest_options::Question;
use super::values::{
    Distribution, Figure, PartLevels, Shards, are_several, distribution, executor_of, least_seconds, number, seconds,
    shard_of, shards, signed, verbosity, workers,
};

/// Ends the help of `run`.
const ABOUT_PYTESTS_OPTIONS: &str = "\
All options of pytest, its plugins and the project work as in pytest, also in addopts and PYTEST_ADDOPTS;
`python -m pytest --help` lists them.

With -s, --pdb or --trace, here or in addopts, the tests use this terminal: breakpoint() and input() work, and Ctrl-C \
and Ctrl-Z reach them.";

/// Ends the help of `completions`.
const ABOUT_COMPLETIONS: &str = "\
Bash: pytest-lens completions bash > ~/.local/share/bash-completion/completions/pytest-lens
Zsh:  pytest-lens completions zsh > \"${fpath[1]}/_pytest-lens\"
Fish: pytest-lens completions fish > ~/.config/fish/completions/pytest-lens.fish";

/// Heading of the options that choose tests, in the help of `run`.
const SELECTION: &str = "Selection";

/// Heading of the options that say how tests run.
const EXECUTION: &str = "Execution";

/// Heading of the options that say what is printed.
const OUTPUT: &str = "Output";

/// Run pytest tests from a warm engine, at a terminal or for an editor.
#[derive(Debug, Parser)]
#[command(
    name = "pytest-lens",
    bin_name = "pytest-lens",
    version,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// A subcommand with its options.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run tests; the exit status is pytest's. `pytest-lens ARGS` is `pytest-lens run ARGS`
    #[command(after_help = ABOUT_PYTESTS_OPTIONS, args_override_self = true)]
    Run(Box<Run>),
    /// List tests
    List(List),
    /// List the tests that the recorded outcomes show to be flaky
    Flaky(Flaky),
    /// Manage the recorded outcomes
    #[command(subcommand)]
    History(HistoryCommand),
    /// Split the tests into shards, for several machines
    Shard(Shard),
    /// Check a project: its Python, pytest, settings and mode, what is wrong and how to fix it
    Doctor(Doctor),
    /// Start the language server on standard input and output
    Lsp(Lsp),
    /// Start an engine behind a Unix socket, for several clients (`--connect`)
    Daemon(Daemon),
    /// Start a server for AI agents (Model Context Protocol) on standard input and output
    Mcp(Mcp),
    /// Print the help of a command or topic, or the list of both
    Help(Help),
    /// Print a script that completes commands and options in a shell
    #[command(after_help = ABOUT_COMPLETIONS)]
    Completions(Completions),
    /// Print a manual page: `pytest-lens man run | man -l -`
    Man(Man),
}

#[derive(Debug, Args)]
pub(crate) struct Help {
    /// A command, such as `run` or `history import`, or a topic, such as `selection`
    #[arg(value_name = "COMMAND or TOPIC")]
    pub words: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// A command, such as `run` or `history import` [default: the page of pytest-lens itself]
    #[arg(value_name = "COMMAND")]
    pub words: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Lsp {
    /// Accepted for editors that pass it; standard input and output are always used
    #[arg(long)]
    stdio: bool,
    #[command(flatten)]
    pub engine: EngineAt,
}

#[derive(Debug, Args)]
pub(crate) struct Mcp {
    #[command(flatten)]
    pub root: Root,
    /// Use the daemon at this socket [default: the user's daemon, which is started if there is none]
    #[arg(long, value_name = "SOCKET")]
    pub connect: Option<PathBuf>,
}

/// Which engine a command uses.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EngineAt {
    /// Use the engine of the daemon at this socket
    #[arg(long, value_name = "SOCKET")]
    pub connect: Option<PathBuf>,
    /// The folder in which tests run, and from which paths are shown, if that is not the root.
    #[arg(skip)]
    pub folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Daemon {
    /// Path of the socket [default: in a private folder of the user]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Exit after this time without clients and runs; 0 = never [default: 0]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub idle_timeout: Option<Duration>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Root {
    /// Folder of the project, to which paths and node ids are relative [default: the current folder; with `--connect`,
    /// its rootdir]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// pytest's expressions.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Filter {
    /// Only tests whose names match this pytest expression
    #[arg(short = 'k', value_name = "EXPR", help_heading = SELECTION)]
    pub keyword: Option<String>,
    /// Only tests whose markers match this pytest expression
    #[arg(short = 'm', value_name = "EXPR", help_heading = SELECTION)]
    pub marker: Option<String>,
}

impl Filter {
    /// Whether it selects all tests.
    pub(crate) fn is_empty(&self) -> bool {
        self.keyword.is_none() && self.marker.is_none()
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Run {
    /// Tests, classes, files or folders to run [default: all]
    #[arg(value_name = "NODEID or PATH")]
    pub selectors: Vec<String>,
    #[command(flatten)]
    pub root: Root,
    #[command(flatten)]
    pub filter: Filter,
    /// Number of runners; `auto` chooses the fastest [default: 1]
    #[arg(short = 'n', long = "numprocesses", value_name = "N", value_parser = workers, allow_negative_numbers = true, help_heading = EXECUTION)]
    pub workers: Option<WorkerCount>,
    /// The most runners that `-n` starts
    #[arg(long = "maxprocesses", value_name = "N", value_parser = number, allow_negative_numbers = true, help_heading = EXECUTION)]
    pub max_workers: Option<u32>,
    /// Which tests stay with one runner, as in pytest-xdist
    #[arg(long = "dist", value_name = "MODE", value_parser = distribution, help_heading = EXECUTION)]
    pub distribution: Option<Distribution>,
    /// Stop when more runners than this have crashed
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true, help_heading = EXECUTION)]
    pub max_worker_restart: Option<u32>,
    /// Files that can't be collected count as failures, and do not interrupt the run
    #[arg(long, help_heading = EXECUTION)]
    pub continue_on_collection_errors: bool,
    /// Stop after this many failures
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true, overrides_with = "exit_first", help_heading = EXECUTION)]
    pub maxfail: Option<u32>,
    /// Stop at the first failure
    #[arg(short = 'x', long = "exitfirst", overrides_with = "maxfail", help_heading = EXECUTION)]
    pub exit_first: bool,
    /// Only the tests that failed when they last ran; all tests if none did
    #[arg(long = "last-failed", visible_alias = "lf", help_heading = SELECTION)]
    pub last_failed: bool,
    /// With `--last-failed`: run all tests or none if no selected test failed [default: all]
    #[arg(long = "last-failed-no-failures", visible_alias = "lfnf", value_name = "WHICH", value_parser = PossibleValuesParser::new(["all", "none"]), help_heading = SELECTION)]
    pub no_failures: Option<String>,
    /// Run the tests first that failed when they last ran
    #[arg(long, visible_alias = "ff", help_heading = EXECUTION)]
    pub failed_first: bool,
    /// Run the tests first that never ran, and those of the files first that changed last
    #[arg(long, visible_alias = "nf", help_heading = EXECUTION)]
    pub new_first: bool,
    /// Take no notice of outcomes of earlier runs from now on, and empty pytest's cache
    #[arg(long, help_heading = SELECTION)]
    pub cache_clear: bool,
    /// Begin with the first test that failed when it last ran, and stop at the first failure
    #[arg(long, visible_alias = "sw", help_heading = SELECTION)]
    pub stepwise: bool,
    /// As `--stepwise`, but stop at the second failure
    #[arg(long, visible_alias = "sw-skip", help_heading = SELECTION)]
    pub stepwise_skip: bool,
    /// As `--stepwise`, but begin with the first test
    #[arg(long, visible_alias = "sw-reset", help_heading = SELECTION)]
    pub stepwise_reset: bool,
    /// Repeat a failed test up to N times
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true, help_heading = EXECUTION)]
    pub reruns: Option<u32>,
    /// Only the tests that your changes can reach: those that are not committed, or all since the branch left BASE
    #[arg(
        long,
        value_name = "BASE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        help_heading = SELECTION,
    )]
    pub affected: Option<String>,
    /// Say why `--affected` would run a test or not, and run nothing
    #[arg(long, value_name = "NODEID", requires = "affected", conflicts_with = "json", help_heading = SELECTION)]
    pub explain: Option<String>,
    /// After the run, keep running the tests that each saved file affects; `h` lists the keys
    #[arg(long, conflicts_with_all = ["explain", "collect_only", "json"], help_heading = SELECTION)]
    pub watch: bool,
    /// Only the tests of one of N shards; the first is 1/N
    #[arg(long, value_name = "I/N", value_parser = shard_of, help_heading = SELECTION)]
    pub shard: Option<(u32, u32)>,
    #[command(flatten)]
    pub strategy: Strategy,
    /// Fork a warm interpreter (`embedded`), start a fresh one (`subprocess`), or fork if it is safe (`auto`) [default:
    /// auto]
    #[arg(long, value_parser = PossibleValuesParser::new(["embedded", "subprocess", "auto"]), help_heading = EXECUTION)]
    pub mode: Option<String>,
    /// Run tests on this machine, or on a Ray cluster; without HOST:PORT one is started here [default: the setting
    /// `executor`]
    #[arg(long, value_name = "local|ray[=HOST:PORT]", value_parser = executor_of, help_heading = EXECUTION)]
    pub executor: Option<String>,
    /// Print the events of the run, one JSON object per line
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// For whom to print: a person at a terminal, or an AI agent, in few words [default: agent if one started this
    /// command, by its environment variables]
    #[arg(long, value_name = "READER", value_parser = PossibleValuesParser::new(["terminal", "agent"]), conflicts_with = "json", help_heading = OUTPUT)]
    pub reporter: Option<String>,
    /// List the tests without running them
    #[arg(long = "collect-only", visible_alias = "co", alias = "collectonly", help_heading = SELECTION)]
    pub collect_only: bool,
    #[command(flatten)]
    pub engine: EngineAt,
    #[command(flatten)]
    pub output: OutputOptions,
    /// pytest's own arguments; `pytest_options` makes them of pytest's options.
    #[arg(long = "pytest-argument", hide = true, allow_hyphen_values = true)]
    pub passed: Vec<String>,
    /// The tests use this process's standard streams; see `terminal_access`.
    #[arg(skip)]
    pub has_terminal: bool,
    /// An AI agent reads the output; see `reporter`.
    #[arg(skip)]
    pub for_agent: bool,
    /// The number of runners in the project's settings, which the engine reads by itself.
    #[arg(skip)]
    pub set_workers: Option<WorkerCount>,
    /// The option that pytest itself follows, if there is one.
    #[arg(skip)]
    pub by_pytest: Option<String>,
    /// The words for pytest's own parser, if it has to split them.
    #[arg(skip)]
    pub question: Question,
    /// The arguments after `run`, as the user wrote them.
    #[arg(skip)]
    pub written: Vec<OsString>,
}

/// pytest's options for its report.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = OUTPUT)]
pub(crate) struct OutputOptions {
    /// Print a line per test and longer comparisons; twice: whole comparisons
    #[arg(short = 'v', long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print only failures and counts; takes back one `-v`
    #[arg(short = 'q', long, action = ArgAction::Count)]
    pub quiet: u8,
    /// How much to print: as many `-v`, or below 0 as many `-q`
    #[arg(long, value_name = "N", value_parser = verbosity, allow_negative_numbers = true)]
    pub verbosity: Option<i8>,
    /// Style of tracebacks
    #[arg(long, value_name = "STYLE", value_parser = PossibleValuesParser::new(["auto", "long", "short", "line", "native", "no"]))]
    pub tb: Option<String>,
    /// Outcomes that the short summary lists, in pytest's letters (fE by default)
    #[arg(short = 'r', long = "report-chars", value_name = "LETTERS")]
    pub letters: Option<String>,
    /// List the N slowest tests; 0 = all, below 0 = all but the N fastest
    #[arg(long, value_name = "N", value_parser = signed, allow_negative_numbers = true)]
    pub durations: Option<i32>,
    /// Leave faster tests out of that list [default: 0.005]
    #[arg(long, value_name = "SECONDS", value_parser = least_seconds, allow_negative_numbers = true)]
    pub durations_min: Option<Duration>,
    /// Print where the time went: imports, fixtures, files, tests, waiting
    #[arg(long)]
    pub timings: bool,
    /// Captured output to print for failed tests
    #[arg(long, value_name = "STREAM", value_parser = PossibleValuesParser::new(["no", "stdout", "stderr", "log", "all"]))]
    pub show_capture: Option<String>,
    /// Leave out the short summary
    #[arg(long)]
    pub no_summary: bool,
    /// List skipped tests one by one in the short summary
    #[arg(long)]
    pub no_fold_skipped: bool,
    /// Print the tracebacks of tests that are expected to fail
    #[arg(long)]
    pub xfail_tb: bool,
    /// Leave out the warnings
    #[arg(long, alias = "disable-pytest-warnings")]
    pub disable_warnings: bool,
    /// Use colors
    #[arg(long, value_name = "WHEN", value_parser = PossibleValuesParser::new(["yes", "no", "auto"]))]
    pub color: Option<String>,
    /// Shorten the messages of the short summary, also where pytest prints them whole.
    #[arg(skip)]
    pub force_short_summary: bool,
    /// A CI service keeps the output: the short summary has whole messages.
    #[arg(skip)]
    pub on_ci: bool,
    /// Leave out what the heading says about the interpreter and the project.
    #[arg(skip)]
    pub no_header: bool,
    /// The verbosity of addopts, which pytest's session has by itself.
    #[arg(skip)]
    pub added_level: i16,
    /// `--tb` of addopts, which pytest's session has by itself.
    #[arg(skip)]
    pub added_tb: Option<String>,
    /// The figure that shows the progress, by pytest's configuration.
    #[arg(skip)]
    pub figure: Figure,
    /// The verbosity of parts, by pytest's configuration.
    #[arg(skip)]
    pub parts: PartLevels,
}

/// The beginnings of options that make pytest's session write a report.
const REPORTS: [&str; 3] = ["--junitxml", "--junit-xml", "--html"];

impl Run {
    /// The arguments of pytest's session.
    pub(crate) fn session_words(&self) -> Vec<String> {
        let mut words = self.passed.clone();
        if self.cache_clear {
            words.push("--cache-clear".into());
        }
        words.extend(self.output.verbosity.map(|level| format!("--verbosity={level}")));
        // For longer comparisons, and for hooks that plain pytest calls or not; the lines themselves are printed here.
        for (letter, count) in [("v", self.output.verbose), ("q", self.output.quiet)] {
            if count > 0 {
                words.push(format!("-{}", letter.repeat(count.into())));
            }
        }
        // The style `no` concerns only the text printed here: other readers of the outcomes want the whole. Reports have
        // it as pytest's session does.
        let writes_reports = self.passed.iter().any(|word| REPORTS.iter().any(|option| word.starts_with(option)));
        let tb = self.output.tb.iter().filter(|style| *style != "no" || writes_reports);
        words.extend(tb.map(|style| format!("--tb={style}")));
        words
    }

    /// Whether several runners may run tests at a time.
    pub(crate) fn has_several_runners(&self) -> bool {
        are_several(self.workers.or(self.set_workers))
    }

    /// Whether pytest-xdist would distribute the tests; `-n 0` is its word for "not distributed".
    pub(crate) fn is_distributed(&self) -> bool {
        self.workers.is_some_and(|count| count != WorkerCount::Fixed(0))
    }
}

impl OutputOptions {
    /// pytest's verbosity: each `-v` adds one, each `-q` takes one away.
    pub(crate) fn level(&self) -> i16 {
        self.added_level + i16::from(self.verbosity.unwrap_or(0)) + i16::from(self.verbose) - i16::from(self.quiet)
    }

    /// The verbosity of the tests' letters or lines.
    pub(crate) fn tests_level(&self) -> i16 {
        self.parts.tests.unwrap_or_else(|| self.level())
    }

    /// The verbosity of subtests.
    pub(crate) fn subtests_level(&self) -> i16 {
        self.parts.subtests.unwrap_or_else(|| self.level())
    }

    /// Style of tracebacks.
    pub(crate) fn tb(&self) -> Option<&str> {
        self.tb.as_deref().or(self.added_tb.as_deref())
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.level() < 0
    }

    /// Whether the short summary has whole messages, not only their first lines.
    pub(crate) fn has_whole_messages(&self) -> bool {
        (self.on_ci || self.level() > 1) && !self.force_short_summary
    }
}

/// How tests are distributed over shards.
#[derive(Debug, Clone, Args)]
pub(crate) struct Strategy {
    /// How to distribute tests over shards
    #[arg(
        long = "strategy",
        value_name = "STRATEGY",
        value_parser = PossibleValuesParser::new(["hash", "round_robin", "duration_balanced"]),
        default_value = "duration_balanced",
        help_heading = SELECTION,
    )]
    pub name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Shard {
    /// Number of shards, to print their figures; or one of them, to print its tests: the first of three is 1/3
    #[arg(value_name = "N or I/N", value_parser = shards)]
    pub shards: Shards,
    #[command(flatten)]
    pub root: Root,
    #[command(flatten)]
    pub strategy: Strategy,
    /// Print JSON: one object with the figures, or one object per test
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineAt,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Tests, classes, files or folders to list [default: all]
    #[arg(value_name = "NODEID or PATH")]
    pub selectors: Vec<String>,
    #[command(flatten)]
    pub root: Root,
    #[command(flatten)]
    pub filter: Filter,
    /// Read the sources only, without Python: lists functions, not their parametrized cases
    #[arg(long = "static", conflicts_with_all = ["keyword", "marker", "connect"])]
    pub is_static: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineAt,
}

#[derive(Debug, Args)]
pub(crate) struct Flaky {
    #[command(flatten)]
    pub root: Root,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineAt,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// Record the outcomes in JUnit XML reports, for example of CI runs
    Import(Import),
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// JUnit XML reports, as written by `pytest --junit-xml` and other runners
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub root: Root,
    /// Print one JSON object per file
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub root: Root,
}
