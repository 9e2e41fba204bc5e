//! `-k` and `-m` expressions, filters of suites and option strings. The first line is the expression; the others are
//! names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pytest_lens_analysis::{fnmatch, split_words};
use pytest_lens_plan::case_filter::CaseFilters;
use pytest_lens_plan::select::{Keyword, Mark, MarkerExpr};

fuzz_target!(|text: &str| {
    let (expression, names) = text.split_once('\n').unwrap_or((text, "test_a"));
    let names: Vec<&str> = names.lines().collect();
    let characters = expression.chars().count();
    match Keyword::parse(expression) {
        Ok(keyword) => drop(keyword.matches(&names)),
        Err(error) => assert!((1..=characters + 1).contains(&error.column()), "{error}"),
    }
    match MarkerExpr::parse(expression) {
        Ok(marker) => {
            let marks: Vec<Mark> =
                names.iter().map(|name| Mark { name: (*name).to_owned(), kwargs: Vec::new() }).collect();
            drop((marker.matches(&marks), marker.names()));
        }
        Err(error) => assert!((1..=characters + 1).contains(&error.column()), "{error}"),
    }
    let filters = CaseFilters::new([expression]);
    for name in &names {
        let _ = (filters.takes(name), fnmatch(name, expression));
        // A name always selects itself, whatever signs of a glob it holds.
        assert!(name.starts_with('-') || CaseFilters::new([name]).takes(name));
    }
    drop(split_words(expression));
});
