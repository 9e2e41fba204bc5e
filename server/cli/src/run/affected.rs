//! `--affected`: the selected tests that a change against a git base can reach; `--explain` says why.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use pytest_lens_analysis::is_config_file;
use pytest_lens_protocol::{
    CollectError, EventPayload, ImpactReason, NodeId, ReachedFile, Request, Response, TestImpact,
};

use crate::engine::client::Client;
use crate::engine::inventory::{inventory, refresh};
use crate::failure::{Failure, exit};
use crate::git::{self, Changes};
use crate::options::{reporting, selectors};
use crate::paths::path_of_uri;
use crate::suggest;
use crate::terminal::text::{count_of, thousands};

/// A shorter time is not worth a word, in milliseconds.
const NOTABLE_MS: f64 = 100.0;

/// The selected tests that a change can reach.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Narrowed {
    /// Their ids, or those of their files; empty = all, unless `is_nothing`.
    pub node_ids: Vec<String>,
    pub is_nothing: bool,
    /// A sentence for the summary on the tests that were left out; empty if there are none.
    pub left_out: String,
}

/// Narrows the selected ids. `passed`: pytest's options, with which a test may use other code than its record shows.
pub(crate) async fn narrow(
    client: &Client,
    root: &Path,
    selected: Vec<String>,
    base: &str,
    passed: &[String],
) -> Result<Narrowed, Failure> {
    let mut reach = reach(client, root, base).await?;
    if passed.iter().any(|word| reporting::may_decide(word)) {
        reach.tests.retain(|test| test.reason.is_some());
    }
    let Reach { changes, everything, tests, .. } = &reach;
    let all = Narrowed { node_ids: selected, is_nothing: false, left_out: String::new() };
    if !everything.is_empty() && tests.iter().all(|test| test.reason.is_some()) {
        return Ok(all);
    }
    let known: Vec<String> = inventory(client).await?.into_iter().map(|node| node.node_id).collect();
    let broken = broken(client, root).await?;
    let node_ids = reach.ids(&all.node_ids, &known, &broken);
    let left = left_out(&all.node_ids, &node_ids, &known);
    if node_ids.is_empty() && left.is_empty() {
        // There is nothing to leave out, and the run says why.
        return Ok(all);
    }
    let unaffected = reach.unaffected();
    let is_all_known = |left: &[&String]| left.iter().all(|id| unaffected.contains(id.as_str()));
    let count = count_of(left.len(), "test");
    let them = if left.len() == 1 { "it" } else { "them" };
    let mut left_out = match left.len() {
        0 => String::new(),
        _ if node_ids.is_empty() && changes.files.is_empty() => {
            format!("{count} left out: no file changed since {}", changes.since)
        }
        _ if is_all_known(&left) => {
            let they = if left.len() == 1 { "it depends" } else { "they depend" };
            format!("{count} left out: nothing that {they} on has changed")
        }
        _ => format!("{count} left out: no change since {} reaches {them}", changes.since),
    };
    let saved_ms = duration_of(client, &left).await?;
    if !left_out.is_empty() && saved_ms >= NOTABLE_MS {
        left_out.push_str(&format!(" ({} saved)", format_args!("{:.1} s", saved_ms / 1000.0)));
    }
    Ok(Narrowed { is_nothing: node_ids.is_empty(), node_ids, left_out })
}

/// The files and folders that could not be collected.
pub(crate) async fn broken(client: &Client, root: &Path) -> Result<Vec<String>, Failure> {
    Ok(paths_of(&client.collect_errors().await?, root).collect())
}

/// The paths of these errors, without those that are gone.
pub(crate) fn paths_of(errors: &[CollectError], root: &Path) -> impl Iterator<Item = String> {
    errors.iter().map(|error| path_of_uri(&error.uri, root)).filter(|path| root.join(path).exists())
}

/// The last durations of these tests together, in milliseconds.
async fn duration_of(client: &Client, ids: &[&String]) -> Result<f64, Failure> {
    let ids: BTreeSet<&str> = ids.iter().map(|id| id.as_str()).collect();
    let request = Request::GetLastOutcomes { context_id: client.context_id.clone(), since_cleared: Some(true) };
    match client.session.call(request).await {
        Response::Events { events, .. } => Ok(events
            .iter()
            .filter_map(|event| match &event.payload {
                EventPayload::TestOutcome(told) => Some(&told.outcomes),
                _ => None,
            })
            .flatten()
            .filter(|outcome| ids.contains(outcome.id.as_str()))
            .map(|outcome| outcome.duration_ms)
            .sum()),
        other => Err(Failure::of_response(other)),
    }
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
    let file = NodeId::new(&id).file();
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
    let broken = broken(client, root).await?;
    writeln!(out, "{}", explanation(&id, &reach, known.iter().map(|node| &*node.node_id), &broken))?;
    Ok(exit::OK)
}

/// Whether the tests of a file are unknown because this file or folder could not be collected.
fn hides(broken: &str, file: &str) -> bool {
    selectors::covers(broken, file) || selectors::is_selected_file(&[file.to_owned()], broken)
}

/// The changed files, and the tests that they reach.
#[derive(Debug)]
pub(crate) struct Reach {
    pub changes: Changes,
    /// The way to every test, if there is one.
    pub everything: Vec<String>,
    pub files: Vec<ReachedFile>,
    /// Tests whose inputs are recorded, or that did not pass; they take precedence.
    pub tests: Vec<TestImpact>,
}

impl Reach {
    /// The ids of the selected tests to run, or of their files. `known`: every test; `broken`: files and folders that
    /// could not be collected. These are always to run, as nobody knows what is in them.
    pub(crate) fn ids(&self, selected: &[String], known: &[String], broken: &[String]) -> Vec<String> {
        let reached = match self.everything.is_empty() {
            true => self.files.iter().map(|file| file.path.clone()).collect(),
            false => known.iter().chain(broken).map(|id| NodeId::new(id).file().to_owned()).collect(),
        };
        let mut ids = self.by_tests(selected, left(selected, &reached, known, broken), known);
        let kept: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let is_unseen = |path: &&String| selectors::is_selected_file(selected, path) && !is_covered(&kept, path);
        let unseen: Vec<String> = broken.iter().filter(is_unseen).cloned().collect();
        ids.extend(unseen);
        ids
    }

    /// Why a file's tests are among them.
    pub(crate) fn reason(&self, file: &str, tests: &[&str]) -> String {
        let recorded = self.tests.iter().filter(|test| tests.contains(&test.node_id.as_str()));
        let first = recorded.filter_map(|test| Some((test, test.reason.as_ref()?))).next();
        match first {
            Some((test, reason)) => because(&test.node_id, file, reason, test.passed_ms),
            None => match self.through(file) {
                Some(through) => way(through),
                None if self.everything.is_empty() => "it could not be collected".to_owned(),
                None => way(&self.everything),
            },
        }
    }

    /// The way by which a change reaches a test file.
    fn through(&self, file: &str) -> Option<&[String]> {
        self.files.iter().find(|reached| reached.path == file).map(|reached| &*reached.through)
    }

    /// The tests that nothing affects, as is recorded.
    fn unaffected(&self) -> HashSet<&str> {
        self.tests.iter().filter(|test| test.reason.is_none()).map(|test| test.node_id.as_str()).collect()
    }

    /// The ids to run, by what is known of single tests.
    fn by_tests(&self, selected: &[String], ids: Vec<String>, known: &[String]) -> Vec<String> {
        let unaffected = self.unaffected();
        let mut narrowed = Vec::new();
        for id in ids {
            let covered: Vec<&String> = known.iter().filter(|test| selectors::covers(&id, test)).collect();
            if covered.iter().any(|test| unaffected.contains(test.as_str())) {
                narrowed.extend(covered.into_iter().filter(|test| !unaffected.contains(test.as_str())).cloned());
            } else {
                narrowed.push(id);
            }
        }
        let known: HashSet<&str> = known.iter().map(String::as_str).collect();
        let affected = self.tests.iter().filter(|test| test.reason.is_some()).map(|test| test.node_id.as_str());
        let kept: HashSet<&str> = narrowed.iter().map(String::as_str).collect();
        let further = affected.filter(|id| known.contains(id) && is_selected(selected, id) && !is_covered(&kept, id));
        let further: Vec<String> = further.map(str::to_owned).collect();
        narrowed.extend(further);
        narrowed
    }
}

/// The tests that the changes against a git base can reach.
pub(crate) async fn reach(client: &Client, root: &Path, base: &str) -> Result<Reach, Failure> {
    let base = git::base(root, base)?;
    reach_of(client, root, || base.changes()).await
}

/// The tests that these changes can reach. `changes`: looks for them, after the collection, which may take long.
pub(crate) async fn reach_of(
    client: &Client,
    root: &Path,
    changes: impl FnOnce() -> Result<Changes, Failure>,
) -> Result<Reach, Failure> {
    let ask = async |paths| {
        let request = Request::ExplainAffected { context_id: client.context_id.clone(), paths };
        match client.session.call(request).await {
            Response::Affected { everything, files, tests } => Ok((everything, files, tests)),
            other => Err(Failure::of_response(other)),
        }
    };
    // From now on runs record what their tests depend on.
    ask(Vec::new()).await?;
    // Plugins, configuration and new files are known after a collection.
    refresh(client).await;
    let changes = changes()?;
    if let Some(above) = changes.files.iter().find(|path| concerns_from_above(path, root)) {
        let everything = vec![above.display().to_string()];
        return Ok(Reach { changes, everything, files: Vec::new(), tests: Vec::new() });
    }
    // Tests may use files outside of the root as well.
    let paths = changes.files.iter().map(|path| path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned());
    let paths = paths.collect();
    let (everything, files, tests) = ask(paths).await?;
    Ok(Reach { changes, everything, files, tests })
}

/// Whether a file outside of the root counts for all of its tests: a configuration file or conftest of a folder above.
fn concerns_from_above(path: &Path, root: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let is_above = path.parent().is_some_and(|folder| folder != root && root.starts_with(folder));
    is_above && (name == "conftest.py" || is_config_file(name))
}

fn is_selected(selected: &[String], id: &str) -> bool {
    selected.is_empty() || selected.iter().any(|wanted| selectors::covers(wanted, id))
}

/// The ids to run, by the reached files or tests. `known`: every test; `broken`: files that could not be collected.
pub(crate) fn left(
    selected: &[String],
    reached: &BTreeSet<String>,
    known: &[String],
    broken: &[String],
) -> Vec<String> {
    let files: BTreeSet<&str> = known.iter().chain(broken).map(|id| NodeId::new(id).file()).collect();
    let mut ids = Vec::new();
    for id in reached {
        let file = NodeId::new(id).file();
        // All of a nested project.
        let is_folder = !files.contains(file) && files.iter().any(|known| selectors::covers(file, known));
        // pytest collects no other files, unless they are asked for.
        let is_named = selected.iter().any(|id| NodeId::new(id).file() == file);
        if !files.contains(file) && !is_named && !is_folder {
            let folder = selected.iter().find(|id| selectors::covers(id, file));
            if folder.is_none_or(|folder| files.iter().any(|known| selectors::covers(folder, known))) {
                continue;
            }
        }
        if is_selected(selected, id) {
            ids.push(id.clone());
        } else {
            ids.extend(selected.iter().filter(|wanted| selectors::covers(id, wanted)).cloned());
        }
    }
    ids
}

/// Whether one of these ids covers a test: itself, its function, class, file or folder.
pub(crate) fn is_covered(ids: &HashSet<&str>, test: &str) -> bool {
    let ends = test.match_indices(['/', '[', ':']).map(|(end, _)| end);
    ids.contains(selectors::ROOT) || ends.chain([test.len()]).any(|end| ids.contains(&test[..end]))
}

/// The selected tests that these ids leave out.
pub(crate) fn left_out<'a>(selected: &[String], ids: &[String], known: &'a [String]) -> Vec<&'a String> {
    let kept: HashSet<&str> = ids.iter().map(|id| id.trim_end_matches('/')).collect();
    known.iter().filter(|id| is_selected(selected, id) && !is_covered(&kept, id)).collect()
}

/// The known tests that these ids cover, by file; also files that are an id themselves, which may have no known test.
pub(crate) fn by_file<'a>(ids: &'a [String], known: &'a [String]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let kept: HashSet<&str> = ids.iter().map(String::as_str).collect();
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in ids.iter().filter(|id| NodeId::new(id).names().is_none()) {
        files.entry(file).or_default();
    }
    for id in known.iter().filter(|id| is_covered(&kept, id)) {
        files.entry(NodeId::new(id).file()).or_default().push(id);
    }
    files
}

/// One or two sentences on a test.
fn explanation<'a>(id: &str, reach: &Reach, known: impl Iterator<Item = &'a str>, broken: &[String]) -> String {
    let Reach { changes, everything, tests, .. } = reach;
    let covered: Vec<&str> = known.filter(|test| selectors::covers(id, test)).collect();
    let own: Vec<&TestImpact> = tests.iter().filter(|test| covered.contains(&test.node_id.as_str())).collect();
    let file = NodeId::new(id).file();
    let through = reach.through(file);
    // A change says more than an earlier failure.
    let says_more =
        |reason: &&ImpactReason| reason.kind != "not_passed" || (through.is_none() && everything.is_empty());
    let affected = own.iter().find_map(|test| Some((test, test.reason.as_ref().filter(says_more)?)));
    if let Some((test, reason)) = affected {
        return format!("{id} would run: {}.", because(&test.node_id, id, reason, test.passed_ms));
    }
    if !own.is_empty() && own.len() == covered.len() && own.iter().all(|test| test.reason.is_none()) {
        let inputs = own.iter().map(|test| test.inputs).max().unwrap_or_default();
        let since = moment(own.iter().map(|test| test.passed_ms).min().unwrap_or_default());
        return format!("{id} would not run: none of its {} has changed since {since}.", count_of(inputs, "input"));
    }
    if !everything.is_empty() {
        return format!("{id} would run: {}. Every test may depend on it.", way(everything));
    }
    let since = &changes.since;
    let changed = changes.files.len();
    match through {
        Some(through) => format!("{id} would run: {} since {since}.", way(through)),
        None if let Some(path) = broken.iter().find(|path| hides(path, file)) => {
            format!("{id} would run: {path} could not be collected.")
        }
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

/// The reason that the record of a test gives.
fn because(test: &str, id: &str, reason: &ImpactReason, passed_ms: u64) -> String {
    let ImpactReason { kind, name } = reason;
    let it = if test == id { "it".to_owned() } else { format!("`{test}`") };
    let since = if passed_ms == 0 { String::new() } else { format!(" since {}", moment(passed_ms)) };
    match kind.as_str() {
        "function" | "file" => format!("`{name}`, which {it} uses, changed{since}"),
        "folder" => format!("the folder `{name}`, which {it} lists, changed{since}"),
        // Stands for the names of all variables.
        "variable" if name == "*" => {
            format!("{it} reads which environment variables there are, and one came or went{since}")
        }
        "variable" => format!("the environment variable `{name}`, which {it} reads, changed{since}"),
        "stat" => format!("{it} asks for the existence, size or time of files, and `{name}` changed{since}"),
        "exists" => format!("{it} looks whether `{name}` exists, and it came, went or changed its kind{since}"),
        "library" => format!("code of a library in `{name}` changed{since}"),
        "environment" => format!("the interpreter, its packages, pytest's arguments or their variables changed{since}"),
        "configuration" => format!("`{name}`, on which every test may depend, came, went or changed{since}"),
        "imports" if name.is_empty() => {
            format!("what {it} imports reads variables or folders that changed{since}, or starts a process")
        }
        "imports" => format!("what {it} imports uses `{name}`, which changed{since}"),
        "lines" => format!("{it} reads the text of sources, and `{name}` changed{since}"),
        "process" => format!("{it} starts a process, and nobody can know what that reads"),
        "network" => format!("{it} uses a network address, and nobody can know what is there"),
        "extension" => format!("{it} uses compiled code of the project, and nobody can know what that reads"),
        "tracing" => format!("{it} traces what Python executes, and nobody can know what code that is done by"),
        "not_passed" => format!("its last outcome is `{name}`{}", if test == id { "" } else { " in part" }),
        _ => format!("nothing is known of what {it} depends on"),
    }
}

/// A time of today, or another day's date and time.
fn moment(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let Some(at) = at.map(|at| at.to_zoned_datetime(jiff::tz::TimeZone::system())) else { return "then".to_owned() };
    let today = jiff::ZonedDateTime::now().date() == at.date();
    at.strftime(if today { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string()
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
            let ids = left(&texts(selected), &reached, &known, &texts(&["c/test_broken.py"]));
            let left = left_out(&texts(selected), &ids, &known).len();
            (ids, left)
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
        assert_eq!(of(&[], &["a"]), ids(&["a"], 1), "a nested project");
        assert_eq!(of(&["a/test_a.py::t1", "b"], &["a"]), ids(&["a/test_a.py::t1"], 1));
        assert_eq!(of(&[], &["a/test_a.py::t1"]), ids(&["a/test_a.py::t1"], 2));
        assert_eq!(of(&["a/test_a.py::T"], &["a/test_a.py::t1"]), ids(&[], 1));
        assert_eq!(of(&["a"], &["a/test_a.py::T::t2[1]"]), ids(&["a/test_a.py::T::t2[1]"], 1));
    }

    #[test]
    fn nobody_knows_what_is_in_a_file_that_cannot_be_collected() {
        let reach = |everything: &[&str]| Reach {
            changes: Changes { since: "`main`".into(), files: Default::default() },
            everything: texts(everything),
            files: Vec::new(),
            tests: Vec::new(),
        };
        let (known, broken) = (texts(&["a/test_a.py::t"]), texts(&["b/conftest.py"]));
        let ids = |selected: &[&str]| reach(&[]).ids(&texts(selected), &known, &broken);
        assert_eq!(ids(&[]), broken);
        assert_eq!(ids(&["b"]), broken);
        assert_eq!(ids(&["b/test_b.py::t"]), broken, "its conftest decides about it");
        assert_eq!(ids(&["a"]), texts(&[]));
        assert_eq!(reach(&["x.py"]).ids(&[], &known, &broken), texts(&["a/test_a.py", "b/conftest.py"]));
        assert_eq!(reach(&[]).reason("b/conftest.py", &[]), "it could not be collected");
        assert!(hides("b/conftest.py", "b/test_b.py") && hides("conftest.py", "b/test_b.py") && hides("b", "b/t.py"));
        assert!(!hides("b/conftest.py", "c/test_c.py") && !hides("b/test_a.py", "b/test_b.py"));
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
            let reach = Reach { changes, everything: texts(everything), files, tests: Vec::new() };
            explanation("t.py::t", &reach, ["t.py::t"].into_iter(), &[])
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
