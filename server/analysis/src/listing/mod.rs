//! The static listing of a whole repository: the only part that reads the disk, in parallel.
//!
//! It visits the files that `python -m pytest` without arguments visits, in pytest's order. `.gitignore` has no effect
//! on that.

mod glob;
mod nested;
mod reading;
mod walk;

pub use nested::{
    NestedProject, NestedProjects, TreeProject, has_configuration, nested_projects, tree, unmatched_projects,
};
pub use reading::{LARGEST, read as read_file, read_text};

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;

use crate::analyze::outline;
use crate::config::PytestSettings;
use crate::model::Outline;

/// A file that pytest would collect.
#[derive(Debug, Clone)]
pub struct StaticFile {
    /// Relative to the root, with `/` between the parts; absolute if the file lies outside of the root.
    pub path: String,
    /// The tests in it: empty if it could not be read.
    pub outline: Outline,
    /// The time of its last change, in nanoseconds since 1970, if the file system has it. Taken before the file was
    /// read.
    pub mtime_ns: Option<i128>,
    /// Its length in bytes.
    pub size: u64,
    /// The reason why it could not be read.
    pub error: Option<String>,
}

/// Lists the files that pytest would collect in `root` (an absolute path), with their tests.
pub fn list(root: &Path, settings: &PytestSettings) -> Vec<StaticFile> {
    walk::files(root, settings).into_par_iter().map(|file| read(root, settings, &file)).collect()
}

/// The files and folders below `root` (an absolute path) to which the configuration restricts a collection without
/// arguments, relative to it; `None` if it starts from `root` itself. Reads the disk where `testpaths` has patterns.
pub fn restricted_to(root: &Path, settings: &PytestSettings) -> Option<Vec<String>> {
    let starts = walk::starts(root, settings);
    let relative = |path: &PathBuf| path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    (starts != [root]).then(|| starts.iter().map(relative).collect())
}

fn read(root: &Path, settings: &PytestSettings, file: &walk::Found) -> StaticFile {
    let path = file.path.strip_prefix(root).unwrap_or(&file.path);
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let relative = if path.is_absolute() { path.to_string_lossy().into_owned() } else { parts.join("/") };
    let metadata = std::fs::metadata(&file.path).ok();
    let mtime_ns = metadata.as_ref().and_then(|metadata| metadata.modified().ok()).map(|time| {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => i128::try_from(since.as_nanos()).unwrap_or(i128::MAX),
            Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
        }
    });
    let (outline, error) = match read_file(&file.path) {
        Ok(bytes) => {
            let text = decode(bytes);
            let mut role = settings.role_of(&file.path, &text, &|folder| folder.join("__init__.py").is_file());
            role.tests |= file.named;
            (outline(&text, settings, &role), None)
        }
        Err(error) => (Outline::default(), Some(error.to_string())),
    };
    StaticFile { path: relative, outline, mtime_ns, size: metadata.map_or(0, |metadata| metadata.len()), error }
}

/// Source as text: UTF-8 unless its first lines declare Latin-1; other bytes become replacement characters.
fn decode(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let bytes = error.as_bytes();
            if declares_latin1(bytes) {
                bytes.iter().map(|&byte| char::from(byte)).collect()
            } else {
                String::from_utf8_lossy(bytes).into_owned()
            }
        }
    }
}

fn declares_latin1(bytes: &[u8]) -> bool {
    bytes.split(|&byte| byte == b'\n').take(2).any(|line| {
        let line = String::from_utf8_lossy(line).to_lowercase();
        let declared = line
            .starts_with('#')
            .then(|| line.split_once("coding"))
            .flatten()
            .map(|(_, rest)| rest.trim_start_matches([':', '=', ' ', '\t']).replace('_', "-"));
        declared.is_some_and(|name| {
            ["latin-1", "iso-8859-1", "latin1", "iso8859-1", "cp1252", "windows-1252"]
                .iter()
                .any(|known| name.starts_with(known))
        })
    })
}
