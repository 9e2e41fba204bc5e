//! `run`, `run_stream`, `run_with_rerun`, `debug_run`, `get_run_progress`, `stop_run`, `kill_run`.

use std::sync::Arc;

use pytest_lens_history::Source;
use pytest_lens_plan::rerun::Policy;
use pytest_lens_protocol::{
    ErrorCode, LogsIteratorOption, Response, RunOptions, Settings, TestResultInfo, WorkerCount,
};

use tokio::sync::watch;

use super::{Answered, Refusal, invalid, of_failure};
use crate::engine::{Session, Shared};
use crate::model::scope::{Scope, file_part};
use crate::model::select::{Filter, Selection, means, own_id, select};
use crate::processes::collected_session::Host;
use crate::processes::debug_process::Debuggee;
use crate::processes::exclusive_session::Own;
use crate::processes::launcher::StartError;
use crate::processes::pool::Found;
use crate::processes::resident_pool::Reuse;
use crate::processes::worker_protocol::{Asked, Purpose, WireCollectError};
use crate::project::Context;
use crate::runs::coverage::{Coverage, split};
use crate::runs::driver::{Company, Control, RunPlan};
use crate::runs::record::Lease;
use crate::suites::Suite;

/// The most results that one `run_progress` carries.
const PAGE: usize = 10_000;

/// And about how many bytes, which fit a frame several times.
const PAGE_WEIGHT: usize = 16 * 1024 * 1024;

/// What a run request asks for.
pub(crate) struct Order {
    pub node_ids: Vec<String>,
    pub workers: Option<u32>,
    pub maxfail: Option<u32>,
    pub options: RunOptions,
    /// Failures are repeated, whatever the settings say.
    pub repeat: bool,
}

impl Order {
    /// In the words of pytest's command line.
    fn asked(&self, context: &Context) -> Asked {
        let RunOptions { keyword, marker, .. } = &self.options;
        let args = self.node_ids.iter().map(|id| own_id(&context.root, id)).collect();
        Asked { args, keyword: keyword.clone(), marker: marker.clone() }
    }
}

/// `run`, `run_with_rerun`: to the end. Where the call is dropped, as that of a client that has gone is, the run is
/// killed: nobody else knows of it.
pub(super) async fn and_wait(session: &Session, context: &Arc<Context>, order: Order) -> Answered {
    let (_, lease) = begin(session, context, order).await?;
    let Some(end) = lease.wait().await else {
        return Err(Refusal::new(ErrorCode::InternalError, "the context was shut down while the run went on"));
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration is positive and short")]
    Ok(Response::RunComplete {
        total: end.counts.total,
        passed: end.counts.passed,
        failed: end.counts.failed,
        skipped: end.counts.skipped,
        errors: end.counts.errors,
        duration_ms: end.duration_ms.round() as u64,
    })
}

/// `run_stream`: until it is in the books. From then on it is nobody's in particular.
pub(super) async fn stream(session: &Session, context: &Arc<Context>, order: Order) -> Answered {
    let (run_id, lease) = begin(session, context, order).await?;
    Ok(Response::RunStarted { run_id, total_tests: lease.release().map_or(0, |record| record.total) })
}

/// `debug_run`: until a debugger can connect and the run is in the books.
pub(super) async fn debug(session: &Session, context: &Arc<Context>, mut order: Order) -> Answered {
    order.options.arguments = split(&order.options.arguments).0;
    let Chosen { host, selected, problems, .. } = choose(context, &order, Purpose::List).await?;
    if selected.is_empty() {
        return Err(invalid("there is no test to debug: write one, or name one that exists"));
    }
    let debuggee = Debuggee::start(&context.pool.launcher, &host, order.options.run_disabled, context.debug_limit());
    let debuggee = debuggee.await;
    let debuggee = debuggee.map_err(|failure| match failure {
        StartError::Unusable(message) => Refusal::new(ErrorCode::PythonNotFound, message),
        StartError::Failed(message) => Refusal::new(ErrorCode::InternalError, message),
    })?;
    let (address, port) = (debuggee.host.clone(), debuggee.port);
    let suite = Suite::new(session.shared.new_run().0, LogsIteratorOption::default());
    let mut plan = plan(&session.shared, context, &order, &suite, host, selected)?;
    plan.problems = problems;
    plan.set_debuggee(debuggee);
    let (run_id, lease) = enter(context, plan).await?;
    lease.release();
    Ok(Response::DebugStarted { run_id, host: address, port })
}

async fn begin(session: &Session, context: &Arc<Context>, mut order: Order) -> Result<(String, Lease), Refusal> {
    if order.workers == Some(0) {
        return Err(invalid("field `workers`: 0 runners can't run anything; give at least 1, or leave it out"));
    }
    source_of(&order.options)?;
    let (arguments, coverage) = split(&order.options.arguments);
    order.options.arguments = arguments;
    let coverage = coverage.or_else(|| order.options.coverage.then(Coverage::for_editors));
    if let Some(coverage) = &coverage {
        context.check_coverage(coverage).await.map_err(invalid)?;
    }
    let purpose = context.purpose_of(order.options.run_disabled || coverage.is_some());
    let Chosen { host, selected, deselected, problems, own } = choose(context, &order, purpose).await?;
    let suite = Suite::new(session.shared.new_run().0, LogsIteratorOption::default());
    let mut plan = plan(&session.shared, context, &order, &suite, host, selected)?;
    plan.own = own;
    plan.problems = problems;
    plan.asked = order.asked(context);
    plan.deselected = deselected;
    plan.company = if plan.source == Source::Editor { Company::Replaceable } else { Company::Patient };
    if plan.source == Source::Cli && coverage.is_none() && !plan.host.reports.is_empty() {
        plan.set_reports();
        // Another session makes them; what has collected ends before.
        plan.own = Arc::default();
    }
    plan.set_coverage(coverage);
    enter(context, plan).await
}

/// What a request means, in a fresh collected session.
struct Chosen {
    host: Arc<Host>,
    selected: Vec<usize>,
    /// How many were taken out, by expressions or by pytest itself.
    deselected: usize,
    /// What of it could not be collected, each a short line.
    problems: Vec<String>,
    /// The session's process, where it was collected for this request alone.
    own: Arc<Own>,
}

async fn choose(context: &Arc<Context>, order: &Order, purpose: Purpose) -> Result<Chosen, Refusal> {
    let filter = Filter::parse(order.options.keyword.as_deref(), order.options.marker.as_deref()).map_err(invalid)?;
    let ids: Vec<String> = order.node_ids.iter().map(|id| own_id(&context.root, id)).collect();
    for id in &ids {
        let file = context.root.join(file_part(id));
        if !file.exists() {
            return Err(invalid(format!("{id:?}: there is no {} under {}", file_part(id), context.root.display())));
        }
    }
    let scope = Scope::of_ids(ids.iter().map(String::as_str));
    let (Found { host, own, .. }, is_filtered) = collect(context, order, &scope, purpose).await?;
    let own = Arc::new(own);
    if order.options.arguments.is_empty() {
        context.pool.expect(&scope, &context.options(&[]));
    }
    let chosen = if is_filtered {
        // What pytest has left out is not unknown.
        let here: Vec<_> = ids.iter().filter(|id| host.nodes.iter().any(|node| means(id, node))).cloned().collect();
        if here.is_empty() && !ids.is_empty() {
            Ok(Selection::default())
        } else {
            select(&host, &here, &Filter::default())
        }
    } else {
        select(&host, &ids, &filter)
    };
    let Selection { taken: selected, left } = chosen.map_err(invalid)?;
    let deselected = left + host.deselected;
    let concerns = |error: &&WireCollectError| scope.is_troubled_by(&error.path);
    if let Some(error) = host.errors.iter().find(concerns).filter(|_| selected.is_empty()) {
        return Err(Refusal::new(ErrorCode::CollectionFailed, error.sentence()));
    }
    let problems = host.errors.iter().filter(concerns).map(WireCollectError::short).collect();
    Ok(Chosen { host, selected, deselected, problems, own })
}

/// The session for a run, and whether pytest itself has applied the run's `-k` and `-m` to it. That is so where the
/// project may look at them while it collects; sessions that all runs share are collected without.
async fn collect(
    context: &Arc<Context>,
    order: &Order,
    scope: &Scope,
    purpose: Purpose,
) -> Result<(Found, bool), Refusal> {
    let collect = async |arguments: &[String]| {
        context.host(scope, arguments, purpose).await.map_err(|failure| of_failure(&failure))
    };
    let usual = &order.options.arguments;
    let filters = order.asked(context).filters();
    if filters.is_empty() {
        return Ok((collect(usual).await?, false));
    }
    if context.pool.newest_host().is_some_and(|host| !host.looks) {
        let found = collect(usual).await?;
        if !found.host.looks {
            return Ok((found, false));
        }
    }
    Ok((collect(&[usual.clone(), filters].concat()).await?, true))
}

/// Puts a run into the books and sets it going.
async fn enter(context: &Arc<Context>, plan: RunPlan) -> Result<(String, Lease), Refusal> {
    let run_id = plan.run_id.clone();
    let lease = context.begin(plan).await;
    let lease = lease.ok_or_else(|| Refusal::new(ErrorCode::ContextNotFound, "the context was shut down"))?;
    Ok((run_id, lease))
}

/// What running these tests takes.
pub(crate) fn plan(
    shared: &Shared,
    context: &Context,
    order: &Order,
    suite: &Suite,
    host: Arc<Host>,
    selected: Vec<usize>,
) -> Result<RunPlan, Refusal> {
    let source = source_of(&order.options)?;
    let settings = context.settings.load();
    let rerun = order.options.until_failure.map(Policy::until_failure).unwrap_or(Policy {
        enabled: order.repeat || settings.rerun.enabled || order.options.reruns.is_some(),
        max_reruns: order.options.reruns.unwrap_or(settings.rerun.max_reruns),
        only_flaky: settings.rerun.only_flaky,
        delay_ms: settings.rerun.delay_ms,
        until_failure: false,
    });
    let ids = || selected.iter().map(|&index| &*host.nodes[index].id);
    let durations = context.history.durations_ms(ids());
    let known_flaky = if rerun.enabled && rerun.only_flaky {
        let window = settings.flaky.window as usize;
        ids().map(|id| context.history.verdict(id, window).is_some_and(|verdict| verdict.is_flaky)).collect()
    } else {
        Vec::new()
    };
    let workers = match wanted_workers(order, &settings, &host) {
        WorkerCount::Fixed(count) => count as usize,
        WorkerCount::Auto => {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let tests = selected.iter().map(|&index| &host.nodes[index]).zip(&durations).enumerate();
            let items: Vec<_> = tests.map(|(index, (node, duration))| node.item(index, *duration)).collect();
            pytest_lens_plan::workers::fastest(&items, host.start_ms(), cores)
        }
    };
    let run_id = suite.tape.id.clone();
    let number = shared.new_run().1;
    suite.tape.make_folder(&context.pool.launcher.tmp_dir, number);
    // Arguments of its own, and skip marks that skip nothing, are for one run: what stays must not have them.
    let is_usual = order.options.arguments.is_empty() && !order.options.run_disabled;
    let reuse = (settings.fixture_reuse.enabled && is_usual)
        .then(|| Arc::new(Reuse { run_id: run_id.clone(), pytest: context.pytest.load_full() }));
    Ok(RunPlan {
        temp: crate::processes::temp_dirs::run_folder(&context.pool.launcher.tmp_dir),
        tape: Arc::clone(&suite.tape),
        lever: suite.lever.clone(),
        time_limit: None,
        problems: Vec::new(),
        reports: false,
        deselected: 0,
        coverage: None,
        own: Arc::default(),
        debuggee: None,
        company: Company::Apart,
        given_up: watch::Sender::default(),
        run_id,
        selected,
        asked: Asked::default(),
        workers,
        maxfail: if rerun.until_failure { Some(1) } else { order.maxfail.filter(|limit| *limit > 0) },
        timeout_ms: order.options.timeout_ms.or(settings.timeout_ms).filter(|limit| *limit > 0),
        collect_limit: context.collect_limit(),
        run_disabled: order.options.run_disabled,
        rerun,
        reuse,
        durations,
        known_flaky,
        source,
        host,
    })
}

/// How many runners are asked for. Tests that share a port or a file fail when they run at the same time, so several
/// run at a time only where somebody says that they may: the request, the settings, or the project itself.
fn wanted_workers(order: &Order, settings: &Settings, host: &Host) -> WorkerCount {
    let asked = order.workers.map(WorkerCount::Fixed);
    let auto = order.options.auto_workers.then_some(WorkerCount::Auto);
    let usual = if host.processes > 0 { WorkerCount::Auto } else { WorkerCount::Fixed(1) };
    asked.or(auto).or(settings.workers).unwrap_or(usual)
}

/// Who asked for a run; a program that does not say counts as a terminal.
fn source_of(options: &RunOptions) -> Result<Source, Refusal> {
    let parsed = options.source.as_deref().map_or(Ok(Source::Cli), str::parse);
    parsed.map_err(|error| invalid(format!("field `options.source`: {error}")))
}

pub(super) fn progress(session: &Session, context: &Arc<Context>, run_id: String) -> Answered {
    let record = context.runs.get(&run_id).map(|run| Arc::clone(run.value()));
    let Some(record) = record.filter(|run| !run.is_past()) else { return Err(unknown_run(&run_id)) };
    let state = record.state();
    Ok(session.told(&run_id, |told| {
        let mut weight = 0;
        let light = |result: &&TestResultInfo| {
            let before = weight;
            weight += 64 + result.node_id.len() + result.message.as_ref().map_or(0, String::len);
            before == 0 || weight <= PAGE_WEIGHT
        };
        let results: Vec<_> = state.results.iter().skip(*told).take(PAGE).take_while(light).cloned().collect();
        *told += results.len();
        Response::RunProgress {
            total: record.total,
            completed: state.results.len(),
            running: state.running.len(),
            done: state.end.is_some() && *told == state.results.len(),
            results,
            run_id: run_id.clone(),
        }
    }))
}

pub(super) fn control(session: &Session, run_id: &str, wanted: Control) -> Answered {
    if let Some(run) = session.shared.registry.runs.get(run_id) {
        run.ask(wanted);
        return Ok(Response::ControlAck);
    }
    for context in &session.shared.contexts {
        if let Some(record) = context.runs.get(run_id) {
            record.ask(wanted);
            return Ok(Response::ControlAck);
        }
    }
    Err(unknown_run(run_id))
}

pub(super) fn unknown_run(run_id: &str) -> Refusal {
    invalid(format!("no run {run_id:?}: it never was, or ended more than ten minutes ago"))
}
