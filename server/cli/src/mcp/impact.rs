//! `impact`: the tests that a change can reach, and the way to them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::arguments::Impact;
use super::workplace::Workplace;
use crate::engine::inventory::inventory;
use crate::failure::Failure;
use crate::git::{self, Changes};
use crate::options::selectors;
use crate::run::affected::{Reach, broken, by_file, reach, reach_of, way};
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
        let files = files(root, &given.paths)?;
        reach_of(client, root, || Ok(Changes { since: "the last commit".into(), files })).await?
    };
    let is_named = !given.paths.is_empty();
    let known: Vec<String> = inventory(client).await?.into_iter().map(|node| node.node_id).collect();
    let broken = broken(client, root).await?;
    let changed: Vec<String> =
        reach.changes.files.iter().map(|path| path.strip_prefix(root).unwrap_or(path).display().to_string()).collect();
    Ok(text(reach, &known, &broken, &changed, is_named))
}

/// The files that an agent names. Deleted ones count, too, if git knows them.
fn files(root: &Path, paths: &[String]) -> Result<BTreeSet<PathBuf>, Failure> {
    let file = |path: &String| {
        // Tests may use files outside of the project as well.
        let plain = selectors::tidy(&root.join(path)).map(|plain| match plain.strip_prefix(root) {
            Ok(_) => plain,
            Err(_) => plain.canonicalize().unwrap_or(plain),
        });
        let refused =
            |why: &str| Failure::usage(format!("`{path}` {why}: give files, relative to `{}`", root.display()));
        match plain {
            _ if path.trim().is_empty() => Err(Failure::usage("a path is empty: give files, or leave out `paths`")),
            _ if path.contains("::") => Err(refused("is a test")),
            Some(plain) if plain.is_dir() => Err(refused("is a folder")),
            Some(plain) if plain.exists() || git::is_known(root, &plain) => Ok(plain),
            _ => Err(Failure::usage(selectors::not_found(root, path))),
        }
    };
    paths.iter().map(file).collect()
}

/// `known`: every test; `broken`: files that could not be collected.
/// `is_named`: the agent has named the files, which may be as they were.
fn text(mut reach: Reach, known: &[String], broken: &[String], changed: &[String], is_named: bool) -> String {
    let of = if changed.is_empty() {
        return format!("NO IMPACT: no file changed since {}\n", reach.changes.since);
    } else {
        let thing = if is_named { "file" } else { "changed file" };
        format!("{} ({})", count_of(changed.len(), thing), some_of(changed))
    };
    // The question is about the change, not about what to run.
    reach.tests.retain(|test| test.reason.as_ref().is_none_or(|reason| reason.kind != "not_passed"));
    let ids = reach.ids(&[], known, broken);
    let files = by_file(&ids, known);
    let count: usize = files.values().map(Vec::len).sum();
    if !reach.everything.is_empty() && count == known.len() {
        return format!("ALL {} may be reached by {of}: {}\n", count_of(count, "test"), way(&reach.everything));
    }
    if files.is_empty() {
        // Inputs are compared with those of the last pass.
        let as_now =
            if is_named { ": no test uses it as it is now, or it has not changed since these passed" } else { "" };
        return format!("NO IMPACT: none of {} is reached by {of}{as_now}\n", count_of(known.len(), "test"));
    }
    let mut text = format!("{count} of {} may be reached by {of}:\n", count_of(known.len(), "test"));
    for (file, tests) in files.iter().take(MOST) {
        text.push_str(&format!("- {file} ({}): {}\n", count_of(tests.len(), "test"), reach.reason(file, tests)));
    }
    if files.len() > MOST {
        text.push_str(&format!("- and {} more\n", count_of(files.len() - MOST, "file")));
    }
    text
}

#[cfg(test)]
mod tests {
    use pytest_lens_protocol::{ImpactReason, ReachedFile, TestImpact};

    use super::*;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn judged(id: &str, kind: Option<&str>) -> TestImpact {
        let reason = kind.map(|kind| ImpactReason { kind: kind.into(), name: "core.py::parse".into() });
        TestImpact { node_id: id.into(), reason, inputs: 1, passed_ms: 0 }
    }

    #[test]
    fn the_reached_tests_and_the_way_to_them() {
        let known = owned(&["a.py::t", "a.py::u", "b.py::t", "b.py::u", "b.py::v"]);
        let said = |changed: &[&str], everything: &[&str], through: &[&str], tests: &[TestImpact]| {
            let files = through.first().map(|path| ReachedFile { path: (*path).into(), through: owned(through) });
            let (changes, files) = (Changes { since: "`main`".into(), files: Default::default() }, files.into_iter());
            let reach =
                Reach { changes, everything: owned(everything), files: files.collect(), tests: tests.to_owned() };
            text(reach, &known, &[], &owned(changed), false)
        };
        let way = ["a.py", "core.py"];
        let texts = [
            said(&["core.py"], &[], &way, &[]),
            said(&["core.py", "x.py"], &["conftest.py", "core.py"], &[], &[]),
            said(&["core.py"], &[], &["helper.py"], &[]),
            said(&[], &[], &[], &[]),
            said(&["core.py"], &[], &way, &[judged("a.py::t", None), judged("a.py::u", Some("function"))]),
            said(&["core.py"], &[], &way, &[judged("a.py::t", None), judged("b.py::u", Some("not_passed"))]),
            said(&["core.py"], &["conftest.py", "core.py"], &[], &[judged("a.py::t", None)]),
        ];
        insta::assert_snapshot!(texts.join(""), @"
        2 of 5 tests may be reached by 1 changed file (core.py):
        - a.py (2 tests): a.py imports core.py, which changed
        ALL 5 tests may be reached by 2 changed files (core.py, x.py): conftest.py imports core.py, which changed
        NO IMPACT: none of 5 tests is reached by 1 changed file (core.py)
        NO IMPACT: no file changed since `main`
        1 of 5 tests may be reached by 1 changed file (core.py):
        - a.py (1 test): `core.py::parse`, which `a.py::u` uses, changed
        1 of 5 tests may be reached by 1 changed file (core.py):
        - a.py (1 test): a.py imports core.py, which changed
        4 of 5 tests may be reached by 1 changed file (core.py):
        - a.py (1 test): conftest.py imports core.py, which changed
        - b.py (3 tests): conftest.py imports core.py, which changed
        ");
    }
}
