//! A project to test: files in a temporary folder, written as indented text.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;

/// A module `waiting.py`, for tests that wait until a file of the project is there.
pub(crate) const WAITING: &str = "\
import os, pathlib, subprocess, sys, time

def wait_for(name):
    end = time.monotonic() + 30
    while not pathlib.Path(name).exists():
        assert time.monotonic() < end
        time.sleep(0.01)
";

/// A folder of files, removed at the end.
pub(crate) struct Project {
    _folder: TempDir,
    /// Without symlinks, as the engine names it.
    pub root: PathBuf,
}

impl Project {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::with_prefix("lens-project-").unwrap();
        let root = folder.path().canonicalize().unwrap();
        let project = Project { _folder: folder, root };
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The project's root as text: it identifies its processes.
    pub(crate) fn mark(&self) -> String {
        self.root.to_string_lossy().into()
    }

    /// Writes a file; indentation that all lines share, and a first empty line, are no part of it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, dedent(text)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// Gives a file another modification time.
    pub(crate) fn set_mtime(&self, name: &str, time: SystemTime) {
        fs::File::options().write(true).open(self.path(name)).unwrap().set_modified(time).unwrap();
    }

    /// Replaces `old` in a file by `new` of the same length, and puts its modification time back: by size and time
    /// nothing has happened.
    pub(crate) fn edit_in_disguise(&self, name: &str, old: &str, new: &str) {
        assert_eq!(old.len(), new.len());
        let path = self.path(name);
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{name} has no {old:?}");
        fs::write(&path, text.replace(old, new)).unwrap();
        self.set_mtime(name, before);
    }

    /// Lines that tests or modules have appended to a file.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        self.read(name).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

/// `text` without its first line if that is empty, and without the indentation that all lines share.
pub(crate) fn dedent(text: &str) -> String {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let shared = text.lines().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let lines = text.lines().map(|line| line.get(shared..).unwrap_or_default());
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Writes an executable script.
///
/// By another process: a file that this one has open for writing can't be executed, nor while a fork of it made
/// meanwhile by another test still holds the descriptor.
pub(crate) fn write_script(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, dedent(text)).unwrap();
    let made = std::process::Command::new("install").args(["-m", "755"]).arg(&draft).arg(path).status().unwrap();
    assert!(made.success());
}
