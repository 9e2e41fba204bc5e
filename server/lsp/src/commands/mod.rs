//! `workspace/executeCommand`: each command takes one object, and answers with a result or with one sentence that names
//! the user's way out.

mod args;
mod control;
mod coverage;
mod query;
mod run;

use std::sync::Arc;

use lsp_types::MessageType;
use serde_json::Value;

use crate::error::{CommandError, CommandResult};
use crate::session::message::Outgoing;
use crate::session::state::Shared;

pub(crate) use run::run_on_save;

/// Runs tests.
pub(crate) const RUN: &str = "pytestLens.run";
/// Runs the tests that failed last.
pub(crate) const RUN_FAILED: &str = "pytestLens.runFailed";
/// Repeats the last run.
const RUN_LAST: &str = "pytestLens.runLast";
/// Runs tests under a debugger.
pub(crate) const DEBUG: &str = "pytestLens.debug";
/// Lets running tests finish, and starts no more.
pub(crate) const STOP: &str = "pytestLens.stop";
/// Ends running tests now.
const KILL: &str = "pytestLens.kill";
/// Brings the inventory up to date.
const COLLECT: &str = "pytestLens.collect";
/// Pages of the inventory tree.
const TESTS: &str = "pytestLens.tests";
/// Sends the tests of a file.
const RESOLVE: &str = "pytestLens.resolve";
/// The output of a test.
pub(crate) const OUTPUT: &str = "pytestLens.output";
/// Flakiness from the history.
const FLAKINESS: &str = "pytestLens.flakiness";
/// How each folder runs its tests.
const STATUS: &str = "pytestLens.status";

/// The coverage of a run.
const COVERAGE: &str = "pytestLens.coverage";

/// The test files that changed files can reach.
const AFFECTED: &str = "pytestLens.affected";

/// All commands.
pub(crate) const COMMANDS: [&str; 14] = [
    RUN, RUN_FAILED, RUN_LAST, DEBUG, STOP, KILL, COLLECT, TESTS, RESOLVE, OUTPUT, FLAKINESS, STATUS, COVERAGE,
    AFFECTED,
];

/// Commands whose failure is shown to the user, because nothing else happens.
const RUNS: [&str; 5] = [RUN, RUN_FAILED, RUN_LAST, DEBUG, OUTPUT];

/// Carries out one command. Editors without a plugin often don't show a command's error, so it is shown as a message.
pub(crate) async fn execute(shared: &Arc<Shared>, command: &str, arguments: Vec<Value>) -> CommandResult<Value> {
    let result = dispatch(shared, command, arguments).await;
    if let Err(error) = &result
        && RUNS.contains(&command)
        && !shared.state().features.opted_in
    {
        shared.send(Outgoing::Message { kind: MessageType::ERROR, text: error.message.clone() });
    }
    result
}

async fn dispatch(shared: &Arc<Shared>, command: &str, arguments: Vec<Value>) -> CommandResult<Value> {
    match command {
        RUN => run::run(shared, args::one(command, arguments)?).await,
        RUN_FAILED => run::run_failed(shared, args::one(command, arguments)?).await,
        RUN_LAST => run::run_last(shared, args::one(command, arguments)?).await,
        DEBUG => run::debug(shared, args::one(command, arguments)?).await,
        STOP => control::stop(shared, args::one(command, arguments)?, false).await,
        KILL => control::stop(shared, args::one(command, arguments)?, true).await,
        COLLECT => control::collect(shared, args::one(command, arguments)?).await,
        TESTS => query::tests(shared, args::one(command, arguments)?),
        RESOLVE => query::resolve(shared, args::one(command, arguments)?),
        OUTPUT => query::output(shared, args::one(command, arguments)?).await,
        FLAKINESS => query::flakiness(shared, args::one(command, arguments)?).await,
        STATUS => query::status(shared, args::one(command, arguments)?).await,
        AFFECTED => run::affected(shared, args::one(command, arguments)?).await,
        COVERAGE => coverage::coverage(shared, args::one(command, arguments)?).await,
        other => Err(CommandError::arguments(format!(
            "there is no command `{other}`: those of pytest-lens are {}",
            COMMANDS.join(", ")
        ))),
    }
}
