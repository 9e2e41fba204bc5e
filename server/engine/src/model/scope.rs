//! The part of a project that a collection or a run is about.

use std::collections::BTreeSet;

use pytest_lens_protocol::NodeId;

/// Files and folders relative to the root, or everything that the project's configuration selects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// pytest without arguments.
    All,
    /// These files and folders, `/`-separated, none inside another.
    Paths(BTreeSet<String>),
}

impl Scope {
    /// The files and folders of node ids, files and folders; everything if there are none.
    pub(crate) fn of_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let paths: BTreeSet<String> =
            ids.into_iter().map(|id| NodeId::new(id).file().trim_end_matches('/').to_owned()).collect();
        if paths.is_empty() {
            return Scope::All;
        }
        if paths.contains("") || paths.contains(".") {
            return Scope::Paths(BTreeSet::from([".".to_owned()]));
        }
        let inside_other = |path: &String| paths.iter().any(|other| other != path && is_within(path, other));
        Scope::Paths(paths.iter().filter(|path| !inside_other(path)).cloned().collect())
    }

    /// The arguments that make pytest collect it.
    pub(crate) fn args(&self) -> Vec<String> {
        match self {
            Scope::All => Vec::new(),
            Scope::Paths(paths) => paths.iter().cloned().collect(),
        }
    }

    /// Returns whether a file that can't be collected affects the scope: the file is in the scope, or pytest needs it to
    /// collect the scope.
    pub(crate) fn is_troubled_by(&self, file: &str) -> bool {
        let Scope::Paths(paths) = self else { return true };
        self.holds(file) || paths.iter().any(|path| is_needed_for(file, path))
    }

    /// Returns whether a file is in the scope, judged by its path.
    pub(crate) fn holds(&self, file: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Paths(paths) => paths.iter().any(|path| is_below(file, path)),
        }
    }

    /// Returns whether it is made of this path, among others.
    pub(crate) fn names(&self, path: &str) -> bool {
        matches!(self, Scope::Paths(paths) if paths.contains(path))
    }

    /// Returns whether every file of another scope is in this one.
    pub(crate) fn covers(&self, other: &Scope) -> bool {
        match (self, other) {
            (Scope::All, _) => true,
            (Scope::Paths(_), Scope::All) => false,
            (Scope::Paths(_), Scope::Paths(paths)) => paths.iter().all(|path| self.holds(path)),
        }
    }
}

/// Returns whether `path` is `folder`, or is below it; `.` is the root.
pub(crate) fn is_below(path: &str, folder: &str) -> bool {
    folder == "." || is_within(path, folder)
}

/// Returns whether `path` is `folder`, or is below it.
pub(crate) fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns whether `error` is the conftest.py of a folder that contains `path`, or its `__init__.py`, which stands for the
/// package: pytest gets to `path` only if it can collect these.
pub(crate) fn is_needed_for(error: &str, path: &str) -> bool {
    match error.strip_suffix("conftest.py").or_else(|| error.strip_suffix("__init__.py")) {
        Some("") => true,
        Some(folder) => folder.strip_suffix('/').is_some_and(|folder| is_within(path, folder)),
        None => false,
    }
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
    fn a_scope_covers_what_is_below_it() {
        let (all, folder, file) = (Scope::All, Scope::of_ids(["tests"]), Scope::of_ids(["tests/a.py"]));
        assert!(all.covers(&folder) && folder.covers(&file) && Scope::of_ids(["."]).covers(&file));
        assert!(!folder.covers(&all) && !file.covers(&folder) && !file.covers(&Scope::of_ids(["tests/b.py"])));
    }

    #[test]
    fn no_ids_are_all() {
        assert_eq!(Scope::of_ids([]), Scope::All);
    }
}
