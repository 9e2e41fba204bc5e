//! The capabilities of the client, as far as the server uses them.

use lsp_types::InitializeParams;
use serde_json::{Value, json};

/// The capabilities of the client that the server uses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Features {
    /// It accepts the custom notifications.
    pub(crate) opted_in: bool,
    /// It requests the tests of a file when it needs them.
    pub(crate) lazy_tests: bool,
    /// It draws lenses on a line of their own, above their line.
    pub(crate) lenses_above: bool,
    /// It shows code lenses.
    pub(crate) lenses: bool,
    /// It accepts `window/showDocument`.
    pub(crate) show_document: bool,
    /// It requests code lenses again after a refresh.
    pub(crate) lens_refresh: bool,
    /// It requests inlay hints again after a refresh.
    pub(crate) hint_refresh: bool,
    /// It shows progress that the server starts.
    pub(crate) progress: bool,
    /// It watches files for the server.
    pub(crate) watching: bool,
    /// It sends `didSave` for all files that the server registers for.
    pub(crate) saving: bool,
    /// It answers `workspace/configuration`.
    pub(crate) configuration: bool,
    /// It supports code actions, not only commands.
    pub(crate) action_literals: bool,
    /// It shows related information of diagnostics.
    pub(crate) related: bool,
}

impl Features {
    /// Reads them from the client's first message.
    pub(crate) fn read(params: &InitializeParams) -> Self {
        let client = &params.capabilities;
        let workspace = client.workspace.as_ref();
        let document = client.text_document.as_ref();
        Features {
            opted_in: is_set(params.initialization_options.as_ref(), "pytestLens")
                || is_set(client.experimental.as_ref(), "pytestLens"),
            lazy_tests: is_set(params.initialization_options.as_ref(), "lazyTests"),
            lenses_above: is_set(params.initialization_options.as_ref(), "lensesAbove"),
            lenses: document.is_some_and(|all| all.code_lens.is_some()),
            show_document: client
                .window
                .as_ref()
                .and_then(|all| Some(all.show_document.as_ref()?.support))
                .unwrap_or_default(),
            lens_refresh: workspace.and_then(|all| all.code_lens.as_ref()?.refresh_support).unwrap_or_default(),
            hint_refresh: workspace.and_then(|all| all.inlay_hint.as_ref()?.refresh_support).unwrap_or_default(),
            progress: client.window.as_ref().and_then(|all| all.work_done_progress).unwrap_or_default(),
            watching: workspace
                .and_then(|all| all.did_change_watched_files.as_ref()?.dynamic_registration)
                .unwrap_or_default(),
            saving: document.and_then(|all| all.synchronization.as_ref()?.dynamic_registration).unwrap_or_default(),
            configuration: workspace.and_then(|all| all.configuration).unwrap_or_default(),
            action_literals: document
                .and_then(|all| all.code_action.as_ref()?.code_action_literal_support.as_ref())
                .is_some(),
            related: document.and_then(|all| all.publish_diagnostics.as_ref()?.related_information).unwrap_or_default(),
        }
    }
}

fn is_set(options: Option<&Value>, name: &str) -> bool {
    options.and_then(|options| options.get(name)).is_some_and(|value| value != &json!(false) && !value.is_null())
}
