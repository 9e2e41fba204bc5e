//! Benchmarks of reading test files from their text, as lenses need after each edit.

use divan::{Bencher, black_box};
use pytest_lens_analysis::{PytestSettings, analyze};

fn main() {
    divan::main();
}

/// A file with this many tests: functions, methods and cases by turns.
fn source(tests: usize) -> String {
    let mut text = String::from("import pytest\nfrom shop.cart import Cart\n\n");
    for number in 0..tests {
        text.push_str(&match number % 3 {
            0 => format!("def test_total_{number}():\n    cart = Cart()\n    assert cart.total() == {number}\n\n\n"),
            1 => format!(
                "class TestCart{number}:\n    def test_is_empty(self, cart):\n        assert not cart.items\n\n\n"
            ),
            _ => format!(
                "@pytest.mark.parametrize('count', [1, 2, 3])\n@pytest.mark.slow\ndef test_add_{number}(count):\n    \
                 assert Cart.of(count).count == count\n\n\n"
            ),
        });
    }
    text
}

#[divan::bench(args = [10, 100, 1_000])]
fn file_of_tests(bencher: Bencher, tests: usize) {
    let (text, settings) = (source(tests), PytestSettings::default());
    bencher.bench(|| analyze(black_box(&text), &settings));
}

#[divan::bench]
fn half_written_file(bencher: Bencher) {
    let text = source(100) + "def test_not_done(:\n    assert [1, 2\n";
    let settings = PytestSettings::default();
    bencher.bench(|| analyze(black_box(&text), &settings));
}
