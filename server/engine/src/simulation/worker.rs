//! The simulated Python processes: interpreters, collected sessions and runners, which speak the worker's side of the
//! protocol (`python/pytest_lens/worker`).

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::journal::message_of;
use super::machine::{Cause, End, Machine, Sent, SimProcess};
use super::random::Random;
use super::scenario::Nature;
use crate::model::node::CollectedItem;
use crate::model::outcome::ReportedOutcome;
use crate::processes::process::ExitStatus;
use crate::processes::wire_reads::WireRead;
use crate::processes::worker_protocol::{FromWorker, Ready, Role, RunOrder, ToWorker, WireCollected};

/// A simulated process at work.
pub(super) struct Worker {
    pub machine: Arc<Machine>,
    pub process: Arc<SimProcess>,
    pub orders: mpsc::UnboundedReceiver<ToWorker>,
    pub messages: mpsc::UnboundedSender<Sent>,
    pub random: Random,
}

/// Starts an interpreter, whose end the engine itself notices.
pub(super) fn start_interpreter(machine: &Arc<Machine>, name: &str) {
    let process = machine.process(name, None);
    start(machine, Arc::clone(&process), None, Role::Base);
    let machine = Arc::clone(machine);
    tokio::spawn(async move {
        let end = process.over().await;
        sleep(machine.random().ms(300)).await;
        let status = ExitStatus { code: end.code, signal: end.signal, ..ExitStatus::default() };
        machine.roster.report_exit(&process.name, status);
    });
}

/// Starts a process of this machine, which connects to the engine.
fn start(machine: &Arc<Machine>, process: Arc<SimProcess>, parent: Option<&str>, role: Role) {
    let (machine, parent) = (Arc::clone(machine), parent.map(str::to_owned));
    tokio::spawn(async move {
        let Some((line, orders)) = machine.connect(&process, parent.as_deref(), &process, None) else {
            return process.finish(End::exit(Cause::Done, 70));
        };
        let (messages, piped) = mpsc::unbounded_channel();
        tokio::spawn(Arc::clone(&machine).pipe(line, piped));
        let random = machine.random();
        work(Worker { machine, process, orders, messages, random }, role).await;
    });
}

/// Works until the process ends.
pub(super) async fn work(worker: Worker, role: Role) {
    let process = Arc::clone(&worker.process);
    tokio::select! {
        biased;
        _ = process.over() => {}
        end = worker.act(role) => process.finish(end),
    }
}

impl Worker {
    async fn act(mut self, role: Role) -> End {
        match role {
            Role::Runner => return self.run_tests(false).await,
            Role::Session => return self.run_tests(true).await,
            Role::Base => self.send(FromWorker::Ready(Box::new(ready()))),
            _ => self.collect().await,
        }
        loop {
            match self.next_order().await {
                None | Some(ToWorker::Exit) => return End::exit(Cause::Done, 0),
                Some(ToWorker::Fork { host, role, .. }) => self.fork(host, role).await,
                Some(ToWorker::Become { role: Role::Runner, .. }) => return self.run_tests(false).await,
                Some(ToWorker::Become { role: Role::Session, .. }) => return self.run_tests(true).await,
                Some(ToWorker::Become { .. }) => self.collect().await,
                Some(_) => {}
            }
        }
    }

    /// The next order; `None` if the engine has gone.
    async fn next_order(&mut self) -> Option<ToWorker> {
        let order = self.orders.recv().await;
        self.process.going_on().await;
        self.machine.trace(&self.process.name, || format!("gets {order:?}"));
        order
    }

    fn send(&self, message: FromWorker) {
        let _ = self.messages.send(message.into());
    }

    /// Takes time, in which a signal may stop it.
    async fn take(&self, time: Duration) {
        if !time.is_zero() {
            sleep(time).await;
        }
        self.process.going_on().await;
    }

    /// Takes up to this many milliseconds.
    async fn pause(&mut self, most: u64) {
        let time = self.random.ms(most);
        self.take(time).await;
    }

    async fn collect(&mut self) {
        let scenario = Arc::clone(&self.machine.scenario);
        self.pause(300).await;
        let items: Vec<CollectedItem> = (0..scenario.tests.len()).map(|test| item(&self.machine, test)).collect();
        self.send(FromWorker::Nodes { items });
        let reasons = if scenario.is_shared { vec![] } else { vec!["it is not to be shared".to_owned()] };
        let collected = WireCollected { reasons, ..collected() };
        self.send(FromWorker::Collected(Box::new(collected)));
    }

    /// Forks a process. Its end is reported here; it ends with this one.
    async fn fork(&mut self, host: String, role: Role) {
        self.pause(20).await;
        if self.random.percent(self.machine.scenario.failing_forks) {
            let message = "Resource temporarily unavailable".to_owned();
            return self.send(FromWorker::ForkFailed { host, message, errno: Some(11) });
        }
        let child = self.machine.process(&host, None);
        start(&self.machine, Arc::clone(&child), Some(&self.process.name), role);
        self.send(FromWorker::Forked {});
        let (parent, messages, mut random) = (Arc::clone(&self.process), self.messages.clone(), self.machine.random());
        tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = parent.over() => {
                    sleep(random.ms(10)).await;
                    child.finish(End::signal(Cause::Lost, 9));
                }
                end = child.over() => {
                    sleep(random.ms(300)).await;
                    parent.going_on().await;
                    if parent.end().is_none() {
                        let _ = messages.send(FromWorker::Exited { host, code: end.code, signal: end.signal }.into());
                    }
                }
            }
        });
    }

    async fn run_tests(&mut self, collects: bool) -> End {
        if collects {
            self.pause(500).await;
        }
        self.send(FromWorker::RunnerReady { stacks: None, read: WireRead::default() });
        let order = loop {
            match self.next_order().await {
                None => return End::exit(Cause::Done, 70),
                Some(ToWorker::Run(order)) => break order,
                Some(ToWorker::Exit | ToWorker::Stop) => {
                    self.send(bye(5));
                    return End::exit(Cause::Done, 0);
                }
                Some(_) => {}
            }
        };
        let mut session = Session::of(&order, &self.machine, collects, &mut self.random);
        if order.ids.is_some() {
            let indices = session.missing.iter().copied().collect();
            self.send(FromWorker::Missing { indices });
        }
        session.take(&order.feed, order.end);
        let (reason, message) = match self.run_session(&mut session).await {
            Ok(ended) => ended,
            Err(end) => return end,
        };
        let (exit_status, held, warnings) = (None, false, Vec::new());
        self.send(FromWorker::Done { reason: reason.into(), message, exit_status, held, warnings });
        self.pause(200).await;
        self.send(bye(i32::from(session.failures > 0)));
        self.pause(20).await;
        End::exit(Cause::Done, 0)
    }

    /// Runs what it is fed. Returns why it stops, or how the process ends.
    async fn run_session(&mut self, session: &mut Session) -> Result<(&'static str, Option<String>), End> {
        loop {
            while let Ok(order) = self.orders.try_recv() {
                self.machine.trace(&self.process.name, || format!("gets {order:?}"));
                if session.hears(order) {
                    return Ok(("stop", None));
                }
            }
            while session.queue.len() < 2 && !session.end {
                match self.next_order().await {
                    None => return Err(End::exit(Cause::Done, 70)),
                    Some(order) => {
                        if session.hears(order) {
                            return Ok(("stop", None));
                        }
                    }
                }
            }
            let Some(index) = session.queue.pop_front() else { return Ok(("end", None)) };
            if self.run_test(session, index).await? {
                return Ok(("interrupted", Some("a test ended the session".into())));
            }
            if session.maxfail.is_some_and(|limit| session.failures >= limit) {
                return Ok(("maxfail", Some(format!("stopping after {} failures", session.failures))));
            }
        }
    }

    /// Runs a test. Returns whether it ends the session, or how it ends the process.
    async fn run_test(&mut self, session: &mut Session, index: usize) -> Result<bool, End> {
        let test = session.tests[index];
        let scenario = Arc::clone(&self.machine.scenario);
        let nature = &scenario.tests[test].nature;
        let after_crash = scenario.tests[test].after_crash;
        let (serial, nth) = self.machine.journal().begin(&session.run, test, &self.process);
        let running = Running { machine: &self.machine, run: &session.run, serial, outcome: None };
        let mut running = running;
        self.send(FromWorker::Started { i: index, at: None, after_crash });
        let duration = Duration::from_millis(scenario.tests[test].ms);
        match nature {
            Nature::Kills(times) if nth <= *times => {
                self.take(duration.mul_f64(0.5)).await;
                return Err(End::signal(Cause::Crash, 11));
            }
            Nature::Hangs => std::future::pending::<()>().await,
            _ => self.take(duration).await,
        }
        let outcome = match nature {
            Nature::Steady(outcome) => outcome,
            Nature::Flaky(times) if nth <= *times => "failed",
            _ => "passed",
        };
        running.outcome = Some(outcome);
        session.failures += u32::from(["failed", "error"].contains(&outcome));
        drop(running);
        let ms = duration.as_secs_f64() * 1000.0;
        let message = Some(message_of(serial));
        let reported = ReportedOutcome { i: index, outcome: outcome.to_owned(), ms, message, ..reported() };
        self.send(FromWorker::Finished(Box::new(reported)));
        Ok(*nature == Nature::Interrupts)
    }
}

/// A test at work: the journal learns its end, also where its process is ended.
struct Running<'a> {
    machine: &'a Machine,
    run: &'a str,
    serial: usize,
    outcome: Option<&'static str>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.machine.journal().end(self.run, self.serial, self.outcome);
    }
}

/// The run of one runner.
struct Session {
    run: String,
    /// The tests of its indices.
    tests: Vec<usize>,
    /// Indices that it has not collected.
    missing: BTreeSet<usize>,
    queue: VecDeque<usize>,
    end: bool,
    maxfail: Option<u32>,
    failures: u32,
}

impl Session {
    fn of(order: &RunOrder, machine: &Machine, collects: bool, random: &mut Random) -> Self {
        let tests: Vec<usize> = match &order.ids {
            None => (0..machine.scenario.tests.len()).collect(),
            Some(ids) => ids.iter().filter_map(|id| id.rsplit_once('_')?.1.parse().ok()).collect(),
        };
        let lacking = if collects { machine.scenario.lacking } else { 0 };
        let missing = (0..tests.len()).filter(|_| lacking > 0 && random.percent(lacking)).collect();
        // The folder for temporary files is the run's, then the runner's.
        let run = order.basetemp.rsplit('/').nth(1).unwrap_or_default().to_owned();
        let (queue, maxfail) = (VecDeque::new(), order.maxfail);
        Session { run, tests, missing, queue, end: false, maxfail, failures: 0 }
    }

    fn take(&mut self, indices: &[usize], end: bool) {
        self.queue.extend(indices.iter().filter(|index| !self.missing.contains(index)));
        self.end |= end;
    }

    /// Takes an order. Returns whether it is to stop.
    fn hears(&mut self, order: ToWorker) -> bool {
        match order {
            ToWorker::Stop | ToWorker::Exit => return true,
            ToWorker::Feed { indices, end } => self.take(&indices, end),
            _ => {}
        }
        false
    }
}

fn bye(exitstatus: i32) -> FromWorker {
    FromWorker::Bye { exitstatus, expected: Some(exitstatus), message: None, summary: None }
}

/// A message of the worker, as it is read from a frame.
fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("a message of the simulation")
}

fn ready() -> Ready {
    read(r#"{"python": "3.13.0", "pytest": "9.0.0", "plugins": [], "hazards": []}"#)
}

fn collected() -> WireCollected {
    read("{}")
}

fn reported() -> ReportedOutcome {
    static BLANK: LazyLock<ReportedOutcome> = LazyLock::new(|| read(r#"{"i": 0, "outcome": "passed", "ms": 0.0}"#));
    BLANK.clone()
}

fn item(machine: &Machine, test: usize) -> CollectedItem {
    let scenario = &machine.scenario;
    let (file, class) = (scenario.tests[test].file, scenario.tests[test].class);
    let cls = class.map(|class| format!("Test{class}"));
    let blank: CollectedItem = read(r#"{"id": "", "path": "", "name": "", "kind": "function"}"#);
    CollectedItem { id: scenario.id(test), path: format!("test_{file}.py"), name: format!("test_{test}"), cls, ..blank }
}
