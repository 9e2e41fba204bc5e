//! Ending a process with everything that it started, new process groups and daemonised ones included.
//!
//! Runners are subreapers, so whatever a test left behind still hangs below its runner in the process tree.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Ends `root` and its descendants now. Returns how many processes got the signal.
///
/// The root is stopped first, and so is each descendant when it is found, so that none forks while the tree is read;
/// the reading is repeated until it finds nothing new.
pub(crate) fn kill_tree(root: i32) -> usize {
    let mut frozen: Vec<i32> = Vec::new();
    let mut fresh = vec![root];
    while !fresh.is_empty() {
        for pid in fresh.drain(..) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGSTOP);
            frozen.push(pid);
        }
        for &pid in &frozen {
            fresh.extend(children(pid).into_iter().filter(|child| !frozen.contains(child)));
        }
        fresh.sort_unstable();
        fresh.dedup();
    }
    // Leaves first: a parent that lives on until then keeps its children's pids from being used again.
    frozen.iter().rev().filter(|&&pid| kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok()).count()
}

/// The children of a process, of all of its threads.
fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}
