//! The one task that writes a context's books: inventory, runs, history and the event log.
//!
//! Whoever drives processes sends entries; the clerk puts them in order, and guards what the log promises: every
//! accepted run has one end, and before it one final outcome for each selected test.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use pytest_lens_analysis::FileAnalysis;
use pytest_lens_history::{Attempt, Changed, Run};
use pytest_lens_plan::outcome::{Counts, Outcome, run_status};
use pytest_lens_protocol::{
    EventPayload, FlakinessHints, NOT_COLLECTED, Output, OutputStream, RunEnd, RunStart, Settings, TestOutcome,
    TestOutcomes, TestResultInfo, TestsStarted,
};
use tokio::sync::{mpsc, oneshot};

use crate::clock::now_ms;
use crate::model::collect_error::CollectError;
use crate::model::inventory::{Findings, Inventory};
use crate::model::outcome::{counts_of, not_run, status_of};
use crate::model::scope::Scope;
use crate::model::test_items::delta;
use crate::model::warnings::Warned;
use crate::processes::collected_session::{CollectFailure, Host};
use crate::processes::stdio_relay::Printed;
use crate::project::Context;
use crate::project::foreign_runs;
use crate::project::history;
use crate::runs::driver::{Company, Ending, News, RunPlan};
use crate::runs::record::{Awaited, Lease, RunRecord};

/// Items of the tree that one event tells at most: each has to fit a frame.
const PIECE: usize = 10_000;

/// Something to be put into the books.
pub(crate) enum Entry {
    /// The sources were read.
    Static { listing: Vec<(String, Arc<FileAnalysis>)>, done: oneshot::Sender<()> },
    /// A scope was collected.
    Collected { host: Arc<Host>, done: oneshot::Sender<()> },
    /// A scope could not be collected.
    NotCollected { scope: Scope, failure: CollectFailure, done: oneshot::Sender<()> },
    /// Files are no more.
    Gone { files: HashSet<String>, done: oneshot::Sender<()> },
    /// A run is to begin.
    Begin { plan: Arc<RunPlan>, accepted: oneshot::Sender<(Lease, Vec<Awaited>)> },
    /// Something happened in a run.
    News { run_id: String, news: News },
    /// Nothing more will happen in a run.
    Ended { run_id: String, ending: Ending },
    /// The code that a run ran on, where that can be told.
    Code { run_id: String, code: Option<Arc<str>>, done: oneshot::Sender<()> },
    /// The history has new outcomes, of whichever process.
    Recorded(Changed),
    /// New settings.
    Configure { settings: Box<Settings>, done: oneshot::Sender<()> },
}

pub(crate) struct Clerk {
    context: Weak<Context>,
    runs: HashMap<String, Open>,
    /// Ended runs whose code is yet to be told, with what they came to, and whether they ran undisturbed.
    unfiled: HashMap<String, (Run, bool)>,
    /// Tests that were told to be flaky or unstable: that they no longer are is told too.
    suspects: HashSet<String>,
    next_run: u64,
}

struct Open {
    plan: Arc<RunPlan>,
    record: Arc<RunRecord>,
    number: u64,
    counts: Counts,
    /// Tests whose output goes to files while they run.
    streamed: HashSet<usize>,
    /// The last attempt of each test that another was to follow: told again where none did.
    promised: HashMap<usize, u32>,
    /// For the history.
    run: Run,
    /// No other run had its tests at the same time. Otherwise they may have been in each other's way, and what came of
    /// them is no evidence of anything.
    runs_alone: bool,
    warned: Warned,
}

impl Clerk {
    pub(crate) fn new(context: &Arc<Context>) -> Self {
        Clerk {
            context: Arc::downgrade(context),
            runs: HashMap::new(),
            unfiled: HashMap::new(),
            suspects: HashSet::new(),
            next_run: 1,
        }
    }

    /// Works until the context is gone.
    pub(crate) async fn work(
        mut self,
        mut mailbox: mpsc::UnboundedReceiver<Entry>,
        mut printed: mpsc::UnboundedReceiver<Printed>,
    ) {
        loop {
            tokio::select! {
                biased;
                entry = mailbox.recv() => {
                    let (Some(entry), Some(context)) = (entry, self.context.upgrade()) else { return };
                    if matches!(entry, Entry::Ended { .. }) {
                        // What was printed before the end is told before it.
                        while let Ok((stream, text)) = printed.try_recv() {
                            self.print(&context, stream, text);
                        }
                    }
                    self.file(&context, entry);
                }
                Some((stream, text)) = printed.recv() => {
                    let Some(context) = self.context.upgrade() else { return };
                    self.print(&context, stream, text);
                }
            }
        }
    }

    fn push(&self, context: &Context, payload: EventPayload) {
        context.log.push(payload, self.runs.is_empty());
    }

    fn file(&mut self, context: &Arc<Context>, entry: Entry) {
        match entry {
            Entry::Static { listing, done } => {
                let new = context.inventory.load().with_static(listing);
                self.publish(context, new);
                let _ = done.send(());
            }
            Entry::Collected { host, done } => {
                let found = Findings {
                    scope: &host.scope,
                    nodes: &host.tests.in_source_order(),
                    errors: &host.tests.errors,
                    gone: &HashSet::new(),
                    at: now_ms(),
                };
                self.merge(context, &found);
                host.set_taken_in(context.inventory.load().revision);
                context.reads().add(&context.root, &host.reads);
                let _ = done.send(());
            }
            Entry::NotCollected { scope, failure, done } => {
                let error = blamed(&scope, &failure);
                let new = context.inventory.load().with_failure(&error);
                self.publish(context, new);
                let _ = done.send(());
            }
            Entry::Gone { files, done } => {
                let nothing = Scope::Paths(std::collections::BTreeSet::new());
                let found = Findings { scope: &nothing, nodes: &[], errors: &[], gone: &files, at: now_ms() };
                self.merge(context, &found);
                let _ = done.send(());
            }
            Entry::Begin { plan, accepted } => self.begin(context, plan, accepted),
            Entry::News { run_id, news } => self.news(context, &run_id, news),
            Entry::Ended { run_id, ending } => self.end(context, &run_id, ending),
            Entry::Code { run_id, code, done } => {
                self.remember(context, &run_id, code);
                let _ = done.send(());
            }
            Entry::Recorded(changed) => {
                if let Changed::Elsewhere(runs) = &changed {
                    self.tell_elsewhere(context, runs);
                }
                self.hint(context, &changed);
            }
            Entry::Configure { settings, done } => {
                context.pool.residents.configure(&settings.fixture_reuse);
                context.settings.store(Arc::new(*settings));
                let _ = done.send(());
            }
        }
    }

    fn merge(&self, context: &Context, found: &Findings<'_>) {
        let pytest = context.pytest.load();
        let analysis = |path: &str| context.pool.analyses.of(&context.root.join(path), &pytest);
        let new = context.inventory.load().with(found, &analysis);
        self.publish(context, new);
    }

    fn publish(&self, context: &Context, new: Inventory) {
        let old = context.inventory.load_full();
        let told = delta(&context.root, &old, &new);
        let same_errors = old.errors == new.errors;
        context.inventory.store(Arc::new(new));
        if !(told.is_empty() && same_errors) {
            for piece in told.pieces(PIECE) {
                self.push(context, EventPayload::Inventory(piece));
            }
        }
    }

    fn begin(&mut self, context: &Context, plan: Arc<RunPlan>, accepted: oneshot::Sender<(Lease, Vec<Awaited>)>) {
        let (awaited, runs_alone) = self.make_way(&plan);
        let record = Arc::new(RunRecord::new(&plan));
        context.runs.retain(|_, run| !run.is_past());
        context.runs.insert(plan.run_id.clone(), Arc::clone(&record));
        let whole = plan.host.scope == Scope::All && plan.selected.len() == plan.host.tests.nodes.len();
        let ids = (!whole).then(|| (0..plan.selected.len()).map(|index| plan.node(index).id.to_string()).collect());
        let started =
            RunStart { run_id: plan.run_id.clone(), total: plan.selected.len(), ids, deselected: plan.deselected };
        let open = Open {
            plan: Arc::clone(&plan),
            record: Arc::clone(&record),
            number: self.next_run,
            counts: Counts::default(),
            streamed: HashSet::new(),
            promised: HashMap::new(),
            run: Run::new(plan.source, None),
            runs_alone,
            warned: Warned::default(),
        };
        self.next_run += 1;
        self.runs.insert(plan.run_id.clone(), open);
        self.push(context, EventPayload::RunStarted(started));
        plan.tape.begin((0..plan.selected.len()).map(|index| Arc::clone(&plan.node(index).id)).collect());
        for problem in &plan.problems {
            plan.tape.print(OutputStream::Stderr, &format!("{problem}\n"));
        }
        // Where nobody waits for it any more, the lease ends the run.
        let _ = accepted.send((Lease::of(record), awaited));
    }

    /// What a new run has to wait for, and whether nobody else has its tests at the same time. Older ones leave to it what
    /// they have not run, where both are a person's.
    fn make_way(&mut self, plan: &RunPlan) -> (Vec<Awaited>, bool) {
        let (mut awaited, mut alone) = (Vec::new(), true);
        if self.runs.is_empty() {
            return (awaited, alone);
        }
        let own: HashSet<&str> = (0..plan.selected.len()).map(|index| &*plan.node(index).id).collect();
        for open in self.runs.values_mut() {
            let left = open.left();
            let (common, others): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|&index| own.contains(&*open.plan.node(index).id));
            let given_up = Arc::clone(&open.plan.given_up.borrow());
            let others: Vec<_> = others.into_iter().filter(|index| !given_up.contains(index)).collect();
            if common.is_empty() {
                continue;
            }
            if plan.company == Company::Apart || open.plan.company == Company::Apart {
                (alone, open.runs_alone) = (false, false);
                continue;
            }
            if plan.company == Company::Replaceable && open.plan.company == Company::Replaceable {
                open.plan.given_up.send_modify(|given_up| Arc::make_mut(given_up).extend(&common));
            }
            awaited.push(Awaited { run: Arc::clone(&open.record), tests: common, to_the_end: others.is_empty() });
        }
        (awaited, alone)
    }

    fn news(&mut self, context: &Context, run_id: &str, news: News) {
        let Some(open) = self.runs.get_mut(run_id) else { return };
        match news {
            News::Started(index) => {
                let id = open.plan.node(index).id.to_string();
                open.record.state().running.insert(index);
                open.record.tape.start(index);
                let told = TestsStarted { run_id: run_id.to_owned(), ids: vec![id] };
                self.push(context, EventPayload::TestStarted(told));
            }
            News::Streams(index, streams) => {
                open.streamed.insert(index);
                open.record.tape.outputs.open(index, streams);
            }
            News::Streamed(index, ends, folder) => open.record.tape.close_streams(index, ends, folder),
            News::Printed(index, place) => {
                let tape = &open.record.tape;
                if let Some(item) = tape.outputs.announce(index, place) {
                    tape.keep(Some(index), item);
                }
            }
            News::Reads(reads) => context.reads().add(&context.root, &reads),
            News::DebugData(files) => open.record.tape.keep_debug_data(files),
            News::Warned(warnings) => open.warned.add(warnings),
            News::Outcome(index, outcome) => {
                if open.record.state().settled.contains(&index) {
                    tracing::error!(run_id, id = outcome.id, "a second outcome was dropped");
                    return;
                }
                open.settle(context, index, &outcome);
                let told = TestOutcomes { run_id: run_id.to_owned(), outcomes: vec![*outcome] };
                self.push(context, EventPayload::TestOutcome(told));
            }
        }
    }

    fn end(&mut self, context: &Context, run_id: &str, ending: Ending) {
        let Some(mut open) = self.runs.remove(run_id) else { return };
        let missing = open.left();
        let why = ending.fault.as_deref().unwrap_or("the run ended before it");
        for index in missing {
            let outcome = not_run(&open.plan.node(index).id, 1, why);
            open.settle(context, index, &outcome);
            let told = TestOutcomes { run_id: run_id.to_owned(), outcomes: vec![outcome] };
            context.log.push(EventPayload::TestOutcome(told), false);
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
        let end = RunEnd {
            run_id: run_id.to_owned(),
            status: status_of(status),
            counts: counts_of(&counts),
            duration_ms: open.record.begun.elapsed().as_secs_f64() * 1000.0,
            message: ending.fault.or(ending.interrupted).or(replaced).or(not_collected).or(ending.refused),
            debug_data: open.record.tape.debug_data(),
            warnings: open.warned.take(),
        };
        self.unfiled.insert(run_id.to_owned(), (open.run, open.runs_alone && !ending.disturbed));
        self.push(context, EventPayload::RunFinished(end.clone()));
        // Whoever waits for the end of the run takes a suite that has not told its own for one that broke off.
        open.record.tape.end(at_least);
        open.record.close(end);
        if open.record.tape.is_forsaken() {
            context.runs.remove(run_id);
        }
        let held = context.pool.residents.temps();
        let runs = self.runs.values().map(|open| open.plan.temp.as_path());
        let live: Vec<_> = runs.chain(held.iter().map(PathBuf::as_path)).collect();
        crate::processes::temp_dirs::prune(&context.pool.launcher.tmp_dir, &live);
    }

    /// Gives a run to the history, which says what came of it ([`Entry::Recorded`]).
    fn remember(&mut self, context: &Context, run_id: &str, code: Option<Arc<str>>) {
        let Some((mut run, alone)) = self.unfiled.remove(run_id) else { return };
        {
            let mut executed = context.executed();
            executed.attempts += run.attempts.len() as u64;
            executed.total_ms += run.attempts.iter().map(|attempt| attempt.duration_ms).sum::<f64>();
        }
        run.code = code.filter(|_| alone);
        context.history.record(run);
    }

    /// Tells runs of other processes as runs. A command that ends soon has nobody to tell them to.
    fn tell_elsewhere(&self, context: &Context, runs: &[Arc<Run>]) {
        if !context.pool.is_resident() {
            return;
        }
        for event in runs.iter().flat_map(|run| foreign_runs::events(run)) {
            if let EventPayload::TestOutcome(told) = &event {
                for outcome in told.outcomes.iter().filter(|outcome| !outcome.will_rerun) {
                    context.results.insert(outcome.id.clone(), Arc::new(outcome.clone()));
                }
            }
            self.push(context, event);
        }
    }

    /// Tells what the history says of tests with new outcomes, where there is something to say.
    fn hint(&mut self, context: &Context, changed: &Changed) {
        let window = context.settings.load().flaky.window as usize;
        let hints: Vec<_> = match changed.tests() {
            None => history::hints(&context.history.report(window)).collect(),
            Some(mut ids) => {
                ids.sort_unstable();
                ids.dedup();
                let judged = |id: Arc<str>| {
                    let verdict = context.history.verdict(&id, window)?;
                    let is_news = verdict.evidence.is_some() || self.suspects.contains(&*id);
                    is_news.then(|| history::hint(&id, &verdict))
                };
                ids.into_iter().filter_map(judged).collect()
            }
        };
        for hint in &hints {
            match hint.evidence {
                Some(_) => self.suspects.insert(hint.id.clone()),
                None => self.suspects.remove(&hint.id),
            };
        }
        if !hints.is_empty() {
            self.push(context, EventPayload::FlakinessHint(FlakinessHints { hints }));
        }
    }

    /// Something was printed past pytest's capture: it belongs to the run that goes on.
    fn print(&self, context: &Context, stream: OutputStream, text: String) {
        let newest = self.runs.values().max_by_key(|open| open.number);
        match newest {
            Some(open) => {
                open.record.tape.print(stream, &text);
                let run_id = open.plan.run_id.clone();
                self.push(context, EventPayload::Output(Output { run_id, id: None, stream, text }));
            }
            None => tracing::info!(?stream, text, "printed outside of a run"),
        }
    }
}

impl Open {
    /// Tests without a final outcome.
    fn left(&self) -> Vec<usize> {
        let state = self.record.state();
        (0..self.plan.selected.len()).filter(|index| !state.settled.contains(index)).collect()
    }

    fn settle(&mut self, context: &Context, index: usize, outcome: &TestOutcome) {
        let tape = &self.record.tape;
        if self.streamed.remove(&index) {
            tape.close_streams(index, None, None);
        } else {
            tape.keep_texts(index, outcome);
        }
        let known: Outcome = outcome.outcome.parse().unwrap_or(Outcome::Error);
        let id = Arc::clone(&self.plan.node(index).id);
        let (attempt, duration_ms) = (outcome.attempt, outcome.duration_ms);
        // What a person does in a debugger says nothing of the test.
        let is_new = self.promised.insert(index, attempt) != Some(attempt);
        if known != Outcome::NotRun && self.plan.kind.debuggee().is_none() && is_new {
            self.run.attempts.push(Attempt { id: Arc::clone(&id), outcome: known, attempt, duration_ms });
        }
        let mut state = self.record.state();
        state.running.remove(&index);
        if outcome.will_rerun {
            return;
        }
        state.settled.insert(index);
        self.record.tape.settle(index, known);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a duration is positive and short"
        )]
        state.results.push(TestResultInfo {
            node_id: id.to_string(),
            outcome: outcome.outcome.clone(),
            duration_ms: outcome.duration_ms.round() as u64,
            message: outcome.message.clone(),
        });
        drop(state);
        self.record.has_settled();
        self.counts.add(known);
        if known != Outcome::NotRun {
            context.results.insert(id.to_string(), Arc::new(outcome.clone()));
        }
    }
}

/// A sentence on the files of a run that could not be collected.
fn uncollected(problems: &[String]) -> Option<String> {
    let first = problems.first()?;
    Some(match problems.len() - 1 {
        0 => format!("1 file {NOT_COLLECTED}: {first}"),
        more => format!("{} files {NOT_COLLECTED}: {first}; and {more} more", more + 1),
    })
}

/// The file that a failed collection is told at: the one that the failure names, else the only one it was about.
fn blamed(scope: &Scope, failure: &CollectFailure) -> CollectError {
    let (path, line) = match failure {
        CollectFailure::Refused { path: Some(path), line, .. } => (path.clone(), *line),
        _ => match scope {
            Scope::Paths(paths) if paths.len() == 1 => (paths.first().cloned().unwrap_or_default(), None),
            _ => (String::new(), None),
        },
    };
    CollectError { path, line, message: failure.to_string(), longrepr: None }
}
