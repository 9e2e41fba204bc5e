//! Shards: complete, disjoint, and the same everywhere for ever.

use proptest::prelude::*;
use pytest_lens_plan::shard::{Strategy as Shards, assign, figures};

type Test = (String, Option<f64>);

fn borrowed(tests: &[Test]) -> Vec<(&str, Option<f64>)> {
    tests.iter().map(|(id, ms)| (id.as_str(), *ms)).collect()
}

/// Hash shards must never change: these are golden. A difference here moves every user's tests.
#[test]
fn the_hash_is_for_ever() {
    let ids = [
        "",
        "a",
        "test_a.py::test_a",
        "test_a.py::test_b",
        "tests/unit/test_math.py::TestSum::test_sum[1-2]",
        "tests/unit/test_math.py::TestSum::test_sum[1-3]",
        "tests/test_ünïcode.py::test_日本",
    ];
    let shard_of = |id: &str, total| {
        let shards = assign(&[(id, None)], total, Shards::Hash);
        shards.iter().position(|shard| !shard.is_empty()).unwrap()
    };
    let table: Vec<String> =
        ids.iter().map(|id| format!("{id:?} {:?}", [2, 3, 10, 65535].map(|n| shard_of(id, n)))).collect();
    insta::assert_snapshot!(table.join("\n"), @r#"
    "" [0, 2, 2, 62192]
    "a" [1, 2, 5, 42005]
    "test_a.py::test_a" [1, 0, 5, 28635]
    "test_a.py::test_b" [1, 0, 3, 63903]
    "tests/unit/test_math.py::TestSum::test_sum[1-2]" [0, 0, 8, 41688]
    "tests/unit/test_math.py::TestSum::test_sum[1-3]" [0, 0, 0, 23205]
    "tests/test_ünïcode.py::test_日本" [0, 2, 0, 36995]
    "#);
}

#[test]
fn strategies_have_names() {
    for strategy in [Shards::Hash, Shards::RoundRobin, Shards::DurationBalanced] {
        assert_eq!(strategy.as_str().parse(), Ok(strategy));
    }
    assert_eq!(Shards::default(), Shards::DurationBalanced);
    insta::assert_snapshot!(
        "random".parse::<Shards>().unwrap_err(),
        @"unknown sharding strategy 'random': expected hash, round_robin or duration_balanced"
    );
}

#[test]
fn round_robin_deals_in_turn() {
    let tests = [("e", None), ("d", None), ("c", None), ("b", None), ("a", None)];
    assert_eq!(assign(&tests, 2, Shards::RoundRobin), [vec![0, 2, 4], vec![1, 3]]);
}

#[test]
fn durations_are_balanced_longest_first() {
    let tests = [("a", Some(10.4)), ("b", Some(70.0)), ("c", Some(40.0)), ("d", Some(40.0))];
    assert_eq!(assign(&tests, 2, Shards::DurationBalanced), [vec![0, 1], vec![2, 3]]);
    let figures = figures(&tests, 2, Shards::DurationBalanced);
    insta::assert_debug_snapshot!(figures, @r#"
    Figures {
        strategy: "duration_balanced",
        total_shards: 2,
        total_tests: 4,
        shard_test_counts: [
            2,
            2,
        ],
        shard_durations_ms: [
            81,
            80,
        ],
        count_imbalance_percent: 0.0,
        duration_imbalance_percent: 1.23,
        estimated_wall_time_ms: 81,
    }
    "#);
}

#[test]
fn tests_of_no_known_length_are_dealt_evenly() {
    let tests = [("a", Some(0.0)), ("b", None), ("c", None), ("d", Some(f64::NAN))];
    assert_eq!(assign(&tests, 2, Shards::DurationBalanced), [[0, 2], [1, 3]]);
}

#[test]
fn no_shards_hold_nothing() {
    assert!(assign(&[("a", None)], 0, Shards::Hash).is_empty());
    assert_eq!(figures(&[("a", None)], 0, Shards::Hash).estimated_wall_time_ms, 0);
    assert_eq!(assign(&[], 2, Shards::DurationBalanced), [[0; 0], []]);
}

fn tests() -> impl Strategy<Value = Vec<Test>> {
    let duration = prop::option::of(prop_oneof![0.0..5000.0, Just(f64::INFINITY), Just(-3.0)]);
    prop::collection::btree_map("[a-z]{1,6}", duration, 0..80)
        .prop_map(|tests| tests.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

fn strategy() -> impl Strategy<Value = Shards> {
    prop::sample::select(vec![Shards::Hash, Shards::RoundRobin, Shards::DurationBalanced])
}

proptest! {
    #[test]
    fn shards_are_complete_disjoint_and_in_order(tests in tests(), total in 1..12_u32, strategy in strategy()) {
        let shards = assign(&borrowed(&tests), total, strategy);
        prop_assert_eq!(shards.len(), total as usize);
        prop_assert!(shards.iter().all(|shard| shard.is_sorted()));
        let mut all = shards.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..tests.len()).collect::<Vec<_>>());
    }

    #[test]
    fn the_order_of_the_input_does_not_matter_where_ids_decide(
        (tests, shuffled) in tests().prop_flat_map(|tests| (Just(tests.clone()), Just(tests).prop_shuffle())),
        total in 1..12_u32,
    ) {
        for strategy in [Shards::Hash, Shards::DurationBalanced] {
            let ids = |tests: &[Test]| -> Vec<Vec<String>> {
                let mut shards: Vec<Vec<String>> = assign(&borrowed(tests), total, strategy)
                    .iter()
                    .map(|shard| shard.iter().map(|at| tests[*at].0.clone()).collect())
                    .collect();
                shards.iter_mut().for_each(|shard| shard.sort());
                shards
            };
            prop_assert_eq!(ids(&tests), ids(&shuffled));
        }
    }

    #[test]
    fn a_hash_shard_is_decided_by_the_id_alone(tests in tests(), total in 1..12_u32) {
        let shards = assign(&borrowed(&tests), total, Shards::Hash);
        for (number, shard) in shards.iter().enumerate() {
            for at in shard {
                let alone = assign(&[(tests[*at].0.as_str(), None)], total, Shards::Hash);
                prop_assert_eq!(&alone[number], &[0]);
            }
        }
    }

    #[test]
    fn no_shard_is_longer_than_the_others_by_more_than_one_test(tests in tests(), total in 1..12_u32) {
        let figures = figures(&borrowed(&tests), total, Shards::DurationBalanced);
        let longest = tests.iter().filter_map(|(_, ms)| ms.filter(|ms| ms.is_finite())).fold(1.0, f64::max);
        let min = figures.shard_durations_ms.iter().min().copied().unwrap_or(0);
        // One more for each side's rounding.
        prop_assert!(figures.estimated_wall_time_ms as f64 <= min as f64 + longest + 2.0);
        let counts = assign(&borrowed(&tests), total, Shards::RoundRobin);
        let counts: Vec<usize> = counts.iter().map(Vec::len).collect();
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1);
    }

    #[test]
    fn figures_describe_the_assignment(tests in tests(), total in 1..12_u32, strategy in strategy()) {
        let shards = assign(&borrowed(&tests), total, strategy);
        let figures = figures(&borrowed(&tests), total, strategy);
        prop_assert_eq!(figures.strategy, strategy.as_str());
        prop_assert_eq!((figures.total_shards, figures.total_tests), (total, tests.len()));
        prop_assert_eq!(&figures.shard_test_counts, &shards.iter().map(Vec::len).collect::<Vec<_>>());
        prop_assert_eq!(Some(&figures.estimated_wall_time_ms), figures.shard_durations_ms.iter().max());
        for percent in [figures.count_imbalance_percent, figures.duration_imbalance_percent] {
            prop_assert!((0.0..=100.0).contains(&percent));
        }
    }
}

#[test]
fn strategies_are_shown_by_their_names() {
    let all = [Shards::Hash, Shards::RoundRobin, Shards::DurationBalanced];
    assert_eq!(all.map(|strategy| strategy.to_string()), ["hash", "round_robin", "duration_balanced"]);
    assert_eq!(format!("{:>5}", Shards::Hash), " hash");
}
