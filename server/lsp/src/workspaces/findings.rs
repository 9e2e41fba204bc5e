//! Failures and collection errors at lines of files, each with the text that its line refers to.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_types::DiagnosticSeverity;

use crate::documents::text::Text;

/// A line of a file, and the text that contains it; without a text, the file's present text.
#[derive(Debug, Clone)]
pub(crate) struct Anchor {
    /// The text.
    pub(crate) text: Option<Arc<Text>>,
    /// The line, 0-based.
    pub(crate) line: u32,
}

/// One finding.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// The test that failed; `None` for a collection error.
    pub(crate) test: Option<String>,
    /// Its line; `None` for the test's definition.
    pub(crate) line: Option<Anchor>,
    /// The message.
    pub(crate) message: String,
    /// The code of the diagnostic: the outcome, or `collection_error`.
    pub(crate) code: String,
    /// The severity.
    pub(crate) severity: DiagnosticSeverity,
    /// The traceback of the failure.
    pub(crate) related: Vec<Step>,
}

/// One frame of a traceback.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The file.
    pub(crate) path: PathBuf,
    /// The line.
    pub(crate) line: Anchor,
    /// The function.
    pub(crate) message: String,
}

/// All findings of a workspace, by file.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    files: HashMap<PathBuf, Vec<Finding>>,
    tests: HashMap<String, PathBuf>,
}

impl Findings {
    /// Replaces a test's finding; returns the files whose diagnostics changed.
    pub(crate) fn set_test(&mut self, test: &str, path: PathBuf, finding: Finding) -> BTreeSet<PathBuf> {
        let mut touched = self.clear_test(test);
        self.tests.insert(test.to_owned(), path.clone());
        self.files.entry(path.clone()).or_default().push(finding);
        touched.insert(path);
        touched
    }

    /// Removes a test's finding.
    pub(crate) fn clear_test(&mut self, test: &str) -> BTreeSet<PathBuf> {
        let Some(path) = self.tests.remove(test) else { return BTreeSet::new() };
        self.retain(&path, |finding| finding.test.as_deref() != Some(test));
        BTreeSet::from([path])
    }

    /// Replaces all collection errors.
    pub(crate) fn set_errors(&mut self, errors: Vec<(PathBuf, Finding)>) -> BTreeSet<PathBuf> {
        let has_error = |findings: &&Vec<Finding>| findings.iter().any(|finding| finding.test.is_none());
        let mut touched: BTreeSet<PathBuf> =
            self.files.iter().filter(|(_, findings)| has_error(findings)).map(|(path, _)| path.clone()).collect();
        for path in &touched {
            self.retain(path, |finding| finding.test.is_some());
        }
        for (path, finding) in errors {
            touched.insert(path.clone());
            self.files.entry(path).or_default().push(finding);
        }
        touched
    }

    fn retain(&mut self, path: &Path, keep: impl Fn(&Finding) -> bool) {
        if let Some(findings) = self.files.get_mut(path) {
            findings.retain(|finding| keep(finding));
            if findings.is_empty() {
                self.files.remove(path);
            }
        }
    }

    /// The findings of a file.
    pub(crate) fn of(&self, path: &Path) -> &[Finding] {
        self.files.get(path).map_or(&[], Vec::as_slice)
    }

    /// All files with findings.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.keys()
    }
}
