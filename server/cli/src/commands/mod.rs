//! The subcommands, one file each.

mod daemon;
mod doctor;
mod flaky;
mod help;
mod import;
mod list;
mod list_from_source;
mod lsp;
mod plain_pytest;
mod shard;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pytest_lens_analysis::FileSettings;
use pytest_lens_engine::{Connect, Remote};

use crate::engine::start::{Lifetime, block_on, start, with, with_engine, with_engine_in};
use crate::engine::unavailable::Unavailable;
use crate::failure::Failure;
use crate::mcp;
use crate::options::arguments::{Command, EngineAt, HistoryCommand, Root, Run};
use crate::options::{addopts, folder_paths, parse, project_file, reporter, selectors, terminal_access, variable};
use crate::run;
use crate::style::Style;
use crate::watch;

/// Carries out a command; returns the exit status.
pub(crate) fn dispatch(command: Command) -> Result<i32, Failure> {
    let out = &mut std::io::stdout();
    if matches!(command, Command::Lsp(_) | Command::Mcp(_) | Command::Daemon(_)) {
        // They live long; the others end before it pays.
        pytest_lens_platform::memory::keep_no_free_pages();
    }
    match command {
        Command::Lsp(options) => match options.engine.connect {
            // Without a daemon the server shows the tests of the sources, until one starts.
            Some(socket) => block_on(lsp::serve(Arc::new(Remote::new(&socket)))),
            None => block_on(async {
                match start(Lifetime::Resident, None) {
                    Ok(engine) => {
                        let result = lsp::serve(Arc::clone(&engine) as Arc<dyn Connect>).await;
                        engine.shutdown().await;
                        result
                    }
                    Err(message) => lsp::serve(Arc::new(Unavailable(message))).await,
                }
            }),
        },
        Command::Mcp(options) => {
            let root = selectors::shared_root(options.root.root.as_deref(), &mut Vec::new())?;
            block_on(mcp::serve(root, options.connect))
        }
        Command::Daemon(options) => with_engine(Lifetime::Daemon, async |engine| daemon::daemon(engine, options).await),
        Command::Run(options) => {
            let mut options = parse::split_by_pytest(options)?;
            if options.engine.connect.is_some() {
                variable::take(&mut options, &variable::value())?;
            }
            let root = root_of(&options.root, &mut options.engine, &mut options.selectors)?;
            let here = selectors::root(options.root.root.as_deref())?;
            if here != root {
                folder_paths::make_absolute(&mut options.passed, &here, options.engine.folder.is_none());
            }
            let file = project_file::read_before_pytest(&root, &options.passed).given.complete();
            let added = addopts::of_project(&root, &file, &options);
            if let Some(option) = plain_pytest::option(&options, &added.words) {
                // A listing of several projects is ours.
                if options.by_pytest.is_some() || !plain_pytest::has_projects(&here) {
                    return Err(plain_pytest::replace_process(&option, &here, &options));
                }
            }
            if options.watch {
                return watched(&root, &options, &added.words, out);
            }
            if let (Some(test), Some(base)) = (&options.explain, &options.affected) {
                return with(&options.engine, async |engine| {
                    list::explain(engine, &root, &options, (test, base), out).await
                });
            }
            if options.collect_only {
                return with(&options.engine, async |engine| list::of_run(engine, &root, &options, &file, out).await);
            }
            let is_for_agent = |options: &Run| reporter::is_for_agent(options, |name| std::env::var(name).ok());
            options.has_terminal = terminal_access::is_wanted(&options, &added, is_for_agent(&options))?;
            addopts::add(&mut options, &added);
            options.for_agent = is_for_agent(&options);
            if options.has_terminal {
                // Not a daemon's engine: its processes have other terminals. Its clients learn of the run by the
                // history.
                let folder = options.engine.folder.as_deref();
                let takes_variable = options.engine.connect.is_none();
                return with_engine_in(Lifetime::Terminal { takes_variable }, folder, async |engine| {
                    run::run(engine, &root, &options, out, Style::of_stdout()).await
                });
            }
            with(&options.engine, async |engine| run::run(engine, &root, &options, out, Style::of_stdout()).await)
        }
        Command::List(options) if options.is_static => {
            list_from_source::list(&selectors::root(options.root.root.as_deref())?, &options, out)
        }
        Command::List(mut options) => {
            let root = root_of(&options.root, &mut options.engine, &mut options.selectors)?;
            project_file::read_before_pytest(&root, &[]);
            with(&options.engine, async |engine| list::list(engine, &root, &options, out).await)
        }
        Command::Shard(mut options) => {
            let root = root_of(&options.root, &mut options.engine, &mut Vec::new())?;
            project_file::read_before_pytest(&root, &[]);
            with(&options.engine, async |engine| shard::shard(engine, &root, &options, out, Style::of_stdout()).await)
        }
        Command::Flaky(mut options) => {
            let root = root_of(&options.root, &mut options.engine, &mut Vec::new())?;
            project_file::read(&root);
            let (json, style) = (options.json, Style::of_stdout());
            with(&options.engine, async |engine| flaky::flaky(engine, &root, json, out, style).await)
        }
        Command::History(HistoryCommand::Import(options)) => {
            let root = selectors::root(options.root.root.as_deref())?;
            with_engine(Lifetime::Short, async |engine| import::import(engine, &root, &options, out).await)
        }
        Command::Help(options) => help::help(&options.words, out, Style::of_stdout()),
        Command::Completions(options) => help::completions(options.shell, out),
        Command::Man(options) => help::manual(&options.words, out),
        Command::Doctor(options) => {
            let root = selectors::root(options.root.root.as_deref())?;
            let file = FileSettings::checked(&root);
            with_engine(Lifetime::Short, async |engine| {
                doctor::doctor(engine, &root, &file, out, Style::of_stdout()).await
            })
        }
    }
}

/// `run --watch`. `added`: the words that the project and the environment add.
fn watched(root: &Path, options: &Run, added: &[String], out: &mut dyn Write) -> Result<i32, Failure> {
    if let Some(debugger) = terminal_access::debugger(options.passed.iter().chain(added)) {
        return Err(Failure::usage(format!(
            "`--watch` reads keys from the terminal, which `{debugger}` needs for itself: leave out one of them"
        )));
    }
    if options.reporter.as_deref() == Some("agent") {
        return Err(Failure::usage(
            "`--watch` stays for a person at a terminal, `--reporter agent` prints one answer for a program: leave out one of \
             them",
        ));
    }
    let style = Style::of_stdout();
    match options.engine.connect {
        Some(_) => with(&options.engine, async |engine| watch::watch(engine, root, options, out, style).await),
        None => with_engine_in(Lifetime::Resident, options.engine.folder.as_deref(), async |engine| {
            watch::watch(engine, root, options, out, style).await
        }),
    }
}

/// The root of a command that a daemon may serve. If it is not the current folder, tests run in the latter nevertheless,
/// as with pytest; those of a daemon, which has other clients, in the root.
fn root_of(root: &Root, engine: &mut EngineAt, selectors: &mut Vec<String>) -> Result<PathBuf, Failure> {
    if engine.connect.is_some() {
        return selectors::shared_root(root.root.as_deref(), selectors);
    }
    let found = selectors::root_around(root.root.as_deref(), selectors)?;
    let here = selectors::root(root.root.as_deref())?;
    engine.folder = (here != found).then_some(here);
    Ok(found)
}
