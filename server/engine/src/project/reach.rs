//! The tests that changed files can reach: by imports and reads, without those that their records show to be unaffected.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use pytest_lens_analysis::listing::read_text;
use pytest_lens_analysis::{FileAnalysis, is_config_file, is_settings_file};
use pytest_lens_platform::files::entry_changed_ns;
use pytest_lens_protocol::NodeId;

use crate::model::file_readers::FileReaders;
use crate::model::impact::{Impact, Kind, Known, is_made, kind};
use crate::model::import_graph::{Affected, ImportGraph};
use crate::model::scope::is_within;
use crate::model::test_inputs::Why;
use crate::model::words::{Unnamed, Words};
use crate::processes::project_files::{self, Link};
use crate::project::Project;
use crate::project::test_records::{self, Judged, Reason, TICK_NS};

/// The sources of a project, who imports whom among them, the test files, and who reads which files.
pub(crate) struct Reach<'p> {
    project: &'p Project,
    graph: Arc<ImportGraph>,
    sources: Vec<String>,
    tests: BTreeSet<String>,
    reads: FileReaders,
    links: Vec<Link>,
    /// Changed sources outside of the root, which its sources may import.
    outside: BTreeSet<String>,
}

impl<'p> Reach<'p> {
    /// The present sources; of deleted ones among `changed`, it is still known who imports them. Blocks.
    pub(crate) fn new<'a>(project: &'p Project, changed: impl Iterator<Item = &'a String>) -> Self {
        let (root, pytest) = (&project.state.root, project.state.pytest.load_full());
        let (sources, links) = project_files::sources_and_links(root);
        let mut files: HashMap<_, _> = sources
            .into_iter()
            .filter_map(|path| project.state.analyses.of(&root.join(&path), &pytest).map(|analysis| (path, analysis)))
            .collect();
        let sources = files.keys().cloned().collect();
        let collected: BTreeSet<String> =
            project.state.inventory.load().files.iter().map(|file| file.path.to_string()).collect();
        let is_test = |path: &str| collected.contains(path) || pytest.is_test_file(Path::new(path));
        let mut tests: BTreeSet<String> =
            files.keys().filter(|path| is_test(path)).chain(&collected).cloned().collect();
        // Code may import a source by the name of a link to it.
        let linked: Vec<_> = files
            .iter()
            .flat_map(|(path, analysis)| {
                let names = project_files::names_by_links(root, &links, path);
                names.into_iter().map(|name| (name, Arc::clone(analysis)))
            })
            .collect();
        for (name, analysis) in linked {
            files.entry(name).or_insert(analysis);
        }
        let mut outside = BTreeSet::new();
        for deleted in changed.filter(|path| path.ends_with(".py")) {
            // The project around a nested one knows who imports it.
            if Path::new(deleted).is_absolute() && project.outer.is_none() {
                outside.insert(deleted.clone());
                let package = project_files::package_of(Path::new(deleted)).filter(|path| !path.starts_with(root));
                let analysed = package.filter_map(|path| {
                    let analysis = project.state.analyses.of(&path, &pytest)?;
                    Some((path.to_str()?.to_owned(), analysis))
                });
                files.extend(analysed);
                files.entry(deleted.clone()).or_insert_with(|| Arc::new(FileAnalysis::default()));
            }
            // One outside of the root may have a name in it.
            let own = Path::new(deleted).is_relative().then(|| deleted.clone());
            if own.is_some() && is_test(deleted) {
                tests.insert(deleted.clone());
            }
            for name in project_files::names_by_links(root, &links, deleted).into_iter().chain(own) {
                files.entry(name).or_insert_with(|| Arc::new(FileAnalysis::default()));
            }
        }
        let (graph, reads) = (project.state.analyses.import_graph(files), project.state.reads().clone());
        Reach { project, graph, sources, tests, reads, links, outside }
    }

    /// The test files that import changed sources outside of the root, directly or not. No record has these sources.
    pub(crate) fn reached_from_outside(&self) -> Affected {
        match self.for_all(&self.outside) {
            Some(_) => Affected::All,
            None => self.graph.importing(&self.reads, &self.outside, &self.tests),
        }
    }

    /// One of these sources that is outside of the root, if pytest's configuration is there, too: conftests and plugins
    /// next to it serve every test.
    fn for_all(&self, changed: &BTreeSet<String>) -> Option<String> {
        let rootdir = &self.project.state.pytest.load().rootdir;
        let is_below = |path: &&String| self.outside.contains(*path) && Path::new(path).starts_with(rootdir);
        (*rootdir != self.project.state.root).then(|| changed.iter().find(is_below).cloned()).flatten()
    }

    /// Whether the imports say whom a change of this file reaches.
    pub(crate) fn is_known(&self, path: &str) -> bool {
        Path::new(path).is_relative() || self.outside.contains(path)
    }

    /// Changed files, also by the names that links give them: a record has the name by which a file was used, and git
    /// the name of the file itself.
    pub(crate) fn by_all_names(&self, changed: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        let mut all: BTreeSet<String> = changed.into_iter().collect();
        let root = &self.project.state.root;
        let linked: Vec<String> =
            all.iter().flat_map(|path| project_files::names_by_links(root, &self.links, path)).collect();
        all.extend(linked);
        all
    }

    /// The same with test files of nested projects.
    pub(crate) fn with_tests<'a>(mut self, files: impl Iterator<Item = &'a String>) -> Self {
        self.tests.extend(files.cloned());
        self
    }

    /// The test files that a change reaches which this engine has seen: its runs show who reads a file.
    pub(crate) fn of_change(&self, changed: &[String]) -> BTreeSet<String> {
        let is_everything = |path: &String| is_config(path) || is_env_file(self.project, path);
        if changed.iter().any(is_everything) {
            return self.present(self.tests.clone());
        }
        match self.graph.reached_by(&self.reads, changed, &self.tests) {
            Affected::All => self.present(self.tests.clone()),
            Affected::Files(files) => self.present(files),
        }
    }

    /// The test files that a change reaches which was made before, with the way to each.
    pub(crate) fn of_past_change(&self, changed: &BTreeSet<String>) -> Impact {
        if let Some(source) = self.for_all(changed) {
            return Impact { everything: vec![source], ..Impact::default() };
        }
        let mut known = Known {
            graph: &self.graph,
            reads: &self.reads,
            naming: HashMap::new(),
            tests: &self.tests,
            starters: BTreeSet::new(),
        };
        if changed.iter().any(|path| kind(path) != Kind::Data) {
            let root = &self.project.state.root;
            let read = |source: &String| Some((source.clone(), Words::new(read_text(&root.join(source)).ok()?)));
            let texts: Vec<(String, Words)> = self.sources.iter().filter_map(read).collect();
            let starters = texts.iter().filter(|(_, words)| words.starts_interpreter());
            known.starters = starters.map(|(source, _)| source.clone()).collect();
            loop {
                // A source that names a file may be used by a name, too.
                let unnamed = known.unnamed(changed);
                if unnamed.is_empty() {
                    break;
                }
                known.naming.extend(users(&known, &unnamed, &texts));
            }
        }
        let mut impact = known.impact(changed);
        impact.files.retain(|path, _| self.project.state.root.join(path).exists());
        impact
    }

    /// For each folder, the files of `tests` in it that changed sources outside of it reach, directly or through other
    /// sources outside of it, with the way. `is_past`: the change was made before.
    pub(crate) fn across(
        &self,
        folders: &[&str],
        changed: &BTreeSet<String>,
        is_past: bool,
    ) -> Vec<BTreeMap<String, Vec<String>>> {
        let importing = self.graph.reach(&changed.iter().cloned().collect::<Vec<_>>());
        let into = |folder: &&str| {
            let outside = changed.union(&importing).filter(|path| !is_within(path, folder)).cloned();
            let mut reached = if is_past {
                let Impact { everything, files } = self.of_past_change(&outside.collect());
                let all = || self.tests.iter().map(|file| (file.clone(), everything.clone())).collect();
                if everything.is_empty() { files } else { all() }
            } else {
                let files = match self.graph.reached_by(&self.reads, &outside.collect::<Vec<_>>(), &self.tests) {
                    Affected::All => self.tests.clone(),
                    Affected::Files(files) => files,
                };
                files.into_iter().map(|file| (file, Vec::new())).collect()
            };
            reached.retain(|file, _| is_within(file, folder));
            reached
        };
        folders.iter().map(into).collect()
    }

    /// The judgment of each test by its record.
    pub(crate) fn judged(&self) -> Vec<Judged> {
        // Plugins, and modules that are imported by name, are known after a collection.
        if !self.project.state.inventory.load().complete {
            return Vec::new();
        }
        test_records::judge(self.project, &self.graph, &self.tests, &|paths| self.by_all_names(paths))
    }

    /// The judgments that hold for a change of these files: a test may ask whether one exists, for its size or its time,
    /// which is not recorded. Of the project's sources, the records know which came or went.
    pub(crate) fn trusted(&self, mut judged: Vec<Judged>, changed: &BTreeSet<String>) -> Vec<Judged> {
        let root = &self.project.state.root;
        let is_inside = |path: &str| Path::new(path).is_relative();
        let came_or_went = |path: &str| {
            let created = std::fs::metadata(root.join(path)).and_then(|data| data.created());
            let since = created.ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            since.map_or(u64::MAX, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
        };
        let data = changed.iter().filter(|path| kind(path) == Kind::Data && is_inside(path));
        let newest = data.map(|path| came_or_went(path)).max().unwrap_or_default();
        judged.retain(|test| !test.why.is_empty() || test.at_ms > newest);
        // Of other sources only the time when they came is known.
        let sources = changed.iter().filter(|path| kind(path) == Kind::Source && !is_inside(path));
        let sources: Vec<(&String, u64)> = sources.map(|path| (path, came_or_went(path))).collect();
        let others = changed.iter().filter(|path| kind(path) != Kind::Source && !is_made(path));
        let others: Vec<(&String, u64)> = others.map(|path| (path, changed_ms(&root.join(path)))).collect();
        for test in judged.iter_mut().filter(|test| test.asks.own || test.asks.imported) {
            let is_later = |(_, at): &&(&String, u64)| *at >= test.at_ms;
            // A source may have been imported long before.
            let may_tell = |file: &&(&String, u64)| test.asks.imported || is_later(file);
            let files = others.iter().filter(may_tell).chain(sources.iter().filter(is_later));
            let files: BTreeSet<String> = files.map(|(path, _)| (*path).clone()).collect();
            if !files.is_empty() {
                test.why.push(Reason::Input(Why::Stat(Arc::new(files))));
            }
        }
        judged
    }

    /// The ids of reached test files without those of their tests that nothing affects, and further tests that use one
    /// of the changed files themselves.
    pub(crate) fn narrowed(
        &self,
        reached: BTreeSet<String>,
        trusted: &[Judged],
        changed: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        let unaffected: HashSet<&str> =
            trusted.iter().filter(|test| test.why.is_empty()).map(|test| test.id.as_str()).collect();
        let is_of_change = |why: &Reason| match why {
            Reason::Input(Why::Changed(input)) => changed.contains(&input.path),
            Reason::Input(Why::Stat(files)) => files.iter().any(|path| changed.contains(path)),
            _ => false,
        };
        let uses =
            |test: &&Judged| test.why.iter().any(is_of_change) && !reached.contains(NodeId::new(&test.id).file());
        let mut ids: BTreeSet<String> = trusted.iter().filter(uses).map(|test| test.id.clone()).collect();
        let inventory = self.project.state.inventory.load();
        for path in &reached {
            let nodes = inventory.files.iter().find(|file| *file.path == **path).map_or(&[][..], |file| &file.nodes);
            if nodes.iter().any(|node| unaffected.contains(&*node.id)) {
                let left = nodes.iter().filter(|node| !unaffected.contains(&*node.id));
                ids.extend(left.map(|node| node.id.to_string()));
            } else {
                ids.insert(path.clone());
            }
        }
        ids
    }

    /// All test files.
    pub(crate) fn tests(&self) -> &BTreeSet<String> {
        &self.tests
    }

    fn present(&self, mut files: BTreeSet<String>) -> BTreeSet<String> {
        files.retain(|path| self.project.state.root.join(path).exists());
        files
    }
}

/// The time of the last change of a file, or of the folder that it may have been in, in milliseconds since 1970.
fn changed_ms(path: &Path) -> u64 {
    let data = path.ancestors().find_map(|path| std::fs::symlink_metadata(path).ok());
    data.map_or(u64::MAX, |data| u64::try_from((entry_changed_ns(&data) + TICK_NS) / 1_000_000).unwrap_or(u64::MAX))
}

/// For each of these files, the sources that may use it in ways that no import shows.
fn users(known: &Known<'_>, unnamed: &[String], texts: &[(String, Words)]) -> HashMap<String, BTreeSet<String>> {
    let mut users: HashMap<String, BTreeSet<String>> =
        unnamed.iter().map(|path| (path.clone(), BTreeSet::new())).collect();
    let unnamed = Unnamed::new(unnamed.iter().map(|path| (&**path, known.is_unimported(path))));
    for (source, words) in texts {
        for path in unnamed.used_by(source, words) {
            if let Some(users) = users.get_mut(path) {
                users.insert(source.clone());
            }
        }
    }
    users
}

/// Whether every run takes its variables from this file.
fn is_env_file(project: &Project, path: &str) -> bool {
    let root = &project.state.root;
    project.state.settings.load().env_file.as_ref().is_some_and(|file| root.join(file) == root.join(path))
}

fn is_config(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    (is_config_file(name) || is_settings_file(name)) && !path.contains('/')
}
