//! `cargo xtask test`: every check of the project, area by area, with the time of each.
//!
//! An area that fails does not stop the ones after it; the exit status says whether all were good.

pub(crate) mod areas;
mod chunks;
mod neovim;
pub(crate) mod pythons;
pub(crate) mod side_by_side;
mod tally;
mod vscode;
mod whole;

pub(crate) use tally::Tally;

use anyhow::{Result, bail};
use chores::ui::{self, Colour};
use std::time::{Duration, Instant};

/// The options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run these areas only (in the usual order).
    #[arg(value_name = "AREA")]
    areas: Vec<String>,
    /// Print the areas and what each does.
    #[arg(long)]
    list: bool,
}

/// One area: its name on the command line, what it does, and the check itself.
struct Area {
    name: &'static str,
    about: &'static str,
    check: fn() -> Result<Tally>,
}

/// The result of an area.
struct Record {
    name: &'static str,
    tally: Tally,
    time: Duration,
    problem: Option<String>,
}

/// Runs the requested areas; `false` if anything failed.
pub(crate) fn run(options: &Options) -> Result<bool> {
    if options.list {
        let width = areas::AREAS.iter().map(|area| area.name.len()).max();
        for area in areas::AREAS {
            println!("{:width$}  {}", area.name, area.about, width = width.unwrap_or(0));
        }
        return Ok(true);
    }
    let records: Vec<Record> = chosen(&options.areas)?.into_iter().map(check).collect();
    Ok(report(&records))
}

/// The areas of those names, or all if none is given.
fn chosen(names: &[String]) -> Result<Vec<&'static Area>> {
    for name in names {
        if !areas::AREAS.iter().any(|area| area.name == name) {
            let known: Vec<&str> = areas::AREAS.iter().map(|area| area.name).collect();
            bail!("there is no area `{name}`; the areas are {}", known.join(", "));
        }
    }
    let wanted = |area: &&Area| names.is_empty() || names.iter().any(|name| area.name == name);
    Ok(areas::AREAS.iter().filter(wanted).collect())
}

fn check(area: &'static Area) -> Record {
    let heading = format!("== {} ", area.name);
    println!("{}", ui::paint(Colour::Bold, &format!("{heading:=<78}")));
    let start = Instant::now();
    let (tally, problem) = match (area.check)() {
        Ok(tally) => (tally, None),
        Err(error) => (Tally::of(false), Some(format!("{error:#}"))),
    };
    if let Some(problem) = &problem {
        eprintln!("{}", ui::paint(Colour::Red, problem));
    }
    Record { name: area.name, tally, time: start.elapsed(), problem }
}

/// Prints the table and the closing line; `true` if nothing failed.
fn report(records: &[Record]) -> bool {
    let mut sum = Tally::default();
    let mut time = Duration::ZERO;
    let mut rows = Vec::new();
    for record in records {
        sum.add(record.tally);
        time += record.time;
        let verdict = match (&record.problem, record.tally.failed) {
            (Some(_), _) => "broken",
            (None, 0) => "ok",
            (None, _) => "FAILED",
        };
        rows.push(row(record.name, record.tally, record.time, verdict));
    }
    rows.push(row("all", sum, time, ""));
    println!();
    print!("{}", ui::table(&["area", "passed", "failed", "skipped", "time", ""], &rows));
    // Again: the first time is far above.
    for record in records {
        if let Some(problem) = &record.problem {
            println!("\n{}: {problem}", record.name);
        }
    }
    println!("\n{} passed, {} failed", sum.passed, sum.failed);
    sum.failed == 0
}

fn row(name: &str, tally: Tally, time: Duration, verdict: &str) -> Vec<String> {
    vec![
        name.to_owned(),
        tally.passed.to_string(),
        tally.failed.to_string(),
        tally.skipped.to_string(),
        ui::duration(time),
        verdict.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_area_is_named_with_those_there_are() {
        let error = chosen(&["rusty".to_owned()]).err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert!(error.starts_with("there is no area `rusty`; the areas are "), "{error}");
    }

    #[test]
    fn areas_keep_their_order() {
        let names = ["clippy".to_owned(), "tidy".to_owned()];
        let chosen: Vec<&str> = chosen(&names).unwrap().iter().map(|area| area.name).collect();
        assert_eq!(chosen, ["tidy", "clippy"]);
    }
}
