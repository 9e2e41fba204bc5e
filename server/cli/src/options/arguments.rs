//! The arguments, as clap reads them, and its complaints in this project's form.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};

use pytest_lens_protocol::WorkerCount;

use super::pytest_options;
use crate::failure::Failure;
use crate::style::Style;
use crate::suggest;

/// What the help of `run` ends with.
const PYTESTS: &str = "pytest's other options, those of plugins and of the project go to its session. With -s, --pdb or \
--trace, here or in addopts, the tests have this terminal: breakpoint(), input(), Ctrl-C and Ctrl-Z are theirs.";

/// Runs pytest tests from a warm engine, for editors and for the command line.
#[derive(Debug, Parser)]
#[command(name = "pytest-lens", bin_name = "pytest-lens", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The language server, on standard input and output
    Lsp(Lsp),
    /// The engine behind a Unix socket, for many clients (`--connect`)
    Daemon(Daemon),
    /// Runs tests; exits as pytest does
    #[command(after_help = PYTESTS)]
    Run(Box<Run>),
    /// Lists the tests
    List(List),
    /// Tells which tests are flaky, by what is recorded of them
    Flaky(Flaky),
    /// Looks after what is recorded
    #[command(subcommand)]
    History(HistoryCommand),
    /// Distributes the tests over machines: the figures of N shards, or the tests of shard I/N
    Shard(Shard),
    /// Says which Python, pytest, settings and mode are used, why, and what is wrong
    Doctor(Doctor),
}

#[derive(Debug, Args)]
pub struct Lsp {
    /// Taken for the sake of editors that give it; there is no other way
    #[arg(long)]
    stdio: bool,
    #[command(flatten)]
    pub engine: EngineAt,
}

/// Where the engine is.
#[derive(Debug, Default, Args)]
pub struct EngineAt {
    /// Use the engine of the daemon behind this socket
    #[arg(long, value_name = "SOCKET")]
    pub connect: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Daemon {
    /// Where to listen; by default in a private folder of the user's
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// End after so long without clients and runs; 0, as by default, means never
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub idle_timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct Root {
    /// The project's folder; paths and node ids are relative to it. The current folder by default, or, with
    /// `--connect`, pytest's rootdir for it
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// pytest's own expressions.
#[derive(Debug, Default, Args)]
pub struct Filter {
    /// Only tests whose names match, in pytest's grammar
    #[arg(short = 'k', value_name = "EXPR")]
    pub keyword: Option<String>,
    /// Only tests whose markers match, in pytest's grammar
    #[arg(short = 'm', value_name = "EXPR")]
    pub marker: Option<String>,
}

#[derive(Debug, Args)]
pub struct Run {
    /// Tests, classes, files or folders; all tests if none is given
    #[arg(value_name = "NODEID or PATH")]
    pub selectors: Vec<String>,
    #[command(flatten)]
    pub root: Root,
    #[command(flatten)]
    pub filter: Filter,
    /// Runners at a time; `auto` takes what is fastest
    #[arg(short = 'n', value_name = "N", value_parser = workers)]
    pub workers: Option<WorkerCount>,
    /// Stop after so many failures
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true)]
    pub maxfail: Option<u32>,
    /// Stop at the first failure
    #[arg(short = 'x', long = "exitfirst")]
    pub exit_first: bool,
    /// Only the tests that failed when they last ran; all, if none did
    #[arg(long = "last-failed", visible_alias = "lf")]
    pub last_failed: bool,
    /// Stop at the first failure, and begin with the first test that failed when it last ran
    #[arg(long, visible_alias = "sw")]
    pub stepwise: bool,
    /// As `--stepwise`, but stop at the second failure only
    #[arg(long, visible_alias = "sw-skip")]
    pub stepwise_skip: bool,
    /// Repeat a failed test so often at most
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true)]
    pub reruns: Option<u32>,
    /// Only the tests of one of N shards, the first being 1/N
    #[arg(long, value_name = "I/N", value_parser = shard_of)]
    pub shard: Option<(u32, u32)>,
    #[command(flatten)]
    pub strategy: Strategy,
    /// Copies of a warm interpreter, a fresh one, or whichever is safe
    #[arg(long, value_parser = PossibleValuesParser::new(["embedded", "subprocess", "auto"]))]
    pub mode: Option<String>,
    /// Print events, one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// List the tests, and run none
    #[arg(long = "collect-only", visible_alias = "co")]
    pub collect_only: bool,
    #[command(flatten)]
    pub look: Look,
    #[command(flatten)]
    pub engine: EngineAt,
    /// What pytest's session is given besides; made of pytest's options by `pytest_options`.
    #[arg(long = "pytest-argument", hide = true, allow_hyphen_values = true)]
    pub passed: Vec<String>,
    /// Its tests have this process's standard streams; see `terminal`.
    #[arg(skip)]
    pub has_terminal: bool,
}

/// How a run is told, in pytest's words.
#[derive(Debug, Default, Args)]
pub struct Look {
    /// A line for each test, and longer comparisons; twice for whole ones
    #[arg(short = 'v', long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Only what failed, and the counts
    #[arg(short = 'q', long)]
    pub quiet: bool,
    /// How tracebacks look
    #[arg(long, value_name = "STYLE", value_parser = PossibleValuesParser::new(["auto", "long", "short", "line", "native", "no"]))]
    pub tb: Option<String>,
    /// Which outcomes the short summary lists, by pytest's letters
    #[arg(short = 'r', value_name = "LETTERS")]
    pub letters: Option<String>,
    /// Tell the N slowest tests; 0 for all
    #[arg(long, value_name = "N", value_parser = number)]
    pub durations: Option<u32>,
    /// Of these, only those that took so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub durations_min: Option<Duration>,
    /// Which of what failed tests printed is shown
    #[arg(long, value_name = "WHICH", value_parser = PossibleValuesParser::new(["no", "stdout", "stderr", "log", "all"]))]
    pub show_capture: Option<String>,
    /// Leave the short summary out
    #[arg(long)]
    pub no_summary: bool,
    /// Leave the warnings out
    #[arg(long, alias = "disable-pytest-warnings")]
    pub disable_warnings: bool,
    /// Whether there are colours
    #[arg(long, value_name = "WHEN", value_parser = PossibleValuesParser::new(["yes", "no", "auto"]))]
    pub color: Option<String>,
}

/// How tests are distributed.
#[derive(Debug, Args)]
pub struct Strategy {
    /// How tests are distributed over shards
    #[arg(
        long = "strategy",
        value_name = "S",
        value_parser = PossibleValuesParser::new(["hash", "round_robin", "duration_balanced"]),
        default_value = "duration_balanced",
    )]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Shard {
    /// How many shards there are, or which of them: the first of three is 1/3
    #[arg(value_name = "N or I/N", value_parser = shards)]
    pub shards: Shards,
    #[command(flatten)]
    pub root: Root,
    #[command(flatten)]
    pub strategy: Strategy,
    /// Print JSON: the figures as one object, tests one object a line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineAt,
}

/// What of a distribution is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shards {
    /// The figures of so many shards.
    All(u32),
    /// The tests of one shard, counted from 1, of so many.
    One(u32, u32),
}

#[derive(Debug, Args)]
pub struct List {
    /// Tests, classes, files or folders; all tests if none is given
    #[arg(value_name = "NODEID or PATH")]
    pub selectors: Vec<String>,
    #[command(flatten)]
    pub root: Root,
    #[command(flatten)]
    pub filter: Filter,
    /// Read the source only, never start Python: functions, not their cases
    #[arg(long = "static", conflicts_with_all = ["keyword", "marker", "connect"])]
    pub is_static: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineAt,
}

#[derive(Debug, Args)]
pub struct Flaky {
    #[command(flatten)]
    pub root: Root,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineAt,
}

#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// Takes in the outcomes of JUnit XML reports, such as a CI run's
    Import(Import),
}

#[derive(Debug, Args)]
pub struct Import {
    /// JUnit XML, as pytest's `--junit-xml` and other runners write it
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub root: Root,
    /// Print one JSON object a file
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub root: Root,
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "a whole number is needed".to_owned())
}

fn workers(text: &str) -> Result<WorkerCount, String> {
    match (text, text.parse()) {
        ("auto", _) => Ok(WorkerCount::Auto),
        (_, Ok(0)) => Err("at least one runner is needed".into()),
        (_, Ok(number)) => Ok(WorkerCount::Fixed(number)),
        (_, Err(_)) => Err("a number or `auto` is needed".into()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "a number of seconds is needed".to_owned())
}

fn shards(text: &str) -> Result<Shards, String> {
    match text.parse() {
        Ok(0) => Err("at least one shard is needed".to_owned()),
        Ok(count) => Ok(Shards::All(count)),
        Err(_) => shard_of(text).map(|(index, count)| Shards::One(index, count)),
    }
}

fn shard_of(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    match parsed {
        Some((_, 0)) => Err("at least one shard is needed".to_owned()),
        Some((index, count)) if index == 0 || index > count => {
            Err(format!("there is no shard {index} of {count}: they are counted from 1 to {count}"))
        }
        Some(shard) => Ok(shard),
        None => Err("shards are named as I/N, the first of three as 1/3".to_owned()),
    }
}

/// The command `run`, for those who look up its options.
pub fn run_command() -> clap::Command {
    Arguments::command().find_subcommand("run").cloned().unwrap_or_default()
}

/// Reads the arguments, the program's name first.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Failure> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.get(1).is_some_and(|command| command == "run") {
        let sorted = pytest_options::sort(&arguments[2..], &run_command())?;
        arguments.truncate(2);
        arguments.extend(sorted);
    }
    let of_history = arguments.get(1).is_some_and(|command| command == "history");
    let parsed = Arguments::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            Failure::Help(if Style::of_stdout().colour { error.render().ansi().to_string() } else { error.to_string() })
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if of_history => Failure::usage(
            "say what to do with the history: `import`; `pytest-lens history --help` explains it",
        ),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Failure::usage(
            "say what to do: `lsp`, `daemon`, `run`, `list`, `flaky`, `shard`, `history` or `doctor`; `pytest-lens --help` explains them",
        ),
        ErrorKind::InvalidSubcommand => Failure::usage(no_such_command(&error, of_history)),
        _ => Failure::usage(sentence(&error.to_string())),
    })?;
    Ok(parsed.command)
}

/// The sentence on a command that there is not, with the one that was meant.
fn no_such_command(error: &clap::Error, of_history: bool) -> String {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return sentence(&error.to_string());
    };
    let all = Arguments::command();
    let above = if of_history { all.find_subcommand("history").unwrap_or(&all) } else { &all };
    let known: Vec<&str> = above.get_subcommands().map(clap::Command::get_name).collect();
    let quoted: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    match suggest::nearest(word, known.iter().copied()) {
        Some(meant) => format!("there is no command `{word}`; did you mean `{meant}`?"),
        None => format!("there is no command `{word}`; there are {}", quoted.join(", ")),
    }
}

/// clap's complaint as one sentence: what is wrong and its tip, without the usage.
fn sentence(complaint: &str) -> String {
    let wrong = complaint.split("\n\nUsage:").next().unwrap_or_default();
    let wrong = wrong.split("\n\nFor more information").next().unwrap_or_default();
    let wrong = wrong.strip_prefix("error: ").unwrap_or(wrong);
    let parts: Vec<&str> = wrong.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let parts = parts.join("; ").replace(":; ", ": ").replace("tip: ", "");
    format!("{parts}; `pytest-lens --help` tells what there is")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        match parse(line.split(' ').map(OsString::from)) {
            Err(Failure::Said { sentence, status: 4 }) => sentence,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn complaints_are_one_sentence() {
        let lines = [
            "pytest-lens",
            "pytest-lens rum",
            "pytest-lens list --jsno",
            "pytest-lens run -n many",
            "pytest-lens run -n 0",
            "pytest-lens run --maxfail few",
            "pytest-lens run --mode warm",
            "pytest-lens run -k",
            "pytest-lens list --static -k a",
            "pytest-lens doctor x",
            "pytest-lens run --shard 0/3",
            "pytest-lens run --shard 4/3",
            "pytest-lens run --shard 1/0",
            "pytest-lens run --shard 2",
            "pytest-lens run --strategy best",
            "pytest-lens run --reruns -1",
            "pytest-lens shard",
            "pytest-lens shard 0",
            "pytest-lens shard 1/x",
            "pytest-lens daemon --idle-timeout soon",
            "pytest-lens daemon --idle-timeout -1",
        ];
        let told: Vec<String> = lines.iter().map(|line| format!("{line}\n    {}", told(line))).collect();
        insta::assert_snapshot!(told.join("\n"), @"
        pytest-lens
            say what to do: `lsp`, `daemon`, `run`, `list`, `flaky`, `shard`, `history` or `doctor`; `pytest-lens --help` explains them
        pytest-lens rum
            there is no command `rum`; did you mean `run`?
        pytest-lens list --jsno
            unexpected argument '--jsno' found; a similar argument exists: '--json'; `pytest-lens --help` tells what there is
        pytest-lens run -n many
            invalid value 'many' for '-n <N>': a number or `auto` is needed; `pytest-lens --help` tells what there is
        pytest-lens run -n 0
            invalid value '0' for '-n <N>': at least one runner is needed; `pytest-lens --help` tells what there is
        pytest-lens run --maxfail few
            invalid value 'few' for '--maxfail <N>': a whole number is needed; `pytest-lens --help` tells what there is
        pytest-lens run --mode warm
            invalid value 'warm' for '--mode <MODE>'; [possible values: embedded, subprocess, auto]; `pytest-lens --help` tells what there is
        pytest-lens run -k
            a value is required for '-k <EXPR>' but none was supplied; `pytest-lens --help` tells what there is
        pytest-lens list --static -k a
            the argument '--static' cannot be used with '-k <EXPR>'; `pytest-lens --help` tells what there is
        pytest-lens doctor x
            unexpected argument 'x' found; `pytest-lens --help` tells what there is
        pytest-lens run --shard 0/3
            invalid value '0/3' for '--shard <I/N>': there is no shard 0 of 3: they are counted from 1 to 3; `pytest-lens --help` tells what there is
        pytest-lens run --shard 4/3
            invalid value '4/3' for '--shard <I/N>': there is no shard 4 of 3: they are counted from 1 to 3; `pytest-lens --help` tells what there is
        pytest-lens run --shard 1/0
            invalid value '1/0' for '--shard <I/N>': at least one shard is needed; `pytest-lens --help` tells what there is
        pytest-lens run --shard 2
            invalid value '2' for '--shard <I/N>': shards are named as I/N, the first of three as 1/3; `pytest-lens --help` tells what there is
        pytest-lens run --strategy best
            invalid value 'best' for '--strategy <S>'; [possible values: hash, round_robin, duration_balanced]; `pytest-lens --help` tells what there is
        pytest-lens run --reruns -1
            invalid value '-1' for '--reruns <N>': a whole number is needed; `pytest-lens --help` tells what there is
        pytest-lens shard
            the following required arguments were not provided: <N or I/N>; `pytest-lens --help` tells what there is
        pytest-lens shard 0
            invalid value '0' for '<N or I/N>': at least one shard is needed; `pytest-lens --help` tells what there is
        pytest-lens shard 1/x
            invalid value '1/x' for '<N or I/N>': shards are named as I/N, the first of three as 1/3; `pytest-lens --help` tells what there is
        pytest-lens daemon --idle-timeout soon
            invalid value 'soon' for '--idle-timeout <SECONDS>': a number of seconds is needed; `pytest-lens --help` tells what there is
        pytest-lens daemon --idle-timeout -1
            invalid value '-1' for '--idle-timeout <SECONDS>': a number of seconds is needed; `pytest-lens --help` tells what there is
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
}
