//! What part of a project a collection or a run is about.

use std::collections::BTreeSet;

/// Files and folders, relative to the root; or whatever the project's configuration says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// pytest without arguments.
    All,
    /// These, `/`-separated, none inside another.
    Paths(BTreeSet<String>),
}

impl Scope {
    /// The files and folders of node ids, files and folders; none = all.
    pub(crate) fn of_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let paths: BTreeSet<String> =
            ids.into_iter().map(|id| file_part(id).trim_end_matches('/').to_owned()).collect();
        if paths.is_empty() {
            return Scope::All;
        }
        if paths.contains("") || paths.contains(".") {
            return Scope::Paths(BTreeSet::from([".".to_owned()]));
        }
        let inside_other = |path: &String| paths.iter().any(|other| other != path && is_within(path, other));
        Scope::Paths(paths.iter().filter(|path| !inside_other(path)).cloned().collect())
    }

    /// pytest's arguments for it.
    pub(crate) fn args(&self) -> Vec<String> {
        match self {
            Scope::All => Vec::new(),
            Scope::Paths(paths) => paths.iter().cloned().collect(),
        }
    }

    /// Whether what can't be collected in a file keeps something of the scope from being collected: the file lies in it,
    /// or is a conftest above it.
    pub(crate) fn is_troubled_by(&self, file: &str) -> bool {
        let Scope::Paths(paths) = self else { return true };
        self.holds(file) || paths.iter().any(|path| is_conftest_of(file, path))
    }

    /// Whether a file lies in it, as far as paths tell.
    pub(crate) fn holds(&self, file: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Paths(paths) => paths.iter().any(|path| path == "." || is_within(file, path)),
        }
    }
}

/// Whether `path` is `folder`, or lies below it.
pub(crate) fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether `error` is the conftest.py of a folder that `path` lies in.
pub(crate) fn is_conftest_of(error: &str, path: &str) -> bool {
    match error.strip_suffix("conftest.py") {
        Some("") => true,
        Some(folder) => folder.strip_suffix('/').is_some_and(|folder| is_within(path, folder)),
        None => false,
    }
}

/// The file (or folder) of a node id.
pub(crate) fn file_part(id: &str) -> &str {
    id.split_once("::").map_or(id, |(file, _)| file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_takes_in_what_is_below_it() {
        let scope = Scope::of_ids(["tests/a.py::test", "tests/", "tests2/b.py"]);
        assert_eq!(scope, Scope::Paths(BTreeSet::from(["tests".into(), "tests2/b.py".into()])));
        assert!(scope.holds("tests/x/y.py") && !scope.holds("tests3/y.py"));
    }

    #[test]
    fn no_ids_are_all() {
        assert_eq!(Scope::of_ids([]), Scope::All);
    }
}
