//! pytest's settings, found and read as pytest does: rootdir and ini-file rules, value syntax, defaults.

mod ini;
mod locate;
mod options;
mod tables;
mod values;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use locate::{settings_from, settings_with};
pub use options::AddedOptions;
pub use tables::{CONFIG_FILES, ConfigRules, holds_configuration, is_cached_bytecode, is_config_file};
pub use values::to_bool;

use crate::analyze::FileRole;
use crate::listing::NestedProjects;
use crate::pattern::fnmatch_path;

/// The settings of a project's pytest configuration that concern collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PytestSettings {
    /// pytest's rootdir: absolute if the root was. It may be above the folder in which pytest runs.
    pub rootdir: PathBuf,
    /// The configuration file that pytest uses.
    pub inifile: Option<PathBuf>,
    /// Globs of test files.
    pub python_files: Vec<String>,
    /// Prefixes or globs of test classes.
    pub python_classes: Vec<String>,
    /// Prefixes or globs of test functions and methods.
    pub python_functions: Vec<String>,
    /// Paths to collect when pytest has no arguments; globs, relative to the rootdir.
    pub testpaths: Vec<String>,
    /// Globs of folders that pytest does not enter.
    pub norecursedirs: Vec<String>,
    /// `--doctest-modules` is among `addopts`.
    pub doctest_modules: bool,
    /// The words of `addopts`.
    pub addopts: Vec<String>,
    /// Whether tests that a module imported are collected in it, too.
    pub collect_imported_tests: bool,
    /// How pytest shows the progress of a run; `None`: its default.
    pub console_output_style: Option<String>,
    /// The verbosity of the tests' letters or lines, if it is not that of the run.
    pub verbosity_test_cases: Option<i16>,
    /// The verbosity of subtests, if it is not that of the run.
    pub verbosity_subtests: Option<i16>,
    /// Whether pytest prints log records while tests run.
    pub log_cli: bool,
    /// The options in `addopts` that change the collection.
    pub options: AddedOptions,
    /// The folders below the root that pytest does not enter, because they are projects of their own. Not part of the
    /// configuration files: who reads them adds it.
    pub nested: NestedProjects,
}

impl Default for PytestSettings {
    fn default() -> Self {
        let list = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
        Self {
            rootdir: PathBuf::new(),
            inifile: None,
            python_files: list(&["test_*.py", "*_test.py"]),
            python_classes: list(&["Test"]),
            python_functions: list(&["test"]),
            testpaths: Vec::new(),
            norecursedirs: list(&["*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}"]),
            doctest_modules: false,
            addopts: Vec::new(),
            collect_imported_tests: true,
            console_output_style: None,
            verbosity_test_cases: None,
            verbosity_subtests: None,
            log_cli: false,
            options: AddedOptions::default(),
            nested: NestedProjects::default(),
        }
    }
}

impl PytestSettings {
    /// Whether `python_files` selects a file as a test module. A relative path counts from the rootdir.
    pub fn is_test_file(&self, rel_or_abs: &Path) -> bool {
        let path = self.rootdir.join(rel_or_abs);
        path.extension().is_some_and(|extension| extension == "py")
            && self.python_files.iter().any(|pattern| fnmatch_path(&path, pattern))
    }

    /// The kind of tests that pytest would look for in a file with this text. `is_package` returns whether a folder
    /// holds an `__init__.py`; it is called only if docstring tests are collected.
    pub fn role_of(&self, rel_or_abs: &Path, source: &str, is_package: &dyn Fn(&Path) -> bool) -> FileRole {
        let path = self.rootdir.join(rel_or_abs);
        FileRole {
            tests: self.is_test_file(&path),
            doctest_module: (self.doctest_modules && is_doctest_file(&path, source))
                .then(|| self.module_name(&path, is_package)),
        }
    }

    /// The name under which pytest imports a file.
    fn module_name(&self, path: &Path, is_package: &dyn Fn(&Path) -> bool) -> String {
        let mut parts: Vec<String> = Vec::new();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if stem != "__init__" {
            parts.push(stem.into_owned());
        }
        let mut in_package = false;
        for folder in path.ancestors().skip(1) {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            if !is_package(folder) || !is_identifier(&name) {
                break;
            }
            in_package = true;
            parts.push(name.into_owned());
        }
        parts.reverse();
        let by_path = self.options.import_mode.as_deref() == Some("importlib") && !in_package;
        if let (true, Ok(relative)) = (by_path, path.with_extension("").strip_prefix(&self.rootdir)) {
            parts = relative.iter().map(|part| part.to_string_lossy().replace('.', "_")).collect();
            if parts.len() > 1 && parts.last().is_some_and(|last| last == "__init__") {
                parts.pop();
            }
        }
        if parts.is_empty() {
            parts.push("__init__".to_owned());
        }
        parts.join(".")
    }
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_alphabetic()) && chars.all(|c| c == '_' || c.is_alphanumeric())
}

fn is_doctest_file(path: &Path, source: &str) -> bool {
    let name = path.file_name().unwrap_or_default();
    let is_setup = name == "setup.py" && (source.contains("setuptools") || source.contains("distutils"));
    path.extension().is_some_and(|extension| extension == "py") && name != "__main__.py" && !is_setup
}

/// A configuration that pytest would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The faulty file.
    pub file: PathBuf,
    /// 1-based line, if known.
    pub line: Option<u32>,
    /// The fault and the way to fix it, without the position.
    pub message: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.message)
    }
}
