//! Measures how many runners the dispatcher keeps busy: the real dispatcher, with simulated runners on a simulated
//! clock, on which its own decisions take the time that they really take. Clusters of that size are at hand nowhere.

use super::{Bench, Figure};
use anyhow::{Result, ensure};
use pytest_lens_plan::order::{Command, Dispatcher, Item, units};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

/// The duration of each test.
const TEST: Duration = Duration::from_millis(20);

/// The time that a runner takes for a test besides, as `tests/ray/scale.py` measures it with one node.
const OVERHEAD: Duration = Duration::from_micros(1_500);

/// The way of a message between the engine and a runner.
const WIRE: Duration = Duration::from_millis(1);

const FILES: usize = 2_000;
const TESTS_PER_FILE: usize = 50;

/// A simulated runner.
#[derive(Default)]
struct Runner {
    held: VecDeque<usize>,
    is_running: bool,
    ended: bool,
}

impl Runner {
    /// The next test, if the runner may start it: it must know the one after it, or that there is none.
    fn start(&mut self) -> Option<usize> {
        let may_start = !self.is_running && self.held.len() > usize::from(!self.ended);
        let test = if may_start { self.held.pop_front() } else { None };
        self.is_running |= test.is_some();
        test
    }
}

/// A message on its way.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Started(usize),
    Finished(usize),
    Commands(Vec<usize>, bool),
}

/// The end of a simulated run.
struct Ended {
    /// On the simulated clock.
    whole: Duration,
    /// The time that the dispatcher really took.
    deciding: Duration,
}

/// A run on a simulated clock.
struct Simulation {
    dispatcher: Dispatcher,
    runners: Vec<Runner>,
    /// By time; the number keeps the order of messages of one moment.
    messages: BinaryHeap<Reverse<(Duration, usize, usize, Message)>>,
    sent: usize,
    /// When the dispatcher has handled all messages so far.
    free: Duration,
    deciding: Duration,
}

impl Simulation {
    fn send(&mut self, at: Duration, runner: usize, message: Message) {
        self.sent += 1;
        self.messages.push(Reverse((at + WIRE, self.sent, runner, message)));
    }

    /// The dispatcher handles a report of a runner, and sends it what follows from that.
    fn decide(&mut self, at: Duration, runner: usize, report: impl FnOnce(&mut Dispatcher)) {
        let began = Instant::now();
        report(&mut self.dispatcher);
        let commands = self.dispatcher.next(runner);
        let took = began.elapsed();
        self.deciding += took;
        self.free = self.free.max(at) + took;
        let mut feed = Vec::new();
        let mut is_end = false;
        for command in commands {
            match command {
                Command::Feed(indices) => feed.extend(indices),
                Command::End => is_end = true,
            }
        }
        if is_end || !feed.is_empty() {
            self.send(self.free, runner, Message::Commands(feed, is_end));
        }
    }

    fn start(&mut self, at: Duration, runner: usize) {
        if let Some(test) = self.runners.get_mut(runner).and_then(Runner::start) {
            self.send(at, runner, Message::Started(test));
            self.send(at + TEST + OVERHEAD, runner, Message::Finished(test));
        }
    }

    fn handle(&mut self, at: Duration, runner: usize, message: Message) {
        match message {
            Message::Started(test) => self.decide(at, runner, |dispatcher| dispatcher.started(runner, test)),
            Message::Finished(test) => {
                self.decide(at, runner, |dispatcher| dispatcher.finished(runner, test, false));
                // The runner has gone on as it sent the message.
                if let Some(state) = self.runners.get_mut(runner) {
                    state.is_running = false;
                }
                self.start(at.saturating_sub(WIRE), runner);
            }
            Message::Commands(feed, is_end) => {
                if let Some(state) = self.runners.get_mut(runner) {
                    state.held.extend(feed);
                    state.ended |= is_end;
                }
                self.start(at, runner);
            }
        }
    }
}

/// Runs all tests on so many runners, none of which is lost.
fn simulate(runners: usize) -> Result<Ended> {
    let files: Vec<String> = (0..FILES).map(|number| format!("test_{number}.py")).collect();
    let names: Vec<String> =
        files.iter().flat_map(|file| (0..TESTS_PER_FILE).map(move |number| format!("{file}::test_{number}"))).collect();
    let items = names.iter().enumerate().map(|(index, name)| Item {
        index,
        node_id: name,
        file: &files[index / TESTS_PER_FILE],
        class: None,
        group: None,
        duration_ms: Some(TEST.as_secs_f64() * 1e3),
    });
    let planned = units(&items.collect::<Vec<_>>(), runners);
    let dispatcher = Dispatcher::new(planned, runners, None).with_own_collections().with_late_workers();
    let mut simulation = Simulation {
        dispatcher,
        runners: std::iter::repeat_with(Runner::default).take(runners).collect(),
        messages: BinaryHeap::new(),
        sent: 0,
        free: Duration::ZERO,
        deciding: Duration::ZERO,
    };
    for runner in 0..runners {
        simulation.decide(Duration::ZERO, runner, |dispatcher| {
            dispatcher.worker_added(runner);
            dispatcher.lacks(runner, []);
        });
    }
    while let Some(Reverse((at, _, runner, message))) = simulation.messages.pop() {
        simulation.handle(at, runner, message);
    }
    ensure!(simulation.dispatcher.has_all_verdicts(), "tests are left over");
    Ok(Ended { whole: simulation.free, deciding: simulation.deciding })
}

/// The figures of clusters of 8 to 1,000 runners.
#[expect(clippy::cast_precision_loss, reason = "a hundred thousand")]
pub(crate) fn measure(_: &Bench) -> Result<Vec<Figure>> {
    const TESTS: f64 = (FILES * TESTS_PER_FILE) as f64;
    simulate(8)?;
    let mut figures = Vec::new();
    for (runners, promised) in [(8, 0.8), (64, 0.8), (1_000, 0.7)] {
        let ended = simulate(runners)?;
        let busy = TESTS * TEST.as_secs_f64() / runners as f64;
        let efficiency = busy / ended.whole.as_secs_f64();
        let what = format!("100,000 tests of 20 ms, {runners} simulated runners: efficiency");
        let times = (format!("{:.1} s", ended.whole.as_secs_f64()), format!("{busy:.1} s"));
        figures.push(Figure::share(what, efficiency, times, promised));
        let what = format!("outcomes a second that the dispatcher handles, {runners} runners");
        figures.push(Figure::rate(what, TESTS / ended.deciding.as_secs_f64(), 100_000.0));
    }
    Ok(figures)
}
