//! The command line of pytest-lens: reads arguments, asks an engine, prints for people and for scripts.
//!
//! It knows the engine only by its sessions, and has no opinion on tests: outcomes, counts and texts are the engine's.

mod args;
mod client;
mod doctor;
mod failure;
mod flaky;
mod import;
mod kept;
mod list;
mod logs;
mod lsp;
mod run;
mod select;
mod signals;
mod static_list;
mod style;
#[cfg(test)]
mod testing;

use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;

use args::{Command, HistoryCommand};
use failure::{Failure, exit};
use import::Importing;
use pytest_lens_engine::{Connect, Engine, EngineConfig};
use style::Style;

/// Runs the command that the arguments (the program's name first) ask for, and returns the exit status. The caller is
/// to exit with it at once: a thread may still be waiting for input.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    let result = args::parse(arguments).and_then(|command| {
        logs::start()?;
        dispatch(command)
    });
    let mut out = std::io::stdout();
    match result {
        Ok(status) => status,
        Err(Failure::Help(text)) => out.write_all(text.as_bytes()).map_or(exit::INTERNAL, |()| exit::OK),
        Err(Failure::Said { sentence, status }) => {
            let sentence = sentence.trim_end();
            // Where standard error is gone, there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "pytest-lens: {sentence}");
            status
        }
        Err(Failure::Pipe) => exit::INTERRUPTED,
    }
}

fn dispatch(command: Command) -> Result<i32, Failure> {
    let out = &mut std::io::stdout();
    match command {
        Command::Lsp(_) => with_engine(Life::Resident, lsp::serve),
        Command::Run(options) => {
            let root = select::root(&options.root.root)?;
            with_engine(Life::Short, |engine| async move {
                run::run(engine, &root, &options, out, Style::of_stdout()).await
            })
        }
        Command::List(options) if options.is_static => {
            static_list::list(&select::root(&options.root.root)?, &options, out)
        }
        Command::List(options) => {
            let root = select::root(&options.root.root)?;
            with_engine(Life::Short, |engine| async move { list::list(engine, &root, &options, out).await })
        }
        Command::Flaky(options) => flaky::flaky(&select::root(&options.root.root)?, &options, out, Style::of_stdout()),
        Command::History(HistoryCommand::Import(options)) => {
            let root = select::root(&options.root.root)?;
            let mut importing = Importing::new(&root, &options)?;
            if importing.wants_inventory() {
                with_engine(Life::Short, |engine| async {
                    importing.take_inventory(engine, &root).await;
                    Ok(exit::OK)
                })?;
            }
            importing.finish(&root, options.json, out)
        }
        Command::Doctor(options) => {
            let root = select::root(&options.root.root)?;
            with_engine(Life::Short, |engine| async move {
                doctor::doctor(engine, &root, kept::look, out, Style::of_stdout()).await
            })
        }
    }
}

/// What an engine is for.
enum Life {
    /// Runs will come: processes are kept ready for them.
    Resident,
    /// One command.
    Short,
}

/// Does something with an engine of this process's own, which is gone, with all that it started, afterwards.
fn with_engine<F>(life: Life, work: impl FnOnce(Arc<dyn Connect>) -> F) -> Result<i32, Failure>
where
    F: Future<Output = Result<i32, Failure>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let config = EngineConfig { resident: matches!(life, Life::Resident), ..EngineConfig::for_user() };
        let engine =
            Engine::start(config).map_err(|error| Failure::internal(format!("the engine did not start: {error}")))?;
        let connect: Arc<dyn Connect> = Arc::clone(&engine) as _;
        let result = work(connect).await;
        engine.shutdown().await;
        result
    });
    // A read of standard input can't be cancelled, and must not be waited for.
    runtime.shutdown_background();
    result
}
