//! The server: its tools, and the report of the last run as a resource.

use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResult, ContentBlock, Implementation, ListResourcesResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource, ResourceContents,
    ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, tool, tool_handler, tool_router};

use super::arguments::{ExplainFailure, Impact, IsItFlaky, ListTests, RunTests};
use super::workplace::Workplace;
use super::{explain, flaky, impact, list, run};
use crate::failure::Failure;

/// The resource with the report of the last run.
const LAST_RUN: &str = "pytest-lens://last-run";

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
        told(run::run_tests(&self.workplace, arguments, &context).await)
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
        told(run::answered(&self.workplace, &context, answer).await)
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
        told(explain::explain_failure(&self.workplace, arguments, &context).await)
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
        told(run::answered(&self.workplace, &context, answer).await)
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
        told(run::answered(&self.workplace, &context, answer).await)
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

/// An answer, or one sentence that says what was wrong with the question.
fn told(result: Result<String, Failure>) -> CallToolResult {
    match result {
        Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
        Err(Failure::Message { sentence, .. } | Failure::Help(sentence)) => {
            CallToolResult::error(vec![ContentBlock::text(short(&sentence))])
        }
        Err(Failure::Pipe) => CallToolResult::error(vec![ContentBlock::text("the client has gone")]),
    }
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
