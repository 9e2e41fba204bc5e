//! The LSP framework's side: one thin method for each message, in the order of the specification.
//!
//! Handlers run concurrently. Those of requests only read the state ([`ReadRequest`]), those of notifications change it
//! without waiting for anything ([`StateChange`]), so that messages take effect in the order in which they came.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lsp_types::notification::{
    DidChangeConfiguration, DidChangeTextDocument, DidChangeWatchedFiles, DidChangeWorkspaceFolders,
    DidCloseTextDocument, DidOpenTextDocument, DidSaveTextDocument, Initialized, Notification, WorkDoneProgressCancel,
};
use lsp_types::request::{CodeActionRequest, CodeLensRequest, HoverRequest, InlayHintRequest};
use lsp_types::{
    CodeActionParams, CodeActionResponse, CodeLens, CodeLensParams, DidChangeConfigurationParams,
    DidChangeTextDocumentParams, DidChangeWatchedFilesParams, DidChangeWorkspaceFoldersParams,
    DidCloseTextDocumentParams, DidOpenTextDocumentParams, DidSaveTextDocumentParams, ExecuteCommandParams, Hover,
    HoverParams, InitializeParams, InitializeResult, InitializedParams, InlayHint, InlayHintParams,
    WorkDoneProgressCancelParams,
};
use pytest_lens_engine::{Connect, end_of};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp::{Client, LanguageServer, LspService};

use crate::commands;
use crate::error::{CommandError, ErrorKind};
use crate::outgoing::publisher::Publisher;
use crate::server_capabilities;
use crate::session::handlers::{ReadRequest, StateChange};
use crate::session::state::Shared;
use crate::sync::folders::{self, Trust, TrustParams};
use crate::transport::{dispatch, results};

/// LSP's code for a request that is right but can't be carried out.
const REQUEST_FAILED: i64 = -32803;

/// Serves one client until it says `exit` or its input ends. The engine keeps running: its owner ends it. Returns
/// whether the client sent `shutdown` first, which decides the exit status in LSP.
pub async fn serve(connect: Arc<dyn Connect>, input: impl AsyncRead + Unpin, output: impl AsyncWrite) -> bool {
    let (service, socket) = LspService::build(|client| Backend::new(connect, client))
        .custom_method(Trust::METHOD, Backend::trust)
        .custom_method(WorkDoneProgressCancel::METHOD, Backend::cancel)
        .finish();
    let shared = Arc::clone(&service.inner().shared);
    let was_shut_down = Arc::clone(&service.inner().was_shut_down);
    let client_gone = Arc::clone(&service.inner().client_gone);
    tokio::select! {
        () = dispatch::serve(service, socket, input, output) => {}
        // Another process may hold the other end of its input.
        () = client_gone.notified() => {}
    }
    shared.close();
    was_shut_down.load(Ordering::Relaxed)
}

/// The framework's handle of the server.
struct Backend {
    shared: Arc<Shared>,
    was_shut_down: Arc<AtomicBool>,
    /// The process whose id the client sent has ended.
    client_gone: Arc<Notify>,
}

impl Backend {
    fn new(connect: Arc<dyn Connect>, client: Client) -> Self {
        let (outgoing, queue) = unbounded_channel();
        let shared = Arc::new(Shared::new(connect, outgoing.clone()));
        shared.spawn(Publisher::new(client, Arc::clone(&shared), outgoing).run(queue));
        Backend { shared, was_shut_down: Arc::default(), client_gone: Arc::default() }
    }

    fn read<R: ReadRequest>(&self, params: R::Params) -> Result<R::Result>
    where
        R::Result: Default,
    {
        let result = R::answer(&self.shared.state(), params);
        Ok(if results::put(&result) { R::Result::default() } else { result })
    }

    fn change<N: StateChange>(&self, params: N::Params) {
        N::apply(&self.shared, params);
    }

    async fn trust(&self, params: TrustParams) {
        self.change::<Trust>(params);
    }

    async fn cancel(&self, params: WorkDoneProgressCancelParams) {
        self.change::<WorkDoneProgressCancel>(params);
    }
}

impl LanguageServer for Backend {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let encoding = server_capabilities::encoding(&params.capabilities);
        // The framework accepts no further message before `initialize` has an answer.
        let initialize = AssertUnwindSafe(|| folders::initialize(&self.shared, &params, encoding));
        catch_unwind(initialize).map_err(|_| Error::internal_error())?;
        if let Some(client) = params.process_id {
            let gone = Arc::clone(&self.client_gone);
            self.shared.spawn(async move {
                end_of(client).await;
                gone.notify_one();
            });
        }
        Ok(server_capabilities::initialize_result(encoding))
    }

    async fn initialized(&self, params: InitializedParams) {
        self.change::<Initialized>(params);
    }

    async fn shutdown(&self) -> Result<()> {
        self.was_shut_down.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        self.change::<DidOpenTextDocument>(params);
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        self.change::<DidChangeTextDocument>(params);
    }

    async fn did_save(&self, params: DidSaveTextDocumentParams) {
        self.change::<DidSaveTextDocument>(params);
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        self.change::<DidCloseTextDocument>(params);
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        self.read::<HoverRequest>(params)
    }

    async fn code_lens(&self, params: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        self.read::<CodeLensRequest>(params)
    }

    async fn inlay_hint(&self, params: InlayHintParams) -> Result<Option<Vec<InlayHint>>> {
        self.read::<InlayHintRequest>(params)
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        self.read::<CodeActionRequest>(params)
    }

    async fn did_change_configuration(&self, params: DidChangeConfigurationParams) {
        self.change::<DidChangeConfiguration>(params);
    }

    async fn did_change_workspace_folders(&self, params: DidChangeWorkspaceFoldersParams) {
        self.change::<DidChangeWorkspaceFolders>(params);
    }

    async fn did_change_watched_files(&self, params: DidChangeWatchedFilesParams) {
        self.change::<DidChangeWatchedFiles>(params);
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<Value>> {
        match commands::execute(&self.shared, &params.command, params.arguments).await {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(to_jsonrpc(error)),
        }
    }
}

fn to_jsonrpc(error: CommandError) -> Error {
    let code = match error.kind {
        ErrorKind::Arguments => ErrorCode::InvalidParams,
        ErrorKind::Failed | ErrorKind::ContextGone => ErrorCode::ServerError(REQUEST_FAILED),
    };
    // The code lets a client offer a way out.
    let data = error.code.map(|code| serde_json::json!({ "code": code }));
    Error { code, message: error.message.into(), data }
}
