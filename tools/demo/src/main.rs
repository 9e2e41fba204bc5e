//! `cargo xtask demo [PATH]`: an editor session played at the terminal, which shows the product.
//!
//! It starts `pytest-lens lsp` as an editor does, opens a test file, shows its lenses, runs the test under the cursor,
//! runs all, edits a file and runs again, and prints messages when they arrive, with the time from the key to the
//! verdict next to that of a cold `python -m pytest` of the same test.
#![warn(unreachable_pub)]
#![expect(clippy::print_stdout, reason = "a chore talks to the person at the terminal")]

mod editor;
mod project;
mod show;

use anyhow::{Context, Result};
use chores::build;
use chores::ui::{self, Colour};
use clap::Parser;
use editor::Editor;
use project::Project;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Play an editor session against the sample project, or one of your own.
#[derive(Parser)]
#[command(bin_name = "cargo xtask demo")]
struct Options {
    /// A project of your own instead of the sample. The demo changes only one comment line at the end of the test file,
    /// and removes it again.
    path: Option<PathBuf>,
    /// The test file to open, relative to PATH; the first one if none is named.
    #[arg(long)]
    file: Option<String>,
    /// The interpreter of PATH; its `.venv` or `venv`, the active environment or `python3` if none is named.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Show the release build.
    #[arg(long)]
    release: bool,
}

fn main() -> ExitCode {
    chores::end(run(&Options::parse()))
}

/// Plays the session; `false` if something is missing.
fn run(options: &Options) -> Result<bool> {
    let binary = build::binary(if options.release { "release" } else { "debug" })?;
    let project = match &options.path {
        Some(path) => Project::of_user(path, options.file.clone(), options.python.clone())?,
        None => Project::sample()?,
    };
    show::title("pytest-lens: the test under the cursor, from a warm engine");
    println!("project  {}", project.root.display());
    println!("python   {}", project.python.display());
    println!("server   {} lsp\n", binary.display());

    let mut editor = Editor::start(&binary, &project)?;
    let file = match &project.file {
        Some(file) => file.clone(),
        None => editor.first_test_file().context("no test file found in the project")?,
    };

    show::step(1, &format!("Open {file}: lenses come from the source, before Python has started"));
    let opened = editor.open(&file)?;
    println!("{} lenses after {}\n", opened.count, ui::duration(opened.time));
    print!("{}", show::source(&opened.lines, 40));

    let cursor = project.cursor(&opened.lines);
    let test = opened.lines[cursor].code.trim().to_owned();
    show::step(2, &format!("Run the test under the cursor: {test}"));
    println!("{}", ui::paint(Colour::Dim, "The first run also starts Python and collects:"));
    let first = editor.run_at(&file, cursor)?;
    // Measures pytest itself in the meantime: the server gets warm after the first run.
    let cold = project.cold(&first.ids)?;
    println!("{}", ui::paint(Colour::Dim, "And again, with everything warm:"));
    let warm = editor.run_at(&file, cursor)?;
    times(&[
        ("key to verdict, first time", first.verdict),
        ("key to verdict, warm", warm.verdict),
        ("cold `python -m pytest file::test`", Some(cold)),
    ]);

    show::step(3, "Run all tests");
    let all = editor.run_all()?;
    editor.show_diagnostics()?;

    show::step(4, "Edit, save, run again");
    let mut edit = project.edit(&file)?;
    println!("{}\n", edit.what);
    editor.save(&edit.path, &edit.text)?;
    let again = editor.run_at(&file, cursor)?;
    let cold_again = project.cold(&again.ids)?;
    editor.show_diagnostics()?;
    if let Some(before) = edit.take_before() {
        editor.save(&edit.path, &before)?;
    }
    times(&[
        ("key to verdict, after the edit", again.verdict),
        ("cold `python -m pytest file::test`", Some(cold_again)),
    ]);

    let doubtful = project.doubtful(&file);
    show::step(5, &format!("Run {doubtful} twice more: a test that passes and fails on the same code is flaky"));
    editor.run_file(&doubtful)?;
    let last = editor.run_file(&doubtful)?;
    let flaky = editor.show_flaky()?;

    show::step(6, &format!("The lenses of {file} now"));
    let lenses = editor.lenses(&file)?;
    print!("{}", show::source(&lenses.lines, 40));

    editor.quit()?;
    println!();
    let runs = [&first, &warm, &all, &again, &last];
    let complete = runs.iter().all(|run| run.is_complete);
    if !complete {
        println!("{}", ui::paint(Colour::Red, "a run ended without all its outcomes"));
    }
    let has_hint = flaky > 0 || options.path.is_some();
    if !has_hint {
        println!("{}", ui::paint(Colour::Red, "a hint was to come: the sample has a flaky test"));
    }
    Ok(complete && has_hint)
}

/// Times below each other, the last one as the measure of the others.
fn times(rows: &[(&str, Option<Duration>)]) {
    let measure = rows.last().and_then(|(_, time)| *time);
    println!();
    for (what, time) in rows {
        let Some(time) = time else { continue };
        let ratio = measure.map_or(1.0, |cold| cold.as_secs_f64() / time.as_secs_f64());
        let note = if ratio > 1.05 { format!("{ratio:.0} times faster") } else { String::new() };
        let shown = ui::paint(Colour::Bold, &format!("{:>10}", ui::duration(*time)));
        println!("  {what:36} {shown}  {}", ui::paint(Colour::Green, &note));
    }
}
