//! `--affected`: the selected tests that a change against a git base can reach; `--explain` says why.

use std::collections::BTreeSet;
use std::path::Path;

use pytest_lens_analysis::is_config_file;
use pytest_lens_protocol::{ReachedFile, Request, Response};

use crate::engine::client::Client;
use crate::engine::inventory::inventory;
use crate::failure::{Failure, exit};
use crate::git::{self, Changes};
use crate::options::selectors;
use crate::paths::path_of_uri;
use crate::suggest;
use crate::terminal::text::{count_of, thousands};

/// The selected tests that a change can reach.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Narrowed {
    /// Their ids, or those of their files; empty = all, unless `is_nothing`.
    pub node_ids: Vec<String>,
    pub is_nothing: bool,
    /// A sentence for the summary on the tests that were left out; empty if there are none.
    pub left_out: String,
}

/// Narrows the selected ids.
pub(crate) async fn narrow(
    client: &Client,
    root: &Path,
    selected: Vec<String>,
    base: &str,
) -> Result<Narrowed, Failure> {
    let Reach { changes, everything, files } = reach(client, root, base).await?;
    let all = Narrowed { node_ids: selected, is_nothing: false, left_out: String::new() };
    if !everything.is_empty() {
        return Ok(all);
    }
    let known: Vec<String> = inventory(client).await?.into_iter().map(|node| node.node_id).collect();
    let broken: Vec<String> =
        client.collect_errors().await?.iter().map(|error| path_of_uri(&error.uri, root)).collect();
    let reached = files.into_iter().map(|file| file.path).collect();
    let (node_ids, left) = left(&all.node_ids, &reached, &known, &broken);
    if node_ids.is_empty() && left == 0 {
        // There is nothing to leave out, and the run says why.
        return Ok(all);
    }
    let left_out = match left {
        0 => String::new(),
        _ if node_ids.is_empty() && changes.files.is_empty() => {
            format!("{} left out: no file changed since {}", count_of(left, "test"), changes.since)
        }
        _ => {
            let them = if left == 1 { "it" } else { "them" };
            format!("{} left out: no change since {} reaches {them}", count_of(left, "test"), changes.since)
        }
    };
    Ok(Narrowed { is_nothing: node_ids.is_empty(), node_ids, left_out })
}

/// Says why a test would run, or that it would not.
pub(crate) async fn explain(
    client: &Client,
    root: &Path,
    test: &str,
    base: &str,
    out: &mut dyn std::io::Write,
) -> Result<i32, Failure> {
    let id = selectors::node_ids(root, &[test.to_owned()])?.into_iter().next().unwrap_or_default();
    let file = id.split("::").next().unwrap_or_default();
    if root.join(file).is_dir() {
        return Err(Failure::usage(format!("`--explain` needs a test or a test file, and `{test}` is a folder")));
    }
    let reach = reach(client, root, base).await?;
    let known = inventory(client).await?;
    // The tests of a file that can't be collected are not known.
    let is_collected = known.iter().any(|node| selectors::covers(file, &node.node_id));
    if is_collected && !known.iter().any(|node| selectors::covers(&id, &node.node_id)) {
        let nearest = selectors::nearest_test(&id, known.iter().map(|node| &*node.node_id));
        return Err(Failure::usage(format!("there is no test `{id}`{}", suggest::did_you_mean(nearest.as_deref()))));
    }
    writeln!(out, "{}", explanation(&id, &reach))?;
    Ok(exit::OK)
}

/// The changed files, and the tests that they reach.
#[derive(Debug)]
pub(crate) struct Reach {
    pub changes: Changes,
    /// The way to every test, if there is one.
    pub everything: Vec<String>,
    pub files: Vec<ReachedFile>,
}

/// The tests that the changes against a git base can reach.
pub(crate) async fn reach(client: &Client, root: &Path, base: &str) -> Result<Reach, Failure> {
    reach_of(client, root, git::changes(root, base)?).await
}

/// The tests that these changes can reach.
pub(crate) async fn reach_of(client: &Client, root: &Path, changes: Changes) -> Result<Reach, Failure> {
    // Plugins and configuration are known after a collection. The run itself reports its errors.
    client.collect().await.ok();
    if let Some(above) = changes.files.iter().find(|path| concerns_from_above(path, root)) {
        let everything = vec![above.display().to_string()];
        return Ok(Reach { changes, everything, files: Vec::new() });
    }
    let inside = changes.files.iter().filter_map(|path| path.strip_prefix(root).ok());
    let paths = inside.map(|path| path.to_string_lossy().into_owned()).collect();
    match client.session.call(Request::ExplainAffected { context_id: client.context_id.clone(), paths }).await {
        Response::Affected { everything, files } => Ok(Reach { changes, everything, files }),
        other => Err(Failure::of_response(other)),
    }
}

/// Whether a file outside of the root counts for all of its tests: a configuration file or conftest of a folder above.
fn concerns_from_above(path: &Path, root: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let is_above = path.parent().is_some_and(|folder| folder != root && root.starts_with(folder));
    is_above && (name == "conftest.py" || is_config_file(name))
}

/// The ids to run, and the number of selected tests that are left out. `known`: every test; `broken`: files that could
/// not be collected.
pub(crate) fn left(
    selected: &[String],
    reached: &BTreeSet<String>,
    known: &[String],
    broken: &[String],
) -> (Vec<String>, usize) {
    let file_of = |id: &str| id.split("::").next().unwrap_or_default().to_owned();
    let is_selected = |id: &str| selected.is_empty() || selected.iter().any(|wanted| selectors::covers(wanted, id));
    let files: BTreeSet<String> = known.iter().map(|id| file_of(id)).chain(broken.iter().cloned()).collect();
    let mut ids = Vec::new();
    for file in reached {
        // pytest collects no other files, unless they are asked for.
        let is_named = selected.iter().any(|id| file_of(id) == *file);
        if !files.contains(file) && !is_named {
            let folder = selected.iter().find(|id| selectors::covers(id, file));
            if folder.is_none_or(|folder| files.iter().any(|known| selectors::covers(folder, known))) {
                continue;
            }
        }
        if is_selected(file) {
            ids.push(file.clone());
        } else {
            ids.extend(selected.iter().filter(|id| file_of(id) == *file).cloned());
        }
    }
    let is_left = |id: &&String| is_selected(id) && !ids.iter().any(|kept| selectors::covers(kept, id));
    let left = known.iter().filter(is_left).count();
    (ids, left)
}

/// One or two sentences on a test.
fn explanation(id: &str, reach: &Reach) -> String {
    let Reach { changes, everything, files } = reach;
    let file = id.split("::").next().unwrap_or_default();
    if !everything.is_empty() {
        return format!("{id} would run: {}. Every test may depend on it.", way(everything));
    }
    let through = files.iter().find(|reached| reached.path == file).map(|reached| &reached.through);
    let since = &changes.since;
    let changed = changes.files.len();
    match through {
        Some(through) => format!("{id} would run: {} since {since}.", way(through)),
        None if changed == 0 => format!("{id} would not run: no file changed since {since}."),
        None if changed == 1 => {
            format!("{id} would not run: the only file that changed since {since} does not reach {file}.")
        }
        None => {
            let changed = thousands(changed);
            format!("{id} would not run: none of the {changed} files that changed since {since} reaches {file}.")
        }
    }
}

/// `a.py imports b.py, which imports c.py, which changed`.
pub(crate) fn way(through: &[String]) -> String {
    let mut text = through.first().cloned().unwrap_or_default();
    for (step, next) in through.iter().skip(1).enumerate() {
        let which = if step == 0 { " " } else { ", which " };
        if next == "*" {
            return format!("{text}{which}starts processes that may use any file, and files changed");
        }
        let verb = match next.rsplit('/').next().unwrap_or(next) {
            "conftest.py" => "uses",
            name if name.ends_with(".py") => "imports",
            _ => "reads",
        };
        text.push_str(&format!("{which}{verb} {next}"));
    }
    let which = if through.len() > 1 { ", which" } else { "" };
    format!("{text}{which} changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn what_is_left_of_a_selection() {
        let known = texts(&["a/test_a.py::t1", "a/test_a.py::T::t2[1]", "b/test_b.py::t"]);
        let of = |selected: &[&str], reached: &[&str]| {
            let reached = texts(reached).into_iter().collect();
            left(&texts(selected), &reached, &known, &texts(&["c/test_broken.py"]))
        };
        let ids = |ids: &[&str], left| (texts(ids), left);
        assert_eq!(of(&[], &["a/test_a.py"]), ids(&["a/test_a.py"], 1));
        assert_eq!(of(&[], &[]), ids(&[], 3));
        assert_eq!(of(&["b"], &["a/test_a.py"]), ids(&[], 1));
        assert_eq!(of(&["a/test_a.py::T", "b"], &["a/test_a.py"]), ids(&["a/test_a.py::T"], 1));
        assert_eq!(of(&["a", "a/test_a.py::T"], &["a/test_a.py"]), ids(&["a/test_a.py"], 0));
        assert_eq!(of(&[], &["c/test_broken.py"]), ids(&["c/test_broken.py"], 3), "its error must be seen");
        assert_eq!(of(&[], &["other/test_x.py"]), ids(&[], 3), "pytest does not collect it");
        assert_eq!(of(&["other"], &["other/test_x.py"]), ids(&["other/test_x.py"], 0), "but on request");
        assert_eq!(of(&["other/test_x.py::t"], &["other/test_x.py"]), ids(&["other/test_x.py::t"], 0));
    }

    #[test]
    fn a_configuration_above_counts() {
        let concerns = |path: &str| concerns_from_above(Path::new(path), Path::new("/top/apps/web"));
        assert!(concerns("/top/pyproject.toml") && concerns("/top/apps/conftest.py"));
        assert!(!concerns("/top/apps/web/conftest.py") && !concerns("/top/apps/api/pytest.ini"));
        assert!(!concerns("/top/setup.py"));
    }

    #[test]
    fn the_reason_is_a_sentence() {
        let said = |everything: &[&str], through: &[&str], changed: &[&str]| {
            let files = through.first().map(|path| ReachedFile { path: (*path).into(), through: texts(through) });
            let files = files.into_iter().collect();
            let changes = Changes { since: "`main`".into(), files: changed.iter().map(Into::into).collect() };
            explanation("t.py::t", &Reach { changes, everything: texts(everything), files })
        };
        let lines = [
            said(&[], &["t.py"], &["t.py"]),
            said(&[], &["t.py", "pkg/high.py", "pkg/low.py"], &["pkg/low.py"]),
            said(&[], &["t.py", "conftest.py", "help.py"], &["help.py"]),
            said(&[], &["t.py", "*"], &["x.py"]),
            said(&[], &["t.py", "README.md"], &["README.md"]),
            said(&["pytest.ini"], &[], &["pytest.ini"]),
            said(&["plugin.py", "x.py"], &[], &["x.py"]),
            said(&[], &[], &[]),
            said(&[], &[], &["x.py"]),
            said(&[], &["u.py"], &["x.py", "u.py"]),
        ];
        insta::assert_snapshot!(lines.join("\n"), @"
        t.py::t would run: t.py changed since `main`.
        t.py::t would run: t.py imports pkg/high.py, which imports pkg/low.py, which changed since `main`.
        t.py::t would run: t.py uses conftest.py, which imports help.py, which changed since `main`.
        t.py::t would run: t.py starts processes that may use any file, and files changed since `main`.
        t.py::t would run: t.py reads README.md, which changed since `main`.
        t.py::t would run: pytest.ini changed. Every test may depend on it.
        t.py::t would run: plugin.py imports x.py, which changed. Every test may depend on it.
        t.py::t would not run: no file changed since `main`.
        t.py::t would not run: the only file that changed since `main` does not reach t.py.
        t.py::t would not run: none of the 2 files that changed since `main` reaches t.py.
        ");
    }
}
