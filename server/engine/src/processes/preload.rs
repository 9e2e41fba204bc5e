//! The libraries that a project's interpreters import in advance: those that its sessions imported, except those that a
//! session needed in another state. They are stored next to the caches, for the next engine's first interpreter.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::processes::launcher::Launcher;

const FILE: &str = "preload.json";

/// Modules by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Preload {
    /// In the order of import.
    pub modules: Vec<String>,
    /// Never imported in advance: for instance, a session patched their dependencies before it imported them.
    pub unfit: BTreeSet<String>,
}

impl Preload {
    pub(crate) fn remembered(launcher: &Launcher) -> Self {
        let text = std::fs::read(launcher.cache_dir.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    pub(crate) fn remember(&self, launcher: &Launcher) {
        if let Ok(text) = serde_json::to_vec(self)
            && let Err(error) = crate::processes::private_files::write(&launcher.cache_dir.join(FILE), &text)
        {
            tracing::info!(%error, "the project's libraries can't be remembered");
        }
    }

    /// Records the imports of a session. Returns whether any are new.
    pub(crate) fn learn(&mut self, imported: &[String], unfit: &[String]) -> bool {
        let before = (self.modules.len(), self.unfit.len());
        self.unfit.extend(unfit.iter().cloned());
        if before.1 < self.unfit.len() {
            let unfit = &self.unfit;
            self.modules.retain(|name| !is_within(name, unfit));
        }
        for name in imported {
            if !self.modules.contains(name) && !is_within(name, &self.unfit) {
                self.modules.push(name.clone());
            }
        }
        before != (self.modules.len(), self.unfit.len())
    }
}

/// Returns whether a module is one of `packages`, or part of one.
fn is_within(name: &str, packages: &BTreeSet<String>) -> bool {
    let ends = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
    ends.into_iter().any(|end| packages.contains(&name[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn p5_what_a_session_needs_otherwise_is_never_imported_in_advance_again() {
        let mut preload = Preload::default();
        assert!(preload.learn(&names(&["low", "high", "high.part", "highest"]), &[]));
        assert!(!preload.learn(&names(&["low"]), &[]));
        assert!(preload.learn(&[], &names(&["high"])));
        assert_eq!(preload.modules, names(&["low", "highest"]));
        assert!(!preload.learn(&names(&["high", "high.part"]), &names(&["high"])));
        assert_eq!(preload.modules, names(&["low", "highest"]));
    }
}
