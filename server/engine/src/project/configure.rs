//! Settings take effect: those that a client changes, and those of the project's files, which are read before each run.

use std::sync::Arc;

use pytest_lens_protocol::{ClientSettings, Settings};

use crate::project::Project;
use crate::project::layered_settings::LayeredSettings;
use crate::project::recorder::Command;

impl Project {
    /// Changes the client's settings. Tears down fixtures that the new settings do not allow. Returns the settings before and
    /// after, and the sentences on the project's files.
    pub(crate) async fn configure(
        &self,
        change: impl FnOnce(&ClientSettings) -> ClientSettings,
    ) -> (Arc<Settings>, Arc<Settings>, Vec<String>) {
        let (old, problems) = {
            let mut layers = self.settings.lock().await;
            layers.renew(&self.state.root);
            layers.client = change(&layers.client);
            (self.apply(&layers).await, layers.file.problems.iter().map(ToString::to_string).collect())
        };
        self.pool.residents.settled().await;
        (old, self.state.settings.load_full(), problems)
    }

    /// The settings of its client.
    pub(crate) async fn client_settings(&self) -> ClientSettings {
        self.settings.lock().await.client.clone()
    }

    /// Takes up the settings in the project's files, if they have changed. Returns whether pytest is called with other
    /// arguments from now on.
    pub(crate) async fn renew_settings(&self) -> bool {
        let mut layers = self.settings.lock().await;
        if !layers.renew(&self.state.root) {
            return false;
        }
        self.apply(&layers).await.arguments != self.state.settings.load().arguments
    }

    /// Returns whether sessions with these arguments will probably make reports of themselves as a whole.
    pub(crate) fn expects_reports(&self, arguments: &[String]) -> bool {
        let (settings, pytest) = (self.state.settings.load(), self.state.pytest.load());
        let variable = std::env::var("PYTEST_ADDOPTS").unwrap_or_default();
        let words = settings.arguments.iter().chain(arguments).chain(&pytest.addopts).map(String::as_str);
        names_report(words.chain(variable.split_whitespace()))
    }

    /// Puts settings in force; returns the old ones.
    async fn apply(&self, layers: &LayeredSettings) -> Arc<Settings> {
        let (old, settings) = (self.state.settings.load_full(), Box::new(layers.in_force()));
        self.pool.residents.configure(&settings.fixture_reuse);
        self.record_and_wait(|done| Command::Configure { settings, done }).await;
        if old.projects != self.state.settings.load().projects {
            self.renew_nested().await;
        }
        old
    }
}

/// Options of pytest and of plugins that make reports of a whole session: those of `session/arguments.py`.
const REPORTS: [&str; 16] = [
    "--junit-xml",
    "--junitxml",
    "--cov",
    "--cov-fail-under",
    "--html",
    "--json-report",
    "--report-log",
    "--benchmark-json",
    "--alluredir",
    "--store-durations",
    "--csv",
    "--md-report",
    "--cucumber-json",
    "--ctrf",
    "--nunit-xml",
    "--pastebin",
];

/// Returns whether one of these words for pytest seems to ask for a report of a whole session. Only pytest knows.
fn names_report<'a>(mut words: impl Iterator<Item = &'a str>) -> bool {
    words.any(|word| REPORTS.contains(&word.split_once('=').map_or(word, |(name, _)| name)))
}

/// Whether arguments name one configuration for all tests, so that nested projects do not count.
pub(crate) fn names_configuration(arguments: &[String]) -> bool {
    let names = ["-c", "--config-file", "--rootdir"];
    arguments.iter().any(|word| {
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        names.contains(&name) || (word.starts_with("-c") && !word.starts_with("--"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r15_the_options_of_reports_are_those_of_the_worker() {
        let source = include_str!("../../../../python/pytest_lens/worker/session/arguments.py");
        let (_, after) = source.split_once("_OF_COVERAGE = {").unwrap();
        let (table, _) = after.split_once("# Options that leave tests out").unwrap();
        let mut theirs: Vec<_> = table.split('"').filter(|text| text.starts_with("--")).collect();
        let mut ours: Vec<_> = REPORTS.into_iter().filter(|name| *name != "--junitxml").collect();
        theirs.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn r15_a_report_is_expected_for_its_option_with_or_without_a_value() {
        let names = |words: &str| names_report(words.split(' '));
        assert!(names("-q --junitxml=x.xml") && names("--cov src") && names("--cov=src"));
        assert!(!names("-q --cov-report=term --no-cov --junit-prefix=a tests"));
    }
}
