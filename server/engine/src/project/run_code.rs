//! Reads the code of a run shortly after its beginning, and again after its end: if it changed in between, nobody knows
//! which code the tests had, and the run proves nothing.
//!
//! The code is the files under the root that git does not ignore, and the sources that sessions have read elsewhere:
//! outside of the root, or ignored by git.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use pytest_lens_history::{Code, Fingerprints};

use crate::model::versions::RunCode;
use crate::processes::collected_session::CollectedSession;
use crate::project::Project;
use crate::project::library_versions::Libraries;

/// The way to the code of one run.
pub(crate) struct CodeReader {
    prints: Arc<Fingerprints>,
    libraries: Arc<Libraries>,
    known_elsewhere: Arc<Mutex<BTreeSet<PathBuf>>>,
    root: PathBuf,
    variables: Vec<u8>,
    collected: Arc<CollectedSession>,
    /// The beginning of the run, by the disk's clock.
    began: SystemTime,
}

/// The code of a run at one moment.
pub(crate) struct Reading {
    code: Code,
    /// Sources elsewhere, by absolute path.
    elsewhere: Code,
    /// All of their paths, those of deleted files as well.
    paths: Vec<PathBuf>,
    /// Files that have changed since the run's session read them.
    changed: BTreeSet<PathBuf>,
    /// The code that the session collected is on disk, for certain.
    is_present: bool,
}

impl CodeReader {
    pub(crate) fn new(project: &Project, collected: &Arc<CollectedSession>, began: SystemTime) -> Self {
        CodeReader {
            prints: Arc::clone(&project.fingerprints),
            libraries: Arc::clone(&project.libraries),
            known_elsewhere: Arc::clone(&project.sources_elsewhere),
            root: project.state.root.clone(),
            variables: project.pool.variables(),
            collected: Arc::clone(collected),
            began,
        }
    }

    /// The code as it is now. Blocks.
    pub(crate) fn read(&self) -> Reading {
        let code = self.prints.code(&self.root, &self.variables);
        let paths = self.elsewhere(&code);
        let changed = self.collected.changed_files();
        Reading {
            is_present: self.collected.knows_its_code() && changed.is_empty(),
            elsewhere: self.prints.code_of(paths.iter().cloned()),
            code,
            paths,
            changed,
        }
    }

    /// The sources that the sessions of this project have read, and that the code of the root does not include: a session
    /// of a part of the project reads fewer of them, and its tests may import the others while they run.
    fn elsewhere(&self, code: &Code) -> Vec<PathBuf> {
        let mut known = self.known_elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(self.collected.sources.iter().filter(|path| !is_of(&self.root, code, path)).cloned());
        known.retain(|path| !is_of(&self.root, code, path));
        known.iter().cloned().collect()
    }

    /// The name of the code of the run, if it has stayed as it was at this reading. `is_late`: the reading came after the end
    /// of the run. Blocks.
    pub(crate) fn name(&self, reading: &Reading, is_late: bool) -> Option<Arc<str>> {
        let Reading { code, elsewhere, paths, is_present, .. } = reading;
        let is_unchanged = *is_present && [code, elsewhere].iter().all(|code| code.is_unchanged_since(self.began));
        let stays = || {
            let later = self.prints.code(&self.root, &self.variables);
            let later_elsewhere = self.prints.code_of(paths.iter().cloned());
            self.prints.is_same(&self.root, self.began, code, &later)
                && self.prints.is_same(Path::new(""), self.began, elsewhere, &later_elsewhere)
        };
        (is_unchanged && (is_late || stays())).then(|| {
            let mut libraries = self.collected.base.libraries();
            if !elsewhere.files().is_empty() {
                libraries = format!("{libraries}\n{}", elsewhere.name);
            }
            self.libraries.name(&code.name, &libraries)
        })
    }

    /// The code that later code is compared with, to find the outcomes that are stale.
    pub(crate) fn of_run(&self, reading: Reading) -> RunCode {
        RunCode { began: self.began, code: reading.code, changed: reading.changed }
    }
}

/// Whether a file is a part of a root's code.
fn is_of(root: &Path, code: &Code, path: &Path) -> bool {
    path.strip_prefix(root).is_ok_and(|path| code.files().contains_key(path))
}
