//! How a selection is cut into units.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use pytest_lens_plan::order::{Item, units, whole_files};

#[derive(Debug, Clone)]
struct Test {
    id: String,
    file: String,
    class: Option<String>,
    group: Option<String>,
    ms: Option<f64>,
}

fn test(id: &str, ms: Option<f64>) -> Test {
    let name = id.split('[').next().unwrap_or(id);
    let mut parts: Vec<&str> = name.split("::").collect();
    parts.pop();
    let file = parts.remove(0).to_owned();
    Test { id: id.to_owned(), file, class: (!parts.is_empty()).then(|| parts.join("::")), group: None, ms }
}

fn grouped(id: &str, group: &str) -> Test {
    Test { group: Some(group.to_owned()), ..test(id, None) }
}

fn items(tests: &[Test]) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    for (index, test) in tests.iter().enumerate() {
        items.push(Item {
            index,
            node_id: &test.id,
            file: &test.file,
            class: test.class.as_deref(),
            group: test.group.as_deref(),
            duration_ms: test.ms,
        });
    }
    items
}

#[test]
fn one_worker_keeps_the_collected_order() {
    let tests = [test("b.py::t", Some(1.0)), test("a.py::t", Some(9.0)), test("b.py::u", None)];
    assert_eq!(units(&items(&tests), 1), [[0, 1, 2]]);
    assert_eq!(units(&items(&tests), 0), [[0, 1, 2]]);
    assert!(units(&[], 1).is_empty() && units(&[], 4).is_empty());
}

#[test]
fn whole_files_are_never_split() {
    let tests = [
        test("a.py::t", Some(100.0)),
        test("a.py::u", Some(100.0)),
        grouped("a.py::v", "g"),
        test("b.py::t", Some(1.0)),
        grouped("b.py::v", "g"),
        test("c.py::t", Some(900.0)),
    ];
    assert_eq!(whole_files(&items(&tests), 4), [vec![5], vec![0, 1, 2], vec![3, 4]]);
    assert_eq!(whole_files(&items(&tests), 1), [vec![0, 1, 2, 3, 4, 5]]);
}

#[test]
fn files_stay_whole_in_collected_order_while_nothing_is_known() {
    let tests = ["a.py::t", "b.py::t", "a.py::u", "c.py::t", "c.py::u"].map(|id| test(id, None));
    assert_eq!(units(&items(&tests), 2), [vec![0, 2], vec![1], vec![3, 4]]);
}

#[test]
fn the_longest_file_comes_first_once_durations_are_known() {
    let tests =
        [test("a.py::t", Some(10.0)), test("b.py::t", Some(30.0)), test("c.py::t", None), test("d.py::t", Some(31.0))];
    // The unknown one counts as the median, 30.
    assert_eq!(units(&items(&tests), 2), [[3], [1], [2], [0]]);
}

#[test]
fn a_large_file_is_split_between_classes_and_functions_only() {
    let ids = [
        "a.py::test_p[1]",
        "a.py::test_p[2]",
        "a.py::test_p[a::b]",
        "a.py::TestA::test_1",
        "a.py::TestA::TestIn::test_2",
        "a.py::TestB::test_1",
        "a.py::test_q",
    ];
    let tests = ids.map(|id| test(id, None));
    let expected = [vec![0, 1, 2], vec![3, 4], vec![5], vec![6]];
    assert_eq!(units(&items(&tests), 2), expected);
}

#[test]
fn the_cases_of_a_function_are_split_if_they_alone_are_more_than_a_share() {
    let cases = |function: &str, count: usize| -> Vec<Test> {
        (0..count).map(|case| test(&format!("a.py::{function}[{case}]"), None)).collect()
    };
    let lengths = |tests: &[Test]| units(&items(tests), 2).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lengths(&cases("test_p", 16)), [4, 3, 2, 2, 1, 1, 1, 1, 1]);
    // 8 of 16 are just one share.
    assert_eq!(lengths(&[cases("test_p", 8), cases("test_q", 5), cases("test_r", 3)].concat()), [8, 5, 3]);
    let of_class: Vec<Test> = (0..16).map(|number| test(&format!("a.py::TestA::test_{number}"), None)).collect();
    assert_eq!(lengths(&of_class), [16]);
}

#[test]
fn parts_of_a_file_follow_each_other_in_order() {
    let tests = [
        test("small.py::t", Some(5.0)),
        test("big.py::a", Some(50.0)),
        test("big.py::b", Some(90.0)),
        test("other.py::t", Some(60.0)),
    ];
    assert_eq!(units(&items(&tests), 2), [[1], [2], [3], [0]]);
}

/// When the last of `workers` ends, if the one that is free takes the next unit.
fn last_end(tests: &[Test], units: &[Vec<usize>], workers: usize) -> f64 {
    let mut ends = vec![0.0_f64; workers];
    for unit in units {
        ends.sort_by(f64::total_cmp);
        ends[0] += unit.iter().filter_map(|index| tests[*index].ms).sum::<f64>();
    }
    ends.into_iter().fold(0.0, f64::max)
}

fn files_of(sizes: &[usize], ms: f64) -> Vec<Test> {
    let tests = |file: usize, size: usize| {
        (0..size).map(move |number| test(&format!("f{file}.py::t{number}"), Some(ms))).collect::<Vec<_>>()
    };
    sizes.iter().enumerate().flat_map(|(file, size)| tests(file, *size)).collect()
}

#[test]
fn a_file_that_would_run_when_the_others_have_ended_is_split() {
    for (sizes, workers) in [(vec![100; 3], 2), (vec![1_000; 10], 8), (vec![500; 20], 8), (vec![10_000], 8)] {
        let tests = files_of(&sizes, 20.0);
        let units = units(&items(&tests), workers);
        let share = tests.len() as f64 * 20.0 / workers as f64;
        let last = last_end(&tests, &units, workers);
        assert!(last <= share * 1.07, "{last} of {share} with {sizes:?}");
        assert!(units.len() < 60, "{} units of {sizes:?}", units.len());
    }
    let even = files_of(&[100; 4], 20.0);
    assert_eq!(units(&items(&even), 2).len(), 4);
}

#[test]
fn a_group_over_files_stays_together_and_one_within_a_file_stays_in_it() {
    let tests = [
        test("a.py::t", None),
        grouped("a.py::u", "db"),
        grouped("b.py::t", "db"),
        grouped("b.py::u", "own"),
        test("b.py::v", None),
        test("c.py::v", None),
    ];
    assert_eq!(units(&items(&tests), 2), [vec![0], vec![1, 2], vec![3, 4], vec![5]]);
    // In a file that is split, its group is not.
    let tests = [grouped("a.py::t", "own"), test("a.py::u", None), grouped("a.py::v", "own")];
    assert_eq!(units(&items(&tests), 2), [vec![0, 2], vec![1]]);
}

fn tests() -> impl Strategy<Value = Vec<Test>> {
    let one = (
        0..4_u8,
        prop::option::of(0..3_u8),
        0..4_u8,
        prop::option::weighted(0.2, 0..3_u8),
        prop::option::of(prop_oneof![0.0..1000.0, Just(f64::NAN), Just(f64::INFINITY), Just(-1.0)]),
    );
    prop::collection::vec(one, 0..60).prop_map(|all| {
        let mut tests = Vec::new();
        for (n, (file, class, function, group, ms)) in all.into_iter().enumerate() {
            let class = class.map_or(String::new(), |class| format!("::T{class}"));
            let id = format!("f{file}.py{class}::t{function}[{n}]");
            tests.push(Test { group: group.map(|group| format!("g{group}")), ..test(&id, ms) });
        }
        tests
    })
}

proptest! {
    #[test]
    fn every_test_is_in_one_unit_and_order_is_kept_inside(tests in tests(), workers in 0..6_usize) {
        let units = units(&items(&tests), workers);
        let mut all: Vec<usize> = units.concat();
        prop_assert!(units.iter().all(|unit| !unit.is_empty() && unit.is_sorted()));
        all.sort_unstable();
        prop_assert_eq!(all, (0..tests.len()).collect::<Vec<_>>());
    }

    #[test]
    fn groups_and_small_files_are_never_cut(tests in tests(), workers in 2..6_usize) {
        let units = units(&items(&tests), workers);
        let mut of_group: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        let mut of_file: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for (at, unit) in units.iter().enumerate() {
            for index in unit {
                let test = &tests[*index];
                match &test.group {
                    Some(group) => of_group.entry(group).or_default().insert(at),
                    None => of_file.entry(&test.file).or_default().insert(at),
                };
            }
        }
        prop_assert!(of_group.values().all(|units| units.len() == 1));
        // A file is never cut if whole files are even: here one for each worker.
        if tests.iter().all(|test| test.ms.is_none() && test.group.is_none()) && of_file.len() <= workers {
            let sizes = of_file.keys().map(|file| tests.iter().filter(|test| test.file == *file).count());
            let is_even = sizes.max().is_some_and(|most| most * workers <= tests.len());
            prop_assert!(!is_even || of_file.values().all(|units| units.len() == 1));
        }
    }

    #[test]
    fn neighbours_of_one_class_or_small_function_stay_together(tests in tests(), workers in 2..6_usize) {
        let units = units(&items(&tests), workers);
        let unit_of = |index: usize| units.iter().position(|unit| unit.contains(&index));
        let base = |test: &Test| test.id.split('[').next().map(str::to_owned);
        for (at, pair) in tests.windows(2).enumerate() {
            let same_class = pair[0].class.is_some() && pair[0].class == pair[1].class;
            let cases = tests.iter().filter(|test| base(test) == base(&pair[0])).count();
            let is_small = cases * workers <= tests.len() && tests.iter().all(|test| test.ms.is_none());
            let same_function = is_small && base(&pair[0]) == base(&pair[1]);
            let same = pair[0].file == pair[1].file && (same_class || same_function);
            if same && pair.iter().all(|test| test.group.is_none()) {
                prop_assert_eq!(unit_of(at), unit_of(at + 1));
            }
        }
    }

    #[test]
    fn workers_end_together(sizes in prop::collection::vec(1..80_usize, 1..12), ms in 1.0..50.0, workers in 2..9_usize) {
        let tests = files_of(&sizes, ms);
        let share = tests.len() as f64 * ms / workers as f64;
        let last = last_end(&tests, &units(&items(&tests), workers), workers);
        prop_assert!(last <= share * 1.35 + 2.0 * ms, "{} of {}", last, share);
    }

    #[test]
    fn the_heaviest_units_of_whole_files_come_first(loads in prop::collection::vec(1.0..100.0_f64, 2..20)) {
        let tests: Vec<Test> = loads
            .iter()
            .enumerate()
            .map(|(n, ms)| test(&format!("f{n}.py::t"), Some(ms.round())))
            .collect();
        let order = units(&items(&tests), 2).concat();
        prop_assert!(order.is_sorted_by_key(|index| std::cmp::Reverse(loads[*index].round() as u64)));
    }
}
