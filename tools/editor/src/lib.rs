//! Starting `pytest-lens lsp` and shaking hands as an editor with all capabilities does, for the demo and the benchmark.
#![warn(unreachable_pub)]

use anyhow::Result;
use chores::process;
use pytest_lens_testkit::{LspClient, file_uri};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A server on `root` with these settings; its history and caches go into `state`, emptied before.
pub fn start(binary: &Path, root: &Path, settings: &Value, state: &Path) -> Result<LspClient> {
    if state.exists() {
        fs::remove_dir_all(state)?;
    }
    resume(binary, root, settings, state)
}

/// As [`start`], with what is in `state` from before.
pub fn resume(binary: &Path, root: &Path, settings: &Value, state: &Path) -> Result<LspClient> {
    open(binary, root, settings, state, json!({"pytestLens": true, "settings": settings}))
}

/// As [`resume`], for a client that asks for tests file by file.
pub fn resume_lazy(binary: &Path, root: &Path, settings: &Value, state: &Path) -> Result<LspClient> {
    open(binary, root, settings, state, json!({"pytestLens": true, "lazyTests": true, "settings": settings}))
}

fn open(binary: &Path, root: &Path, settings: &Value, state: &Path, options: Value) -> Result<LspClient> {
    fs::create_dir_all(state)?;
    let mut command = Command::new(binary);
    process::clean_python(&mut command);
    command.arg("lsp").current_dir(root);
    command.env("XDG_STATE_HOME", state).env("XDG_CACHE_HOME", state);
    let mut client = LspClient::spawn(command)?;
    client.set_deadline(Duration::from_secs(600));
    client.set_settings(json!({"pytestLens": settings}));
    let uri = file_uri(root)?;
    let name = root.file_name().map(|name| name.to_string_lossy());
    client.initialize(json!({
        "processId": std::process::id(),
        "clientInfo": {"name": "cargo xtask"},
        "rootUri": uri,
        "workspaceFolders": [{"uri": uri, "name": name}],
        "initializationOptions": options,
        "capabilities": {
            "general": {"positionEncodings": ["utf-8", "utf-16"]},
            "textDocument": {"codeLens": {}, "publishDiagnostics": {"relatedInformation": true}},
            "workspace": {"codeLens": {"refreshSupport": true}, "configuration": true},
        },
    }))?;
    Ok(client)
}
