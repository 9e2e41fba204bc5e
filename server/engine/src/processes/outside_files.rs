//! Files outside of a project that its code, or configuration that it reads, names: what C libraries may read there at
//! import.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};

use pytest_lens_analysis::{FileAnalysis, NamedPath};

use crate::processes::project_files::is_installed;

/// Folders of the system, which hold no data of a project.
const SYSTEM: [&str; 5] = ["/dev", "/proc", "/run", "/sys", "/usr"];

/// Endings of data that name paths, which C libraries may read.
const CONFIGURATION: [&str; 7] = ["cfg", "conf", "ini", "json", "toml", "yaml", "yml"];

/// Larger files are data, and no configuration.
const MAX_CONFIGURATION: u64 = 64 * 1024;

/// The longest chain of names of other modules that is followed.
const MAX_HOPS: usize = 4;

/// A source file, and what is known of it.
pub(crate) type Source<'a> = (&'a Path, &'a FileAnalysis);

/// The files that were read while a session collected, and its variables.
pub(crate) struct Readings<'a> {
    pub root: &'a Path,
    /// Variables of the interpreter that differ from this process's own.
    pub variables: &'a BTreeMap<String, String>,
    pub sources: Vec<Source<'a>>,
    /// Files of configuration.
    pub configuration: &'a [PathBuf],
}

impl Readings<'_> {
    /// The existing files and folders outside of the project that its sources, and the configuration that they have read,
    /// name. Blocks.
    pub(crate) fn named(&self) -> Vec<PathBuf> {
        let modules = Modules::of(&self.sources);
        let in_sources = self.sources.iter().flat_map(|(file, analysis)| {
            let whole = analysis.paths.iter().flat_map(|named| modules.known(file, named, MAX_HOPS));
            whole.filter_map(|(file, named)| resolve(self.root, self.variables, file, &named))
        });
        let in_configuration = self.configuration.iter().flat_map(|file| self.in_configuration(file));
        let mut found: Vec<PathBuf> =
            in_sources.chain(in_configuration).filter_map(|path| outside(self.root, &path)).collect();
        found.sort();
        found.dedup();
        found
    }

    /// The paths in a file of configuration: whole ones, and those that lead out of its folder or of the root.
    fn in_configuration(&self, file: &Path) -> Vec<PathBuf> {
        let is_small = || std::fs::metadata(file).is_ok_and(|data| data.is_file() && data.len() <= MAX_CONFIGURATION);
        let Some(text) = Some(file).filter(|_| is_small()).and_then(|file| std::fs::read_to_string(file).ok()) else {
            return Vec::new();
        };
        let words = text.split(|letter: char| letter.is_whitespace() || "\"'`,;=<>()[]{}".contains(letter));
        let paths =
            words.filter(|word| word.len() > 1 && ["/", "~/", "../"].iter().any(|start| word.starts_with(start)));
        let in_folder = |word: &str| NamedPath { of_file: true, path: format!("../{word}"), ..NamedPath::default() };
        let in_root = |word: &str| NamedPath { path: word.to_owned(), ..NamedPath::default() };
        let named = paths.flat_map(|word| {
            if word.starts_with("..") { vec![in_folder(word), in_root(word)] } else { vec![in_root(word)] }
        });
        named.filter_map(|named| resolve(self.root, self.variables, file, &named)).collect()
    }
}

/// Whether a file holds configuration, by its name.
pub(crate) fn is_configuration(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    CONFIGURATION.contains(&ending) || path.file_name().is_some_and(|name| name == ".env")
}

/// Sources by the last part of their modules' names.
struct Modules<'a> {
    by_name: HashMap<&'a str, Vec<Source<'a>>>,
}

impl<'a> Modules<'a> {
    fn of(sources: &[Source<'a>]) -> Self {
        let mut by_name: HashMap<&str, Vec<Source>> = HashMap::new();
        for &(file, analysis) in sources {
            if let Some(name) = module(file).file_name().and_then(|name| name.to_str()) {
                by_name.entry(name).or_default().push((file, analysis));
            }
        }
        Modules { by_name }
    }

    /// The possible values of a path of a file, each with the file at which it begins. A name of another module has its value in each module of
    /// that name.
    fn known(&self, file: &'a Path, named: &NamedPath, hops: usize) -> Vec<(&'a Path, NamedPath)> {
        let Some(constant) = &named.constant else { return vec![(file, named.clone())] };
        let (Some(hops), Some((package, name))) = (hops.checked_sub(1), constant.rsplit_once('.')) else {
            return Vec::new();
        };
        let package: PathBuf = package.split('.').filter(|part| !part.is_empty()).collect();
        let same_name = package.file_name().and_then(|name| self.by_name.get(name.to_str()?));
        let meant = same_name.into_iter().flatten().filter(|(file, _)| module(file).ends_with(&package));
        let values = meant.flat_map(|&(file, analysis)| {
            let (own, bound) = (&analysis.path_names, &analysis.calls.bound);
            let own = own.binary_search_by(|(own, _)| own.as_str().cmp(name)).map(|at| own[at].1.clone());
            // It may be imported there as well.
            let value = own.or_else(|_| {
                let at = bound.binary_search_by(|(own, _)| own.as_str().cmp(name))?;
                Ok::<_, usize>(NamedPath { constant: Some(bound[at].1.clone()), ..NamedPath::default() })
            });
            value.map_or_else(|_| Vec::new(), |value| self.known(file, &value, hops))
        });
        values.filter_map(|(file, value)| Some((file, named.from(&value)?))).collect()
    }
}

/// The path of a source's module: without the ending, and for a package the folder.
fn module(file: &Path) -> &Path {
    let is_package = file.file_name().is_some_and(|name| name == "__init__.py");
    let module =
        if is_package { file.parent() } else { file.to_str().and_then(|name| name.strip_suffix(".py")).map(Path::new) };
    module.unwrap_or(file)
}

/// `None` if it begins with a variable that is not set, or empty.
fn resolve(root: &Path, variables: &BTreeMap<String, String>, file: &Path, named: &NamedPath) -> Option<PathBuf> {
    let home = || named.path.strip_prefix("~/").zip(std::env::home_dir());
    let whole = if let Some(name) = &named.variable {
        let value = variables.get(name).cloned().or_else(|| std::env::var(name).ok())?;
        if value.is_empty() {
            return None;
        }
        root.join(value).join(named.path.trim_start_matches('/'))
    } else if let Some((below, home)) = home() {
        home.join(below)
    } else {
        if named.of_file { file } else { root }.join(&named.path)
    };
    let mut plain = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    Some(plain)
}

/// The entry at a path, if it may be data that is not the project's.
fn outside(root: &Path, path: &Path) -> Option<PathBuf> {
    let is_around = path.starts_with(root) || root.starts_with(path);
    let is_system = SYSTEM.iter().any(|folder| path.starts_with(folder));
    let is_there = || path.is_file() || (path.is_dir() && *path != std::env::temp_dir());
    (!is_around && !is_system && !is_installed(path) && is_there()).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pytest_lens_analysis::{PytestSettings, analyze};

    #[test]
    fn p14_what_lies_beside_the_project_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        for name in ["project/data", "project/conf", "shared", "other", "beside"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        for name in ["beside/e.xml", "project/data/a.xml", "shared/a.xml", "other/b.xml"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let source = format!(
            "from pathlib import Path\nHERE = Path(__file__).parent\nUP = HERE.parent\nA = UP / 'shared/a.xml'\n\
             B = HERE / 'data/a.xml'\nC = '../other'\nD = UP / 'none'\nE = '/usr/bin/env'\nF = '{}/other/b.xml'\n\
             import os\nG = os.environ['DATA'] + '/c.xml'\nH = os.getenv('UNSET_OF_THIS_TEST', 'x')\n",
            folder.path().display()
        );
        let settings = "from pathlib import Path\nUP = Path(__file__).parents[2]\nDATA = UP / 'far'\n";
        let (made, again) = ("from .settings import DATA\n", "import conf\nX = load(conf.DATA / 'deep' / 'd.xml')\n");
        std::fs::create_dir_all(folder.path().join("far/deep")).unwrap();
        std::fs::write(folder.path().join("far/deep/d.xml"), "").unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join("c.xml"), "").unwrap();
        let variables = BTreeMap::from([("DATA".to_owned(), data.to_string_lossy().into_owned())]);
        let files = [
            ("test_a.py", source.as_str()),
            ("test_b.py", again),
            ("conf/settings.py", settings),
            ("conf/__init__.py", made),
        ];
        let files = files.map(|(name, text)| (root.join(name), analyze(text, &PytestSettings::default())));
        std::fs::write(root.join("conf/own.ini"), "[data]\nnear = ../../beside/e.xml\nnone = ../gone.xml\n").unwrap();
        let sources = files.iter().map(|(path, analysis)| (path.as_path(), analysis)).collect();
        let read = [root.join("conf/own.ini"), root.join("conf/gone.json")];
        let found = Readings { root: &root, variables: &variables, sources, configuration: &read }.named();
        let expected =
            ["beside/e.xml", "data", "data/c.xml", "far", "far/deep/d.xml", "other", "other/b.xml", "shared/a.xml"]
                .map(|name| folder.path().join(name));
        assert_eq!(found, expected);
    }
}
