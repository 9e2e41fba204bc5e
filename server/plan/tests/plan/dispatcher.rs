//! The dispatcher against simulated workers that hold it to pytest's need: no test starts before
//! the one after it, or the end, is known.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use pytest_lens_plan::order::{Command, Dispatcher, Lost};

fn feed(indices: impl IntoIterator<Item = usize>) -> Command {
    Command::Feed(indices.into_iter().collect())
}

#[test]
fn one_worker_gets_all_and_the_end_at_once() {
    let mut dispatcher = Dispatcher::new(vec![vec![2, 0], vec![1]], 1, Some(1));
    assert_eq!(dispatcher.next(0), [feed([2, 0, 1]), Command::End]);
    assert_eq!(dispatcher.next(0), []);
    assert!(!dispatcher.is_done());
    for index in [2, 0, 1] {
        dispatcher.started(0, index);
        dispatcher.finished(0, index, false);
    }
    assert!(dispatcher.is_done() && dispatcher.unfinished().is_empty());
}

#[test]
fn nothing_to_do_is_the_end() {
    let mut dispatcher = Dispatcher::new(vec![vec![]], 2, None);
    assert_eq!(dispatcher.next(0), [Command::End]);
    assert_eq!(dispatcher.next(7), []);
    assert!(dispatcher.is_done());
}

#[test]
fn units_are_left_to_workers_that_have_nothing() {
    let mut dispatcher = Dispatcher::new(vec![vec![0], vec![1]], 2, None);
    assert_eq!(dispatcher.next(0), [feed([0]), Command::End]);
    assert_eq!(dispatcher.next(1), [feed([1]), Command::End]);
}

#[test]
fn the_next_unit_is_taken_only_when_it_is_needed() {
    let units = vec![vec![0, 1], vec![2, 3], vec![4]];
    let mut dispatcher = Dispatcher::new(units, 2, None);
    assert_eq!(dispatcher.next(0), [feed([0, 1])]);
    assert_eq!(dispatcher.next(1), [feed([2, 3])]);
    dispatcher.started(0, 0);
    assert_eq!(dispatcher.next(0), []);
    dispatcher.started(1, 2);
    dispatcher.finished(1, 2, false);
    // Worker 1 cannot start 3 before it knows what comes next.
    assert_eq!(dispatcher.next(1), [feed([4])]);
    dispatcher.finished(0, 0, false);
    assert_eq!(dispatcher.next(0), [Command::End]);
}

#[test]
fn large_units_are_fed_in_small_batches() {
    let mut dispatcher = Dispatcher::new(vec![(0..400).collect(), (400..800).collect()], 2, None);
    assert_eq!(dispatcher.next(0), [feed(0..128)]);
    for index in 0..65 {
        assert_eq!(dispatcher.next(0), []);
        dispatcher.started(0, index);
        dispatcher.finished(0, index, false);
    }
    assert_eq!(dispatcher.next(0), [feed(128..193)]);
}

#[test]
fn maxfail_feeds_one_ahead_and_then_no_more() {
    let mut dispatcher = Dispatcher::new(vec![vec![0, 1, 2, 3], vec![4, 5, 6]], 2, Some(1));
    assert_eq!(dispatcher.next(0), [feed([0, 1])]);
    assert_eq!(dispatcher.next(1), [feed([4, 5])]);
    dispatcher.started(1, 4);
    dispatcher.started(0, 0);
    assert_eq!(dispatcher.next(0), []);
    dispatcher.finished(0, 0, true);
    assert!(dispatcher.maxfail_reached());
    assert!(!dispatcher.is_done(), "4 is running");
    assert_eq!(dispatcher.next(0), [Command::End]);
    assert_eq!(dispatcher.next(1), [Command::End]);
    dispatcher.finished(1, 4, false);
    assert!(dispatcher.is_done());
    assert_eq!(dispatcher.unfinished(), [1, 2, 3, 5, 6]);
    assert_eq!((0..7).filter(|&test| dispatcher.is_open(test)).collect::<Vec<_>>(), [1, 2, 3, 5, 6]);
    assert!(!dispatcher.has_all_verdicts());
}

#[test]
fn a_lost_worker_blames_what_it_ran_and_the_rest_goes_on() {
    let mut dispatcher = Dispatcher::new(vec![vec![0, 1, 2], vec![3]], 1, Some(0));
    dispatcher.next(0);
    dispatcher.started(0, 0);
    dispatcher.finished(0, 0, false);
    dispatcher.started(0, 1);
    let lost = dispatcher.worker_lost(0);
    assert_eq!(lost, Lost { blamed: Some(1), rescheduled: vec![2, 3] });
    assert_eq!(dispatcher.failures(), 1);
    // The caller's verdict on the blamed test changes nothing.
    dispatcher.finished(0, 1, true);
    assert_eq!(dispatcher.failures(), 1);
    assert!(dispatcher.needs_worker() && !dispatcher.is_done());
    dispatcher.worker_added(0);
    assert!(!dispatcher.needs_worker());
    assert_eq!(dispatcher.next(0), [feed([2, 3]), Command::End]);
    assert_eq!(dispatcher.worker_lost(5), Lost::default());
}

#[test]
fn a_stop_lets_what_runs_finish() {
    let mut dispatcher = Dispatcher::new(vec![vec![0, 1, 2]], 1, None);
    dispatcher.next(0);
    dispatcher.started(0, 0);
    dispatcher.stop();
    assert!(!dispatcher.is_done());
    dispatcher.finished(0, 0, false);
    assert!(dispatcher.is_done());
    assert_eq!(dispatcher.unfinished(), [1, 2]);
    assert_eq!(dispatcher.worker_lost(0), Lost::default());
    assert!(!dispatcher.needs_worker());
}

#[test]
fn a_start_that_crossed_the_stop_counts() {
    let mut dispatcher = Dispatcher::new(vec![vec![0, 1]], 1, None);
    dispatcher.next(0);
    dispatcher.stop();
    dispatcher.started(0, 0);
    assert!(!dispatcher.is_done());
    assert_eq!(dispatcher.worker_lost(0).blamed, Some(0));
    assert!(dispatcher.is_done());
}

/// A worker that behaves like pytest.
#[derive(Debug, Default)]
struct Simulated {
    queue: VecDeque<usize>,
    running: Option<usize>,
    ended: bool,
}

impl Simulated {
    fn can_start(&self) -> bool {
        let enough = if self.ended { 1 } else { 2 };
        self.running.is_none() && self.queue.len() >= enough
    }
}

#[derive(Debug)]
struct Simulation {
    dispatcher: Dispatcher,
    workers: BTreeMap<usize, Simulated>,
    /// For each test how often it was sent, and its verdicts (failed or not).
    fed: BTreeMap<usize, u32>,
    verdicts: BTreeMap<usize, Vec<bool>>,
    feeds_after_limit: usize,
}

impl Simulation {
    fn new(units: Vec<Vec<usize>>, workers: usize, maxfail: Option<u32>) -> Self {
        let mut simulation = Self {
            dispatcher: Dispatcher::new(units, workers, maxfail),
            workers: (0..workers).map(|id| (id, Simulated::default())).collect(),
            fed: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            feeds_after_limit: 0,
        };
        for worker in 0..workers {
            simulation.ask(worker);
        }
        simulation
    }

    fn ask(&mut self, worker: usize) {
        let limit = self.dispatcher.maxfail_reached();
        for command in self.dispatcher.next(worker) {
            let state = self.workers.entry(worker).or_default();
            assert!(!state.ended, "a command after the end");
            match command {
                Command::Feed(indices) => {
                    assert!(!indices.is_empty());
                    self.feeds_after_limit += usize::from(limit);
                    for index in &indices {
                        *self.fed.entry(*index).or_default() += 1;
                    }
                    state.queue.extend(indices);
                }
                Command::End => state.ended = true,
            }
        }
    }

    /// Does one step of the worker that `pick` chooses among those that can act; `false` if none can.
    fn step(&mut self, pick: usize, failed: bool) -> bool {
        let able: Vec<usize> = self
            .workers
            .iter()
            .filter(|(_, state)| state.running.is_some() || state.can_start())
            .map(|(id, _)| *id)
            .collect();
        let Some(&worker) = able.get(pick % able.len().max(1)) else {
            return false;
        };
        let state = self.workers.entry(worker).or_default();
        if let Some(index) = state.running.take() {
            self.verdicts.entry(index).or_default().push(failed);
            self.dispatcher.finished(worker, index, failed);
        } else if let Some(index) = state.queue.pop_front() {
            state.running = Some(index);
            self.dispatcher.started(worker, index);
        }
        self.ask(worker);
        true
    }

    fn crash(&mut self, pick: usize, replacement: usize) {
        let ids: Vec<usize> = self.workers.keys().copied().collect();
        let worker = ids[pick % ids.len()];
        let state = self.workers.remove(&worker).unwrap_or_default();
        let lost = self.dispatcher.worker_lost(worker);
        assert_eq!(lost.blamed, state.running);
        if let Some(index) = lost.blamed {
            self.verdicts.entry(index).or_default().push(true);
        }
        self.workers.insert(replacement, Simulated::default());
        self.dispatcher.worker_added(replacement);
        self.ask(replacement);
    }
}

fn plan() -> impl Strategy<Value = (Vec<Vec<usize>>, usize)> {
    (prop::collection::vec(0..25_usize, 0..12), 1..5_usize).prop_map(|(sizes, workers)| {
        let mut next = 0..;
        let units = sizes.into_iter().map(|size| next.by_ref().take(size).collect()).collect();
        (units, workers)
    })
}

fn steps() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::vec((0..100_usize, prop::bool::weighted(0.1)), 1..40)
}

#[test]
fn a_worker_does_not_end_before_a_test_that_all_others_lack() {
    let mut dispatcher = Dispatcher::new(vec![vec![0, 1], vec![2, 3, 4]], 4, None).with_own_collections();
    assert_eq!(dispatcher.next(0), [Command::Feed(vec![0, 1])]);
    assert_eq!(dispatcher.next(1), [Command::Feed(vec![2, 3, 4])]);
    for (worker, lacks) in [(2, vec![]), (3, vec![4]), (0, vec![0, 4])] {
        assert_eq!(dispatcher.lacks(worker, lacks), [0; 0]);
    }
    assert_eq!(dispatcher.next(2), [Command::Feed(vec![0])]);
    assert_eq!(dispatcher.lacks(1, [3, 4]), [0; 0]);
    // Worker 3 is free and has test 3, but nobody else has test 4.
    assert_eq!(dispatcher.next(2), [Command::Feed(vec![3, 4])]);
}

/// A dispatcher whose workers have all reported what they lack.
fn collected(units: &[&[usize]], lacks: &[&[usize]]) -> Dispatcher {
    let units = units.iter().map(|unit| unit.to_vec()).collect();
    let mut dispatcher = Dispatcher::new(units, lacks.len(), None).with_own_collections();
    for (worker, lacks) in lacks.iter().enumerate() {
        assert_eq!(dispatcher.lacks(worker, lacks.iter().copied()), [0; 0]);
    }
    dispatcher
}

#[test]
fn a_worker_takes_of_a_unit_what_only_it_has() {
    let mut dispatcher = collected(&[&[0], &[1, 2]], &[&[2], &[1]]);
    assert_eq!(dispatcher.next(0), [feed([0, 1])]);
    assert_eq!(dispatcher.next(1), [feed([2]), Command::End]);
}

#[test]
fn a_worker_leaves_a_unit_to_an_idle_one_that_lacks_something_else() {
    let mut dispatcher = collected(&[&[0], &[1]], &[&[], &[0]]);
    assert_eq!(dispatcher.next(0), [feed([0]), Command::End]);
    assert_eq!(dispatcher.next(1), [feed([1]), Command::End]);
}

#[test]
fn nothing_is_left_to_an_idle_worker_that_lacks_all_that_waits() {
    let mut dispatcher = collected(&[&[0, 3], &[1], &[2]], &[&[], &[0, 1, 2, 3], &[]]);
    assert_eq!(dispatcher.next(2), [feed([0, 3])]);
    dispatcher.started(2, 0);
    assert_eq!(dispatcher.next(0), [feed([1, 2])]);
}

#[test]
fn each_of_many_workers_gets_one_of_few_units() {
    let mut dispatcher = Dispatcher::new(vec![vec![0], vec![1], vec![2]], 4, None);
    for worker in 0..3 {
        assert_eq!(dispatcher.next(worker), [feed([worker]), Command::End]);
    }
    assert_eq!(dispatcher.next(3), [Command::End]);
}

proptest! {
    #[test]
    fn every_test_runs_exactly_once_whatever_the_pace((units, workers) in plan(), steps in steps()) {
        let total = units.iter().map(Vec::len).sum::<usize>();
        let mut simulation = Simulation::new(units.clone(), workers, None);
        for (pick, failed) in steps.iter().cycle() {
            if !simulation.step(*pick, *failed) {
                break;
            }
        }
        prop_assert!(simulation.dispatcher.is_done());
        prop_assert!(simulation.dispatcher.unfinished().is_empty() && simulation.dispatcher.has_all_verdicts());
        prop_assert_eq!(simulation.verdicts.len(), total);
        prop_assert!(simulation.fed.values().all(|times| *times == 1));
        prop_assert!(simulation.workers.values().all(|worker| worker.ended));
    }

    #[test]
    fn crashes_lose_nothing((units, workers) in plan(), steps in steps(), crashes in prop::collection::vec((0..30_usize, 0..9_usize), 0..6)) {
        let total = units.iter().map(Vec::len).sum::<usize>();
        let mut simulation = Simulation::new(units, workers, None);
        let mut steps = steps.iter().cycle();
        for (number, (pause, pick)) in crashes.into_iter().enumerate() {
            for (pick, failed) in steps.by_ref().take(pause) {
                simulation.step(*pick, *failed);
            }
            simulation.crash(pick, 100 + number);
            prop_assert!(!simulation.dispatcher.needs_worker());
        }
        for (pick, failed) in steps {
            if !simulation.step(*pick, *failed) {
                break;
            }
        }
        prop_assert!(simulation.dispatcher.is_done());
        prop_assert_eq!(simulation.verdicts.len(), total);
        prop_assert!(simulation.verdicts.values().all(|verdicts| verdicts.len() == 1));
    }

    #[test]
    fn nothing_is_fed_once_maxfail_is_reached((units, workers) in plan(), steps in steps(), maxfail in 1..4_u32) {
        prop_assume!(workers > 1);
        let mut simulation = Simulation::new(units, workers, Some(maxfail));
        for (pick, failed) in steps.iter().cycle() {
            let before = simulation.dispatcher.maxfail_reached();
            if before || !simulation.step(*pick, *failed) {
                break;
            }
        }
        let failures = simulation.verdicts.values().flatten().filter(|failed| **failed).count();
        prop_assert_eq!(simulation.dispatcher.failures() as usize, failures);
        prop_assert_eq!(simulation.dispatcher.maxfail_reached(), failures >= maxfail as usize);
        for worker in 0..workers {
            simulation.ask(worker);
        }
        prop_assert_eq!(simulation.feeds_after_limit, 0);
        // A worker never held more than pytest's look-ahead needs.
        prop_assert!(simulation.workers.values().all(|worker| worker.queue.len() <= 2));
    }

    #[test]
    fn after_a_stop_only_what_runs_is_waited_for((units, workers) in plan(), steps in steps(), pause in 0..40_usize) {
        let all = units.concat();
        let mut simulation = Simulation::new(units, workers, None);
        for (pick, failed) in steps.iter().cycle().take(pause) {
            simulation.step(*pick, *failed);
        }
        simulation.dispatcher.stop();
        let running: Vec<(usize, usize)> = simulation
            .workers
            .iter()
            .filter_map(|(id, state)| state.running.map(|index| (*id, index)))
            .collect();
        prop_assert_eq!(
            simulation.dispatcher.is_done(),
            running.is_empty() || simulation.dispatcher.unfinished().is_empty()
        );
        for (worker, index) in &running {
            simulation.dispatcher.finished(*worker, *index, false);
        }
        prop_assert!(simulation.dispatcher.is_done());
        let left = all.len() - simulation.verdicts.len() - running.len();
        prop_assert_eq!(simulation.dispatcher.unfinished().len(), left);
    }

    #[test]
    fn what_one_collection_lacks_another_worker_runs(
        (units, workers) in plan(),
        order in prop::collection::vec((0..5_usize, prop::collection::btree_set(0..100_usize, 0..60)), 1..5),
        steps in steps(),
    ) {
        let all: BTreeSet<usize> = units.concat().into_iter().collect();
        let lacks: BTreeMap<usize, BTreeSet<usize>> =
            order.into_iter().filter(|(worker, _)| *worker < workers).collect();
        let lacked = |worker| lacks.get(&worker).cloned().unwrap_or_default();
        let nobody_has = |index: &usize| (0..workers).all(|worker| lacked(worker).contains(index));
        let mut dispatcher = Dispatcher::new(units, workers, None).with_own_collections();
        let mut simulated: Vec<Simulated> = (0..workers).map(|_| Simulated::default()).collect();
        let mut told = vec![false; workers];
        let (mut ran, mut lost) = (Vec::new(), Vec::new());
        let mut steps = steps.iter().cycle();
        loop {
            for (worker, state) in simulated.iter_mut().enumerate() {
                for command in dispatcher.next(worker) {
                    match command {
                        Command::Feed(indices) => state.queue.extend(indices),
                        Command::End => state.ended = true,
                    }
                }
            }
            let able: Vec<usize> = (0..workers)
                .filter(|worker| !told[*worker] || simulated[*worker].running.is_some() || simulated[*worker].can_start())
                .collect();
            let (Some((pick, _)), false) = (steps.next(), able.is_empty()) else { break };
            let worker = able[pick % able.len()];
            let state = &mut simulated[worker];
            if !told[worker] {
                told[worker] = true;
                state.queue.retain(|index| !lacked(worker).contains(index));
                for index in dispatcher.lacks(worker, lacked(worker)) {
                    dispatcher.finished(worker, index, false);
                    lost.push(index);
                }
            } else if let Some(index) = state.running.take() {
                dispatcher.finished(worker, index, false);
                ran.push(index);
            } else if let Some(index) = state.queue.pop_front() {
                state.running = Some(index);
                dispatcher.started(worker, index);
            }
        }
        prop_assert!(dispatcher.has_all_verdicts(), "{:?}", dispatcher.unfinished());
        prop_assert!(simulated.iter().all(|worker| worker.ended));
        ran.sort_unstable();
        lost.sort_unstable();
        prop_assert_eq!(ran, all.iter().filter(|index| !nobody_has(index)).copied().collect::<Vec<_>>());
        prop_assert_eq!(lost, all.iter().filter(|index| nobody_has(index)).copied().collect::<Vec<_>>());
    }

    #[test]
    fn a_unit_stays_on_one_worker((units, workers) in plan(), steps in steps()) {
        let mut simulation = Simulation::new(units.clone(), workers, None);
        let mut owner: BTreeMap<usize, usize> = BTreeMap::new();
        for (pick, failed) in steps.iter().cycle() {
            for (id, state) in &simulation.workers {
                owner.extend(state.queue.iter().chain(&state.running).map(|index| (*index, *id)));
            }
            if !simulation.step(*pick, *failed) {
                break;
            }
        }
        for unit in units {
            prop_assert!(unit.windows(2).all(|pair| owner[&pair[0]] == owner[&pair[1]]));
        }
    }

    #[test]
    fn nonsense_never_panics(events in prop::collection::vec((0..8_u8, 0..4_usize, 0..12_usize), 0..80)) {
        let mut dispatcher = Dispatcher::new(vec![vec![0, 1, 1, 2], vec![2, 3, 4], vec![5]], 2, Some(3));
        for (kind, worker, index) in events {
            match kind {
                0 | 1 => drop(dispatcher.next(worker)),
                2 | 3 => dispatcher.started(worker, index),
                4 => dispatcher.finished(worker, index, index % 2 == 0),
                5 => drop(dispatcher.worker_lost(worker)),
                6 => dispatcher.worker_added(worker),
                _ if index == 0 => dispatcher.stop(),
                _ => {}
            }
            prop_assert!(dispatcher.unfinished().len() <= 6);
            prop_assert!(!(dispatcher.is_done() && dispatcher.needs_worker()));
        }
    }
}
