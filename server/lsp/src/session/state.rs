//! The state that all handlers share, behind one lock that is held briefly and never across an await.

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lsp_types::MessageType;
use pytest_lens_engine::{Call, Connect};
use pytest_lens_protocol::{Request, Response};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{AbortHandle, JoinSet};

use crate::documents::disk::Disk;
use crate::documents::document::{Document, Documents};
use crate::documents::encoding::Encoding;
use crate::documents::text::{Reader, Text};
use crate::error::{CommandError, CommandResult};
use crate::session::cancels::Cancels;
use crate::session::client_capabilities::Features;
use crate::session::message::Outgoing;
use crate::workspaces::link::Link;
use crate::workspaces::positions::Positions;
use crate::workspaces::workspace::Workspace;

/// The state of the server.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The capabilities of the client.
    pub(crate) features: Features,
    /// The encoding of positions.
    pub(crate) encoding: Encoding,
    /// Whether code of the workspace may be executed.
    pub(crate) trusted: bool,
    /// Whether the client said so, and did not leave it to the default.
    pub(crate) has_trust: bool,
    /// Open documents.
    pub(crate) documents: Documents,
    /// Cached texts of files on disk.
    pub(crate) disk: Disk,
    /// Open folders, in the client's order.
    pub(crate) workspaces: Vec<Workspace>,
    /// The client's settings for all folders.
    pub(crate) settings: Value,
    /// The number of the settings in force.
    pub(crate) settings_applied: u64,
    /// The number of the last settings that the client sent or was asked for.
    settings_count: u64,
    /// Cancellable work, by progress token.
    pub(crate) cancels: Cancels,
    /// Number of collections shown so far: each has a token of its own.
    pub(crate) collections: u64,
    shown: HashSet<String>,
}

impl State {
    /// The innermost folder that contains a path.
    pub(crate) fn workspace_of(&self, path: &Path) -> Option<&Workspace> {
        let around = self.workspaces.iter().filter(|workspace| path.starts_with(&workspace.root));
        let innermost = around.max_by_key(|workspace| workspace.root.components().count());
        // A link may lead into an open folder, or the open folder itself be a link.
        innermost.or_else(|| {
            let around = self.workspaces.iter().filter(|workspace| workspace.relative(path).is_some());
            around.max_by_key(|workspace| workspace.canonical.components().count())
        })
    }

    /// The folder of a URI, in the client's spelling.
    pub(crate) fn workspace(&self, uri: &str) -> Option<&Workspace> {
        self.workspaces.iter().find(|workspace| workspace.uri == uri)
    }

    /// The folder of a URI, in the client's spelling.
    pub(crate) fn workspace_mut(&mut self, uri: &str) -> Option<&mut Workspace> {
        self.workspaces.iter_mut().find(|workspace| workspace.uri == uri)
    }

    /// A document, and its folder.
    pub(crate) fn document(&self, path: &Path) -> Option<(&Document, &Workspace)> {
        Some((self.documents.get(path)?, self.workspace_of(path)?))
    }

    /// A folder, with the present texts of its files.
    pub(crate) fn positions<'a>(&'a self, workspace: &'a Workspace) -> Positions<'a> {
        Positions { documents: &self.documents, disk: &self.disk, workspace, encoding: self.encoding }
    }

    /// The rules for reading the tests of a file.
    pub(crate) fn reader(&self, path: &Path) -> Reader {
        self.workspace_of(path).map(|workspace| workspace.reader(path)).unwrap_or_default()
    }

    /// A number for settings that the client has sent, or is asked for.
    pub(crate) fn next_settings(&mut self) -> u64 {
        self.settings_count += 1;
        self.settings_count
    }

    /// Reads the text on disk of a file.
    pub(crate) fn read_disk(&mut self, path: &Path) -> Option<Arc<Text>> {
        let reader = self.reader(path);
        let text = self.disk.read_disk(path, || reader);
        let Some(document) = self.documents.get_mut(path) else { return text };
        let text = text.unwrap_or_else(|| Arc::clone(&document.saved));
        document.dirty = !document.text.is(&text);
        Some(text)
    }

    /// Reads the tests of an open document by new rules, after a change of its folder or its configuration.
    pub(crate) fn refresh_document(&mut self, path: &Path) {
        let reader = self.reader(path);
        if let Some(document) = self.documents.get_mut(path) {
            document.text.set_reader(reader);
        }
    }

    /// Does so for all open documents.
    pub(crate) fn refresh_documents(&mut self) {
        self.disk.retain(|_| false);
        self.rename_documents();
        let paths: Vec<PathBuf> = self.documents.keys().cloned().collect();
        for path in paths {
            self.refresh_document(&path);
        }
    }
}

/// The data that tasks and handlers share.
pub(crate) struct Shared {
    state: Mutex<State>,
    outgoing: UnboundedSender<Outgoing>,
    connect: Arc<dyn Connect>,
    tasks: Mutex<JoinSet<()>>,
}

impl Shared {
    /// Creates an empty state.
    pub(crate) fn new(connect: Arc<dyn Connect>, outgoing: UnboundedSender<Outgoing>) -> Self {
        let state = Mutex::new(State { trusted: true, ..State::default() });
        Shared { state, outgoing, connect, tasks: Mutex::new(JoinSet::new()) }
    }

    /// Locks the state, for a moment.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message to the publisher.
    pub(crate) fn send(&self, message: Outgoing) {
        // The publisher ends only with the client.
        let _ = self.outgoing.send(message);
    }

    /// Changes the state, and sends the messages about the change before the next change.
    pub(crate) fn change_and_send<I: IntoIterator<Item = Outgoing>>(&self, change: impl FnOnce(&mut State) -> I) {
        let mut state = self.state();
        change(&mut state).into_iter().for_each(|message| self.send(message));
    }

    /// Shows a sentence to the user, once in the server's life.
    pub(crate) fn show_once(&self, kind: MessageType, text: &str) {
        if self.state().shown.insert(text.to_owned()) {
            self.send(Outgoing::Message { kind, text: text.to_owned() });
        }
    }

    /// Allows this sentence to be shown again, because its cause is gone.
    pub(crate) fn forget_shown(&self, text: &str) {
        self.state().shown.remove(text);
    }

    /// A folder's connection to the engine.
    pub(crate) fn link(&self, folder: &str) -> Option<Arc<Link>> {
        self.state().workspace(folder).map(|workspace| Arc::clone(&workspace.link))
    }

    /// Whether the engine serves other clients as well.
    pub(crate) fn is_shared(&self) -> bool {
        self.connect.is_shared()
    }

    /// Marks files whose diagnostics, lenses and hints must be republished.
    pub(crate) fn changed(&self, files: BTreeSet<PathBuf>) {
        self.send(Outgoing::Changed { files });
    }

    /// Runs a task until the client ends.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task)
    }

    /// Ends every task.
    pub(crate) fn close(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// Opens a separate session, for answers that are read in pieces.
    pub(crate) fn session(&self) -> Arc<dyn Call> {
        self.connect.session()
    }

    /// Makes one call on a session of its own, so that it waits for no other call. Dropping the future closes the
    /// session.
    pub(crate) async fn call(&self, request: Request) -> CommandResult<Response> {
        call_on(&*self.session(), request).await
    }
}

/// Makes a call on a session.
pub(crate) async fn call_on(session: &dyn Call, request: Request) -> CommandResult<Response> {
    match session.call(request).await {
        Response::Error { code, message, .. } => Err(CommandError::from_engine(code, message)),
        response => Ok(response),
    }
}
