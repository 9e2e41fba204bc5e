//! Splits a selection over machines that do not talk to each other: each computes the same shards from the same
//! inventory, and runs its own.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::weight::{recorded_us, weights};

/// How tests are spread over shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// By a hash of the node id that never changes: a test stays in its shard when others are added or removed.
    Hash,
    /// In turn: shards differ by one test at most.
    RoundRobin,
    /// By recorded durations, the longest first, each to the shard with the least to do.
    #[default]
    DurationBalanced,
}

impl Strategy {
    /// The protocol's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::RoundRobin => "round_robin",
            Self::DurationBalanced => "duration_balanced",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no strategy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown sharding strategy '{0}': expected hash, round_robin or duration_balanced")]
pub struct UnknownStrategy(pub String);

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Hash, Self::RoundRobin, Self::DurationBalanced]
            .into_iter()
            .find(|strategy| strategy.as_str() == name)
            .ok_or_else(|| UnknownStrategy(name.to_owned()))
    }
}

/// The shards, as positions in `tests` (node id and duration in milliseconds, where known), in ascending order. Each
/// position is in exactly one of the `total` shards; a `total` of 0 gives no shards, so callers refuse it first.
#[must_use]
pub fn assign(tests: &[(&str, Option<f64>)], total: u32, strategy: Strategy) -> Vec<Vec<usize>> {
    let mut shards = vec![Vec::new(); total as usize];
    if shards.is_empty() {
        return shards;
    }
    match strategy {
        Strategy::Hash => {
            for (position, (id, _)) in tests.iter().enumerate() {
                shards[hash_shard(id, total)].push(position);
            }
        }
        Strategy::RoundRobin => {
            for position in 0..tests.len() {
                shards[position % total as usize].push(position);
            }
        }
        Strategy::DurationBalanced => balance(tests, &mut shards),
    }
    shards
}

fn balance(tests: &[(&str, Option<f64>)], shards: &mut [Vec<usize>]) {
    let weights = weights(&durations(tests));
    let mut order: Vec<usize> = (0..tests.len()).collect();
    // Ordered by id if durations are equal, so that the order of the input does not matter.
    order.sort_by_key(|at| (Reverse(weights[*at]), tests[*at].0, *at));
    let mut loads = vec![0_u64; shards.len()];
    for position in order {
        let lightest = (0..loads.len()).min_by_key(|shard| loads[*shard]);
        if let Some(shard) = lightest {
            loads[shard] += weights[position];
            shards[shard].push(position);
        }
    }
    for shard in shards {
        shard.sort_unstable();
    }
}

/// How even a distribution is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The strategy's name.
    pub strategy: String,
    /// Number of shards.
    pub total_shards: u32,
    /// Number of tests in all shards.
    pub total_tests: usize,
    /// Number of tests in each shard.
    pub shard_test_counts: Vec<usize>,
    /// Estimated milliseconds of each shard. A test without a duration counts as the median of the others.
    pub shard_durations_ms: Vec<u64>,
    /// Percentage by which the smallest shard falls short of the largest, in tests.
    pub count_imbalance_percent: f64,
    /// The same, in estimated time.
    pub duration_imbalance_percent: f64,
    /// The estimated milliseconds of the longest shard.
    pub estimated_wall_time_ms: u64,
}

/// The figures of the distribution that [`assign`] makes of the same arguments.
#[must_use]
pub fn figures(tests: &[(&str, Option<f64>)], total: u32, strategy: Strategy) -> Figures {
    let shards = assign(tests, total, strategy);
    let weights = weights(&durations(tests));
    let counts: Vec<usize> = shards.iter().map(Vec::len).collect();
    let times: Vec<u64> = shards
        .iter()
        .map(|shard| shard.iter().map(|at| weights[*at]).sum::<u64>())
        .map(|us| us.div_ceil(1000))
        .collect();
    Figures {
        strategy: strategy.as_str().to_owned(),
        total_shards: total,
        total_tests: tests.len(),
        count_imbalance_percent: imbalance(counts.iter().map(|count| *count as u64)),
        duration_imbalance_percent: imbalance(times.iter().copied()),
        estimated_wall_time_ms: times.iter().copied().max().unwrap_or(0),
        shard_test_counts: counts,
        shard_durations_ms: times,
    }
}

fn durations(tests: &[(&str, Option<f64>)]) -> Vec<Option<u64>> {
    tests.iter().map(|(_, ms)| recorded_us(*ms)).collect()
}

fn imbalance(values: impl Iterator<Item = u64> + Clone) -> f64 {
    match (values.clone().min(), values.max()) {
        (Some(min), Some(max)) if max > 0 => {
            let percent = (max - min) as f64 / max as f64 * 100.0;
            (percent * 100.0).round() / 100.0
        }
        _ => 0.0,
    }
}

/// FNV-1a over the id's bytes, its bits then mixed because FNV alone leaves the low ones poor. Any change here moves
/// every user's tests to other shards.
fn hash_shard(id: &str, total: u32) -> usize {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in id.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    (hash % u64::from(total)) as usize
}
