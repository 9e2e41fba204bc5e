//! The dispatcher with workers on the nodes of a cluster: they come when there is room for them, or never, and go
//! without a word.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use pytest_lens_plan::order::{Command, Dispatcher};

#[test]
fn nothing_is_kept_for_a_worker_that_is_not_there() {
    let units = vec![vec![0, 1], vec![2], vec![3]];
    let mut dispatcher = Dispatcher::new(units, 3, None).with_own_collections().with_late_workers();
    assert_eq!(dispatcher.next(0), []);
    dispatcher.worker_added(0);
    dispatcher.lacks(0, []);
    assert_eq!(dispatcher.waiting_units(), 3);
    assert_eq!(dispatcher.next(0), [Command::Feed(vec![0, 1])]);
    for index in [0, 1, 2, 3] {
        dispatcher.started(0, index);
        dispatcher.next(0);
        dispatcher.finished(0, index, false);
        dispatcher.next(0);
    }
    assert!(dispatcher.has_all_verdicts());
}

#[test]
fn the_only_expected_worker_leaves_units_for_one_that_joins() {
    let units = (0..8).map(|index| vec![index]).collect();
    let mut dispatcher = Dispatcher::new(units, 1, None).with_own_collections().with_late_workers();
    dispatcher.worker_added(0);
    dispatcher.lacks(0, []);
    dispatcher.next(0);
    dispatcher.started(0, 0);
    assert!(dispatcher.waiting_units() >= 4, "{}", dispatcher.waiting_units());
    dispatcher.worker_added(1);
    dispatcher.lacks(1, []);
    assert!(matches!(dispatcher.next(1).as_slice(), [Command::Feed(fed)] if !fed.is_empty()));
}

#[test]
fn a_withdrawn_worker_blames_no_test() {
    let mut dispatcher = Dispatcher::new(vec![vec![0, 1, 2]], 1, Some(1));
    dispatcher.next(0);
    dispatcher.started(0, 0);
    dispatcher.finished(0, 0, false);
    dispatcher.started(0, 1);
    let lost = dispatcher.worker_withdrawn(0);
    assert_eq!((lost.blamed, lost.rescheduled), (None, vec![1, 2]));
    assert_eq!((dispatcher.failures(), dispatcher.unfinished()), (0, vec![1, 2]));
    assert!(dispatcher.needs_worker());
}

#[test]
fn a_test_that_is_repeated_after_a_crash_is_no_failure_yet() {
    let mut dispatcher = Dispatcher::new(vec![vec![0, 1, 2]], 1, Some(1));
    dispatcher.next(0);
    dispatcher.started(0, 0);
    let lost = dispatcher.worker_lost_for_now(0);
    assert_eq!((lost.blamed, lost.rescheduled), (Some(0), vec![1, 2]));
    assert_eq!((dispatcher.failures(), dispatcher.unfinished()), (0, vec![1, 2]));
    assert!(dispatcher.needs_worker() && !dispatcher.maxfail_reached());
}

/// A worker on a node.
#[derive(Debug, Default)]
struct OnNode {
    queue: VecDeque<usize>,
    running: Option<usize>,
    ended: bool,
}

impl OnNode {
    fn can_act(&self) -> bool {
        self.running.is_some() || self.queue.len() > usize::from(!self.ended)
    }
}

#[derive(Debug)]
struct Cluster {
    dispatcher: Dispatcher,
    nodes: BTreeMap<usize, OnNode>,
    next: usize,
    /// Tests that ran on a node when it was lost.
    lost_once: BTreeSet<usize>,
    verdicts: BTreeMap<usize, u32>,
}

impl Cluster {
    fn new(units: Vec<Vec<usize>>, workers: usize) -> Self {
        let dispatcher = Dispatcher::new(units, workers, None).with_own_collections().with_late_workers();
        Cluster { dispatcher, nodes: BTreeMap::new(), next: 0, lost_once: BTreeSet::new(), verdicts: BTreeMap::new() }
    }

    fn join(&mut self) {
        let node = self.next;
        self.next += 1;
        self.nodes.insert(node, OnNode::default());
        self.dispatcher.worker_added(node);
        self.dispatcher.lacks(node, []);
        self.ask_all();
    }

    fn lose(&mut self, pick: usize) {
        let Some(&node) = self.nodes.keys().nth(pick % self.nodes.len().max(1)) else { return };
        let state = self.nodes.remove(&node).unwrap_or_default();
        if state.running.is_none_or(|index| self.lost_once.insert(index)) {
            assert_eq!(self.dispatcher.worker_withdrawn(node).blamed, None);
        } else {
            assert_eq!(self.dispatcher.worker_lost(node).blamed, state.running);
            state.running.into_iter().for_each(|index| *self.verdicts.entry(index).or_default() += 1);
        }
        self.ask_all();
    }

    fn ask_all(&mut self) {
        for (&node, state) in &mut self.nodes {
            for command in self.dispatcher.next(node) {
                match command {
                    Command::Feed(indices) => state.queue.extend(indices),
                    Command::End => state.ended = true,
                }
            }
        }
    }

    /// Does one step of a node that can act; `false` if none can.
    fn step(&mut self, pick: usize) -> bool {
        let able: Vec<usize> = self.nodes.iter().filter(|(_, state)| state.can_act()).map(|(node, _)| *node).collect();
        let Some(&node) = able.get(pick % able.len().max(1)) else { return false };
        let Some(state) = self.nodes.get_mut(&node) else { return false };
        if let Some(index) = state.running.take() {
            *self.verdicts.entry(index).or_default() += 1;
            self.dispatcher.finished(node, index, false);
        } else if let Some(index) = state.queue.pop_front() {
            state.running = Some(index);
            self.dispatcher.started(node, index);
        }
        self.ask_all();
        true
    }
}

#[derive(Debug, Clone, Copy)]
enum Happening {
    Join,
    Lose(usize),
    Steps(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        2 => Just(Happening::Join),
        1 => (0..8_usize).prop_map(Happening::Lose),
        4 => (0..20_usize).prop_map(Happening::Steps),
    ]
}

proptest! {
    #[test]
    fn nodes_that_come_and_go_lose_and_double_nothing(
        sizes in prop::collection::vec(0..25_usize, 0..10),
        workers in 1..5_usize,
        happenings in prop::collection::vec(happening(), 0..40),
        picks in prop::collection::vec(0..100_usize, 1..40),
    ) {
        let mut next = 0..;
        let units: Vec<Vec<usize>> = sizes.into_iter().map(|size| next.by_ref().take(size).collect()).collect();
        let total = units.iter().map(Vec::len).sum::<usize>();
        let mut cluster = Cluster::new(units, workers);
        let mut picks = picks.iter().cycle().copied();
        for happening in happenings {
            match happening {
                Happening::Join => cluster.join(),
                Happening::Lose(pick) => cluster.lose(pick),
                Happening::Steps(count) => {
                    for pick in picks.by_ref().take(count) {
                        cluster.step(pick);
                    }
                }
            }
        }
        // A node is asked for where none is left that takes tests, as the engine does.
        if cluster.nodes.is_empty() || cluster.dispatcher.needs_worker() {
            cluster.join();
        }
        for pick in picks {
            if !cluster.step(pick) {
                break;
            }
        }
        prop_assert!(cluster.dispatcher.has_all_verdicts(), "{:?}", cluster.dispatcher.unfinished());
        prop_assert_eq!(cluster.verdicts.len(), total);
        prop_assert!(cluster.verdicts.values().all(|count| *count == 1));
    }
}
