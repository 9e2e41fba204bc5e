//! The libraries beside the code: what another version of a library does is no fault of a test.
//!
//! A run's code is named by the project's own files (`history::Fingerprints`), which those who record runs elsewhere know
//! as well. Where the same code ran with other libraries before, it gets another name here.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::processes::disk_snapshot::hex_sha256;
use crate::processes::private_files;

/// How many names of code are remembered.
const KEPT: usize = 200;

const FILE: &str = "libraries.json";

/// With which libraries code ran first.
#[derive(Debug)]
pub(crate) struct Libraries {
    file: PathBuf,
    /// Names of code and of libraries, the newest last; read at the first question.
    known: Mutex<Option<Vec<(String, String)>>>,
}

impl Libraries {
    /// As remembered beside a project's caches.
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
        // Another engine knows it too.
        let known = Libraries::of(folder.path());
        assert_eq!(known.name(&one, "a 2"), other);
        assert_eq!(known.name(&one, "a 1"), one);
    }
}
