//! A scenario: all that a seed decides in advance. The tests, the machines, the runs that clients request, and the
//! faults.

use std::time::Duration;

use pytest_lens_history::Source;
use pytest_lens_plan::rerun::Policy;

use super::random::Random;
use crate::processes::mode::ModeRequest;
use crate::runs::plan::ConflictPolicy;

/// The behavior of a test, by construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Nature {
    /// Always this outcome.
    Steady(&'static str),
    /// Fails this often in a run, and then passes.
    Flaky(u32),
    /// Ends its process this often in a run, and then passes.
    Kills(u32),
    /// Never ends.
    Hangs,
    /// Ends its session after it has passed.
    Interrupts,
}

#[derive(Debug, Clone)]
pub(super) struct Test {
    pub file: usize,
    pub class: Option<usize>,
    pub nature: Nature,
    /// Its duration.
    pub ms: u64,
    /// A plugin repeats it so often after a crash.
    pub after_crash: u32,
}

/// An action of the client of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Stop,
    Kill,
    /// It goes away, and with it its lease of the run.
    Leave,
}

#[derive(Debug, Clone)]
pub(super) struct RunScript {
    /// When it is requested.
    pub at: Duration,
    pub selected: Vec<usize>,
    pub workers: usize,
    pub maxfail: Option<u32>,
    pub timeout_ms: Option<u64>,
    pub time_limit: Option<Duration>,
    pub rerun: Policy,
    pub conflicts: ConflictPolicy,
    pub source: Source,
    pub whole_files: bool,
    /// Its first runner may be the process that has collected.
    pub may_take_session: bool,
    /// With the time from its beginning.
    pub acts: Vec<(Duration, Act)>,
}

/// A fault that the clock brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Kills a process that runs tests.
    KillRunner,
    /// Stops one with a signal for this many milliseconds.
    Freeze(u64),
    /// Kills a collected session, of which runners are forks.
    KillCollected,
    KillInterpreter,
    LoseNode,
    /// A node answers nothing for this many milliseconds.
    Silence(u64),
    /// A node with this many CPUs joins.
    Join(usize),
    Drain,
    KillDriver,
    /// The folder of the history is away for this many milliseconds.
    HistoryAway(u64),
    /// Somebody removes the history's file.
    HistoryRemoved,
}

impl Fault {
    /// Whether processes end by it.
    pub(super) fn ends_processes(self) -> bool {
        !matches!(self, Fault::Join(_) | Fault::HistoryAway(_) | Fault::HistoryRemoved)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub seed: u64,
    pub tests: Vec<Test>,
    pub mode: ModeRequest,
    /// Runners are forks of the collected session.
    pub is_shared: bool,
    /// Tests run on nodes with this many CPUs each.
    pub nodes: Vec<usize>,
    pub runs: Vec<RunScript>,
    pub faults: Vec<(Duration, Fault)>,
    /// The longest way of a message, in milliseconds.
    pub latency: u64,
    /// Sessions that collect by themselves lack this share of the tests, in percent.
    pub lacking: u64,
    /// This share of forks fails, in percent.
    pub failing_forks: u64,
    /// The history has a file; otherwise it is in memory.
    pub has_file: bool,
}

impl Scenario {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let random = &mut random;
        let on_nodes = random.percent(35);
        let nodes =
            if on_nodes { (0..random.within(1, 5)).map(|_| random.within(1, 3) as usize).collect() } else { vec![] };
        let is_shared = random.percent(75);
        let mode = if random.percent(85) { ModeRequest::Embedded } else { ModeRequest::Subprocess };
        let is_calm = random.percent(25);
        let tests = tests(random, is_calm);
        let count = random.pick(&[1, 1, 1, 2, 2, 3, 4]);
        let runs: Vec<RunScript> = (0..count).map(|_| run(random, &tests, is_calm)).collect();
        let length = 300 + tests.iter().map(|test| test.ms).sum::<u64>();
        let faults = if is_calm { Vec::new() } else { faults(random, on_nodes, length) };
        Scenario {
            seed,
            mode,
            is_shared,
            nodes,
            runs,
            faults,
            latency: random.pick(&[0, 0, 1, 5, 40, 400]),
            lacking: if random.percent(10) { random.within(1, 30) } else { 0 },
            failing_forks: if !is_calm && random.percent(8) { random.within(5, 60) } else { 0 },
            has_file: random.percent(8),
            tests,
        }
    }

    /// The id of a test.
    pub(super) fn id(&self, test: usize) -> String {
        let Test { file, class, .. } = &self.tests[test];
        match class {
            Some(class) => format!("test_{file}.py::Test{class}::test_{test}"),
            None => format!("test_{file}.py::test_{test}"),
        }
    }

    /// Whether a process may end without a fault of the engine.
    pub(super) fn has_ends(&self) -> bool {
        self.failing_forks > 0
            || self.faults.iter().any(|(_, fault)| fault.ends_processes())
            || self.tests.iter().any(|test| matches!(test.nature, Nature::Kills(_)))
    }
}

fn tests(random: &mut Random, is_calm: bool) -> Vec<Test> {
    let count = match random.below(20) {
        0 => random.within(100, 600),
        1..=5 => random.within(20, 100),
        _ => random.within(1, 25),
    };
    let files = random.within(1, count.div_ceil(3)) as usize;
    let longest = random.pick(&[0, 2, 20, 200, 2_000]);
    let wildness = if is_calm { 0 } else { random.pick(&[0, 2, 10]) };
    let mut tests: Vec<Test> = (0..count)
        .map(|_| {
            let nature = if random.percent(wildness) {
                match random.below(8) {
                    0 => Nature::Hangs,
                    1 => Nature::Interrupts,
                    2..=4 => Nature::Kills(random.pick(&[1, 1, 2, 1_000])),
                    _ => Nature::Flaky(random.pick(&[1, 1, 2, 4])),
                }
            } else {
                Nature::Steady(random.pick(&[
                    "passed", "passed", "passed", "passed", "passed", "passed", "failed", "skipped", "xfailed",
                    "xpassed", "error",
                ]))
            };
            let after_crash = if random.percent(15) { random.pick(&[1, 2]) } else { 0 };
            let class = random.percent(30).then(|| random.index(3));
            Test { file: random.index(files), class, nature, ms: random.within(0, longest), after_crash }
        })
        .collect();
    tests.sort_by_key(|test| (test.file, test.class));
    tests
}

fn run(random: &mut Random, tests: &[Test], is_calm: bool) -> RunScript {
    let whole = random.percent(50);
    let share = random.within(5, 95);
    let mut selected: Vec<usize> = (0..tests.len()).filter(|_| whole || random.percent(share)).collect();
    if selected.is_empty() {
        selected.push(random.index(tests.len()));
    }
    let hangs = selected.iter().any(|&test| tests[test].nature == Nature::Hangs);
    let timeout_ms = (hangs || random.percent(20)).then(|| random.pick(&[500, 3_000, 10_000]));
    let time_limit =
        random.percent(if is_calm { 0 } else { 6 }).then(|| Duration::from_millis(random.within(50, 20_000)));
    let rerun = match random.below(10) {
        0..=1 => Policy {
            enabled: true,
            max_reruns: random.pick(&[1, 2, 3]),
            only_flaky: random.percent(20),
            delay_ms: random.pick(&[0, 0, 10, 1_000]),
            until_failure: false,
        },
        2 if selected.len() < 10 => Policy::until_failure(random.pick(&[1, 2, 5])),
        _ => Policy::default(),
    };
    let acts = match random.below(12) {
        _ if is_calm => Vec::new(),
        0..=1 => vec![(random.ms(5_000), random.pick(&[Act::Stop, Act::Kill, Act::Leave]))],
        2 => vec![(random.ms(3_000), Act::Stop), (random.ms(6_000), Act::Kill)],
        _ => Vec::new(),
    };
    RunScript {
        at: random.ms(4_000),
        workers: random.pick(&[1, 1, 2, 2, 3, 4, 8]),
        maxfail: random.percent(15).then(|| random.pick(&[1, 1, 2, 5])),
        timeout_ms,
        time_limit,
        rerun,
        conflicts: random.pick(&[
            ConflictPolicy::Replaceable,
            ConflictPolicy::Replaceable,
            ConflictPolicy::Waits,
            ConflictPolicy::Independent,
        ]),
        source: random.pick(&[Source::Editor, Source::Cli, Source::Ci, Source::Agent]),
        whole_files: random.percent(15),
        may_take_session: random.percent(15),
        acts,
        selected,
    }
}

fn faults(random: &mut Random, on_nodes: bool, length: u64) -> Vec<(Duration, Fault)> {
    let count = random.pick(&[0, 1, 1, 2, 3, 6, 12]);
    let mut faults: Vec<(Duration, Fault)> = (0..count)
        .map(|_| {
            let fault = match random.below(if on_nodes { 12 } else { 8 }) {
                0..=2 => Fault::KillRunner,
                3 => Fault::Freeze(random.pick(&[100, 1_000, 1_900, 2_600, 30_000])),
                4 => Fault::KillCollected,
                5 if random.percent(40) => Fault::KillInterpreter,
                5..=6 => Fault::HistoryAway(random.within(1, 60_000)),
                7 => random.pick(&[Fault::HistoryRemoved, Fault::KillRunner]),
                8 => Fault::LoseNode,
                9 => Fault::Silence(random.pick(&[500, 5_000, 9_000, 15_000])),
                10 => Fault::Join(random.within(1, 3) as usize),
                _ if random.percent(20) => Fault::KillDriver,
                _ => Fault::Drain,
            };
            (Duration::from_millis(random.within(0, length)), fault)
        })
        .collect();
    faults.sort_by_key(|(at, _)| *at);
    faults
}
