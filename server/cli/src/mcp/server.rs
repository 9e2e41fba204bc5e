//! The server: its tools, and the report of the last run as a resource.

use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResult, ContentBlock, CustomRequest, CustomResult, ErrorCode, Implementation, ListResourcesResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, tool, tool_handler, tool_router};

use super::arguments::{ExplainFailure, Impact, IsItFlaky, ListTests, RunTests};
use super::workplace::Workplace;
use super::{explain, flaky, impact, list, run};
use crate::failure::Failure;
use crate::options::project_file;
use crate::terminal::agent::failures::cut_at;
use crate::terminal::text::first_line;

/// The resource with the report of the last run.
const LAST_RUN: &str = "pytest-lens://last-run";

/// The methods that this server answers, besides those that have no parameters.
const METHODS: [&str; 4] = ["tools/call", "tools/list", "resources/list", "resources/read"];

const INSTRUCTIONS: &str = "\
Runs this project's pytest tests in a warm engine: after an edit, run_tests answers in milliseconds. Save files first. An \
answer begins with its verdict. Only PASSED means that all requested tests ran and passed on the present code; FAILED, \
INCOMPLETE, OUTDATED and NO TESTS RAN say why not. Begin with run_tests {affected: true}.";

/// A server for one client.
#[derive(Debug, Clone)]
pub(super) struct Server {
    workplace: Arc<Workplace>,
    #[expect(dead_code, reason = "the macro's handler makes a router of its own")]
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Server {
    pub(super) fn new(workplace: Arc<Workplace>) -> Self {
        Server { workplace, tool_router: Self::tool_router() }
    }

    #[tool(
        description = "Run tests on the files as they are on disk now. The answer: a verdict, failures one per line, \
                       details of the first three.",
        annotations(title = "Run tests", read_only_hint = false, destructive_hint = false, open_world_hint = true)
    )]
    async fn run_tests(
        &self,
        Parameters(arguments): Parameters<RunTests>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let answer = run::run_tests(&self.workplace, arguments, &context).await;
        told(answer, &self.mistakes().await)
    }

    #[tool(
        description = "List the tests that pytest collects, without running them.",
        annotations(title = "List tests", read_only_hint = true)
    )]
    async fn list_tests(
        &self,
        Parameters(arguments): Parameters<ListTests>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let answer = list::list_tests(&self.workplace, arguments);
        let answer = run::answered(&self.workplace, &context, answer).await;
        told(answer, &self.mistakes().await)
    }

    #[tool(
        description = "Explain why one test fails: runs it once more, alone, and shows the message, the diff, each frame \
                       with source and local variables, and the captured output.",
        annotations(title = "Explain a failure", read_only_hint = false, destructive_hint = false)
    )]
    async fn explain_failure(
        &self,
        Parameters(arguments): Parameters<ExplainFailure>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        told(explain::explain_failure(&self.workplace, arguments, &context).await, &[])
    }

    #[tool(
        description = "Say whether a test is flaky, by its recorded outcomes: passes and failures on the same code are \
                       proof, across changes of code a suspicion.",
        annotations(title = "Is it flaky?", read_only_hint = true)
    )]
    async fn is_it_flaky(
        &self,
        Parameters(arguments): Parameters<IsItFlaky>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let answer = flaky::is_it_flaky(&self.workplace, arguments);
        told(run::answered(&self.workplace, &context, answer).await, &[])
    }

    #[tool(
        description = "Say which tests changed files can reach, and by which imports or files. Runs nothing.",
        annotations(title = "Impact of a change", read_only_hint = true)
    )]
    async fn impact(
        &self,
        Parameters(arguments): Parameters<Impact>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let answer = impact::impact(&self.workplace, arguments);
        told(run::answered(&self.workplace, &context, answer).await, &[])
    }
}

impl Server {
    /// The mistakes in the settings of the project's files, a line each: such settings do not count.
    async fn mistakes(&self) -> Vec<String> {
        const MOST: usize = 5;
        const WIDTH: usize = 300;
        let root = self.workplace.root.clone();
        let found = run::blocking(move || project_file::mistakes(&root)).await.unwrap_or_default();
        found.iter().take(MOST).map(|mistake| cut_at(first_line(mistake), WIDTH)).collect()
    }
}

#[tool_handler]
impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().build();
        let mut config = ServerConfig::new(capabilities).with_instructions(INSTRUCTIONS);
        config.server_info =
            Implementation::new("pytest-lens", env!("CARGO_PKG_VERSION")).with_title("pytest-lens: run pytest tests");
        config
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        // The SDK takes a request for an unknown one if it can't read the parameters.
        if METHODS.contains(&&*request.method) {
            let message = format!("the parameters of `{}` do not have the form that MCP defines", request.method);
            return Err(ErrorData::invalid_params(message, None));
        }
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None))
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let last_run = Resource::new(LAST_RUN, "last-run")
            .with_title("Report of the last run")
            .with_description("The whole report of the last run_tests, in pytest's layout")
            .with_mime_type("text/plain");
        Ok(ListResourcesResult::with_all_items(vec![last_run]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if request.uri != LAST_RUN {
            let message = format!("there is no resource `{}`: the only one is `{LAST_RUN}`", request.uri);
            return Err(ErrorData::resource_not_found(message, None));
        }
        let text = self.workplace.last_report().unwrap_or_else(|| "NO TESTS RAN: call run_tests first\n".into());
        Ok(ReadResourceResult::new(vec![ResourceContents::text(text, LAST_RUN)]).into())
    }
}

/// An answer, or one sentence that says what was wrong with the question; then the mistakes in the settings.
fn told(result: Result<String, Failure>, mistakes: &[String]) -> CallToolResult {
    let (text, is_error) = match result {
        Ok(text) => (text, false),
        Err(Failure::Message { sentence, .. } | Failure::Help(sentence)) => (short(&sentence), true),
        Err(Failure::Pipe) => ("the client has gone".to_owned(), true),
    };
    let mut lines = vec![text.strip_suffix('\n').unwrap_or(&text)];
    lines.extend(mistakes.iter().map(String::as_str));
    let end = if text.ends_with('\n') { "\n" } else { "" };
    let content = vec![ContentBlock::text(lines.join("\n") + end)];
    if is_error { CallToolResult::error(content) } else { CallToolResult::success(content) }
}

/// The beginning of a sentence: what pytest says of a broken project may have a traceback.
fn short(sentence: &str) -> String {
    const LINES: usize = 10;
    const WIDTH: usize = 1_000;
    let lines: Vec<&str> = sentence.lines().collect();
    let line = |line: &&str| line.chars().take(WIDTH).collect::<String>();
    let mut text: Vec<String> = lines.iter().take(LINES).map(line).collect();
    if lines.len() > LINES {
        text.push(format!("... {} more lines", lines.len() - LINES));
    }
    text.join("\n")
}
