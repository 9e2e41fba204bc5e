//! `impact`: the tests that a change can reach, and the way to them.

use std::collections::BTreeMap;

use pytest_lens_protocol::NodeId;

use super::arguments::Impact;
use super::workplace::Workplace;
use crate::engine::inventory::inventory;
use crate::failure::Failure;
use crate::git::Changes;
use crate::paths::path_of_uri;
use crate::run::affected::{Reach, reach, reach_of, way};
use crate::terminal::agent::verdict::some_of;
use crate::terminal::text::count_of;

/// Test files in one answer.
const MOST: usize = 50;

pub(super) async fn impact(workplace: &Workplace, given: Impact) -> Result<String, Failure> {
    let root = &workplace.root;
    if !given.paths.is_empty() && given.base.is_some() {
        return Err(Failure::usage("`paths` and `base` exclude each other: give one of them"));
    }
    let project = workplace.project().await?;
    let client = &project.client;
    let reach = if given.paths.is_empty() {
        reach(client, root, &given.base.unwrap_or_default()).await?
    } else {
        // A deleted file counts, too.
        let files = given.paths.iter().map(|path| root.join(path)).collect();
        reach_of(client, root, Changes { since: "the last commit".into(), files }).await?
    };
    let mut tests: BTreeMap<String, usize> = BTreeMap::new();
    for node in inventory(client).await? {
        *tests.entry(NodeId::new(&node.node_id).file().to_owned()).or_default() += 1;
    }
    for error in client.collect_errors().await? {
        tests.entry(path_of_uri(&error.uri, root)).or_default();
    }
    let changed: Vec<String> =
        reach.changes.files.iter().map(|path| path.strip_prefix(root).unwrap_or(path).display().to_string()).collect();
    Ok(text(&reach, &tests, &changed))
}

/// `tests`: the number of tests in each test file.
fn text(reach: &Reach, tests: &BTreeMap<String, usize>, changed: &[String]) -> String {
    let all: usize = tests.values().sum();
    let of = if changed.is_empty() {
        return format!("NO IMPACT: no file changed since {}\n", reach.changes.since);
    } else {
        format!("{} ({})", count_of(changed.len(), "changed file"), some_of(changed))
    };
    if !reach.everything.is_empty() {
        return format!("ALL {} may be reached by {of}: {}\n", count_of(all, "test"), way(&reach.everything));
    }
    // pytest collects no other files.
    let reached: Vec<_> = reach.files.iter().filter_map(|file| Some((file, tests.get(&file.path)?))).collect();
    if reached.is_empty() {
        return format!("NO IMPACT: none of {} is reached by {of}\n", count_of(all, "test"));
    }
    let count: usize = reached.iter().map(|(_, count)| **count).sum();
    let mut text = format!("{count} of {} may be reached by {of}:\n", count_of(all, "test"));
    for (file, count) in reached.iter().take(MOST) {
        text.push_str(&format!("- {} ({}): {}\n", file.path, count_of(**count, "test"), way(&file.through)));
    }
    if reached.len() > MOST {
        text.push_str(&format!("- and {} more\n", count_of(reached.len() - MOST, "file")));
    }
    text
}

#[cfg(test)]
mod tests {
    use pytest_lens_protocol::ReachedFile;

    use super::*;

    #[test]
    fn the_reached_tests_and_the_way_to_them() {
        let tests = [("a.py".to_owned(), 2), ("b.py".to_owned(), 3)].into();
        let said = |changed: &[&str], everything: &[&str], through: &[&str]| {
            let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
            let files = through.first().map(|path| ReachedFile { path: (*path).into(), through: owned(through) });
            let changes = Changes { since: "`main`".into(), files: Default::default() };
            let reach = Reach { changes, everything: owned(everything), files: files.into_iter().collect() };
            text(&reach, &tests, &owned(changed))
        };
        let texts = [
            said(&["core.py"], &[], &["a.py", "core.py"]),
            said(&["core.py", "x.py"], &["conftest.py", "core.py"], &[]),
            said(&["core.py"], &[], &["helper.py"]),
            said(&[], &[], &[]),
        ];
        insta::assert_snapshot!(texts.join(""), @"
        2 of 5 tests may be reached by 1 changed file (core.py):
        - a.py (2 tests): a.py imports core.py, which changed
        ALL 5 tests may be reached by 2 changed files (core.py, x.py): conftest.py imports core.py, which changed
        NO IMPACT: none of 5 tests is reached by 1 changed file (core.py)
        NO IMPACT: no file changed since `main`
        ");
    }
}
