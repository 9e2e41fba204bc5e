//! Decides what changes on disk mean for a resident session: it stays as it is, reloads some test modules, or ends.
//!
//! A run never executes old code, so a change that can't be reloaded ends the session, whatever the settings say. The
//! settings decide the rest: whether a changed test module also ends it, and whether a changed conftest ends it at once
//! or when the next run needs the new code.

use std::collections::HashMap;
use std::path::Path;

use pytest_lens_analysis::PytestSettings;
use pytest_lens_analysis::is_config_file;
use pytest_lens_protocol::FixtureReuseSettings;

use crate::model::import_graph::{ImportGraph, relative};
use crate::model::node::Analyses;
use crate::processes::disk_snapshot::{Changes, Snapshot};

/// The consequence for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Invalidation {
    /// It stays and reloads these test modules, given relative to the root.
    Stays(Vec<String>),
    /// It can't serve another run.
    EndsBeforeNextRun,
    /// It ends at once.
    Ends,
}

/// Classifies a project's files.
pub(crate) struct ProjectFiles<'a> {
    pub root: &'a Path,
    pub pytest: &'a PytestSettings,
    pub analyses: &'a Analyses,
}

/// Decides by the changes since the session's last read.
pub(crate) fn judge(
    project: &ProjectFiles<'_>,
    known: &Snapshot,
    changes: &Changes,
    rules: &FixtureReuseSettings,
) -> Invalidation {
    let mut found = Found::default();
    for path in &changes.files {
        found.changed(project, path, rules);
    }
    for path in &changes.entries {
        found.came_or_went(project, path, rules);
    }
    for path in changes.asked_for() {
        match name_of(path) {
            "conftest.py" => found.conftest(rules),
            _ => found.ends = true,
        }
    }
    let leads_on = !found.tests.is_empty() || !found.new.is_empty();
    if !found.ends && leads_on {
        found.follow(project, known);
    }
    if found.ends {
        Invalidation::Ends
    } else if found.conftest {
        Invalidation::EndsBeforeNextRun
    } else {
        Invalidation::Stays(found.tests)
    }
}

#[derive(Default)]
struct Found {
    ends: bool,
    /// A changed conftest that does not end the session at once.
    conftest: bool,
    /// Test modules that changed or are gone.
    tests: Vec<String>,
    /// Modules that did not exist before.
    new: Vec<String>,
}

impl Found {
    /// A file that was read has changed, or is gone.
    fn changed(&mut self, project: &ProjectFiles<'_>, path: &Path, rules: &FixtureReuseSettings) {
        let Some(inside) = relative(project.root, path) else {
            self.ends = true;
            return;
        };
        if name_of(path) == "conftest.py" {
            self.conftest(rules);
        } else if is_test(project, &inside) && !rules.teardown_on_test_file_change {
            self.tests.push(inside);
        } else {
            self.ends = true;
        }
    }

    /// A name in a folder that was listed.
    fn came_or_went(&mut self, project: &ProjectFiles<'_>, path: &Path, rules: &FixtureReuseSettings) {
        let (name, Some(inside)) = (name_of(path), relative(project.root, path)) else {
            self.ends = true;
            return;
        };
        if name == "conftest.py" {
            self.conftest(rules);
        } else if name == "__init__.py" || is_config_file(name) {
            self.ends = true;
        } else if path.join("__init__.py").exists() {
            self.new.push(format!("{inside}/__init__.py"));
        } else if inside.ends_with(".py") && path.exists() && !is_test(project, &inside) {
            self.new.push(inside);
        }
    }

    fn conftest(&mut self, rules: &FixtureReuseSettings) {
        if rules.teardown_on_conftest_change {
            self.ends = true;
        } else {
            self.conftest = true;
        }
    }

    /// Follows the imports: test modules that import changed ones are reloaded too. Other modules that import them hold
    /// old code, and importers of a new module may have failed to find it.
    fn follow(&mut self, project: &ProjectFiles<'_>, known: &Snapshot) {
        let own = known.files().filter_map(|path| relative(project.root, path));
        let paths = own.chain(self.tests.iter().chain(&self.new).cloned()).filter(|path| path.ends_with(".py"));
        let files: HashMap<_, _> = paths
            .filter_map(|path| {
                let analysis = project.analyses.of(&project.root.join(&path), project.pytest);
                analysis.map(|analysis| (path, analysis))
            })
            .collect();
        let graph = ImportGraph::new(files);
        let of_new = graph.reach(&self.new);
        self.ends |= of_new.iter().any(|path| !self.new.contains(path));
        let reached = graph.reach(&self.tests);
        self.ends |= reached.iter().any(|path| !is_test(project, path));
        self.tests = reached.into_iter().collect();
    }
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn is_test(project: &ProjectFiles<'_>, inside: &str) -> bool {
    inside.ends_with(".py") && project.pytest.is_test_file(Path::new(inside))
}
