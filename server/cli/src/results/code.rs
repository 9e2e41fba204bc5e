//! The code that a run is about: its name, and the files that changed while the tests ran.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pytest_lens_history::{Code, Fingerprints};

/// Digits of a fingerprint that tell two versions of a project apart.
const DIGITS: usize = 8;

/// The files of a project, as they were when this was made.
#[derive(Debug)]
pub(crate) struct CodeWatch {
    prints: Arc<Fingerprints>,
    root: PathBuf,
    before: Code,
}

/// Files that differ, relative to the root.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// Sources and configuration.
    pub code: Vec<String>,
    /// Data, which the tests themselves may have written.
    pub data: Vec<String>,
}

impl CodeWatch {
    /// Reads the files that are new or changed since the fingerprints last looked. Blocks.
    pub(crate) fn begin(prints: &Arc<Fingerprints>, root: &Path) -> Self {
        CodeWatch { prints: Arc::clone(prints), root: root.to_owned(), before: prints.code(root, b"") }
    }

    /// The name of the code: the first digits of its fingerprint.
    pub(crate) fn name(&self) -> String {
        self.before.name.chars().take(DIGITS).collect()
    }

    /// The files that differ now. Blocks.
    pub(crate) fn changed(&self) -> Changed {
        let found = self.before.differences(&self.prints.code(&self.root, b""));
        let shown = |paths: Vec<PathBuf>| paths.iter().map(|path| path.display().to_string()).collect();
        Changed { code: shown(found.code), data: shown(found.data) }
    }
}
