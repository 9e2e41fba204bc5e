//! Benchmarks of the decisions between the key and the first test.

use divan::{Bencher, black_box};
use pytest_lens_plan::order::{Command, Dispatcher, Item, units};
use pytest_lens_plan::select::Keyword;
use pytest_lens_plan::shard::{Strategy, assign};

fn main() {
    divan::main();
}

/// Numbers of tests in the selections.
const SIZES: [usize; 3] = [100, 1_000, 10_000];

/// A selection of this many tests, 40 in each file, each with a recorded duration.
fn tests(count: usize) -> Vec<(String, String, f64)> {
    let of = |number: usize| {
        let file = format!("tests/area_{}/test_{}.py", number % 7, number / 40);
        (format!("{file}::TestThing::test_{number}[case-{}]", number % 5), file, (number % 97) as f64)
    };
    (0..count).map(of).collect()
}

fn items(tests: &[(String, String, f64)]) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    for (index, (node_id, file, ms)) in tests.iter().enumerate() {
        items.push(Item { index, node_id, file, class: Some("TestThing"), group: None, duration_ms: Some(*ms) });
    }
    items
}

#[divan::bench(args = SIZES)]
fn cut_into_units(bencher: Bencher, count: usize) {
    let tests = tests(count);
    let items = items(&tests);
    bencher.bench(|| units(black_box(&items), 4));
}

#[divan::bench(args = SIZES)]
fn dispatch_to_four_runners(bencher: Bencher, count: usize) {
    let tests = tests(count);
    let units = units(&items(&tests), 4);
    bencher.with_inputs(|| units.clone()).bench_values(|units| {
        let mut dispatcher = Dispatcher::new(units, 4, None);
        let mut fed = 0;
        while !dispatcher.is_done() {
            let before = fed;
            for worker in 0..4 {
                for command in dispatcher.next(worker) {
                    let Command::Feed(indices) = command else { continue };
                    fed += indices.len();
                    for index in indices {
                        dispatcher.started(worker, index);
                        dispatcher.finished(worker, index, false);
                    }
                }
            }
            assert!(fed > before || dispatcher.is_done(), "nobody was fed");
        }
    });
}

#[divan::bench(args = SIZES)]
fn select_by_keyword(bencher: Bencher, count: usize) {
    let tests = tests(count);
    let expression = "thing and (42 or 17) and not area_3";
    bencher.bench(|| {
        let keyword = Keyword::parse(black_box(expression)).ok();
        let matches = |id: &str| keyword.as_ref().is_some_and(|keyword| keyword.matches(&[id]));
        tests.iter().filter(|(id, ..)| matches(id)).count()
    });
}

#[divan::bench(args = SIZES)]
fn balance_eight_shards(bencher: Bencher, count: usize) {
    let tests = tests(count);
    let tests: Vec<(&str, Option<f64>)> = tests.iter().map(|(id, _, ms)| (id.as_str(), Some(*ms))).collect();
    bencher.bench(|| assign(black_box(&tests), 8, Strategy::DurationBalanced));
}
