//! The one task that sends messages to the client, so that no message overtakes another and no handler waits.
//!
//! Replies to requests of the server come back into its queue: neither the publisher nor any handler waits for the
//! client.

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt;
use lsp_types::notification::{Notification, Progress as ProgressNotification, PublishDiagnostics, ShowMessage};
use lsp_types::request::{
    CodeLensRefresh, InlayHintRefreshRequest, RegisterCapability, ShowDocument, WorkDoneProgressCreate,
    WorkspaceConfiguration,
};
use lsp_types::{
    ConfigurationItem, ConfigurationParams, Diagnostic, MessageType, NumberOrString, ProgressParams,
    ProgressParamsValue, PublishDiagnosticsParams, RegistrationParams, ShowDocumentParams, ShowMessageParams, Uri,
    WorkDoneProgress, WorkDoneProgressBegin, WorkDoneProgressCreateParams, WorkDoneProgressEnd, WorkDoneProgressReport,
};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;
use tower_lsp::Client;

use crate::outgoing::batch::{Batcher, Notice};
use crate::outgoing::notifications as names;
use crate::outgoing::pages::Pages;
use crate::paths::{uri, uri_text};
use crate::session::message::{Outgoing, Progress};
use crate::session::state::Shared;
use crate::sync::settings;
use crate::timing::{BATCH_WINDOW, EDIT_REST, EDIT_REST_LIMIT, REFRESH_INTERVAL, TYPING_PAUSE};

/// The time at which the diagnostics of a file are sent after its edits.
fn at_rest((since, last): &(Instant, Instant)) -> Instant {
    (*last + EDIT_REST).min(*since + EDIT_REST_LIMIT)
}

/// A progress token that the client knows or has been offered.
struct Token {
    title: String,
    /// The client has accepted it, and `begin` was sent.
    open: bool,
    /// The report to send next: only the newest matters.
    report: Option<WorkDoneProgressReport>,
}

/// The publisher's own state.
pub(crate) struct Publisher {
    client: Client,
    shared: Arc<Shared>,
    own: UnboundedSender<Outgoing>,
    batcher: Batcher,
    dirty: BTreeSet<PathBuf>,
    /// The last diagnostics that the client received for a file, by the file's key here, under the client's name for
    /// it.
    published: HashMap<PathBuf, (Uri, Vec<Diagnostic>)>,
    /// Files in which the client may have moved diagnostics.
    lost: BTreeSet<PathBuf>,
    edited: HashMap<PathBuf, Instant>,
    /// Edited files whose diagnostics have not been sent yet: the times of the first and of the last edit.
    moving: HashMap<PathBuf, (Instant, Instant)>,
    diagnosed: Option<Instant>,
    refresh_wanted: bool,
    refreshing: bool,
    refreshed: Option<Instant>,
    tokens: HashMap<String, Token>,
    pages: Pages,
}

impl Publisher {
    /// Creates a publisher that has sent nothing yet.
    pub(crate) fn new(client: Client, shared: Arc<Shared>, own: UnboundedSender<Outgoing>) -> Self {
        Publisher {
            client,
            shared,
            own,
            batcher: Batcher::default(),
            dirty: BTreeSet::new(),
            published: HashMap::new(),
            lost: BTreeSet::new(),
            edited: HashMap::new(),
            moving: HashMap::new(),
            diagnosed: None,
            refresh_wanted: false,
            refreshing: false,
            refreshed: None,
            tokens: HashMap::new(),
            pages: Pages::default(),
        }
    }

    /// Sends messages until the server ends.
    pub(crate) async fn run(mut self, mut queue: UnboundedReceiver<Outgoing>) {
        loop {
            let due = self.deadline();
            let timer = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                message = queue.recv() => match message {
                    Some(message) => catch_panic("a message for the client", self.take(message)).await,
                    None => return,
                },
                () = timer => {}
            }
            // Messages that are already queued go out together.
            while let Ok(message) = queue.try_recv() {
                catch_panic("a message for the client", self.take(message)).await;
            }
            catch_panic("what is told to the client", self.flush()).await;
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let diagnostics = if self.dirty.is_empty() { None } else { self.diagnosed.map(|at| at + BATCH_WINDOW) };
        let wanted = self.refresh_wanted && !self.refreshing;
        let refresh = if wanted { self.refreshed.map(|at| at + REFRESH_INTERVAL) } else { None };
        let edited = self.edited.values().min().map(|at| *at + TYPING_PAUSE);
        let moving = self.moving.values().map(at_rest).min();
        [self.batcher.deadline(), diagnostics, refresh, edited, moving].into_iter().flatten().min()
    }

    async fn take(&mut self, message: Outgoing) {
        match message {
            Outgoing::Event { workspace, payload } => {
                let notices = self.batcher.push(&workspace, payload, Instant::now());
                self.notify(notices).await;
            }
            Outgoing::Message { kind: typ, text: message } => {
                self.client.send_notification::<ShowMessage>(ShowMessageParams { typ, message }).await;
            }
            Outgoing::Show { title, text } => self.show(&title, text).await,
            Outgoing::Changed { files } => {
                let open = |file: &PathBuf| self.shared.state().documents.contains_key(file);
                self.refresh_wanted |= files.iter().any(open);
                self.dirty.extend(files);
            }
            Outgoing::Moved { file, replaced } => {
                if replaced {
                    self.lost.insert(file.clone());
                }
                self.dirty.insert(file);
            }
            Outgoing::Edited { file, replaced } => {
                let now = Instant::now();
                if replaced {
                    self.lost.insert(file.clone());
                }
                self.moving.entry(file.clone()).or_insert((now, now)).1 = now;
                self.edited.insert(file, now);
            }
            Outgoing::Progress(progress) => self.progress(progress).await,
            Outgoing::Register(registrations) => {
                let client = self.client.clone();
                self.shared.spawn(async move {
                    let params = RegistrationParams { registrations };
                    if let Err(error) = client.send_request::<RegisterCapability>(params).await {
                        tracing::warn!("the client does not watch files: {error}");
                    }
                });
            }
            Outgoing::AskSettings { number, folders } => self.ask_settings(number, folders),
            Outgoing::ProgressCreated { token, accepted } => self.progress_created(token, accepted).await,
            Outgoing::Refreshed => self.refreshing = false,
        }
    }

    async fn flush(&mut self) {
        let now = Instant::now();
        for (file, _) in self.edited.extract_if(|_, at| now >= *at + TYPING_PAUSE) {
            self.shared.change_and_send(|state| state.follow_file(&file));
        }
        let notices = self.batcher.due(now);
        self.notify(notices).await;
        self.dirty.extend(self.moving.extract_if(|_, times| now >= at_rest(times)).map(|(file, _)| file));
        if !self.dirty.is_empty() && self.diagnosed.is_none_or(|at| now >= at + BATCH_WINDOW) {
            self.diagnosed = Some(now);
            for path in std::mem::take(&mut self.dirty) {
                self.publish(path).await;
            }
        }
        let rested = self.refreshed.is_none_or(|at| now >= at + REFRESH_INTERVAL);
        if self.refresh_wanted && !self.refreshing && rested {
            self.refresh_wanted = false;
            self.refreshed = Some(now);
            self.refresh();
        }
    }

    async fn publish(&mut self, path: PathBuf) {
        let params = self.shared.state().diagnostics(&path);
        let lost = self.lost.remove(&path);
        let mut old = match params.diagnostics.as_slice() {
            [] => self.published.remove(&path),
            some => self.published.insert(path, (params.uri.clone(), some.to_vec())),
        };
        if let Some((uri, _)) = old.take_if(|(uri, _)| *uri != params.uri) {
            let nothing = PublishDiagnosticsParams { uri, diagnostics: Vec::new(), version: None };
            self.client.send_notification::<PublishDiagnostics>(nothing).await;
        }
        let old = old.map(|(_, diagnostics)| diagnostics).unwrap_or_default();
        if old != params.diagnostics || (lost && !old.is_empty()) {
            self.client.send_notification::<PublishDiagnostics>(params).await;
        }
    }

    /// Shows a text as a document if the client can, otherwise as a message. The message begins with the path of the
    /// whole text, because some editors show only one line of a message.
    async fn show(&mut self, title: &str, text: String) {
        let shows = self.shared.state().features.show_document;
        match self.pages.write(title, &text) {
            Ok(path) if shows => {
                let uri = uri(&uri_text(&path));
                let params = ShowDocumentParams { uri, external: None, take_focus: Some(true), selection: None };
                let client = self.client.clone();
                self.shared.spawn(async move {
                    if let Err(error) = client.send_request::<ShowDocument>(params).await {
                        tracing::warn!("the client does not show a document: {error}");
                    }
                });
            }
            written => {
                let message = match written {
                    Ok(path) => format!("{}:\n{text}", path.display()),
                    Err(error) => {
                        tracing::warn!("{title} can't be written to a temporary file: {error}");
                        text
                    }
                };
                let params = ShowMessageParams { typ: MessageType::INFO, message };
                self.client.send_notification::<ShowMessage>(params).await;
            }
        }
    }

    fn refresh(&mut self) {
        let features = self.shared.state().features.clone();
        if !features.lens_refresh && !features.hint_refresh {
            return;
        }
        self.refreshing = true;
        let (client, own) = (self.client.clone(), self.own.clone());
        self.shared.spawn(async move {
            if features.lens_refresh {
                let _ = client.send_request::<CodeLensRefresh>(()).await;
            }
            if features.hint_refresh {
                let _ = client.send_request::<InlayHintRefreshRequest>(()).await;
            }
            let _ = own.send(Outgoing::Refreshed);
        });
    }

    fn ask_settings(&self, number: u64, folders: Vec<String>) {
        let item =
            |folder: &String| ConfigurationItem { scope_uri: Some(uri(folder)), section: Some("pytestLens".into()) };
        let items = folders.iter().map(item).collect();
        let (client, shared) = (self.client.clone(), Arc::clone(&self.shared));
        self.shared.spawn(async move {
            match client.send_request::<WorkspaceConfiguration>(ConfigurationParams { items }).await {
                Ok(values) => settings::answered(&shared, number, folders.into_iter().zip(values)),
                Err(error) => tracing::warn!("the client does not send its settings: {error}"),
            }
        });
    }

    async fn progress(&mut self, progress: Progress) {
        if !self.shared.state().features.progress {
            return;
        }
        match progress {
            Progress::Begin { token, title } => {
                self.tokens.insert(token.clone(), Token { title, open: false, report: None });
                let (client, own) = (self.client.clone(), self.own.clone());
                self.shared.spawn(async move {
                    let params = WorkDoneProgressCreateParams { token: NumberOrString::String(token.clone()) };
                    let accepted = client.send_request::<WorkDoneProgressCreate>(params).await.is_ok();
                    let _ = own.send(Outgoing::ProgressCreated { token, accepted });
                });
            }
            Progress::Report { token, message, percentage } => {
                let report = WorkDoneProgressReport { cancellable: Some(true), message: Some(message), percentage };
                let Some(known) = self.tokens.get_mut(&token) else { return };
                if known.open {
                    self.report_progress(&token, WorkDoneProgress::Report(report)).await;
                } else {
                    known.report = Some(report);
                }
            }
            Progress::End { token, message } => {
                // A token that the client has not accepted yet is never used.
                if self.tokens.remove(&token).is_some_and(|known| known.open) {
                    let message = Some(message).filter(|message| !message.is_empty());
                    self.report_progress(&token, WorkDoneProgress::End(WorkDoneProgressEnd { message })).await;
                }
            }
        }
    }

    async fn progress_created(&mut self, token: String, accepted: bool) {
        let Some(known) = self.tokens.get_mut(&token) else { return };
        if !accepted {
            self.tokens.remove(&token);
            return;
        }
        known.open = true;
        let title = known.title.clone();
        let report = known.report.take();
        let (message, percentage) = report.map_or((None, Some(0)), |report| (report.message, report.percentage));
        let begin = WorkDoneProgressBegin { title, cancellable: Some(true), message, percentage };
        self.report_progress(&token, WorkDoneProgress::Begin(begin)).await;
    }

    async fn report_progress(&self, token: &str, value: WorkDoneProgress) {
        let params = ProgressParams {
            token: NumberOrString::String(token.to_owned()),
            value: ProgressParamsValue::WorkDone(value),
        };
        self.client.send_notification::<ProgressNotification>(params).await;
    }

    async fn notify(&self, notices: Vec<Notice>) {
        for (method, params) in notices {
            match method {
                names::INVENTORY => self.client.send_notification::<Inventory>(params).await,
                names::RUN_STARTED => self.client.send_notification::<RunStarted>(params).await,
                names::TEST_STARTED => self.client.send_notification::<TestStarted>(params).await,
                names::TEST_OUTCOME => self.client.send_notification::<TestOutcome>(params).await,
                names::OUTPUT => self.client.send_notification::<Output>(params).await,
                names::RUN_FINISHED => self.client.send_notification::<RunFinished>(params).await,
                names::FLAKINESS_HINT => self.client.send_notification::<FlakinessHint>(params).await,
                _ => self.client.send_notification::<StaleOutcomes>(params).await,
            }
        }
    }
}

/// A panic in one message does not affect others.
async fn catch_panic(what: &str, work: impl Future<Output = ()>) {
    if AssertUnwindSafe(work).catch_unwind().await.is_err() {
        tracing::error!("{what} was lost in a panic");
    }
}

/// A type for each custom notification: the framework accepts no names.
macro_rules! notifications {
    ($($name:ident = $method:expr),* $(,)?) => {$(
        enum $name {}
        impl Notification for $name {
            type Params = Value;
            const METHOD: &'static str = $method;
        }
    )*};
}

notifications! {
    Inventory = names::INVENTORY,
    RunStarted = names::RUN_STARTED,
    TestStarted = names::TEST_STARTED,
    TestOutcome = names::TEST_OUTCOME,
    Output = names::OUTPUT,
    RunFinished = names::RUN_FINISHED,
    FlakinessHint = names::FLAKINESS_HINT,
    StaleOutcomes = names::STALE_OUTCOMES,
}
