//! The table of `--timings`: where the time of a run went.
//!
//! Its upper part adds up to the time of the command, and its second part to the time of the runners.

use std::collections::BTreeMap;
use std::time::Duration;

use pytest_lens_protocol::{RunTimings, TimeKind, TimeSpent};

use super::text::line;
use crate::style::{Paint, Style};

/// The most lines of each list.
const LONGEST: usize = 3;

/// The table. `before`: the time of the command before it requested the run; `all`: until the end of the run.
pub(crate) fn table(timings: &RunTimings, before: Duration, all: Duration, style: Style) -> String {
    let mut text = String::new();
    let (before, all) = (before.as_secs_f64() * 1000.0, all.as_secs_f64() * 1000.0);
    let several = if timings.projects > 1 {
        format!(" ({} projects, perhaps at the same time)", timings.projects)
    } else {
        String::new()
    };
    line(&mut text, &style.rule('=', &format!("where {} went{several}", seconds(all).trim_start())));
    let parts = [
        (before + timings.start_ms, "start: pytest-lens, Python and pytest".to_owned()),
        (timings.collect_ms, collection(timings)),
        (timings.run_ms, format!("tests, on {}", runners(timings.runners))),
    ];
    rows(&mut text, parts, all, "the rest: pytest-lens");
    if timings.runners > 1 {
        let title = format!("the time of {}: {}", runners(timings.runners), seconds(timings.runners_ms).trim_start());
        heading(&mut text, &title, style);
    } else {
        heading(&mut text, "while tests ran", style);
    }
    rows(&mut text, of_runners(&timings.run), timings.runners_ms, "idle: waiting for tests, starting, ending");
    lists(&mut text, timings, style);
    text
}

/// `2 runners`
fn runners(count: usize) -> String {
    if count == 1 { "1 runner".to_owned() } else { format!("{count} runners") }
}

fn collection(timings: &RunTimings) -> String {
    let imports = own(&timings.collection, &[TimeKind::Import]);
    let imports =
        if imports >= 0.5 { format!(", of which imports {}", seconds(imports).trim_start()) } else { String::new() };
    match timings.collected_before_ms {
        Some(took) => format!("collection: done before, in {}{imports}", seconds(took).trim_start()),
        None => format!("collection{imports}"),
    }
}

/// The parts of the runners' time.
fn of_runners(run: &[TimeSpent]) -> Vec<(f64, String)> {
    let kinds: [(&[TimeKind], &str); 7] = [
        (&[TimeKind::Body], "bodies of"),
        (&[TimeKind::Setup, TimeKind::Teardown], "fixtures"),
        (&[TimeKind::Import], "imports"),
        (&[TimeKind::Collection, TimeKind::File], "collecting in the runners"),
        (&[TimeKind::Pytest], "pytest and plugins"),
        (&[TimeKind::Runner], "pytest-lens"),
        (&[TimeKind::Lost], "runners that crashed"),
    ];
    let mut parts: Vec<_> = kinds.map(|(kinds, what)| (own(run, kinds), what.to_owned())).into();
    let tests: u64 = of(run, TimeKind::Body).map(|spent| spent.count).sum();
    parts[0].1 = format!("bodies of {tests} test{}", if tests == 1 { "" } else { "s" });
    parts
}

/// The slowest imports, fixtures, files and tests.
fn lists(text: &mut String, timings: &RunTimings, style: Style) {
    let everywhere = || timings.collection.iter().chain(&timings.run);
    let mut imports: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for spent in everywhere().filter(|spent| spent.kind == TimeKind::Import) {
        let (own, total) = imports.entry(&spent.name).or_default();
        (*own, *total) = (*own + spent.own_ms, *total + spent.total_ms);
    }
    let is_before = timings.collected_before_ms.is_some() && !timings.collection.is_empty();
    let (also, before) = if is_before { (", also before the run", ", before the run") } else { ("", "") };
    let imports = imports.into_iter().map(|(name, (own, total))| (own, total, name.to_owned()));
    list(text, &format!("imports{also}: alone, with what they import"), imports.collect(), |own, _| own, style);
    let mut fixtures: BTreeMap<&str, (f64, f64, u64)> = BTreeMap::new();
    for spent in everywhere() {
        match spent.kind {
            TimeKind::Setup => {
                let (setup, _, count) = fixtures.entry(&spent.name).or_default();
                (*setup, *count) = (*setup + spent.own_ms, *count + spent.count);
            }
            TimeKind::Teardown => fixtures.entry(&spent.name).or_default().1 += spent.own_ms,
            _ => {}
        }
    }
    let fixtures = fixtures.into_iter().map(|(name, (up, down, count))| {
        (up, down, if name.is_empty() { String::new() } else { format!("{name} ({count})") })
    });
    list(text, "fixtures: set-up, teardown, name (times)", fixtures.collect(), |up, down| up + down, style);
    let both = |kind| {
        move |spent: &TimeSpent| (spent.kind == kind).then(|| (spent.own_ms, spent.total_ms, spent.name.clone()))
    };
    list(
        text,
        &format!("files{before}: collecting alone, with imports"),
        everywhere().filter_map(both(TimeKind::File)).collect(),
        f64::max,
        style,
    );
    list(
        text,
        "tests: body alone, with imports",
        everywhere().filter_map(both(TimeKind::Body)).collect(),
        f64::max,
        style,
    );
}

fn of(times: &[TimeSpent], kind: TimeKind) -> impl Iterator<Item = &TimeSpent> {
    times.iter().filter(move |spent| spent.kind == kind)
}

fn own(times: &[TimeSpent], kinds: &[TimeKind]) -> f64 {
    kinds.iter().flat_map(|&kind| of(times, kind)).map(|spent| spent.own_ms).sum()
}

/// Rows that add up to `all`, as they are printed: `rest` names what is left.
fn rows(text: &mut String, parts: impl IntoIterator<Item = (f64, String)>, all: f64, rest: &str) {
    let mut left = all.round();
    for (ms, what) in parts {
        left -= ms.round();
        if ms.round() > 0.0 || what.contains("done before") {
            line(text, &format!("{} {what}", seconds(ms)));
        }
    }
    if left > 0.0 {
        line(text, &format!("{} {rest}", seconds(left)));
    }
}

/// The slowest things, by a figure of their two times. Nothing that takes less than a millisecond is slow.
fn list(
    text: &mut String,
    title: &str,
    mut things: Vec<(f64, f64, String)>,
    figure: impl Fn(f64, f64) -> f64,
    style: Style,
) {
    things.retain(|(first, second, name)| figure(*first, *second) >= 1.0 && !name.is_empty());
    things.sort_by(|a, b| figure(b.0, b.1).total_cmp(&figure(a.0, a.1)).then_with(|| a.2.cmp(&b.2)));
    if things.is_empty() {
        return;
    }
    heading(text, title, style);
    for (first, second, name) in things.into_iter().take(LONGEST) {
        line(text, &format!("{}{} {name}", seconds(first), seconds(second)));
    }
}

fn heading(text: &mut String, title: &str, style: Style) {
    line(text, &style.paint(Paint::Bold, title));
}

/// `   1.234s`
fn seconds(ms: f64) -> String {
    format!("{:>8.3}s", ms.round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn spent(kind: TimeKind, name: &str, count: u64, own_ms: f64, total_ms: f64) -> TimeSpent {
        TimeSpent { kind, name: name.into(), count, own_ms, total_ms }
    }

    fn cold() -> RunTimings {
        RunTimings {
            start_ms: 300.0,
            collect_ms: 1900.4,
            collected_before_ms: None,
            run_ms: 4100.0,
            runners: 2,
            runners_ms: 8200.0,
            projects: 1,
            collection: vec![
                spent(TimeKind::Import, "pandas", 1, 400.0, 1500.0),
                spent(TimeKind::Import, "numpy", 1, 1100.0, 1100.0),
                spent(TimeKind::Import, "", 80, 20.0, 20.0),
                spent(TimeKind::File, "test_a.py", 1, 10.0, 1510.0),
                spent(TimeKind::Collection, "", 1, 300.0, 1810.0),
            ],
            run: vec![
                spent(TimeKind::Import, "pandas", 1, 5.0, 5.0),
                spent(TimeKind::Setup, "database", 2, 1500.0, 1500.0),
                spent(TimeKind::Teardown, "database", 2, 200.0, 200.0),
                spent(TimeKind::Setup, "quick", 9, 0.1, 0.1),
                spent(TimeKind::Body, "test_a.py::test_slow", 1, 4000.0, 4005.0),
                spent(TimeKind::Body, "test_a.py::test_quick", 119, 900.0, 900.0),
                spent(TimeKind::Pytest, "", 120, 400.0, 7000.0),
                spent(TimeKind::Runner, "", 2, 95.0, 7100.0),
                spent(TimeKind::Wait, "", 3, 100.0, 100.0),
            ],
        }
    }

    fn printed(timings: &RunTimings, before_ms: u64, all_ms: u64) -> String {
        table(timings, Duration::from_millis(before_ms), Duration::from_millis(all_ms), Style::PLAIN)
    }

    /// The sum of the rows under a line that contains a text, in milliseconds.
    fn sum_after(text: &str, title: &str) -> u64 {
        let rows =
            text.lines().skip_while(|line| !line.contains(title)).skip(1).take_while(|line| line.starts_with(' '));
        let ms = rows.map(|row| row.split('s').next().unwrap().trim().replace('.', "").parse::<u64>().unwrap());
        ms.sum()
    }

    #[test]
    fn the_table_says_where_the_time_went() {
        let text = printed(&cold(), 100, 6720);
        assert_snapshot!(text, @"
        ============================== where 6.720s went ===============================
           0.400s start: pytest-lens, Python and pytest
           1.900s collection, of which imports 1.520s
           4.100s tests, on 2 runners
           0.320s the rest: pytest-lens
        the time of 2 runners: 8.200s
           4.900s bodies of 120 tests
           1.700s fixtures
           0.005s imports
           0.400s pytest and plugins
           0.095s pytest-lens
           1.100s idle: waiting for tests, starting, ending
        imports: alone, with what they import
           1.100s   1.100s numpy
           0.405s   1.505s pandas
        fixtures: set-up, teardown, name (times)
           1.500s   0.200s database (2)
        files: collecting alone, with imports
           0.010s   1.510s test_a.py
        tests: body alone, with imports
           4.000s   4.005s test_a.py::test_slow
           0.900s   0.900s test_a.py::test_quick
        ");
        assert_eq!(sum_after(&text, "where 6.720s went"), 6720);
        assert_eq!(sum_after(&text, "the time of 2 runners"), 8200);
    }

    #[test]
    fn a_collection_from_before_is_named_as_such() {
        let warm = RunTimings {
            start_ms: 0.0,
            collect_ms: 0.0,
            collected_before_ms: Some(1900.4),
            runners: 1,
            runners_ms: 30.0,
            run_ms: 30.0,
            run: vec![spent(TimeKind::Body, "test_a.py::test_quick", 1, 0.4, 0.4)],
            ..cold()
        };
        assert_snapshot!(printed(&warm, 3, 35), @"
        ============================== where 0.035s went ===============================
           0.003s start: pytest-lens, Python and pytest
           0.000s collection: done before, in 1.900s, of which imports 1.520s
           0.030s tests, on 1 runner
           0.002s the rest: pytest-lens
        while tests ran
           0.030s idle: waiting for tests, starting, ending
        imports, also before the run: alone, with what they import
           1.100s   1.100s numpy
           0.400s   1.500s pandas
        files, before the run: collecting alone, with imports
           0.010s   1.510s test_a.py
        ");
    }

    #[test]
    fn projects_that_ran_at_the_same_time_are_added_up() {
        let text = printed(&RunTimings { projects: 2, ..cold() }, 100, 4000);
        assert!(text.contains(" where 4.000s went (2 projects, perhaps at the same time) "), "{text}");
        assert!(!text.contains("the rest"), "{text}");
    }

    #[test]
    fn it_has_at_most_thirty_lines() {
        let many = |kind| (0..100).map(move |number| spent(kind, &format!("n{number}"), 1, 5.0, 5.0));
        let kinds = [TimeKind::Import, TimeKind::Setup, TimeKind::File, TimeKind::Body];
        let rest = [TimeKind::Pytest, TimeKind::Runner, TimeKind::Collection, TimeKind::Lost];
        let run = kinds.into_iter().flat_map(many).chain(rest.map(|kind| spent(kind, "", 1, 5.0, 5.0))).collect();
        let text = printed(&RunTimings { run, ..cold() }, 100, 6720);
        assert!(text.lines().count() <= 30, "{text}");
    }
}
