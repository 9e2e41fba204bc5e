//! A client's session: its read positions, and the things that end with it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use pytest_lens_protocol::Request;

use crate::engine::{Engine, Shared};
use crate::project::Project;
use crate::runs::joint::JointLease;
use crate::runs::record::RunLease;
use crate::session::{Answer, Call, Connect};
use crate::suites::BuiltRun;

impl Connect for Engine {
    fn session(&self) -> Arc<dyn Call> {
        let shared = Arc::clone(&self.shared);
        Arc::new(Session { shared, told: Mutex::default(), owned: Mutex::default(), names: Mutex::default() })
    }
}

/// A client's session in this process.
pub(crate) struct Session {
    pub shared: Arc<Shared>,
    /// The session's position in the results of each run and in each other thing that it reads. A key ends with the id
    /// of the thing.
    told: Mutex<HashMap<String, usize>>,
    owned: Mutex<Owned>,
    /// The client's names for the roots of contexts, by context id.
    names: Mutex<HashMap<String, PathBuf>>,
}

/// Things that end with their session.
#[derive(Default)]
pub(crate) struct Owned {
    /// Weak, since the registry holds the runs until they are forgotten.
    pub runs: Vec<Weak<BuiltRun>>,
    /// Dropping a lease kills its run.
    pub leases: Vec<RunLease>,
    /// As [`Owned::leases`], of runs over several projects.
    pub joint_leases: Vec<JointLease>,
    pub iterators: Vec<String>,
}

impl Session {
    /// Remembers the name under which the client opened a context's root.
    pub(crate) fn opened(&self, project: &Project, name: &Path) {
        project.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|id, _| self.shared.projects.contains_key(id));
        names.insert(project.id.clone(), name.to_owned());
    }

    /// The client's name for a context's root; `None` if it has not opened the context.
    pub(crate) fn name_of(&self, project: &Project) -> Option<PathBuf> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).get(&project.id).cloned()
    }

    /// Calls `read` with this session's position in a run's results, which `read` may move.
    pub(crate) fn told<T>(&self, run_id: &str, read: impl FnOnce(&mut usize) -> T) -> T {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the map grows, drops the entries of runs that are forgotten.
        if told.len() == told.capacity() && !told.contains_key(run_id) {
            told.retain(|key, _| {
                let id = key.rsplit(' ').next().unwrap_or_default();
                self.shared.find_run(id.split('/').next().unwrap_or_default()).is_some()
            });
            let room = 2 * told.len();
            told.shrink_to(room);
        }
        read(told.entry(run_id.to_owned()).or_default())
    }

    /// Adds to the things that end with this session.
    pub(crate) fn own(&self, keep: impl FnOnce(&mut Owned)) {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        owned.runs.retain(|run| run.strong_count() > 0);
        owned.leases.retain(RunLease::is_live);
        owned.joint_leases.retain(JointLease::is_live);
        keep(&mut owned);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Owned { runs, leases, joint_leases, iterators } =
            std::mem::take(self.owned.get_mut().unwrap_or_else(PoisonError::into_inner));
        for run in runs.iter().filter_map(Weak::upgrade) {
            self.shared.registry.forget(&run);
            run.close_for_client();
        }
        drop((leases, joint_leases));
        for id in iterators {
            self.shared.registry.iterators.remove(&id);
        }
    }
}

impl Call for Session {
    fn call(&self, request: Request) -> Answer<'_> {
        Box::pin(async move { super::answer(self, request).await.unwrap_or_else(Into::into) })
    }
}
