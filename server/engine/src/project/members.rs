//! The open nested projects of a project. Each is a project like any other; its events are those of the
//! project around it as well, with ids that begin with its folder.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use pytest_lens_protocol::{EventPayload, InventoryDelta};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::model::inventory::Inventory;
use crate::model::prefix::Prefix;
use crate::model::test_items::delta;
use crate::project::Project;
use crate::project::event_log::Read;
use crate::project::recorder::{Command, PIECE};
use crate::timing::EVENTS_WAIT_LIMIT;

/// The open nested projects.
#[derive(Default)]
pub(crate) struct Members {
    list: ArcSwap<Vec<Arc<Member>>>,
    /// Held while the list is brought up to date.
    pub busy: tokio::sync::Mutex<()>,
    /// Other folders are nested projects now.
    pub changed: Arc<Notify>,
    /// Folders with configuration that are no nested projects.
    plain: Mutex<HashSet<String>>,
}

impl Members {
    pub(crate) fn list(&self) -> Arc<Vec<Arc<Member>>> {
        self.list.load_full()
    }

    /// Whether a folder with configuration is known to be none of them.
    pub(crate) fn is_plain(&self, folder: &str) -> bool {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).contains(folder)
    }

    pub(crate) fn set_plain(&self, folder: &str) {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
    }

    /// Waits until everything that has happened in them by now is in the log of the project around them.
    pub(crate) async fn settled(&self, outer: &Project) {
        for member in self.list().iter() {
            // Nested projects may have nested projects.
            Box::pin(member.settled(outer)).await;
        }
    }

    /// Nested projects were looked for again, and are others.
    pub(crate) fn have_changed(&self) {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.changed.notify_one();
    }

    pub(crate) fn set(&self, members: Vec<Arc<Member>>) {
        self.list.store(Arc::new(members));
    }
}

/// A nested project.
pub(crate) struct Member {
    /// Its folder, relative to the project around it.
    pub path: Arc<str>,
    pub project: Arc<Project>,
    /// The cursor after the last event of its log that was passed on.
    passed: watch::Receiver<u64>,
    task: JoinHandle<Option<()>>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Member {
    /// Begins to pass on what happens in a nested project. `is_shown`: it is in the tree before it has tests. `is_new`: it
    /// was opened just now, so that everything in its log is news.
    pub(crate) fn new(
        outer: &Arc<Project>,
        path: &str,
        project: Arc<Project>,
        is_shown: bool,
        is_new: bool,
    ) -> Arc<Self> {
        let (told, passed) = watch::channel(0);
        let path: Arc<str> = path.into();
        let passing = Passing { outer: Arc::downgrade(outer), path: Arc::clone(&path), is_shown, told };
        let cursor = if is_new { 0 } else { u64::MAX };
        let task = tokio::spawn(pass_on(passing, Arc::downgrade(&project), cursor));
        Arc::new(Member { path, project, passed, task })
    }

    pub(crate) fn prefix(&self) -> Prefix<'_> {
        Prefix(&self.path)
    }

    /// Waits until everything that has happened by now is in the log of the project around it.
    pub(crate) async fn settled(&self, outer: &Project) {
        self.project.members.settled(&self.project).await;
        self.project.record_and_wait(|done| Command::Settled { done }).await;
        let last = self.project.state.log.last();
        let mut passed = self.passed.clone();
        let _ = passed.wait_for(|cursor| *cursor >= last).await;
        outer.record_and_wait(|done| Command::Settled { done }).await;
    }
}

struct Passing {
    outer: Weak<Project>,
    path: Arc<str>,
    is_shown: bool,
    told: watch::Sender<u64>,
}

impl Passing {
    fn tell(&self, event: EventPayload) -> Option<()> {
        self.outer.upgrade()?.record(Command::Member { path: Arc::clone(&self.path), event });
        Some(())
    }

    fn tell_delta(&mut self, project: &Project, delta: InventoryDelta) -> Option<()> {
        let outer = self.outer.upgrade()?;
        let prefix = Prefix(&self.path);
        let has_items = !delta.upserts.is_empty();
        let mut told = prefix.delta(InventoryDelta { whole: false, ..delta });
        for error in &mut told.errors {
            // An error of the project as a whole names it.
            if crate::model::item::uri_of(&project.state.root) == error.uri {
                error.message = format!("{}: {}", self.path, error.message);
            }
        }
        if has_items && !std::mem::replace(&mut self.is_shown, true) {
            told.upserts.insert(0, Arc::new(prefix.project_item(&outer.state.root)));
        }
        self.tell(EventPayload::Inventory(told))
    }
}

/// Passes events on until one of the projects has gone.
async fn pass_on(mut passing: Passing, project: Weak<Project>, mut cursor: u64) -> Option<()> {
    if passing.is_shown {
        let outer = passing.outer.upgrade()?;
        let item = Prefix(&passing.path).project_item(&outer.state.root);
        let delta = InventoryDelta { upserts: vec![Arc::new(item)], ..InventoryDelta::default() };
        passing.tell(EventPayload::Inventory(delta))?;
    }
    loop {
        let state = Arc::clone(&project.upgrade()?.state);
        let read = state.log.wait(cursor, EVENTS_WAIT_LIMIT).await;
        let project = project.upgrade()?;
        match read {
            Read::Events(next, events) => {
                if next == cursor && events.is_empty() && state.log.is_closed() {
                    return None;
                }
                cursor = next;
                for event in events {
                    match event.payload.clone() {
                        EventPayload::Inventory(delta) => passing.tell_delta(&project, delta)?,
                        EventPayload::RunStarted(mut run) => {
                            // All tests of this project are not all those of the project around it.
                            if let (None, Some(record)) = (&run.ids, state.runs.get(&run.run_id)) {
                                let names = |names: &[Arc<str>]| names.iter().map(|name| name.to_string()).collect();
                                run.ids = Some(record.suite_log.with_names(names));
                            }
                            passing.tell(Prefix(&passing.path).event(EventPayload::RunStarted(run)))?;
                        }
                        other => passing.tell(Prefix(&passing.path).event(other))?,
                    }
                }
            }
            Read::Lost(next) => {
                let inventory = state.inventory.load_full();
                let whole = delta(&state.root, &Inventory::default(), &inventory);
                if cursor != u64::MAX {
                    let tops = whole.upserts.iter().filter(|item| item.parent.is_none());
                    let removed = tops.map(|item| item.id.to_string()).collect();
                    passing.tell_delta(&project, InventoryDelta { removed, ..InventoryDelta::default() })?;
                }
                cursor = next;
                if !(whole.is_empty() && whole.errors.is_empty()) {
                    for piece in whole.pieces(PIECE) {
                        passing.tell_delta(&project, piece)?;
                    }
                }
            }
        }
        passing.told.send_replace(cursor);
    }
}
