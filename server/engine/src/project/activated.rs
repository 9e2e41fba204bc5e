//! The environments that clients have activated, which determine the interpreter if the project has none of its own.
//!
//! A daemon serves clients of many terminals: its own environment is that of the first one.

use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use pytest_lens_protocol::Activated;

use super::Project;
use super::interpreter::{self, Interpreter};
use crate::processes::activation::Activation;

/// The environment that this process has activated, for requests to a daemon.
#[must_use]
pub fn activated() -> Activated {
    let variable = |name: &str| std::env::var(name).ok();
    // The daemon's current folder is another one.
    let prefix = |name: &str| {
        let path = std::path::absolute(variable(name).filter(|value| !value.is_empty())?).ok()?;
        path.into_os_string().into_string().ok()
    };
    Activated {
        virtual_env: prefix("VIRTUAL_ENV"),
        conda_prefix: prefix("CONDA_PREFIX"),
        path: variable("PATH"),
        program: std::env::current_exe().ok().and_then(|program| program.into_os_string().into_string().ok()),
    }
}

/// Whether two environments lead to the same interpreters.
fn agree(one: &Activation, other: &Activation) -> bool {
    interpreter::activated(one) == interpreter::activated(other)
}

impl Project {
    /// Whether clients with these environments may use this project, whose present interpreter is the one that was
    /// found for them. `is_nested`: they use it as a part of the project around it.
    pub(crate) fn suits(&self, clients: &[Activation], is_nested: bool) -> bool {
        let is_covered =
            |ones: &[Activation], by: &[Activation]| ones.iter().all(|one| by.iter().any(|other| agree(one, other)));
        let present = self.clients();
        (!is_nested && self.has_own_interpreter()) || (is_covered(clients, &present) && is_covered(&present, clients))
    }

    /// Remembers the environments of further clients.
    pub(crate) fn join(&self, clients: Vec<Activation>) {
        let mut present = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        for client in clients {
            if !present.iter().any(|one| agree(one, &client)) {
                present.push(client);
            }
        }
    }

    /// The environments of its clients, without those that lead to the same interpreters.
    pub(crate) fn clients(&self) -> Vec<Activation> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether one interpreter is right for all clients. If the environment in the repository is gone, clients that have
    /// activated different ones must open it again.
    pub(crate) fn suits_all_clients(&self) -> bool {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).len() <= 1
            || self.is_pinned.load(Ordering::Relaxed)
            || self.has_own_interpreter()
    }

    fn has_own_interpreter(&self) -> bool {
        interpreter::of_repo(&self.state.root, &self.state.pytest.load().rootdir).is_some()
    }

    /// The interpreter to use from now on; `None` to keep the present one.
    pub(super) async fn found_again(&self, present: &Interpreter, thorough: bool) -> Option<Interpreter> {
        let root: &Path = &self.state.root;
        let rootdir = self.state.pytest.load().rootdir.clone();
        match &*self.clients() {
            [client] => interpreter::renewed(root, &rootdir, present, thorough, client).await,
            // An environment that only some of them have activated is not used.
            _ => interpreter::of_repo(root, &rootdir),
        }
    }
}
