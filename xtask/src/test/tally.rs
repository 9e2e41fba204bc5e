//! How many tests an area ran, read off what its test runner printed.

/// Numbers of tests; a check without tests of its own counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed, or broke.
    pub failed: u64,
    /// Tests that did not run.
    pub skipped: u64,
}

impl Tally {
    /// One check that went right or wrong.
    pub(crate) fn of(success: bool) -> Self {
        Self { passed: u64::from(success), failed: u64::from(!success), skipped: 0 }
    }

    /// Adds another tally to this one.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// A run whose status says failure counts at least one failure, even if it printed none.
    pub(crate) fn honest(mut self, success: bool) -> Self {
        if !success && self.failed == 0 {
            self.failed = 1;
        }
        self
    }

    /// Sums the `test result:` lines of `cargo test`.
    pub(crate) fn from_cargo(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines() {
            if let Some((_, numbers)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) {
                sum.add(Self::from_words(numbers, ';'));
            }
        }
        sum
    }

    /// Reads the last summary line of pytest: `= 3 passed, 1 skipped in 0.12s =`, with or without the rules.
    pub(crate) fn from_pytest(output: &str) -> Self {
        let summary = output.lines().rev().find(|line| {
            let line = line.trim_matches(['=', ' ']);
            line.starts_with(|c: char| c.is_ascii_digit()) && line.contains(" in ")
        });
        let Some(line) = summary else {
            return Self::default();
        };
        let line = line.trim_matches(['=', ' ']);
        let numbers = line.rsplit_once(" in ").map_or(line, |(numbers, _)| numbers);
        Self::from_words(numbers, ',')
    }

    /// Sums the lines `host: 3 passed, 1 failed, 0 skipped` of the drivers of editors and of fidelity.
    pub(crate) fn from_own(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines() {
            if let Some((_, numbers)) = line.split_once(": ").filter(|(_, numbers)| numbers.ends_with(" skipped")) {
                sum.add(Self::from_words(numbers, ','));
            }
        }
        sum
    }

    /// Reads mocha's `3 passing`, `1 failing`, `1 pending`.
    pub(crate) fn from_mocha(output: &str) -> Self {
        let count = |word: &str| -> u64 {
            let number = |line: &str| line.trim().split_once(&format!(" {word}"))?.0.parse::<u64>().ok();
            output.lines().filter_map(number).sum()
        };
        Self { passed: count("passing"), failed: count("failing"), skipped: count("pending") }
    }

    /// `3 passed, 1 failed`: a number and a word, again and again.
    fn from_words(text: &str, separator: char) -> Self {
        let mut tally = Self::default();
        for part in text.split(separator) {
            let Some((number, word)) = part.trim().split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match word {
                "passed" | "xpassed" => tally.passed += number,
                "failed" | "error" | "errors" => tally.failed += number,
                "skipped" | "ignored" | "xfailed" => tally.skipped += number,
                _ => {}
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_results_are_summed() {
        let output = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; \
                      finished in 0.00s\n\ntest result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured\n";
        let expected = Tally { passed: 5, failed: 1, skipped: 1 };
        assert_eq!(Tally::from_cargo(output), expected);
    }

    #[test]
    fn the_last_summary_of_pytest_counts() {
        let output = "1 passed in 0.1s\n=== 12 passed, 2 skipped, 1 error, 3 warnings in 4.05s ===\n";
        let expected = Tally { passed: 12, failed: 1, skipped: 2 };
        assert_eq!(Tally::from_pytest(output), expected);
        let quiet = "....\n4 passed in 0.02s\n";
        assert_eq!(Tally::from_pytest(quiet).passed, 4);
        assert_eq!(Tally::from_pytest("no tests ran in 0.01s\n"), Tally::default());
    }

    #[test]
    fn a_failing_status_is_never_green() {
        assert_eq!(Tally::default().honest(false).failed, 1);
        assert_eq!(Tally::of(true).honest(true), Tally::of(true));
    }
}
