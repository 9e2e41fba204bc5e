//! Case filters: the documented combinations, and globs held to a plain recursive reading of the rules.

use proptest::prelude::*;
use pytest_lens_plan::case_filter::CaseFilters;

fn taken(filters: &[&str], names: &[&str]) -> Vec<String> {
    let filters = CaseFilters::new(filters);
    names.iter().filter(|name| filters.takes(name)).map(|name| (*name).to_owned()).collect()
}

const DOCUMENTED: [&str; 4] = ["Foo.Test1", "Foo.Test2", "Bar.Test1", "Bar.Test2"];

#[test]
fn the_documented_combinations() {
    assert_eq!(taken(&[], &DOCUMENTED), DOCUMENTED);
    assert_eq!(taken(&["Foo.*"], &DOCUMENTED), ["Foo.Test1", "Foo.Test2"]);
    assert_eq!(taken(&["-Foo.*"], &DOCUMENTED), ["Bar.Test1", "Bar.Test2"]);
    assert_eq!(taken(&["Foo.*", "-*.Test1"], &DOCUMENTED), ["Foo.Test2"]);
    assert_eq!(taken(&["-*.Test1", "Foo.*"], &DOCUMENTED), ["Foo.Test2"]);
    assert_eq!(taken(&["Foo.Test1", "Bar.Test2"], &DOCUMENTED), ["Foo.Test1", "Bar.Test2"]);
    assert_eq!(taken(&["Foo"], &DOCUMENTED), Vec::<String>::new());
}

#[test]
fn sets_escapes_and_brackets_of_names() {
    let names = ["t.py::test[a]", "t.py::testa", "t.py::test[b-1]", "t.py::test[b]", "t.py::test*"];
    assert_eq!(taken(&["t.py::test[a]"], &names), ["t.py::test[a]", "t.py::testa"]);
    assert_eq!(taken(&["t.py::test\\[a\\]"], &names), ["t.py::test[a]"]);
    assert_eq!(taken(&["*test[[]?]"], &names), ["t.py::test[a]", "t.py::test[b]"]);
    assert_eq!(taken(&["*[!]]"], &names), ["t.py::testa", "t.py::test*"]);
    assert_eq!(taken(&["t.py::test[b*"], &names), ["t.py::test[b-1]", "t.py::test[b]"]);
    assert_eq!(taken(&["*test\\*"], &names), ["t.py::test*"]);
    assert_eq!(taken(&["*test[?-1*"], &names), ["t.py::test[b-1]"], "a bracket that nothing closes");
    assert_eq!(taken(&["-*[a-b]"], &names), ["t.py::test[a]", "t.py::test[b-1]", "t.py::test[b]", "t.py::test*"]);
}

/// The rules for `*` and `?`, read one character at a time.
fn plainly(glob: &[char], name: &[char]) -> bool {
    match (glob, name) {
        ([], rest) => rest.is_empty(),
        (['*', glob @ ..], _) => (0..=name.len()).any(|taken| plainly(glob, &name[taken..])),
        (['?', glob @ ..], [_, name @ ..]) => plainly(glob, name),
        ([letter, glob @ ..], [first, name @ ..]) => letter == first && plainly(glob, name),
        (_, []) => false,
    }
}

proptest! {
    #[test]
    fn globs_match_as_the_rules_say(glob in "[ab*?]{0,8}", name in "[ab]{0,10}") {
        let (letters, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
        prop_assert_eq!(CaseFilters::new([&glob]).takes(&name), plainly(&letters, &text));
    }

    #[test]
    fn filters_combine_as_documented(globs in prop::collection::vec("-?[ab*?]{0,4}", 0..5), name in "[ab]{1,6}") {
        let all = CaseFilters::new(&globs);
        let alone = |filter: &String| {
            let glob: Vec<char> = filter.strip_prefix('-').unwrap_or(filter).chars().collect();
            plainly(&glob, &name.chars().collect::<Vec<_>>())
        };
        let (negative, positive): (Vec<&String>, Vec<&String>) = globs.iter().partition(|glob| glob.starts_with('-'));
        let wanted = (positive.is_empty() || positive.into_iter().any(alone)) && !negative.into_iter().any(alone);
        prop_assert_eq!(all.takes(&name), wanted);
    }

    #[test]
    fn a_name_takes_itself(name in any::<String>().prop_filter("a dash excludes", |name| !name.starts_with('-'))) {
        prop_assert!(CaseFilters::new([&name]).takes(&name));
        let excluding = format!("-{name}");
        prop_assert!(!CaseFilters::new([excluding]).takes(&name));
    }

    #[test]
    fn any_filter_is_understood(filter in any::<String>(), name in any::<String>()) {
        let _ = CaseFilters::new([filter]).takes(&name);
    }
}
