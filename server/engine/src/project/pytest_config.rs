//! pytest's configuration of a project, as far as it concerns the names of files and tests.

use std::path::Path;

use pytest_lens_analysis::listing::nested_projects;
use pytest_lens_analysis::{ConfigRules, PytestSettings, settings_with};

use super::pytest_version::config_rules;

/// Reads the current configuration from disk, for the pytest of this interpreter or the latest one. Blocks. pytest itself
/// reports a broken one.
pub(crate) fn read(root: &Path, python: Option<&Path>) -> PytestSettings {
    let text = |path: &Path| pytest_lens_analysis::listing::read_text(path).ok();
    let installed = || python.map_or(ConfigRules::Since9, config_rules);
    ConfigRules::follow(installed, |rules| settings_with(root, &text, &[], rules)).unwrap_or_else(|error| {
        tracing::warn!(%error, "pytest's configuration can't be read; its defaults are used");
        PytestSettings { rootdir: root.to_owned(), ..PytestSettings::default() }
    })
}

/// The same, with the nested projects of the root. Looks through its folders, and blocks. `projects`: the setting of that
/// name.
pub(crate) fn read_whole(root: &Path, python: Option<&Path>, projects: Option<&[String]>) -> PytestSettings {
    let mut settings = read(root, python);
    settings.nested = nested_projects(root, &settings, projects);
    for problem in &settings.nested.problems {
        tracing::warn!("{problem}");
    }
    settings
}
