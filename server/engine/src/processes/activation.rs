//! The environment that a client has activated: its interpreters get the client's variables.

use std::ffi::OsString;
use std::path::PathBuf;

use pytest_lens_protocol::Activated;
use tokio::process::Command;

/// The environment that a client has activated; that of this process if the client sent none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activation(pub Option<Activated>);

impl Activation {
    /// One of the variables `VIRTUAL_ENV`, `CONDA_PREFIX` and `PATH`; any other is this process's.
    pub(crate) fn variable(&self, name: &str) -> Option<OsString> {
        let own = || std::env::var_os(name);
        match (&self.0, name) {
            (Some(given), "VIRTUAL_ENV") => given.virtual_env.clone().map(Into::into),
            (Some(given), "CONDA_PREFIX") => given.conda_prefix.clone().map(Into::into),
            (Some(given), "PATH") => given.path.clone().map_or_else(own, |path| Some(path.into())),
            _ => own(),
        }
    }

    /// The client's program.
    pub(crate) fn program(&self) -> Option<PathBuf> {
        match &self.0 {
            Some(given) => given.program.clone().map(Into::into),
            None => std::env::current_exe().ok(),
        }
    }

    /// Gives a program the client's variables.
    pub(crate) fn apply(&self, command: &mut Command) {
        if self.0.is_none() {
            return;
        }
        for name in ["VIRTUAL_ENV", "CONDA_PREFIX", "PATH"] {
            match self.variable(name) {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
    }
}
