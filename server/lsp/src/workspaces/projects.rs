//! The project of each source of a folder: the folder itself, or a nested project, whose configuration decides which
//! files and functions are tests. The engine finds the same projects.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pytest_lens_analysis::listing::{has_configuration, nested_projects, read_text};
use pytest_lens_analysis::{PytestSettings, settings_from};

/// The project of a source.
#[derive(Debug)]
pub(crate) struct SourceProject {
    /// Its folder, relative to the workspace folder; empty for that itself.
    pub(crate) path: String,
    /// Its configuration.
    pub(crate) settings: Arc<PytestSettings>,
}

/// The known projects, by the folders that sources are in. Empty again after a change of configuration.
#[derive(Debug, Default)]
pub(crate) struct Projects(Mutex<HashMap<PathBuf, Arc<SourceProject>>>);

impl Projects {
    /// The project of the sources in `folder`, in or below `root`. `own`: the root's configuration. `globs`: its setting
    /// `projects`.
    pub(crate) fn of(
        &self,
        folder: &Path,
        root: &Path,
        own: &PytestSettings,
        globs: Option<&[String]>,
    ) -> Arc<SourceProject> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(project) = known.get(folder) {
            return Arc::clone(project);
        }
        let found = match nearest(folder, root, globs) {
            Some(path) => {
                // pytest says what is wrong with its configuration.
                let inner = root.join(&path);
                let settings = settings_from(&inner, &|path| read_text(path).ok());
                let settings = settings.unwrap_or_else(|_| PytestSettings { rootdir: inner, ..own.clone() });
                SourceProject { path, settings: Arc::new(settings) }
            }
            None => SourceProject { path: String::new(), settings: Arc::new(own.clone()) },
        };
        let found = Arc::new(found);
        known.insert(folder.to_owned(), Arc::clone(&found));
        found
    }
}

/// The innermost nested project around a folder.
fn nearest(folder: &Path, root: &Path, globs: Option<&[String]>) -> Option<String> {
    let inside = |path: &Path| {
        let parts: Vec<_> = path.strip_prefix(root).ok()?.iter().map(|part| part.to_string_lossy()).collect();
        Some(parts.join("/")).filter(|path| !path.is_empty())
    };
    match globs {
        None => {
            let around = folder.ancestors().take_while(|folder| *folder != root);
            around.into_iter().find(|folder| has_configuration(folder)).and_then(inside)
        }
        Some([]) => None,
        Some(_) => {
            let nested = nested_projects(root, &PytestSettings::default(), globs);
            let path = inside(folder)?;
            nested.of(&path).map(|(project, _)| project.path.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b11_a_source_belongs_to_the_innermost_project_around_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (name, text) in [
            ("pkg/web/pytest.ini", "[pytest]\npython_files = check_*.py\n"),
            ("pkg/web/deep/check_a.py", ""),
            ("pkg/api/test_b.py", ""),
        ] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), text).unwrap();
        }
        let own = PytestSettings { rootdir: root.to_owned(), ..PytestSettings::default() };
        let of = |folder: &str, globs: Option<&[&str]>| {
            let globs: Option<Vec<String>> = globs.map(|globs| globs.iter().map(|&glob| glob.to_owned()).collect());
            Projects::default().of(&root.join(folder), root, &own, globs.as_deref())
        };
        let web = of("pkg/web/deep", None);
        assert_eq!(web.path, "pkg/web");
        assert!(web.settings.is_test_file(&root.join("pkg/web/deep/check_a.py")));
        assert!(!web.settings.is_test_file(&root.join("pkg/web/deep/test_a.py")));
        assert_eq!(of("pkg/api", None).path, "");
        assert_eq!(of("pkg/api", Some(&["pkg/*"])).path, "pkg/api");
        assert_eq!(of("pkg/web/deep", Some(&[])).path, "");
    }
}
