//! The one task that writes a project's state: inventory, runs, history and the event log.
//!
//! It receives commands from the tasks that drive processes, orders them, and guarantees that every accepted run has
//! one end and, before that, one final outcome for each selected test.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use pytest_lens_analysis::{FileAnalysis, PytestSettings};
use pytest_lens_history::{Changed, Run};
use pytest_lens_plan::outcome::{Counts, Outcome, run_status};
use pytest_lens_protocol::{
    CollectError as TreeError, EventPayload, FlakinessHints, InventoryDelta, Output, OutputStream, PluginSummary,
    RunEnd, RunStart, Settings, TestOutcomes, TestsStarted,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::model::collection_order::CollectionOrder;
use crate::model::inventory::{Findings, Inventory};
use crate::model::outcome::{counts_of, not_run, status_of, uncollected};
use crate::model::recording::{Recorded, Recording};
use crate::model::scope::Scope;
use crate::model::test_items::{delta, delta_within, errors_of};
use crate::model::timings::Timings;
use crate::model::warnings::Warnings;
use crate::processes::collected_session::CollectedSession;
use crate::processes::pool::FailedCollection;
use crate::processes::stdio_relay::Printed;
use crate::project::early_output::EarlyOutput;
use crate::project::foreign_runs;
use crate::project::history;
use crate::project::open_run::OpenRun;
use crate::project::staleness::{self, Stale};
use crate::project::state::ProjectState;
use crate::project::test_records;
use crate::runs::event::{DriverEnd, DriverEvent};
use crate::runs::joint::{JointPart, JointRun};
use crate::runs::plan::{ConflictPolicy, RunPlan};
use crate::runs::record::{OlderRun, RunLease, RunRecord};

/// The most items in one event, so that it fits a frame.
pub(crate) const PIECE: usize = 10_000;

/// A change to record.
pub(crate) enum Command {
    /// The sources were read.
    Static { listing: Vec<(String, Arc<FileAnalysis>)>, done: oneshot::Sender<()> },
    /// A scope was collected. `described_at`: when the disk was in the state that the session has read.
    Collected { collected: Arc<CollectedSession>, described_at: Instant, done: oneshot::Sender<()> },
    /// A scope could not be collected.
    NotCollected { scope: Scope, failed: FailedCollection, done: oneshot::Sender<()> },
    /// Files were deleted.
    Gone { files: HashSet<String>, done: oneshot::Sender<()> },
    /// A run begins.
    Begin { plan: Arc<RunPlan>, accepted: oneshot::Sender<(RunLease, Vec<OlderRun>)> },
    /// Something happened in a run.
    DriverEvent { run_id: String, event: DriverEvent },
    /// Nothing more will happen in a run. The answer is what its tests depended on, with those that did not fail.
    Ended { run_id: String, ending: DriverEnd, done: oneshot::Sender<Passed> },
    /// The code of a run, if it can be named.
    Code { run_id: String, code: Option<Arc<str>>, done: oneshot::Sender<()> },
    /// The history has new outcomes, from any process.
    Recorded(Changed),
    /// Runs that other processes have recorded.
    ForeignRuns(Vec<Arc<Run>>),
    /// pytest's configuration was read again.
    PytestConfig { pytest: Box<PytestSettings>, done: oneshot::Sender<()> },
    /// New settings.
    Configure { settings: Box<Settings>, done: oneshot::Sender<()> },
    /// Something happened in a nested project; the event has the ids of this one.
    Member { path: Arc<str>, event: EventPayload },
    /// A nested project is none any more.
    MemberGone { path: Arc<str>, done: oneshot::Sender<()> },
    /// A run over nested projects begins, or has more parts. They follow, and none of them has begun yet.
    Join { run: Arc<JointRun>, parts: Vec<JointPart>, start: RunStart, done: oneshot::Sender<()> },
    /// A run over nested projects has ended, with all its parts.
    JointEnded { run: Arc<JointRun> },
    /// The tests whose outcomes are stale; the answer is false if newer outcomes are not recorded yet.
    Stale { stale: Stale, done: oneshot::Sender<bool> },
    /// Everything before is recorded.
    Settled { done: oneshot::Sender<()> },
}

/// The inputs of an ended run's tests.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub recorded: Recorded,
    /// The tests whose last attempt passed, or was skipped or expected to fail, by index.
    pub tests: HashMap<usize, Arc<str>>,
    /// The time of the run's beginning, in milliseconds since 1970.
    pub began_ms: u64,
}

impl Passed {
    fn new(recording: Recording, open: &OpenRun) -> Self {
        let recorded = recording.finish();
        let mut last: HashMap<&str, Outcome> = HashMap::new();
        if !recorded.tests.is_empty() {
            last.extend(open.run.attempts.iter().map(|attempt| (&*attempt.id, attempt.outcome)));
        }
        let indices = recorded.tests.keys().map(|index| (*index, Arc::clone(&open.plan.node(*index).id)));
        let tests = indices.filter(|(_, id)| last.get(&**id).is_some_and(test_records::is_kept)).collect();
        Passed { tests, recorded, began_ms: open.run.started_ms }
    }
}

pub(crate) struct Recorder {
    state: Arc<ProjectState>,
    clock: Clock,
    /// Ordered, so that a replay of the simulation is the same.
    runs: BTreeMap<String, OpenRun>,
    /// Ended runs whose code is not named yet, with their outcomes, and whether they ran undisturbed.
    unsaved: HashMap<String, (Run, bool)>,
    /// Tests that were reported as flaky or unstable, so that the end of that is reported too.
    suspects: HashSet<String>,
    next_run: u64,
    /// The collection errors of nested projects, by their folders.
    member_errors: BTreeMap<Arc<str>, Vec<TreeError>>,
    /// The last revision of the inventory in the log.
    revision: u64,
    order: CollectionOrder,
    early_output: EarlyOutput,
}

impl Recorder {
    pub(crate) fn new(state: Arc<ProjectState>, clock: Clock) -> Self {
        Recorder {
            state,
            clock,
            runs: BTreeMap::new(),
            unsaved: HashMap::new(),
            suspects: HashSet::new(),
            next_run: 1,
            member_errors: BTreeMap::new(),
            revision: 0,
            order: CollectionOrder::default(),
            early_output: EarlyOutput::default(),
        }
    }

    /// Handles commands until the project is dropped.
    pub(crate) async fn work(
        mut self,
        mut mailbox: mpsc::UnboundedReceiver<Command>,
        mut printed: mpsc::UnboundedReceiver<Printed>,
    ) {
        loop {
            tokio::select! {
                biased;
                command = mailbox.recv() => {
                    let Some(command) = command else { return };
                    if matches!(command, Command::Begin { .. } | Command::Ended { .. }) {
                        // Output from before the start or the end is reported before it.
                        while let Ok(printed) = printed.try_recv() {
                            self.print(printed);
                        }
                    }
                    self.handle(command);
                }
                Some(printed) = printed.recv() => self.print(printed),
            }
        }
    }

    /// Logs an event, as clients of this project get it.
    fn push(&mut self, payload: EventPayload) {
        let Some(mut told) = self.state.joint_runs.told(payload) else { return };
        if let EventPayload::Inventory(delta) = &mut told
            && !self.member_errors.is_empty()
        {
            delta.errors.extend(self.member_errors.values().flatten().cloned());
            self.revision = delta.revision.max(self.revision + 1);
            delta.revision = self.revision;
        }
        self.state.log.push(told, self.runs.is_empty());
    }

    /// Logs an event of a nested project.
    fn push_of_member(&mut self, path: &Arc<str>, mut event: EventPayload) {
        if let EventPayload::Inventory(delta) = &mut event {
            let inventory = self.state.inventory.load();
            let errors = std::mem::replace(&mut delta.errors, errors_of(&self.state.root, &inventory));
            self.member_errors.insert(Arc::clone(path), errors);
        }
        self.push(event);
    }

    /// Removes a nested project from the tree.
    fn forget_member(&mut self, path: &Arc<str>) {
        let delta = InventoryDelta { removed: vec![path.to_string()], ..InventoryDelta::default() };
        self.push_of_member(path, EventPayload::Inventory(delta));
        self.member_errors.remove(path);
        // The folder may be this project's own by now.
        let own = delta_within(&self.state.root, &self.state.inventory.load(), path);
        own.pieces(PIECE).into_iter().for_each(|piece| self.push(EventPayload::Inventory(piece)));
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Static { listing, done } => {
                let new = self.state.inventory.load().with_static(listing);
                self.publish(new);
                let _ = done.send(());
            }
            Command::Collected { collected, described_at, done } => {
                let superseded = self.order.add(described_at, &collected.scope);
                let found = Findings {
                    scope: &collected.scope,
                    nodes: &collected.tests.in_source_order(),
                    errors: &collected.tests.errors,
                    gone: &HashSet::new(),
                    superseded: &superseded,
                    described_at,
                    at: self.clock.now_ms(),
                };
                self.state.reads().add(&self.state.root, &collected.reads);
                let pytest = self.state.pytest.load();
                let analysis = |path: &str| self.state.analyses.of(&self.state.root.join(path), &pytest);
                let new = self.state.inventory.load().with(&found, &analysis);
                self.publish(new);
                let inventory = self.state.inventory.load();
                // If it is found fresh again, it shows that those errors are gone.
                if !inventory.has_errors_after(described_at) {
                    collected.set_recorded(inventory.revision);
                }
                let _ = done.send(());
            }
            Command::NotCollected { scope, failed, done } => {
                let error = failed.failure.as_error_of(&scope);
                let later = self.order.later_than(failed.began);
                let new = self.state.inventory.load().with_failure(&error, failed.began, &later);
                self.publish(new);
                let _ = done.send(());
            }
            Command::Gone { files, done } => {
                let new = self.state.inventory.load().without_files(&files, self.clock.now_ms());
                self.publish(new);
                let _ = done.send(());
            }
            Command::Begin { plan, accepted } => self.begin(plan, accepted),
            Command::DriverEvent { run_id, event } => self.on_driver_event(&run_id, event),
            Command::Ended { run_id, ending, done } => {
                let _ = done.send(self.end(&run_id, ending).unwrap_or_default());
            }
            Command::Code { run_id, code, done } => {
                self.save(&run_id, code);
                let _ = done.send(());
            }
            Command::Recorded(changed) => self.report_flakiness(&changed),
            Command::ForeignRuns(runs) => self.report_foreign_runs(&runs),
            Command::PytestConfig { pytest, done } => {
                self.state.pytest.store(Arc::new(*pytest));
                let _ = done.send(());
            }
            Command::Configure { settings, done } => {
                self.state.settings.store(Arc::new(*settings));
                let _ = done.send(());
            }
            Command::Member { path, event } => self.push_of_member(&path, event),
            Command::MemberGone { path, done } => {
                self.forget_member(&path);
                let _ = done.send(());
            }
            Command::Join { run, parts, start, done } => {
                self.state.joint_runs.add(&run, parts);
                self.push(EventPayload::RunStarted(start));
                let _ = done.send(());
            }
            Command::JointEnded { run } => {
                self.push(EventPayload::RunFinished(run.end()));
                run.close();
            }
            Command::Stale { stale, done } => self.report_stale(stale, done),
            Command::Settled { done } => {
                let _ = done.send(());
            }
        }
    }

    fn publish(&mut self, new: Inventory) {
        let old = self.state.inventory.load_full();
        let told = delta(&self.state.root, &old, &new);
        let same_errors = old.errors == new.errors;
        self.state.inventory.store(Arc::new(new));
        if !(told.is_empty() && same_errors) {
            for piece in told.pieces(PIECE) {
                self.push(EventPayload::Inventory(piece));
            }
        }
    }

    fn begin(&mut self, plan: Arc<RunPlan>, accepted: oneshot::Sender<(RunLease, Vec<OlderRun>)>) {
        let (older_runs, runs_alone) = self.yield_tests(&plan);
        let record = Arc::new(RunRecord::new(&plan));
        self.state.runs.retain(|_, run| !run.is_past());
        self.state.runs.insert(plan.run_id.clone(), Arc::clone(&record));
        let whole = plan.collected.scope == Scope::All && plan.is_whole_session();
        let ids = (!whole).then(|| (0..plan.selected.len()).map(|index| plan.node(index).id.to_string()).collect());
        let started = plan.start(ids);
        let open = OpenRun {
            plan: Arc::clone(&plan),
            record: Arc::clone(&record),
            number: self.next_run,
            counts: Counts::default(),
            streamed: HashSet::new(),
            promised: HashMap::new(),
            repeats: HashMap::new(),
            run: Run::begun(plan.source, self.clock.now_ms()),
            runs_alone,
            warned: Warnings::default(),
            timings: Timings::default(),
            summaries: Vec::new(),
            recording: Recording::default(),
        };
        self.next_run += 1;
        self.runs.insert(plan.run_id.clone(), open);
        // A reader of the event finds the names of its tests.
        plan.suite_log.begin((0..plan.selected.len()).map(|index| Arc::clone(&plan.node(index).id)).collect());
        self.push(EventPayload::RunStarted(started));
        for printed in self.early_output.take_since(plan.prints_since) {
            self.print(printed); // this run is the newest
        }
        for problem in &plan.problems {
            plan.suite_log.print(OutputStream::Stderr, &format!("{problem}\n"));
        }
        // If nobody waits for it any more, the lease ends the run.
        let _ = accepted.send((RunLease::of(record), older_runs));
    }

    /// The older runs that a new run has to wait for, and whether no other run has its tests at the same time. If both
    /// runs are a person's, the older one leaves its remaining common tests to the new one.
    fn yield_tests(&mut self, plan: &RunPlan) -> (Vec<OlderRun>, bool) {
        let (mut older_runs, mut alone) = (Vec::new(), true);
        if self.runs.is_empty() {
            return (older_runs, alone);
        }
        let own: HashSet<&str> = (0..plan.selected.len()).map(|index| &*plan.node(index).id).collect();
        for open in self.runs.values_mut() {
            let left = open.left();
            let (common, others): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|&index| own.contains(&*open.plan.node(index).id));
            let taken_over = Arc::clone(&open.plan.taken_over.borrow());
            let others: Vec<_> = others.into_iter().filter(|index| !taken_over.contains(index)).collect();
            if common.is_empty() {
                continue;
            }
            if plan.conflicts == ConflictPolicy::Independent || open.plan.conflicts == ConflictPolicy::Independent {
                (alone, open.runs_alone) = (false, false);
                continue;
            }
            if plan.conflicts == ConflictPolicy::Replaceable && open.plan.conflicts == ConflictPolicy::Replaceable {
                open.plan.taken_over.send_modify(|taken_over| Arc::make_mut(taken_over).extend(&common));
            }
            older_runs.push(OlderRun { run: Arc::clone(&open.record), tests: common, to_the_end: others.is_empty() });
        }
        (older_runs, alone)
    }

    fn on_driver_event(&mut self, run_id: &str, event: DriverEvent) {
        let Some(open) = self.runs.get_mut(run_id) else { return };
        match event {
            DriverEvent::Started(index) => {
                let id = open.plan.node(index).id.to_string();
                open.record.state().running.insert(index);
                open.record.suite_log.start(index);
                let told = TestsStarted { run_id: run_id.to_owned(), ids: vec![id] };
                self.push(EventPayload::TestStarted(told));
            }
            DriverEvent::Streams(index, streams) => {
                open.streamed.insert(index);
                open.record.suite_log.open_streams.open(index, streams);
            }
            DriverEvent::Streamed(index, ends, folder) => open.record.suite_log.close_streams(index, ends, folder),
            DriverEvent::Printed(index, place) => {
                let suite_log = &open.record.suite_log;
                if let Some(item) = suite_log.open_streams.announce(index, place) {
                    suite_log.keep(Some(index), item);
                }
            }
            DriverEvent::Reads(reads) => self.state.reads().add(&self.state.root, &reads),
            DriverEvent::Inputs(pid, inputs) => open.recording.add(pid, inputs),
            DriverEvent::DebugData(files) => open.record.suite_log.keep_debug_data(files),
            DriverEvent::Warnings(warnings) => open.warned.add(warnings),
            DriverEvent::Timings(times) => open.timings.add(times),
            DriverEvent::Runners(runners) => open.timings.add_runners(runners),
            DriverEvent::Summary(text) => open.summaries.push(PluginSummary { project: String::new(), text }),
            DriverEvent::Repeats(index, repeats) => open.note_repeats(index, &repeats),
            DriverEvent::Outcome(index, outcome) => {
                if open.record.state().settled.contains(&index) {
                    tracing::error!(run_id, id = outcome.id, "a second outcome was dropped");
                    return;
                }
                open.settle(&self.state, index, &outcome);
                let told = TestOutcomes { run_id: run_id.to_owned(), outcomes: vec![*outcome] };
                self.push(EventPayload::TestOutcome(told));
            }
        }
    }

    fn end(&mut self, run_id: &str, ending: DriverEnd) -> Option<Passed> {
        let mut open = self.runs.remove(run_id)?;
        let missing = open.left();
        let why = ending.fault.as_deref().unwrap_or("the run ended before it");
        for index in missing {
            let outcome = not_run(&open.plan.node(index).id, 1, why);
            open.settle(&self.state, index, &outcome);
            let told = TestOutcomes { run_id: run_id.to_owned(), outcomes: vec![outcome] };
            self.push(EventPayload::TestOutcome(told));
        }
        let counts = open.counts;
        let is_incomplete = !open.plan.problems.is_empty() || ending.refused.is_some();
        let status = run_status(
            &counts,
            ending.stopped || ending.replaced || ending.interrupted.is_some(),
            ending.killed,
            ending.out_of_time,
            ending.fault.is_some(),
            is_incomplete,
        );
        let replaced = ending.replaced.then(|| "a newer run of the same tests has taken its place".to_owned());
        let not_collected = uncollected(&open.plan.problems);
        let at_least = ending.suite_status(is_incomplete);
        let duration_ms = open.record.begun.elapsed().as_secs_f64() * 1000.0;
        let timings = std::mem::take(&mut open.timings);
        let end = RunEnd {
            run_id: run_id.to_owned(),
            status: status_of(status),
            counts: counts_of(&counts),
            duration_ms,
            message: ending.fault.or(ending.interrupted).or(replaced).or(not_collected).or(ending.refused),
            debug_data: open.record.suite_log.debug_data(),
            warnings: open.warned.take(),
            timings: open.plan.time_before.as_ref().map(|before| Box::new(timings.finish(before, duration_ms))),
            summaries: std::mem::take(&mut open.summaries),
            exit_status: ending.exit_status.or(open.plan.collection_failed.then_some(1)),
        };
        let passed = Passed::new(std::mem::take(&mut open.recording), &open);
        self.unsaved.insert(run_id.to_owned(), (open.run, open.runs_alone && !ending.disturbed));
        open.record.set_end(end.clone());
        self.push(EventPayload::RunFinished(end));
        // The suite ends first: a waiting reader takes a suite without an end for one that failed.
        open.record.suite_log.end(at_least);
        open.record.close();
        if open.record.suite_log.is_closed_for_client() {
            self.state.runs.remove(run_id);
        }
        Some(passed)
    }

    /// Gives a run to the history, which reports back with [`Command::Recorded`].
    fn save(&mut self, run_id: &str, code: Option<Arc<str>>) {
        let Some((mut run, alone)) = self.unsaved.remove(run_id) else { return };
        {
            let mut executed = self.state.executed();
            executed.attempts += run.attempts.len() as u64;
            executed.total_ms += run.attempts.iter().map(|attempt| attempt.duration_ms).sum::<f64>();
        }
        run.code = code.filter(|_| alone);
        self.state.history.record(run);
    }

    /// Reports runs of other processes as ordinary runs.
    fn report_foreign_runs(&mut self, runs: &[Arc<Run>]) {
        for event in runs.iter().flat_map(|run| foreign_runs::events(run)) {
            if let EventPayload::TestOutcome(told) = &event {
                for outcome in told.outcomes.iter().filter(|outcome| !outcome.will_rerun) {
                    self.state.stale().remove(&*outcome.id);
                    self.state.results.insert(outcome.id.clone(), Arc::new(outcome.clone()));
                }
            }
            self.push(event);
        }
    }

    /// Reports which outcomes became stale, or fresh again; answers whether there are no newer ones to record.
    fn report_stale(&mut self, stale: Stale, done: oneshot::Sender<bool>) {
        let open = self.runs.values().map(|open| &open.run).chain(self.unsaved.values().map(|(run, _)| run));
        let newer: HashSet<&str> = open.flat_map(|run| &run.attempts).map(|attempt| &*attempt.id).collect();
        let is_last = |id: &Arc<str>, at: u64| self.state.history.last_started_ms(id) == Some(at);
        let holds = |(id, at): &(Arc<str>, u64)| !newer.contains(&**id) && is_last(id, *at);
        let present = stale.into_iter().filter(holds).map(|(id, _)| id).collect();
        let (is_whole, told) = (newer.is_empty(), staleness::replace(&mut self.state.stale(), present));
        told.into_iter().for_each(|told| self.push(EventPayload::StaleOutcomes(told)));
        let _ = done.send(is_whole);
    }

    /// Reports changes of flakiness of tests with new outcomes.
    fn report_flakiness(&mut self, changed: &Changed) {
        let window = self.state.settings.load().flaky.window as usize;
        let hints: Vec<_> = match changed.tests() {
            None => history::hints(&self.state.history.report(window)).collect(),
            Some(mut ids) => {
                ids.sort_unstable();
                ids.dedup();
                let judged = |id: Arc<str>| {
                    let verdict = self.state.history.verdict(&id, window)?;
                    let is_news = verdict.evidence.is_some() || self.suspects.contains(&*id);
                    is_news.then(|| verdict.hint(&id))
                };
                ids.into_iter().filter_map(judged).collect()
            }
        };
        for report_flakiness in &hints {
            match report_flakiness.evidence {
                Some(_) => self.suspects.insert(report_flakiness.id.clone()),
                None => self.suspects.remove(&report_flakiness.id),
            };
        }
        if !hints.is_empty() {
            self.push(EventPayload::FlakinessHint(FlakinessHints { hints }));
        }
    }

    /// Reports output that bypassed pytest's capture; it is attributed to the current run.
    fn print(&mut self, printed: Printed) {
        let newest = self.runs.values().max_by_key(|open| open.number);
        let Some(open) = newest else { return self.early_output.add(printed) };
        let (run_id, Printed { stream, text, .. }) = (open.plan.run_id.clone(), printed);
        open.record.suite_log.print(stream, &text);
        self.push(EventPayload::Output(Output { run_id, id: None, stream, text }));
    }
}
