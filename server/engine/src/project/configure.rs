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

/// Options of pytest and of plugins that make reports of a whole session, as in `session/arguments.py`: what each begins
/// with.
const REPORTS: [&str; 14] = [
    "--junit",
    "--cov",
    "--html",
    "--json-report",
    "--report-log",
    "--benchmark-json",
    "--alluredir",
    "--store-durations",
    "--csv",
    "--md-report",
    "--cucumber",
    "--ctrf",
    "--nunit",
    "--pastebin",
];

/// Returns whether one of these words for pytest looks as if it asks for a report of a whole session. Only pytest knows.
fn names_report<'a>(mut words: impl Iterator<Item = &'a str>) -> bool {
    words.any(|word| REPORTS.iter().any(|name| word.starts_with(name)))
}

/// Whether arguments name one configuration for all tests, so that nested projects do not count.
pub(crate) fn names_configuration(arguments: &[String]) -> bool {
    let names = ["-c", "--config-file", "--rootdir"];
    arguments.iter().any(|word| {
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        names.contains(&name) || (word.starts_with("-c") && !word.starts_with("--"))
    })
}
