//! `cargo xtask tidy`: checks the habits of the source tree that no linter knows.
//!
//! Each source file opens with a doc that says why it exists, stays under 600 lines (unless it is generated), and holds
//! neither left-over notes nor a path of somebody's machine. Folders of the engine, of the language server and of the
//! worker import downwards only; imports of the language server, of the Neovim plugin and of the Python package form no
//! circle. Only `server/platform` asks for the operating system. All files that name the version name the same one.
//! Files that the documents for contributors name exist. Prose follows `docs/style.md` as far as a program can check it.

use crate::{doc_paths, floors, lua_imports, plain_words, python_imports, systems};
use anyhow::Result;
use chores::paths;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The longest a source file may be.
const MOST_LINES: usize = 600;

/// Folders with material for tests, kept as other people write their files.
const MATERIAL: [&str; 1] = ["tests/projects/"];

/// Checks every source file that git knows or would add; prints the complaints, and returns whether there are none.
pub(crate) fn run() -> Result<bool> {
    let root = paths::root();
    let mut problems = Vec::new();
    let mut texts = Vec::new();
    for path in sources(&root)? {
        // A file that was deleted but not committed yet is still listed.
        let Ok(text) = fs::read_to_string(root.join(&path)) else {
            continue;
        };
        problems.extend(complaints(&path, &text));
        problems.extend(floors::complaints(&path, &text));
        problems.extend(systems::complaints(&path, &text));
        problems.extend(plain_words::complaints(&path, &text));
        texts.push((path, text));
    }
    for path in documents(&root)? {
        let text = fs::read_to_string(root.join(&path)).unwrap_or_default();
        problems.extend(plain_words::complaints(&path, &text));
    }
    problems.extend(floors::circles(&texts));
    let files = || texts.iter().map(|(path, text)| (path.as_path(), text.as_str()));
    problems.extend(lua_imports::complaints(files()));
    problems.extend(python_imports::complaints(files()));
    problems.extend(crate::versions::complaints()?);
    problems.extend(doc_paths::all_complaints(&root)?);
    for problem in &problems {
        println!("{problem}");
    }
    println!("{} source files, {} complaints", texts.len(), problems.len());
    Ok(problems.is_empty())
}

/// Source files, paths relative to the root.
fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    Ok(files(root)?.into_iter().filter(|path| !is_material(path) && opening(path).is_some()).collect())
}

/// Documents and descriptions of settings, paths relative to the root.
fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    Ok(files(root)?.into_iter().filter(|path| !is_material(path) && plain_words::is_document(path)).collect())
}

fn is_material(path: &Path) -> bool {
    MATERIAL.iter().any(|folder| path.starts_with(folder))
}

/// All files that git lists, paths relative to the root.
pub(crate) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut list = Command::new("git");
    list.current_dir(root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let mut files: Vec<PathBuf> = chores::process::output(&mut list)?.lines().map(PathBuf::from).collect();
    files.sort();
    Ok(files)
}

/// The beginnings of a file of this kind that explains itself; `None` if it is no source file.
fn opening(path: &Path) -> Option<&'static [&'static str]> {
    Some(match path.extension()?.to_str()? {
        "rs" => &["//!"],
        "py" => &["\"\"\"", "r\"\"\""],
        "ts" | "js" | "mjs" => &["/**", "//"],
        "lua" => &["--"],
        _ => return None,
    })
}

/// The complaints about one file, each with its line if there is one.
fn complaints(path: &Path, text: &str) -> Vec<String> {
    let name = path.display();
    let mut found = Vec::new();
    let first = text.lines().find(|line| !line.starts_with("#!") || line.starts_with("#![")).unwrap_or("");
    let openings = opening(path).unwrap_or_default();
    let is_empty = text.trim().is_empty();
    if !is_empty && !openings.iter().any(|start| first.starts_with(start)) {
        found.push(format!("{name}:1: does not open with a doc that says why the file exists"));
    }
    let lines = text.lines().count();
    let is_generated = text.lines().take(5).any(|line| line.contains("Made by `cargo xtask codegen`"));
    if lines > MOST_LINES && !is_generated {
        found.push(format!("{name}: has {lines} lines; split it (at most {MOST_LINES})"));
    }
    for (number, line) in text.lines().enumerate() {
        for word in forbidden() {
            if line.contains(&word) {
                found.push(format!("{name}:{}: holds `{word}`", number + 1));
            }
        }
    }
    found
}

/// Words that do not belong in the tree; put together here, so that this file can be checked as well.
fn forbidden() -> Vec<String> {
    let notes = [("TO", "DO"), ("FIX", "ME"), ("XX", "X:"), ("HA", "CK:")];
    let machine = [("/ro", "ot/"), ("/wo", "rk/"), ("/Us", "ers/")];
    notes.iter().chain(&machine).map(|(start, end)| format!("{start}{end}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        complaints(Path::new(name), text)
    }

    #[test]
    fn a_file_that_explains_itself_is_fine() {
        assert!(found("a.rs", "//! Why.\n").is_empty());
        assert!(found("a.py", "#!/usr/bin/env python3\n\"\"\"Why.\"\"\"\n").is_empty());
        assert!(found("__init__.py", "").is_empty());
    }

    #[test]
    fn complaints_name_file_and_line() {
        let note = format!("//! Why.\n// {}: later\n", forbidden()[0]);
        assert_eq!(found("a.rs", &note), [format!("a.rs:2: holds `{}`", forbidden()[0])]);
        let bare = "fn main() {}\n";
        assert_eq!(found("b.rs", bare), ["b.rs:1: does not open with a doc that says why the file exists"]);
        let long = "//! Why.\n".repeat(MOST_LINES + 1);
        assert_eq!(found("c.rs", &long), ["c.rs: has 601 lines; split it (at most 600)"]);
    }
}
