//! Cuts a selection into units: tests that share module and class fixtures stay on one worker, so
//! that these are set up as often as plain pytest sets them up.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::weight::{recorded_us, weights};

/// A worker may end later than if all ended at the same time by an eighth of its share: for less no file is split.
const UNEVEN: u64 = 8;

/// The smallest part of a file that is split, as a fraction of a worker's share: small enough to even out wrong
/// estimates.
const SMALLEST_PART: u64 = 16;

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
/// A unit is a file, or a group that spans files. A file with which a worker would end much later than the others is
/// split, never inside a class or a group, and inside the cases of a function only if these alone are more than a
/// worker's share. Its parts become smaller and smaller, so that its fixtures are set up a few times, and that all
/// workers end together (as with guided self-scheduling of loops: Polychronopoulos and Kuck, 1987).
#[must_use]
pub fn units(items: &[Item<'_>], workers: usize) -> Vec<Vec<usize>> {
    if items.is_empty() {
        return Vec::new();
    }
    if workers <= 1 {
        return vec![items.iter().map(|item| item.index).collect()];
    }
    let durations: Vec<_> = items.iter().map(|item| recorded_us(item.duration_ms)).collect();
    let is_known = durations.iter().any(Option::is_some);
    let weights = weights(&durations);
    let mut left = weights.iter().sum::<u64>();
    let share = (left / workers as u64).max(1);
    let uneven = share / UNEVEN;

    let mut buckets: Vec<_> =
        buckets(items).into_iter().map(|bucket| (sum(&weights, &bucket.positions), bucket)).collect();
    if is_known {
        buckets.sort_by_key(|(weight, _)| Reverse(*weight));
    }
    // When each worker ends, if the one that ends first takes the next unit.
    let mut ends: BinaryHeap<Reverse<u64>> = std::iter::repeat_n(Reverse(0), workers).collect();
    let mut planned = Vec::new();
    for (weight, bucket) in buckets {
        let whole_end = ends.peek().map_or(0, |Reverse(first)| first + weight);
        let mut parts = vec![bucket.positions];
        if !bucket.is_group && whole_end > share + uneven {
            let split = split(items, &weights, &parts[0], share, left, workers);
            if give(&mut ends.clone(), &weights, &split) + uneven < whole_end {
                parts = split;
            }
        }
        give(&mut ends, &weights, &parts);
        left = left.saturating_sub(weight);
        // One rank for all parts of a file, so that they keep their order and follow each other.
        let rank = parts.iter().map(|part| sum(&weights, part)).max();
        planned.extend(parts.into_iter().map(|part| (rank, part)));
    }
    if is_known {
        planned.sort_by_key(|(rank, _)| Reverse(*rank));
    }
    planned.into_iter().map(|(_, part)| part.into_iter().map(|at| items[at].index).collect()).collect()
}

/// Gives parts to the workers that end first; returns when the last of the parts ends.
fn give(ends: &mut BinaryHeap<Reverse<u64>>, weights: &[u64], parts: &[Vec<usize>]) -> u64 {
    let mut last = 0;
    for part in parts {
        if let Some(mut first) = ends.peek_mut() {
            first.0 += sum(weights, part);
            last = last.max(first.0);
        }
    }
    last
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
    let mut planned: Vec<_> = buckets(&alone.collect::<Vec<_>>())
        .into_iter()
        .map(|bucket| (sum(&weights, &bucket.positions), bucket.positions))
        .collect();
    if durations.iter().any(Option::is_some) {
        planned.sort_by_key(|(weight, _)| Reverse(*weight));
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
    is_group: bool,
}

/// Groups the items by file, or by a group that spans files, in the order in which these first appear.
fn buckets(items: &[Item<'_>]) -> Vec<Bucket> {
    // For each group its first file, or none once it has several.
    let mut group_files: HashMap<&str, Option<&str>> = HashMap::new();
    for item in items {
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
        let spans_files = |group: &&str| group_files.get(group).is_none_or(Option::is_none);
        let (key, is_group) = match item.group.filter(spans_files) {
            Some(group) => (Key::Group(group), true),
            None => (Key::File(item.file), false),
        };
        let at = *known.entry(key).or_insert_with(|| {
            buckets.push(Bucket { positions: Vec::new(), is_group });
            buckets.len() - 1
        });
        buckets[at].positions.push(position);
    }
    buckets
}

/// Cuts a file at changes of class or function, and in a function with very many cases between these, once a part is
/// half of a worker's share of `left`: the weight of the tests from this file on.
fn split(
    items: &[Item<'_>],
    weights: &[u64],
    positions: &[usize],
    share: u64,
    mut left: u64,
    workers: usize,
) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut groups: HashMap<&str, usize> = HashMap::new();
    let mut rest = Vec::new();
    for at in positions {
        match items[*at].group {
            Some(group) => {
                let part = *groups.entry(group).or_insert_with(|| {
                    parts.push(Vec::new());
                    parts.len() - 1
                });
                parts[part].push(*at);
            }
            None => rest.push(*at),
        }
    }
    left = left.saturating_sub(parts.iter().map(|part| sum(weights, part)).sum());
    let smallest = (share / SMALLEST_PART).max(1);
    let steps = rest.chunk_by(|a, b| scope(&items[*a]) == scope(&items[*b])).flat_map(|run| {
        let is_function = run.first().is_some_and(|at| items[*at].class.is_none());
        run.chunks(if is_function && sum(weights, run) > share { 1 } else { run.len() })
    });
    let mut part = Vec::new();
    let mut weight = 0;
    for step in steps {
        let next = sum(weights, step);
        // The size of a part is that which is nearest to the aim.
        if weight > 0 && 2 * weight + next >= 2 * (left / (2 * workers as u64)).max(smallest) {
            parts.push(std::mem::take(&mut part));
            left = left.saturating_sub(weight);
            weight = 0;
        }
        part.extend_from_slice(step);
        weight += next;
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
