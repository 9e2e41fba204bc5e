//! The values of options: parsed, or refused with a sentence on the form that is needed.

use std::time::Duration;

use pytest_lens_protocol::WorkerCount;

/// The shards that a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shards {
    /// All shards, and their number.
    All(u32),
    /// One shard, counted from 1, and the number of shards.
    One(u32, u32),
}

pub(super) fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "a whole number is needed".to_owned())
}

/// A whole number with any sign; beyond the limits of its use it means the same as the limit.
pub(super) fn signed(text: &str) -> Result<i32, String> {
    let number: i64 = text.parse().map_err(|_| "a whole number is needed".to_owned())?;
    Ok(i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX }))
}

pub(super) fn verbosity(text: &str) -> Result<i8, String> {
    let level = signed(text)?;
    Ok(i8::try_from(level).unwrap_or(if level < 0 { i8::MIN } else { i8::MAX }))
}

/// Which tests stay with one runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distribution {
    /// Those of a group; a large file may be split.
    Free,
    /// Those of a file.
    ByFile,
}

/// The figure of a run's progress next to its tests: pytest's `console_output_style`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Nothing.
    None,
    /// The part of the tests that is done.
    #[default]
    Percent,
    /// The number of tests that are done.
    Count,
    /// How long tests took.
    Time,
}

/// The verbosity of parts of the output, by pytest's configuration; by default that of the run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartLevels {
    /// Of the tests' letters or lines.
    pub tests: Option<i16>,
    /// Of subtests.
    pub subtests: Option<i16>,
}

impl Figure {
    /// By pytest's name, which its session checks.
    pub(super) fn of_style(name: &str) -> Self {
        match name {
            "classic" => Figure::None,
            "count" => Figure::Count,
            "times" => Figure::Time,
            _ => Figure::Percent,
        }
    }
}

/// Whether several runners may run tests at a time.
pub(super) fn are_several(count: Option<WorkerCount>) -> bool {
    match count {
        Some(WorkerCount::Fixed(count)) => count > 1,
        Some(WorkerCount::Auto) => true,
        None => false,
    }
}

pub(super) fn workers(text: &str) -> Result<WorkerCount, String> {
    match (text, text.parse()) {
        ("auto" | "logical", _) => Ok(WorkerCount::Auto),
        (_, Ok(0)) => Ok(WorkerCount::Fixed(0)),
        (_, Ok(number)) => WorkerCount::fixed(number),
        (_, Err(_)) => Err("a number or `auto` is needed".into()),
    }
}

/// pytest-xdist's modes. A class is in one file, so the tests of a scope stay together with those of its file.
pub(super) fn distribution(text: &str) -> Result<Distribution, String> {
    match text {
        "load" | "worksteal" | "loadgroup" | "no" => Ok(Distribution::Free),
        "loadscope" | "loadfile" => Ok(Distribution::ByFile),
        "each" => Err("tests run once, in one environment: run `pytest-lens` once for each environment".into()),
        _ => Err("choose one of load, loadscope, loadfile, loadgroup, worksteal, no".into()),
    }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "a number of seconds is needed".to_owned())
}

/// As [`seconds`]; no time is shorter than none.
pub(super) fn least_seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(number) if number < 0.0 => Ok(Duration::ZERO),
        _ => seconds(text),
    }
}

pub(super) fn shards(text: &str) -> Result<Shards, String> {
    match unsigned(text) {
        Some(0) => Err("at least one shard is needed".to_owned()),
        Some(count) => Ok(Shards::All(count)),
        None => shard_of(text).map(|(index, count)| Shards::One(index, count)),
    }
}

/// A number without a sign, which Rust's parser takes.
fn unsigned(digits: &str) -> Option<u32> {
    digits.parse().ok().filter(|_| !digits.starts_with('+'))
}

pub(super) fn shard_of(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('/').and_then(|(index, total)| Some((unsigned(index)?, unsigned(total)?)));
    match parsed {
        Some((_, 0)) => Err("at least one shard is needed".to_owned()),
        Some((index, count)) if index == 0 || index > count => {
            Err(format!("there is no shard {index} of {count}: they are counted from 1 to {count}"))
        }
        Some(shard) => Ok(shard),
        None => Err("shards are named as I/N, the first of three as 1/3".to_owned()),
    }
}

pub(super) fn executor_of(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        None if matches!(text, "local" | "ray") => Ok(text.to_owned()),
        Some(("ray", address))
            if address.split_once(':').is_some_and(|(host, port)| !host.is_empty() && !port.is_empty()) =>
        {
            Ok(text.to_owned())
        }
        Some(("ray", _)) => Err("the head of a Ray cluster is named as HOST:PORT".to_owned()),
        _ => Err("it is `local`, `ray` or `ray=HOST:PORT`".to_owned()),
    }
}
