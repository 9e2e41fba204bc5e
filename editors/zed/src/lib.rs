//! The Zed extension: starts `pytest-lens lsp`. The server does everything else.

use zed_extension_api::settings::LspSettings;
use zed_extension_api::{self as zed, LanguageServerId, Result, Worktree, serde_json};

/// The extension has no state.
struct PytestLens;

impl zed::Extension for PytestLens {
    fn new() -> Self {
        Self
    }

    /// The program of the setting `lsp.pytest-lens.binary.path`, otherwise that on the worktree's PATH.
    fn language_server_command(&mut self, server: &LanguageServerId, worktree: &Worktree) -> Result<zed::Command> {
        let binary = LspSettings::for_worktree(server.as_ref(), worktree).ok().and_then(|settings| settings.binary);
        let (path, arguments) = binary.map_or((None, None), |binary| (binary.path, binary.arguments));
        let command = path.or_else(|| worktree.which("pytest-lens")).ok_or(
            "pytest-lens is not on the PATH: install it (`uv tool install pytest-lens`), or set lsp.pytest-lens.binary.path",
        )?;
        let args = arguments.unwrap_or_else(|| vec!["lsp".to_owned()]);
        Ok(zed::Command { command, args, env: worktree.shell_env() })
    }

    /// The user's settings, as the server takes them.
    fn language_server_initialization_options(
        &mut self,
        server: &LanguageServerId,
        worktree: &Worktree,
    ) -> Result<Option<serde_json::Value>> {
        Ok(LspSettings::for_worktree(server.as_ref(), worktree)?.initialization_options)
    }
}

zed::register_extension!(PytestLens);
