//! The settings of a project: those of its client go over those of its files, which go over the defaults.

use std::path::Path;

use pytest_lens_analysis::listing::read_file;
use pytest_lens_analysis::{FileSettings, SETTINGS_FILES};
use pytest_lens_protocol::{ClientSettings, Settings};

/// The settings that each place gives.
#[derive(Debug, Default)]
pub(crate) struct LayeredSettings {
    /// The client's.
    pub client: ClientSettings,
    /// Those of the project's files.
    pub file: FileSettings,
    /// The bytes that they were read from.
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
        let present: Vec<_> = SETTINGS_FILES.iter().map(|name| read_file(&root.join(name)).ok()).collect();
        if self.read == present {
            return false;
        }
        self.file = FileSettings::of_root(root);
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
