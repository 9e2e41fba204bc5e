//! Reads tests from Python source, and settings from pytest's configuration files, without running anything: lenses and
//! the tree show them before (and while) pytest's own collection confirms them.
//!
//! Everything is a pure function of text, except [`listing`], the one module that reads the disk.
#![warn(unreachable_pub)]

mod analyze;
mod calls;
mod classes;
pub mod clocks;
mod collect;
mod compiler_warnings;
mod compiles;
pub mod config;
mod doctests;
mod file_paths;
pub mod functions;
mod implied;
pub mod listing;
mod literals;
mod marks;
mod model;
mod names;
mod nearest;
mod parse;
mod pattern;
mod scope;
mod settings_file;
mod text;
mod words;

pub use analyze::{FileRole, analyze, analyze_as, outline};
pub use config::{
    AddedOptions, CONFIG_FILES, ConfigError, ConfigRules, PytestSettings, is_cached_bytecode, is_config_file,
    settings_from, settings_with, to_bool,
};
pub use file_paths::NamedPath;
pub use model::{Call, Calls, DefLine, FileAnalysis, Import, NodeKind, Outline, Pos, Span, StaticNode, innermost_at};
pub use nearest::nearest;
pub use pattern::fnmatch;
pub use settings_file::{FileProblem, FileSettings, SETTINGS_FILES, is_settings_file, read_settings};
pub use words::split as split_words;
