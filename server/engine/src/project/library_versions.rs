//! Distinguishes runs of the same code with different versions of libraries, which don't make a test flaky.
//!
//! The name of a run's code covers the project's own files (`history::Fingerprints`); other processes that record runs
//! compute it as well. If the same code ran with other libraries before, or with other sources elsewhere, this module
//! gives it another name.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::processes::disk_snapshot::hex_sha256;
use crate::processes::private_files;

/// Number of remembered code names.
const KEPT: usize = 200;

const FILE: &str = "libraries.json";

/// The libraries with which each code ran first.
#[derive(Debug)]
pub(crate) struct Libraries {
    file: PathBuf,
    /// Names of code and of libraries, newest last; read on first use.
    known: Mutex<Option<Vec<(String, String)>>>,
}

impl Libraries {
    /// The names remembered next to a project's caches.
    pub(crate) fn of(cache_dir: &std::path::Path) -> Self {
        Libraries { file: cache_dir.join(FILE), known: Mutex::default() }
    }

    /// The name of code that ran with `libraries`. Blocks.
    pub(crate) fn name(&self, code: &Arc<str>, libraries: &str) -> Arc<str> {
        let libraries = &hex_sha256(libraries.as_bytes())[..16];
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_with(|| {
            let text = std::fs::read(&self.file).unwrap_or_default();
            serde_json::from_slice(&text).unwrap_or_default()
        });
        match known.iter().find(|(own, _)| **own == **code) {
            Some((_, first)) if first == libraries => Arc::clone(code),
            Some(_) => hex_sha256(format!("{code}\n{libraries}").as_bytes()).into(),
            None => {
                known.push((code.to_string(), libraries.to_owned()));
                let excess = known.len().saturating_sub(KEPT);
                known.drain(..excess);
                if let Ok(text) = serde_json::to_vec(known)
                    && let Err(error) = private_files::write(&self.file, &text)
                {
                    tracing::info!(%error, "the libraries of runs can't be remembered");
                }
                Arc::clone(code)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r20_the_same_code_with_other_libraries_has_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        let known = Libraries::of(folder.path());
        assert_eq!(known.name(&one, "a 1"), one);
        assert_eq!(known.name(&one, "a 1"), one);
        let other = known.name(&one, "a 2");
        assert_ne!(other, one);
        assert_eq!(known.name(&two, "a 2"), two);
        // Another engine must see the name as well.
        let known = Libraries::of(folder.path());
        assert_eq!(known.name(&one, "a 2"), other);
        assert_eq!(known.name(&one, "a 1"), one);
    }
}
