//! Which of a root's projects an id belongs to, and the arguments of a run as each of them gets them. Pure decisions.

use std::path::Path;

use pytest_lens_analysis::listing::NestedProjects;
use pytest_lens_protocol::NodeId;

/// The parts of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Split {
    /// The ids that belong to the root itself, empty for everything; `None` if it has no part.
    pub own: Option<Vec<String>>,
    /// The nested projects that have a part, by their places, with the ids relative to them; no ids stand for everything.
    pub members: Vec<(usize, Vec<String>)>,
}

impl Split {
    fn add(&mut self, member: usize, id: Option<String>) {
        let place = self.members.iter().position(|(known, _)| *known == member);
        match (place, id) {
            (Some(place), Some(id)) if !self.members[place].1.is_empty() => self.members[place].1.push(id),
            // Everything includes any id.
            (Some(place), None) => self.members[place].1.clear(),
            (Some(_), Some(_)) => {}
            (None, id) => self.members.push((member, id.into_iter().collect())),
        }
    }
}

/// Splits ids, which are relative to the root and in pytest's form; none stand for everything.
pub(super) fn split(nested: &NestedProjects, ids: &[String]) -> Split {
    let mut split = Split::default();
    if ids.is_empty() {
        split.own = Some(Vec::new());
        let parts = nested.projects.iter().enumerate();
        split.members = parts.filter_map(|(place, project)| Some((place, project.by_default.clone()?))).collect();
        return split;
    }
    for id in ids {
        if let Some((place, inner)) = member_of(nested, id) {
            split.add(place, Some(inner).filter(|inner| !inner.is_empty()));
            continue;
        }
        split.own.get_or_insert_default().push(id.clone());
        for (place, project) in nested.projects.iter().enumerate() {
            if is_above(id, &project.path) {
                split.add(place, None);
            }
        }
    }
    split.members.sort_unstable();
    split
}

/// The nested project of an id, and the id relative to it.
pub(super) fn member_of(nested: &NestedProjects, id: &str) -> Option<(usize, String)> {
    let (file, names) = NodeId::new(id).split();
    let (project, inner) = nested.of(file.trim_end_matches('/'))?;
    let place = nested.projects.iter().position(|known| known.path == project.path)?;
    Some((place, names.map_or_else(|| inner.to_owned(), |names| format!("{inner}::{names}"))))
}

/// Whether an id is a folder around a project.
pub(super) fn is_above(id: &str, project: &str) -> bool {
    let folder = id.trim_end_matches('/');
    folder == "." || project.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The arguments of a run for one of its projects.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PartArguments {
    pub arguments: Vec<String>,
    /// The JUnit report that the run is to make.
    pub junit: Option<String>,
    /// The whole project is left out.
    pub is_ignored: bool,
}

/// The arguments of a run for the project in `path`; empty for the root's own. Paths and ids in them are relative to
/// `root`.
pub(super) fn arguments_of(arguments: &[String], root: &Path, path: &str) -> PartArguments {
    let mut part = PartArguments { arguments: Vec::new(), junit: None, is_ignored: false };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.as_str(), None),
        };
        if !matches!(name, "--junitxml" | "--junit-xml" | "--deselect" | "--ignore" | "--ignore-glob") {
            part.arguments.push(word.clone());
            continue;
        }
        let Some(value) = value.map(str::to_owned).or_else(|| words.next().cloned()) else {
            part.arguments.push(word.clone());
            continue;
        };
        match name {
            "--deselect" => {
                let inner = if path.is_empty() { Some(&*value) } else { inside(&value, path) };
                part.arguments.extend(inner.map(|id| format!("--deselect={id}")));
                part.is_ignored |= !path.is_empty() && covers(&value, path);
            }
            "--ignore" => {
                let plain = value.trim_start_matches("./").trim_end_matches('/');
                part.is_ignored |= !path.is_empty() && covers(plain, path);
                part.arguments.push(format!("--ignore={}", root.join(plain).display()));
            }
            "--ignore-glob" => part.arguments.push(format!("--ignore-glob={}", root.join(&value).display())),
            _ => part.junit = Some(value),
        }
    }
    part
}

/// The part of an id that is relative to a folder.
pub(super) fn inside<'i>(id: &'i str, folder: &str) -> Option<&'i str> {
    id.strip_prefix(folder)?.strip_prefix('/')
}

fn covers(folder: &str, project: &str) -> bool {
    folder == project || is_above(folder, project)
}

#[cfg(test)]
mod tests {
    use pytest_lens_analysis::listing::NestedProject;

    use super::*;

    fn nested() -> NestedProjects {
        let project = |path: &str, by_default: Option<&[&str]>| NestedProject {
            path: path.into(),
            by_default: by_default.map(|parts| parts.iter().map(|&part| part.to_owned()).collect()),
        };
        let projects = vec![project("pkg/a", Some(&[])), project("pkg/b", Some(&["unit"])), project("tools", None)];
        NestedProjects { projects, ..NestedProjects::default() }
    }

    fn owned(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|&id| id.to_owned()).collect()
    }

    type Ids = Vec<String>;

    fn split(ids: &[&str]) -> (Option<Ids>, Vec<(usize, Ids)>) {
        let Split { own, members } = super::split(&nested(), &owned(ids));
        (own, members)
    }

    #[test]
    fn b11_an_id_belongs_to_the_project_around_its_file() {
        assert_eq!(split(&[]), (Some(vec![]), vec![(0, vec![]), (1, owned(&["unit"]))]));
        let found = split(&["pkg/a/t.py::T::t[a::b/c]", "pkg/ab/t.py", "tools", "pkg/b/unit/", "pkg/a/u.py"]);
        let members = vec![(0, owned(&["t.py::T::t[a::b/c]", "u.py"])), (1, owned(&["unit"])), (2, vec![])];
        assert_eq!(found, (Some(owned(&["pkg/ab/t.py"])), members));
        assert_eq!(split(&["pkg/a/t.py"]).0, None, "the root has no part");
    }

    #[test]
    fn b11_a_folder_stands_for_the_projects_in_it() {
        assert_eq!(split(&["pkg/a/t.py", "pkg"]), (Some(owned(&["pkg"])), vec![(0, vec![]), (1, vec![])]));
        assert_eq!(split(&["pkg/", "pkg/a/t.py"]).1[0], (0, vec![]), "everything includes any id");
        assert_eq!(split(&["."]).1.len(), 3);
    }

    #[test]
    fn b11_paths_and_ids_in_arguments_keep_their_meaning() {
        let given = owned(&[
            "--deselect=pkg/a/t.py::t",
            "--deselect",
            "pkg/b/t.py",
            "--ignore=pkg/b",
            "--junitxml=out.xml",
            "-v",
            "--tb=short",
        ]);
        let of = |path: &str| arguments_of(&given, Path::new("/r"), path);
        let a = of("pkg/a");
        assert_eq!(a.arguments, ["--deselect=t.py::t", "--ignore=/r/pkg/b", "-v", "--tb=short"]);
        assert_eq!((a.junit.as_deref(), a.is_ignored), (Some("out.xml"), false));
        assert!(of("pkg/b").is_ignored && !of("pkg/bc").is_ignored);
        assert!(!of("").is_ignored);
    }
}
