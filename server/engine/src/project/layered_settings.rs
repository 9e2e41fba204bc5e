//! The settings of a project: those of its client go over those of its files, which go over the defaults.

use std::path::{Path, PathBuf};

use pytest_lens_analysis::listing::read_file;
use pytest_lens_analysis::{FileSettings, SETTINGS_FILES};
use pytest_lens_protocol::{ClientSettings, Settings};

use crate::processes::disk_snapshot::FileState;

/// The settings that each place gives.
#[derive(Debug, Default)]
pub(crate) struct LayeredSettings {
    /// The client's.
    pub client: ClientSettings,
    /// Those of the project's files.
    pub file: FileSettings,
    /// The states of these files before they were read; `None` for one that is missing.
    states: Vec<Option<FileState>>,
    /// The bytes that the settings were read from.
    read: Vec<Option<Vec<u8>>>,
}

impl LayeredSettings {
    /// Those of a project that no client has configured yet.
    pub(crate) fn of_root(root: &Path) -> Self {
        let mut layers = LayeredSettings::default();
        layers.renew(root);
        layers
    }

    /// Reads the project's files if they have changed; returns whether they have.
    pub(crate) fn renew(&mut self, root: &Path) -> bool {
        let paths = || SETTINGS_FILES.iter().map(|name| root.join(name));
        let is_same = |(path, state): (PathBuf, &mut Option<FileState>)| match state {
            Some(state) => state.holds(&path),
            None => FileState::now(&path).is_none(),
        };
        if !self.states.is_empty() && paths().zip(&mut self.states).all(is_same) {
            return false;
        }
        self.states = paths().map(|path| FileState::now(&path)).collect();
        let present: Vec<_> = SETTINGS_FILES.iter().map(|name| read_file(&root.join(name)).ok()).collect();
        if self.read == present {
            return false;
        }
        self.file = FileSettings::checked(root);
        self.read = present;
        for problem in &self.file.problems {
            tracing::warn!("{problem}");
        }
        true
    }

    /// The settings in force.
    pub(crate) fn in_force(&self) -> Settings {
        self.client.with_file(&self.file.given).complete()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn an_edit_of_the_same_size_and_time_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pyproject.toml");
        let old = SystemTime::now() - Duration::from_secs(3600);
        let write = |count: u32| {
            fs::write(&path, format!("[tool.pytest-lens]\nworkers = {count}\n")).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        };
        let mut layers = LayeredSettings::of_root(folder.path());
        let without = layers.in_force().workers;
        assert!(!layers.renew(folder.path()));
        write(2);
        assert!(layers.renew(folder.path()));
        let with_two = layers.in_force().workers;
        assert_ne!(with_two, without);
        assert!(!layers.renew(folder.path()));
        write(3);
        assert!(layers.renew(folder.path()));
        assert_ne!(layers.in_force().workers, with_two);
        fs::remove_file(&path).unwrap();
        assert!(layers.renew(folder.path()));
        assert_eq!(layers.in_force().workers, without);
    }
}
