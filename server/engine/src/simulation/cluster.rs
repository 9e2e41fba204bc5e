//! The simulated cluster: its driver, its nodes, and the way of a runner's events home. It stands for Ray and for
//! `worker/cluster`: an actor numbers its events and keeps them until they are acknowledged; a call that fails is made
//! again from the last known number.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use super::machine::{Cause, End, Machine, Sent, SimProcess};
use super::random::Random;
use super::signal::Signal;
use super::worker::{Worker, work};
use crate::processes::roster::Line;
use crate::processes::worker_protocol::{FromWorker, Role, ToWorker};

/// As in `cluster/driver.py`: the longest wait of one call for events, and the silence after which an actor is lost.
const WAIT: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(10);

/// Share of the answers that get lost, and of those that come a second time, in percent.
const LOST_ANSWERS: u64 = 3;
const LATE_ANSWERS: u64 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Works,
    Drains,
    Lost,
}

#[derive(Debug)]
struct Node {
    cpus: usize,
    used: usize,
    state: State,
    /// It answers nothing until then.
    silent_until: Instant,
}

/// The cluster, as its driver knows it.
pub(super) struct Cluster {
    machine: Arc<Machine>,
    pub driver: Arc<SimProcess>,
    messages: mpsc::UnboundedSender<Sent>,
    nodes: Mutex<Vec<Node>>,
    /// Counts changes of the nodes.
    changes: Signal<u64>,
    /// Runners, each with its request to be killed.
    relays: Mutex<BTreeMap<String, Arc<Signal<bool>>>>,
}

impl Cluster {
    /// Starts the driver, whose name the engine expects.
    pub(super) fn start(machine: &Arc<Machine>, name: &str) -> Option<Arc<Self>> {
        let driver = machine.process(name, None);
        let (line, mut orders) = machine.connect(&driver, None, &driver, None)?;
        let (messages, piped) = mpsc::unbounded_channel();
        tokio::spawn(Arc::clone(machine).pipe(line, piped));
        let node = |&cpus: &usize| Node { cpus, used: 0, state: State::Works, silent_until: Instant::now() };
        let cluster = Arc::new(Cluster {
            machine: Arc::clone(machine),
            driver: Arc::clone(&driver),
            messages,
            nodes: Mutex::new(machine.scenario.nodes.iter().map(node).collect()),
            changes: Signal::new(0),
            relays: Mutex::default(),
        });
        let serving = Arc::clone(&cluster);
        tokio::spawn(async move {
            let serve = async {
                while let Some(order) = orders.recv().await {
                    serving.serve(order);
                }
            };
            tokio::select! {
                biased;
                _ = driver.over() => {}
                () = serve => driver.finish(End::exit(Cause::Done, 0)),
            }
        });
        Some(cluster)
    }

    fn nodes(&self) -> MutexGuard<'_, Vec<Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(self: &Arc<Self>, order: ToWorker) {
        let mut relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
        match order {
            ToWorker::StartRemote(order) => {
                let kill = Arc::new(Signal::new(false));
                tokio::spawn(Relay::new(self, order.host.clone(), Arc::clone(&kill)).run());
                relays.insert(order.host, kill);
            }
            ToWorker::KillRemote { host } => {
                if let Some(kill) = relays.get(&host) {
                    kill.change(|_| true);
                }
            }
            _ => {}
        }
    }

    fn send(&self, message: FromWorker) {
        if self.driver.end().is_none() {
            let _ = self.messages.send(message.into());
        }
    }

    /// Number of CPUs of the nodes that there are.
    pub(super) fn cpus(&self) -> usize {
        self.nodes().iter().filter(|node| node.state != State::Lost).map(|node| node.cpus).sum()
    }

    fn has_changed(&self) {
        self.changes.change(|count| count + 1);
        self.send(FromWorker::ClusterSize { cpus: self.cpus() });
    }

    pub(super) fn join(&self, cpus: usize) {
        self.nodes().push(Node { cpus, used: 0, state: State::Works, silent_until: Instant::now() });
        self.has_changed();
    }

    /// A node is gone, with all that runs there.
    pub(super) fn lose(&self, pick: usize) {
        let Some(node) = self.change(pick, |node| node.state = State::Lost) else { return };
        for process in self.machine.live("remote").iter().filter(|process| process.node == Some(node)) {
            process.finish(End::signal(Cause::Lost, 9));
        }
        self.has_changed();
    }

    pub(super) fn silence(&self, pick: usize, time: Duration) {
        self.change(pick, |node| node.silent_until = Instant::now() + time);
        self.has_changed();
    }

    /// A node is about to go: it finishes its tests.
    pub(super) fn drain(self: &Arc<Self>, pick: usize) {
        let Some(node) = self.change(pick, |node| node.state = State::Drains) else { return };
        self.has_changed();
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            sleep(Duration::from_secs(30)).await;
            cluster.lose(node);
        });
    }

    /// Changes one of the nodes that are not lost; returns its number.
    fn change(&self, pick: usize, change: impl FnOnce(&mut Node)) -> Option<usize> {
        let mut nodes = self.nodes();
        let present: Vec<usize> = (0..nodes.len()).filter(|&node| nodes[node].state != State::Lost).collect();
        let node = if present.contains(&pick) { pick } else { *present.get(pick % present.len().max(1))? };
        change(&mut nodes[node]);
        Some(node)
    }

    /// Takes a CPU as soon as one is free.
    async fn take_cpu(&self) -> usize {
        let take = |_| {
            let mut nodes = self.nodes();
            let found = nodes.iter().position(|node| node.state == State::Works && node.used < node.cpus);
            found.into_iter().for_each(|node| nodes[node].used += 1);
            found
        };
        self.changes.wait(take).await
    }

    fn give_back(&self, node: usize) {
        if let Some(node) = self.nodes().get_mut(node) {
            node.used = node.used.saturating_sub(1);
        }
        self.changes.change(|count| count + 1);
    }

    fn state(&self, node: usize) -> State {
        self.nodes().get(node).map_or(State::Lost, |node| node.state)
    }

    /// Waits until a node answers; forever if it is lost.
    async fn answers(&self, node: usize) {
        loop {
            let until = self.nodes().get(node).filter(|node| node.state != State::Lost).map(|node| node.silent_until);
            let Some(until) = until else { return std::future::pending().await };
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// An event of an actor.
#[derive(Debug, Clone)]
enum Event {
    Hello,
    Frame(Box<FromWorker>),
    Closed,
    Exited(Option<i32>, Option<i32>),
    Failed(String),
}

/// The numbered events of an actor, kept until they are acknowledged.
struct EventLog {
    events: Mutex<(u64, VecDeque<(u64, Event)>)>,
    grown: Signal<u64>,
}

impl EventLog {
    fn new() -> Arc<Self> {
        Arc::new(EventLog { events: Mutex::default(), grown: Signal::new(0) })
    }

    fn add(&self, event: Event) {
        let last = {
            let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
            events.0 += 1;
            let number = events.0;
            events.1.push_back((number, event));
            number
        };
        self.grown.change(|_| last);
    }

    /// The events after a number, which the caller has; waits for the first.
    async fn read(&self, acknowledged: u64) -> Vec<(u64, Event)> {
        let grown = self.grown.wait(|last| (last > acknowledged).then_some(()));
        let _ = timeout_at(Instant::now() + WAIT, grown).await;
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.1.retain(|(number, _)| *number > acknowledged);
        events.1.iter().cloned().collect()
    }
}

/// The way of one runner's events, from its start on a node to its exit.
struct Relay {
    cluster: Arc<Cluster>,
    host: String,
    killed: Arc<Signal<bool>>,
    random: Random,
    line: Option<Line>,
    /// The way of the orders to the runner.
    orders: Option<mpsc::UnboundedSender<ToWorker>>,
    has_order: Arc<Signal<bool>>,
}

impl Relay {
    fn new(cluster: &Arc<Cluster>, host: String, killed: Arc<Signal<bool>>) -> Self {
        let (cluster, random) = (Arc::clone(cluster), cluster.machine.random());
        Relay { cluster, host, killed, random, line: None, orders: None, has_order: Arc::new(Signal::new(false)) }
    }

    async fn run(mut self) {
        let (cluster, host) = (Arc::clone(&self.cluster), self.host.clone());
        let killed = Arc::clone(&self.killed);
        let node = tokio::select! {
            biased;
            _ = cluster.driver.over() => return,
            () = killed.wait(|killed| killed.then_some(())) => {
                let message = "was lost by the cluster (it is not needed any more)".into();
                return cluster.send(FromWorker::LostRemote { host, message });
            }
            node = cluster.take_cpu() => node,
        };
        let process = cluster.machine.process(&host, Some(node));
        let log = EventLog::new();
        self.start_runner(&process, &log);
        tokio::select! {
            biased;
            _ = cluster.driver.over() => {}
            () = self.pass_events(node, &process, &log) => {}
        }
        // The actor ends its runner, if that is still there.
        process.finish(End::signal(Cause::Lost, 9));
        self.line.take().into_iter().for_each(Line::close);
        cluster.give_back(node);
    }

    /// The actor's work: its runner starts, and its messages become events.
    fn start_runner(&mut self, process: &Arc<SimProcess>, log: &Arc<EventLog>) {
        let (orders, received) = mpsc::unbounded_channel();
        let (messages, mut frames) = mpsc::unbounded_channel::<Sent>();
        self.orders = Some(orders);
        let (machine, process, log) = (Arc::clone(&self.cluster.machine), Arc::clone(process), Arc::clone(log));
        let mut random = self.random.fork();
        tokio::spawn(async move {
            sleep(random.ms(3_000)).await;
            if random.percent(machine.scenario.failing_forks) {
                return log.add(Event::Failed("the interpreter could not be started".into()));
            }
            if let Some(end) = process.end() {
                return log.add(Event::Exited(end.code, end.signal));
            }
            log.add(Event::Hello);
            let worker = Worker { machine, process: Arc::clone(&process), orders: received, messages, random };
            tokio::spawn(work(worker, Role::Session));
            while let Some(frame) = frames.recv().await {
                log.add(Event::Frame(Box::new(frame.message)));
            }
            log.add(Event::Closed);
            let end = process.over().await;
            log.add(Event::Exited(end.code, end.signal));
        });
    }

    /// Passes events on until the runner's exit, or until the actor is silent for too long.
    async fn pass_events(&mut self, node: usize, process: &Arc<SimProcess>, log: &EventLog) {
        let latency = self.cluster.machine.scenario.latency;
        let (mut known, mut late, mut is_draining, mut was_killed) = (0, Vec::new(), false, false);
        let mut silent_at = Instant::now() + SILENCE;
        loop {
            if self.killed.get() && !was_killed {
                was_killed = true;
                process.is_doomed.store(true, Ordering::Relaxed);
                // The request reaches no lost node.
                if self.cluster.state(node) != State::Lost {
                    process.finish(End::signal(Cause::Engine, 9));
                }
            }
            if !is_draining && self.cluster.state(node) == State::Drains && self.has_order.get() {
                is_draining = true;
                self.orders.iter().for_each(|orders| drop(orders.send(ToWorker::Stop)));
            }
            let (cluster, count) = (Arc::clone(&self.cluster), self.cluster.changes.get());
            let killed = Arc::clone(&self.killed);
            let answer = tokio::select! {
                biased;
                () = killed.wait(|killed| killed.then_some(())), if !was_killed => continue,
                () = cluster.changes.wait(|now| (now != count).then_some(())), if !is_draining => continue,
                answer = async { cluster.answers(node).await; log.read(known).await } => answer,
                () = tokio::time::sleep_until(silent_at) => {
                    let text = format!("was lost by the cluster on node {node} (it does not answer)");
                    return self.cluster.send(FromWorker::LostRemote { host: self.host.clone(), message: text });
                }
            };
            if latency > 0 && self.random.percent(30) {
                sleep(self.random.ms(latency)).await;
            }
            if self.random.percent(LOST_ANSWERS) {
                continue;
            }
            silent_at = Instant::now() + SILENCE;
            let again = std::mem::take(&mut late);
            if self.random.percent(LATE_ANSWERS) {
                late.clone_from(&answer);
            }
            for (number, event) in answer.into_iter().chain(again) {
                if number <= known {
                    continue;
                }
                known = number;
                if self.pass(node, process, event) {
                    return;
                }
            }
        }
    }

    /// Passes one event on. Returns whether it was the last.
    fn pass(&mut self, node: usize, process: &Arc<SimProcess>, event: Event) -> bool {
        let host = self.host.clone();
        match event {
            Event::Hello => self.connect(node, process),
            Event::Frame(frame) => {
                let machine = &self.cluster.machine;
                if let Some(line) = &self.line {
                    machine.deliver(line, *frame);
                }
            }
            Event::Closed => self.line.take().into_iter().for_each(Line::close),
            Event::Exited(code, signal) => {
                self.line.take().into_iter().for_each(Line::close);
                self.cluster.send(FromWorker::Exited { host, code, signal });
                return true;
            }
            Event::Failed(message) => {
                self.cluster.send(FromWorker::ForkFailed { host, message, errno: None });
                return true;
            }
        }
        false
    }

    /// Opens the runner's connection at home, and passes its orders on.
    fn connect(&mut self, node: usize, process: &Arc<SimProcess>) {
        let cluster = Arc::clone(&self.cluster);
        let connected = cluster.machine.connect(process, None, &cluster.driver, Some(format!("node {node}")));
        let (Some((line, mut received)), Some(orders)) = (connected, self.orders.clone()) else {
            self.orders = None;
            return process.finish(End::exit(Cause::Done, 70));
        };
        self.line = Some(line);
        let (has_order, mut random) = (Arc::clone(&self.has_order), self.random.fork());
        let process = Arc::clone(process);
        tokio::spawn(async move {
            let latency = cluster.machine.scenario.latency;
            while let Some(order) = received.recv().await {
                if latency > 0 && random.percent(30) {
                    sleep(random.ms(latency)).await;
                }
                if matches!(order, ToWorker::Run(_)) {
                    has_order.change(|_| true);
                    cluster.changes.change(|count| count + 1);
                }
                let _ = orders.send(order);
            }
            // The engine has gone: the worker ends at the end of its connection.
            process.finish(End::exit(Cause::Engine, 70));
        });
    }
}
