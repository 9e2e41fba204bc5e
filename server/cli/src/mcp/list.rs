//! `list_tests`: the tests as pytest collects them, cases of one function in one line.

use std::collections::HashSet;

use pytest_lens_protocol::NodeId;

use super::arguments::ListTests;
use super::workplace::{Workplace, unknown};
use crate::engine::inventory::{chosen, inventory};
use crate::failure::Failure;
use crate::options::arguments::Filter;
use crate::options::selectors::{self, is_selected_file};
use crate::paths::path_of_uri;
use crate::terminal::agent::failures::without_place;
use crate::terminal::text::{count_of, first_line};

/// Lines of a page.
const PAGE: usize = 200;

/// The tests that the arguments select.
pub(super) async fn list_tests(workplace: &Workplace, given: ListTests) -> Result<String, Failure> {
    let root = &workplace.root;
    let ids = selectors::node_ids(root, &given.paths)?;
    let project = workplace.project().await?;
    let client = &project.client;
    let filter = Filter { keyword: given.keyword, marker: given.marks };
    let selected = chosen(client, &filter).await;
    let mut errors = client.collect_errors().await?;
    errors.retain(|error| is_selected_file(&ids, &path_of_uri(&error.uri, root)));
    let selected: HashSet<String> = match selected {
        Err(failure) if errors.is_empty() => return Err(failure),
        other => other.unwrap_or_default(),
    };
    if errors.is_empty()
        && let Some(failure) = unknown(client, root, &ids).await
    {
        return Err(failure);
    }
    let mut tests: Vec<String> = inventory(client).await?.into_iter().map(|node| node.node_id).collect();
    tests
        .retain(|test| selected.contains(test) && (ids.is_empty() || ids.iter().any(|id| selectors::covers(id, test))));
    let mut text = format!("{}\n", count_of(tests.len(), "test"));
    for error in &errors {
        let (path, line) = (path_of_uri(&error.uri, root), error.range.start.line + 1);
        let message = first_line(without_place(&error.message, &path, root));
        text.push_str(&format!("can't be collected: {path}:{line} {message}\n"));
    }
    if errors.is_empty() && filter.is_empty() {
        for path in selectors::without_tests(&ids, tests.iter().map(String::as_str)) {
            text.push_str(&format!("{}\n", selectors::no_tests_in(path)));
        }
    }
    let lines = lines(&tests);
    let pages = lines.len().div_ceil(PAGE).max(1);
    let page = given.page.unwrap_or(1).max(1);
    if page > pages {
        return Err(Failure::usage(format!("there is no page {page}: the last is {pages}")));
    }
    for line in lines.iter().skip((page - 1) * PAGE).take(PAGE) {
        text.push_str(line);
        text.push('\n');
    }
    if pages > 1 {
        text.push_str(&format!("page {page} of {pages}\n"));
    }
    Ok(text)
}

/// A line for each function, with the number of its cases.
fn lines(tests: &[String]) -> Vec<String> {
    let mut found: Vec<(&str, usize)> = Vec::new();
    for test in tests {
        let id = NodeId::new(test);
        let function = id.function().as_str();
        match found.last_mut() {
            Some((last, count)) if *last == function => *count += 1,
            _ => found.push((function, usize::from(id.parameters().is_some()))),
        }
    }
    let line = |(function, cases): (&str, usize)| match cases {
        0 => function.to_owned(),
        1 => format!("{function} (1 case)"),
        many => format!("{function} ({many} cases)"),
    };
    found.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_share_a_line() {
        let tests = ["a.py::t[1]", "a.py::t[2]", "a.py::u", "b.py::T::t[x::y]"].map(str::to_owned);
        assert_eq!(lines(&tests), ["a.py::t (2 cases)", "a.py::u", "b.py::T::t (1 case)"]);
    }
}
