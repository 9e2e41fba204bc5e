//! Cuts a selection into units: tests that share module and class fixtures stay on one worker, so
//! that these are set up as often as plain pytest sets them up.

use std::collections::HashMap;

use crate::weight::{recorded_us, weights};

/// A large file is split into parts of a quarter of a worker's share: small enough to even out wrong estimates; a
/// worker that takes several of them in a row keeps its module fixtures.
const PARTS_PER_SHARE: u64 = 4;

/// A selected test, with the properties that planning uses.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// The caller's number for the test; units refer to it.
    pub index: usize,
    /// pytest's node id.
    pub node_id: &'a str,
    /// The file part of the node id.
    pub file: &'a str,
    /// The enclosing classes, `TestA::TestB`; none for a function of the module.
    pub class: Option<&'a str>,
    /// The name given by `xdist_group`: tests of one group stay on one worker.
    pub group: Option<&'a str>,
    /// The test's last duration in milliseconds, if known.
    pub duration_ms: Option<f64>,
}

/// Cuts `items` into units, in the order in which workers receive them: the longest first once any duration is known,
/// collection order otherwise. `items` are in collection order, which is kept inside a unit; every index is in exactly
/// one unit, and no unit is empty. For one worker there is one unit with everything.
///
/// A unit is a file, or a group that spans files. A file that is more than a worker's share of
/// the total is split, never inside a class or a group, and inside the cases of a function only if these alone are more
/// than a worker's share.
#[must_use]
pub fn units(items: &[Item<'_>], workers: usize) -> Vec<Vec<usize>> {
    if items.is_empty() {
        return Vec::new();
    }
    if workers <= 1 {
        return vec![items.iter().map(|item| item.index).collect()];
    }
    let durations: Vec<_> = items.iter().map(|item| recorded_us(item.duration_ms)).collect();
    let weights = weights(&durations);
    let share = (weights.iter().sum::<u64>() / workers as u64).max(1);

    let mut planned = Vec::new();
    for bucket in buckets(items, &weights, share) {
        let parts =
            if bucket.split { split(items, &weights, &bucket.positions, share) } else { vec![bucket.positions] };
        // One rank for all parts of a file, so that they keep their order and follow each other.
        let rank = parts.iter().map(|part| sum(&weights, part)).max();
        planned.extend(parts.into_iter().map(|part| (rank, part)));
    }
    if durations.iter().any(Option::is_some) {
        planned.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    }
    planned.into_iter().map(|(_, part)| part.into_iter().map(|at| items[at].index).collect()).collect()
}

/// As [`units`], but each unit is a whole file, even if it is large or its tests are in groups.
#[must_use]
pub fn whole_files(items: &[Item<'_>], workers: usize) -> Vec<Vec<usize>> {
    if workers <= 1 {
        return units(items, workers);
    }
    let alone = items.iter().map(|item| Item { group: None, ..item.clone() });
    let durations: Vec<_> = items.iter().map(|item| recorded_us(item.duration_ms)).collect();
    let weights = weights(&durations);
    let mut planned: Vec<_> = buckets(&alone.collect::<Vec<_>>(), &weights, u64::MAX)
        .into_iter()
        .map(|bucket| (sum(&weights, &bucket.positions), bucket.positions))
        .collect();
    if durations.iter().any(Option::is_some) {
        planned.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    }
    planned.into_iter().map(|(_, file)| file.into_iter().map(|at| items[at].index).collect()).collect()
}

#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    File(&'a str),
    Group(&'a str),
}

struct Bucket {
    /// Positions in the items, ascending.
    positions: Vec<usize>,
    split: bool,
}

/// Groups the items by file or group, in the order in which these first appear.
fn buckets(items: &[Item<'_>], weights: &[u64], share: u64) -> Vec<Bucket> {
    let mut file_weights: HashMap<&str, u64> = HashMap::new();
    // For each group its first file, or none once it has several.
    let mut group_files: HashMap<&str, Option<&str>> = HashMap::new();
    for (item, weight) in items.iter().zip(weights) {
        *file_weights.entry(item.file).or_default() += weight;
        if let Some(group) = item.group {
            let file = group_files.entry(group).or_insert(Some(item.file));
            if *file != Some(item.file) {
                *file = None;
            }
        }
    }
    let mut buckets: Vec<Bucket> = Vec::new();
    let mut known: HashMap<Key<'_>, usize> = HashMap::new();
    for (position, item) in items.iter().enumerate() {
        let oversize = file_weights.get(item.file).is_some_and(|own| *own > share);
        let apart = |group: &&str| oversize || group_files.get(group).is_none_or(Option::is_none);
        let (key, split) = match item.group.filter(apart) {
            Some(group) => (Key::Group(group), false),
            None => (Key::File(item.file), oversize),
        };
        let at = *known.entry(key).or_insert_with(|| {
            buckets.push(Bucket { positions: Vec::new(), split });
            buckets.len() - 1
        });
        buckets[at].positions.push(position);
    }
    buckets
}

/// Cuts a file at changes of class or function, and in a function with very many cases between these, once a part is
/// long enough.
fn split(items: &[Item<'_>], weights: &[u64], positions: &[usize], share: u64) -> Vec<Vec<usize>> {
    let target = (share / PARTS_PER_SHARE).max(1);
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut weight = 0;
    let steps = positions.chunk_by(|a, b| scope(&items[*a]) == scope(&items[*b])).flat_map(|run| {
        let is_function = run.first().is_some_and(|at| items[*at].class.is_none());
        run.chunks(if is_function && sum(weights, run) > share { 1 } else { run.len() })
    });
    for step in steps {
        part.extend_from_slice(step);
        weight += sum(weights, step);
        if weight >= target {
            parts.push(std::mem::take(&mut part));
            weight = 0;
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// The part of a node id that stays together: the outermost class, or else the function with all its cases. Only
/// neighbors are compared: pytest tears a class down when it leaves it, so tests of a class that were collected apart
/// share no class fixture anyway.
fn scope<'a>(item: &Item<'a>) -> (bool, &'a str) {
    if let Some(class) = item.class {
        return (true, class.split("::").next().unwrap_or(class));
    }
    let name = item.node_id.strip_prefix(item.file);
    let name = name.unwrap_or(item.node_id);
    (false, name.split('[').next().unwrap_or(name))
}

fn sum(weights: &[u64], positions: &[usize]) -> u64 {
    positions.iter().map(|at| weights[*at]).sum()
}
