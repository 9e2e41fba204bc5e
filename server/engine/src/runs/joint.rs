//! A run over several projects: a client's root and the nested ones below it. Each part is an ordinary run of its
//! project; to the client that opened the root they are one run, with one start and one end.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use dashmap::DashMap;
use pytest_lens_protocol::{EventPayload, NOT_COLLECTED, PluginSummary, RunCounts, RunEnd, RunEndStatus};
use tokio::sync::watch;

use crate::clock::now_ns;
use crate::model::timings::add_project;
use crate::runs::stop::{StopLevel, raise};
use crate::timing::RUN_REMEMBERED;

/// One project's part of a run.
#[derive(Debug)]
pub(crate) struct JointPart {
    /// Its place among the parts, by which they are sorted.
    pub place: usize,
    /// The project's folder, relative to that of the client; empty for the client's own.
    pub path: String,
    /// The context in which it runs.
    pub context_id: String,
    /// The id of its run there.
    pub run_id: String,
    /// Number of its tests.
    pub total: usize,
    pub stop_tx: watch::Sender<StopLevel>,
}

/// A run over several projects. It has more parts the more of them are collected.
#[derive(Debug)]
pub(crate) struct JointRun {
    pub id: String,
    pub begun_ns: u64,
    begun: Instant,
    /// The stop level, also of parts to come.
    stop_tx: watch::Sender<StopLevel>,
    state: Mutex<JointState>,
    /// Number of parts that are known and have not ended.
    open: watch::Sender<usize>,
    ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct JointState {
    parts: Vec<Arc<JointPart>>,
    /// The ends of the parts.
    ends: Vec<(Arc<JointPart>, RunEnd)>,
    /// Projects and files that could not be collected, a sentence each, with the place of the part.
    problems: Vec<(usize, String)>,
    /// The projects that were not collected because the run was to end.
    left_out: Vec<String>,
    /// The JUnit report of the whole, and those of parts that are put together for it.
    junit: Option<PathBuf>,
    part_junits: Vec<PathBuf>,
    end: Option<(RunEnd, Instant, u64)>,
}

impl JointRun {
    pub(crate) fn new(id: String) -> Self {
        JointRun {
            id,
            begun_ns: now_ns(),
            begun: Instant::now(),
            stop_tx: watch::Sender::new(StopLevel::Go),
            state: Mutex::default(),
            open: watch::Sender::new(0),
            ended: watch::Sender::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, JointState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The parts that are known by now.
    pub(crate) fn parts(&self) -> Vec<Arc<JointPart>> {
        self.state().parts.clone()
    }

    /// Adds a part, which has not begun.
    fn add(&self, part: JointPart) {
        let mut state = self.state();
        raise(&part.stop_tx, *self.stop_tx.borrow());
        state.parts.push(Arc::new(part));
        self.open.send_modify(|open| *open += 1);
    }

    /// Adds a sentence on a project or file that could not be collected.
    pub(crate) fn add_problem(&self, place: usize, problem: String) {
        self.state().problems.push((place, problem));
    }

    /// Notes that a project has no part because the run was to end.
    pub(crate) fn leave_out(&self, path: &str) {
        self.state().left_out.push(if path.is_empty() { "the root".to_owned() } else { path.to_owned() });
    }

    /// Notes the JUnit report that the run makes.
    pub(crate) fn set_junit(&self, report: PathBuf) {
        self.state().junit = Some(report);
    }

    /// Notes the JUnit report of a part, which a user never sees.
    pub(crate) fn add_part_junit(&self, report: PathBuf) {
        self.state().part_junits.push(report);
    }

    /// Asks every part for a stop or a kill.
    pub(crate) fn request_stop(&self, wanted: StopLevel) {
        let state = self.state();
        raise(&self.stop_tx, wanted);
        for part in &state.parts {
            raise(&part.stop_tx, wanted);
        }
    }

    /// Waits until a stop or a kill is asked for.
    pub(crate) async fn stopping(&self) {
        let _ = self.stop_tx.subscribe().wait_for(|wanted| *wanted != StopLevel::Go).await;
    }

    /// Waits for the end.
    pub(crate) async fn wait(&self) -> Option<RunEnd> {
        let mut ended = self.ended.subscribe();
        ended.wait_for(|ended| *ended).await.ok()?;
        self.state().end.as_ref().map(|(end, ..)| end.clone())
    }

    /// The iterators over the debug data of its parts.
    pub(crate) fn debug_data(&self) -> Vec<String> {
        self.state().ends.iter().filter_map(|(_, end)| end.debug_data.clone()).collect()
    }

    /// The time of its end, in nanoseconds of the machine's monotonic clock.
    pub(crate) fn ended_ns(&self) -> Option<u64> {
        self.state().end.as_ref().map(|(_, _, at)| *at)
    }

    fn is_past(&self) -> bool {
        self.state().end.as_ref().is_some_and(|(_, at, _)| at.elapsed() > RUN_REMEMBERED)
    }

    /// Notes the end of a part.
    fn part_ended(&self, end: RunEnd) {
        let mut state = self.state();
        let Some(part) = state.parts.iter().find(|part| part.run_id == end.run_id).map(Arc::clone) else { return };
        state.ends.push((part, end));
        self.open.send_modify(|open| *open -= 1);
    }

    /// A part can't begin, because its project has gone.
    pub(crate) fn drop_part(&self, run_id: &str) {
        let mut state = self.state();
        let Some(place) = state.parts.iter().position(|part| part.run_id == run_id) else { return };
        let part = state.parts.remove(place);
        state.problems.push((part.place, format!("{}: the project was closed", part.path)));
        self.open.send_modify(|open| *open -= 1);
    }

    /// Waits until the end of every known part was recorded.
    pub(crate) async fn parts_ended(&self) {
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// The end of the whole, after that of its parts.
    pub(crate) fn end(&self) -> RunEnd {
        let mut state = self.state();
        state.ends.sort_by_key(|(part, _)| part.place);
        state.problems.sort_by_key(|(place, _)| *place);
        let whole = self.merged(&state);
        state.end = Some((whole.clone(), Instant::now(), now_ns()));
        whole
    }

    /// Wakes those who wait for the end, after it was recorded.
    pub(crate) fn close(&self) {
        self.ended.send_replace(true);
    }

    fn merged(&self, state: &JointState) -> RunEnd {
        let mut whole = RunEnd {
            run_id: self.id.clone(),
            status: RunEndStatus::Passed,
            counts: RunCounts::default(),
            duration_ms: self.begun.elapsed().as_secs_f64() * 1000.0,
            message: None,
            debug_data: None,
            warnings: Vec::new(),
            timings: None,
            summaries: Vec::new(),
            exit_status: None,
        };
        let mut worst = 0;
        let mut told = None;
        for (part, end) in &state.ends {
            let (counts, more) = (&mut whole.counts, &end.counts);
            counts.total += more.total;
            counts.passed += more.passed;
            counts.failed += more.failed;
            counts.skipped += more.skipped;
            counts.errors += more.errors;
            counts.not_run += more.not_run;
            whole.warnings.extend(end.warnings.iter().cloned());
            if let Some(timings) = &end.timings {
                add_project(&mut whole.timings, timings);
            }
            whole.summaries.extend(end.summaries.iter().cloned());
            whole.exit_status = whole.exit_status.or(end.exit_status);
            let status = end.status;
            let of_project = |message: &String| match &*part.path {
                "" => message.clone(),
                path => format!("{path}: {message}"),
            };
            if severity(status) > worst || (told.is_none() && severity(status) == worst) {
                told = end.message.as_ref().map(of_project).or(told);
            }
            if severity(status) > worst {
                (worst, whole.status) = (severity(status), status);
            }
            if let Some(iterator) = &end.debug_data {
                // Several are read one after the other.
                whole.debug_data = Some(match whole.debug_data {
                    None => iterator.clone(),
                    Some(_) => format!("{}/0", self.id),
                });
            }
        }
        if let Some(report) = &state.junit {
            name_report(&mut whole.summaries, report, &state.part_junits);
        }
        let JointState { problems, left_out, .. } = state;
        if !left_out.is_empty() && whole.status == RunEndStatus::Passed {
            whole.status =
                if *self.stop_tx.borrow() == StopLevel::Kill { RunEndStatus::Killed } else { RunEndStatus::Stopped };
        }
        if !problems.is_empty() && whole.status == RunEndStatus::Passed {
            whole.status = RunEndStatus::Failed;
        }
        let problems: Vec<&str> = problems.iter().map(|(_, problem)| problem.as_str()).collect();
        let left_out: Vec<&str> = left_out.iter().map(String::as_str).collect();
        let uncollected = || several(&problems, |number| format!("{number} part{} {NOT_COLLECTED}", plural(number)));
        let not_run = || several(&left_out, |number| format!("{number} project{} not run", plural(number)));
        whole.message = told.or_else(uncollected).or_else(not_run);
        whole
    }
}

/// A sentence on several things, which names the first.
fn several(things: &[&str], what: impl Fn(usize) -> String) -> Option<String> {
    let first = things.first()?;
    Some(match things.len() - 1 {
        0 => format!("{}: {first}", what(1)),
        more => format!("{}: {first}; and {more} more", what(more + 1)),
    })
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}

/// Ties a run to its client: dropping it kills the run.
#[derive(Debug)]
pub(crate) struct JointLease {
    run: Arc<JointRun>,
    is_released: bool,
}

impl JointLease {
    pub(crate) fn of(run: &Arc<JointRun>) -> Self {
        JointLease { run: Arc::clone(run), is_released: false }
    }

    pub(crate) fn run(&self) -> &JointRun {
        &self.run
    }

    pub(crate) fn is_live(&self) -> bool {
        !*self.run.ended.borrow()
    }

    /// Detaches the run from its client.
    pub(crate) fn release(mut self) {
        self.is_released = true;
    }
}

impl Drop for JointLease {
    fn drop(&mut self) {
        if !self.is_released {
            self.run.request_stop(StopLevel::Kill);
        }
    }
}

fn severity(status: RunEndStatus) -> u8 {
    match status {
        RunEndStatus::Passed => 0,
        RunEndStatus::Failed => 1,
        RunEndStatus::Stopped => 2,
        RunEndStatus::TimedOut => 3,
        RunEndStatus::Killed => 4,
        RunEndStatus::InternalError => 5,
    }
}

/// The runs of a root over several projects.
#[derive(Debug, Default)]
pub(crate) struct JointRuns {
    by_part: DashMap<String, Arc<JointRun>>,
    by_id: DashMap<String, Arc<JointRun>>,
}

impl JointRuns {
    /// Enters parts of a run before they begin.
    pub(crate) fn add(&self, run: &Arc<JointRun>, parts: Vec<JointPart>) {
        self.forget_past();
        for part in parts {
            self.by_part.insert(part.run_id.clone(), Arc::clone(run));
            run.add(part);
        }
        self.by_id.insert(run.id.clone(), Arc::clone(run));
    }

    fn forget_past(&self) {
        self.by_part.retain(|_, run| !run.is_past());
        self.by_id.retain(|_, run| !run.is_past());
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<JointRun>> {
        self.by_id.get(id).map(|run| Arc::clone(run.value()))
    }

    /// The run of which another one is a part.
    pub(crate) fn around(&self, run_id: &str) -> Option<Arc<JointRun>> {
        if self.by_part.is_empty() {
            return None;
        }
        self.by_part.get(run_id).map(|run| Arc::clone(run.value()))
    }

    /// An event as clients of the root get it; `None` if it is about a part alone.
    pub(crate) fn told(&self, mut payload: EventPayload) -> Option<EventPayload> {
        let run_id = match &mut payload {
            EventPayload::RunStarted(run) => &mut run.run_id,
            EventPayload::TestStarted(tests) => &mut tests.run_id,
            EventPayload::TestOutcome(tests) => &mut tests.run_id,
            EventPayload::Output(output) => &mut output.run_id,
            EventPayload::RunFinished(end) => &mut end.run_id,
            EventPayload::Inventory(_) | EventPayload::FlakinessHint(_) | EventPayload::StaleOutcomes(_) => {
                return Some(payload);
            }
        };
        let Some(run) = self.around(run_id) else { return Some(payload) };
        match &mut payload {
            EventPayload::RunStarted(_) => return None,
            EventPayload::RunFinished(end) => {
                run.part_ended(end.clone());
                return None;
            }
            EventPayload::TestStarted(tests) => tests.run_id.clone_from(&run.id),
            EventPayload::Output(output) => output.run_id.clone_from(&run.id),
            EventPayload::TestOutcome(tests) => tests.run_id.clone_from(&run.id),
            EventPayload::Inventory(_) | EventPayload::FlakinessHint(_) | EventPayload::StaleOutcomes(_) => {}
        }
        Some(payload)
    }
}

/// Replaces the lines in which pytest names the reports of parts by one that names the report of the whole.
fn name_report(summaries: &mut Vec<PluginSummary>, report: &Path, parts: &[PathBuf]) {
    const NAMES: &str = "generated xml file: ";
    let named: Vec<String> = parts.iter().map(|part| format!("{NAMES}{}", part.display())).collect();
    let names_part = |line: &str| named.iter().any(|named| line.contains(named));
    let mut is_shown = false;
    for summary in summaries.iter_mut() {
        let kept: Vec<&str> = summary.text.lines().filter(|line| !names_part(line)).collect();
        if kept.len() < summary.text.lines().count() {
            is_shown = true;
            summary.text = kept.join("\n");
        }
    }
    summaries.retain(|summary| !summary.text.is_empty());
    if is_shown {
        let text = format!("{:-^80}", format!(" {NAMES}{} ", report.display()));
        summaries.push(PluginSummary { project: String::new(), text });
    }
}

#[cfg(test)]
mod tests {
    use pytest_lens_protocol::{RunStart, TestOutcome, TestOutcomes};

    use super::*;

    fn joint(paths: &[&str], problems: &[&str]) -> (JointRuns, Arc<JointRun>) {
        let part = |(place, path): (usize, &&str)| JointPart {
            place,
            path: (*path).to_owned(),
            context_id: format!("ctx-{path}"),
            run_id: format!("run-{path}"),
            total: 1,
            stop_tx: watch::Sender::new(StopLevel::Go),
        };
        let run = Arc::new(JointRun::new("joint".into()));
        problems.iter().for_each(|&problem| run.add_problem(0, problem.to_owned()));
        let runs = JointRuns::default();
        runs.add(&run, paths.iter().enumerate().map(part).collect());
        (runs, run)
    }

    fn end(path: &str, status: RunEndStatus, passed: usize, failed: usize) -> EventPayload {
        EventPayload::RunFinished(RunEnd {
            run_id: format!("run-{path}"),
            status,
            counts: RunCounts { total: passed + failed, passed, failed, ..RunCounts::default() },
            duration_ms: 1.0,
            message: (status == RunEndStatus::TimedOut).then(|| "out of time".to_owned()),
            debug_data: None,
            warnings: Vec::new(),
            timings: None,
            summaries: Vec::new(),
            exit_status: None,
        })
    }

    fn outcome(path: &str, outcome: &str) -> EventPayload {
        let outcome = TestOutcome { id: format!("{path}/t.py::t"), outcome: outcome.into(), ..TestOutcome::default() };
        EventPayload::TestOutcome(TestOutcomes { run_id: format!("run-{path}"), outcomes: vec![outcome] })
    }

    fn finished(runs: &JointRuns, ends: Vec<EventPayload>) -> RunEnd {
        for end in ends {
            assert_eq!(runs.told(end), None, "the whole has not ended");
        }
        runs.get("joint").unwrap().end()
    }

    #[test]
    fn b11_parts_are_one_run_with_one_end() {
        let (runs, _run) = joint(&["", "a", "b"], &[]);
        let start = RunStart { run_id: "run-a".into(), total: 1, ids: None, deselected: 0, ..RunStart::default() };
        assert_eq!(runs.told(EventPayload::RunStarted(start.clone())), None);
        let foreign = EventPayload::RunStarted(RunStart { run_id: "other".into(), ..start });
        assert_eq!(runs.told(foreign.clone()), Some(foreign));
        let Some(EventPayload::TestOutcome(told)) = runs.told(outcome("a", "passed")) else { panic!() };
        assert_eq!(told.run_id, "joint");
        let ends = vec![
            end("b", RunEndStatus::TimedOut, 1, 1),
            end("", RunEndStatus::Passed, 2, 0),
            end("a", RunEndStatus::Failed, 0, 1),
        ];
        let whole = finished(&runs, ends);
        assert_eq!((whole.run_id.as_str(), whole.status), ("joint", RunEndStatus::TimedOut));
        assert_eq!((whole.counts.total, whole.counts.passed, whole.counts.failed), (5, 3, 2));
        assert_eq!(whole.message.as_deref(), Some("b: out of time"));
    }

    #[test]
    fn b11_a_run_with_a_project_that_could_not_be_collected_has_not_passed() {
        let (runs, _run) = joint(&["a"], &["b: no pytest"]);
        let whole = finished(&runs, vec![end("a", RunEndStatus::Passed, 1, 0)]);
        assert_eq!(whole.status, RunEndStatus::Failed);
        assert_eq!(whole.message.as_deref(), Some("1 part could not be collected: b: no pytest"));
    }

    #[tokio::test]
    async fn b11_a_run_that_was_stopped_before_all_projects_were_collected_has_not_passed() {
        let (runs, run) = joint(&["a"], &[]);
        run.request_stop(StopLevel::Stop);
        run.stopping().await;
        let late = JointPart {
            place: 1,
            path: "b".into(),
            context_id: String::new(),
            run_id: "run-b".into(),
            total: 1,
            stop_tx: watch::Sender::new(StopLevel::Go),
        };
        runs.add(&run, vec![late]);
        assert_eq!(*run.parts()[1].stop_tx.borrow(), StopLevel::Stop, "a part that comes later stops, too");
        runs.told(end("a", RunEndStatus::Passed, 1, 0));
        run.drop_part("run-b");
        run.parts_ended().await;
        let (runs, run) = joint(&["a"], &[]);
        run.leave_out("b");
        run.leave_out("c");
        let whole = finished(&runs, vec![end("a", RunEndStatus::Passed, 1, 0)]);
        assert_eq!(whole.status, RunEndStatus::Stopped);
        assert_eq!(whole.message.as_deref(), Some("2 projects not run: b; and 1 more"));
    }
}
