//! Ends a process with everything that it started, including new process groups and daemons, and waits for the end of
//! processes that are not our children.
//!
//! Runners are subreapers, so orphans of tests stay below their runner in the process tree.

use std::time::{Duration, Instant};

pub(crate) use pytest_lens_platform::processes::{ProcessHandle, is_stopped};
use pytest_lens_platform::processes::{children, freeze, kill};

/// Kills `root` and its descendants. Returns the number of processes that got the signal.
///
/// The root is stopped first, and each descendant when it is found, so that none forks while the tree is read. The tree
/// is read until nothing new is found.
pub(crate) fn kill_tree(root: i32) -> usize {
    let mut frozen: Vec<i32> = Vec::new();
    let mut fresh = vec![root];
    while !fresh.is_empty() {
        for pid in fresh.drain(..) {
            freeze(pid);
            frozen.push(pid);
        }
        for &pid in &frozen {
            fresh.extend(children(pid).into_iter().filter(|child| !frozen.contains(child)));
        }
        fresh.sort_unstable();
        fresh.dedup();
    }
    // Leaves first: a live parent keeps its children's pids from being reused.
    frozen.iter().rev().filter(|&&pid| kill(pid)).count()
}

/// Kills a process when this is dropped, since nobody waits for its result then.
pub(crate) struct KillOnDrop(pub Option<i32>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            kill_tree(pid);
        }
    }
}

/// All descendants of a process.
pub(crate) fn descendants(root: i32) -> Vec<i32> {
    let mut found = children(root);
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid));
        next += 1;
    }
    found
}

/// Waits until all have ended. Kills those that have not within `limit`. Blocks.
pub(crate) fn await_all(processes: &[ProcessHandle], limit: Duration) {
    let deadline = Instant::now() + limit;
    for process in processes {
        if !process.wait(deadline) && process.kill() {
            let _ = process.wait(Instant::now() + limit);
        }
    }
}
