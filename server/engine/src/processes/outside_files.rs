//! Files outside of a project that its code names: what C libraries may read there at import.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use pytest_lens_analysis::{FileAnalysis, NamedPath};

/// Folders of the system, which hold no data of a project.
const SYSTEM: [&str; 5] = ["/dev", "/proc", "/run", "/sys", "/usr"];

/// The existing files and folders outside of a project that its sources name. `variables`: those that differ from this
/// process's own.
pub(crate) fn named<'a>(
    root: &Path,
    variables: &BTreeMap<String, String>,
    sources: impl Iterator<Item = (&'a Path, &'a FileAnalysis)>,
) -> Vec<PathBuf> {
    let all = sources.flat_map(|(file, analysis)| {
        let path = move |named: &NamedPath| outside(root, &resolve(root, variables, file, named)?);
        analysis.paths.iter().filter_map(path)
    });
    let mut found: Vec<PathBuf> = all.collect();
    found.sort();
    found.dedup();
    found
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
    let is_installed = path.iter().any(|part| part == "site-packages" || part == "dist-packages");
    let is_there = || path.is_file() || (path.is_dir() && *path != std::env::temp_dir());
    (!is_around && !is_system && !is_installed && is_there()).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pytest_lens_analysis::{PytestSettings, analyze};

    #[test]
    fn p14_what_lies_beside_the_project_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        for name in ["project/data", "shared", "other"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        for name in ["project/data/a.xml", "shared/a.xml", "other/b.xml"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let source = format!(
            "from pathlib import Path\nHERE = Path(__file__).parent\nUP = HERE.parent\nA = UP / 'shared/a.xml'\n\
             B = HERE / 'data/a.xml'\nC = '../other'\nD = UP / 'none'\nE = '/usr/bin/env'\nF = '{}/other/b.xml'\n\
             import os\nG = os.environ['DATA'] + '/c.xml'\nH = os.getenv('UNSET_OF_THIS_TEST', 'x')\n",
            folder.path().display()
        );
        let data = folder.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join("c.xml"), "").unwrap();
        let variables = BTreeMap::from([("DATA".to_owned(), data.to_string_lossy().into_owned())]);
        let (file, analysis) = (root.join("test_a.py"), analyze(&source, &PytestSettings::default()));
        let found = named(&root, &variables, [(file.as_path(), &analysis)].into_iter());
        let expected =
            ["data", "data/c.xml", "other", "other/b.xml", "shared/a.xml"].map(|name| folder.path().join(name));
        assert_eq!(found, expected);
    }
}
