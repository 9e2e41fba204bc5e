//! The command line of pytest-lens: reads arguments, asks an engine, prints for people and for scripts.
//!
//! It knows the engine only by its sessions, and has no opinion on tests: outcomes, counts and texts are the engine's.

mod args;
mod client;
mod daemon;
mod doctor;
mod failure;
mod flaky;
mod import;
mod kept;
mod list;
mod logs;
mod lsp;
mod pytest_options;
mod run;
mod select;
mod shard;
mod signals;
mod static_list;
mod style;
mod suggest;
mod terminal;
#[cfg(test)]
mod testing;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use args::{Command, EngineAt, HistoryCommand, Root};
use failure::{Failure, exit};
use import::Importing;
use pytest_lens_engine::{Connect, Engine, EngineConfig, Remote};
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
        Command::Lsp(options) => match options.engine.connect {
            // Without a daemon it serves all the same: from the sources, until one is there.
            Some(socket) => block_on(lsp::serve(Arc::new(Remote::new(&socket)))),
            None => block_on(async {
                match start(Life::Resident) {
                    Ok(engine) => {
                        let result = lsp::serve(Arc::clone(&engine) as Arc<dyn Connect>).await;
                        engine.shutdown().await;
                        result
                    }
                    Err(message) => lsp::serve(Arc::new(lsp::Unavailable(message))).await,
                }
            }),
        },
        Command::Daemon(options) => with_engine(Life::Resident, async |engine| daemon::daemon(engine, options).await),
        Command::Run(mut options) => {
            let root = root_of(&options.root, &options.engine, &mut options.selectors)?;
            if options.collect_only {
                return with(&options.engine, async |engine| list::of_run(engine, &root, &options, out).await);
            }
            options.has_terminal = terminal::is_wanted(&options, &root)?;
            if options.has_terminal {
                // The history tells a daemon's clients of it.
                return with_engine(Life::Terminal, async |engine| {
                    run::run(engine, &root, &options, out, Style::of_stdout()).await
                });
            }
            with(&options.engine, async |engine| run::run(engine, &root, &options, out, Style::of_stdout()).await)
        }
        Command::List(options) if options.is_static => {
            static_list::list(&select::root(options.root.root.as_deref())?, &options, out)
        }
        Command::List(mut options) => {
            let root = root_of(&options.root, &options.engine, &mut options.selectors)?;
            with(&options.engine, async |engine| list::list(engine, &root, &options, out).await)
        }
        Command::Shard(options) => {
            let root = root_of(&options.root, &options.engine, &mut Vec::new())?;
            with(&options.engine, async |engine| shard::shard(engine, &root, &options, out, Style::of_stdout()).await)
        }
        Command::Flaky(options) => {
            let root = root_of(&options.root, &options.engine, &mut Vec::new())?;
            // Without a daemon there is nothing to start: the history is a file.
            let report = match options.engine.connect {
                Some(_) => with(&options.engine, async |engine| flaky::asked(engine, &root).await)?,
                None => flaky::read(&root)?,
            };
            flaky::print(&report, &root, options.json, out, Style::of_stdout())
        }
        Command::History(HistoryCommand::Import(options)) => {
            let root = select::root(options.root.root.as_deref())?;
            let mut importing = Importing::new(&root, &options)?;
            if importing.wants_inventory() {
                with_engine(Life::Short, async |engine| {
                    importing.take_inventory(engine, &root).await;
                    Ok(())
                })?;
            }
            importing.finish(&root, options.json, out)
        }
        Command::Doctor(options) => {
            let root = select::root(options.root.root.as_deref())?;
            with_engine(Life::Short, async |engine| {
                doctor::doctor(engine, &root, kept::look, out, Style::of_stdout()).await
            })
        }
    }
}

/// The root of a command that a daemon can serve.
fn root_of(root: &Root, engine: &EngineAt, selectors: &mut Vec<String>) -> Result<PathBuf, Failure> {
    match engine.connect {
        Some(_) => select::shared_root(root.root.as_deref(), selectors),
        None => select::root(root.root.as_deref()),
    }
}

/// What an engine is for.
enum Life {
    /// Runs will come: processes are kept ready for them.
    Resident,
    /// One command.
    Short,
    /// One run, whose tests have this process's terminal.
    Terminal,
}

/// Does something with the engine that was asked for: a daemon's, or this process's own.
fn with<T>(at: &EngineAt, work: impl AsyncFnOnce(Arc<dyn Connect>) -> Result<T, Failure>) -> Result<T, Failure> {
    match &at.connect {
        Some(socket) => block_on(async {
            let daemon = Remote::new(socket);
            daemon.probe().await.map_err(Failure::usage)?;
            work(Arc::new(daemon)).await
        }),
        None => with_engine(Life::Short, async |engine| work(engine).await),
    }
}

/// Does something with an engine of this process's own, which is gone, with all that it started, afterwards.
fn with_engine<T>(life: Life, work: impl AsyncFnOnce(Arc<Engine>) -> Result<T, Failure>) -> Result<T, Failure> {
    block_on(async {
        let engine = start(life).map_err(Failure::internal)?;
        let result = work(Arc::clone(&engine)).await;
        engine.shutdown().await;
        result
    })
}

/// Starts an engine of this process's own, or says why there is none.
fn start(life: Life) -> Result<Arc<Engine>, String> {
    let (resident, terminal) = (matches!(life, Life::Resident), matches!(life, Life::Terminal));
    let config = EngineConfig { resident, terminal, ..EngineConfig::for_user() };
    Engine::start(config).map_err(|error| format!("the engine did not start: {error}"))
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A read of standard input can't be cancelled, and must not be waited for.
    runtime.shutdown_background();
    result
}
