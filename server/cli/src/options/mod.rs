//! The user's request: the command line, pytest's options in it, and the paths and node ids that it names.

pub(crate) mod addopts;
pub(crate) mod arguments;
pub(crate) mod collecting;
mod files;
pub(crate) mod folder_paths;
#[cfg(test)]
mod options_page;
pub(crate) mod parse;
pub(crate) mod project_file;
pub(crate) mod projects;
pub(crate) mod pytest_options;
pub(crate) mod pytest_process;
pub(crate) mod pytest_table;
pub(crate) mod reporter;
pub(crate) mod reporting;
pub(crate) mod selectors;
pub(crate) mod terminal_access;
pub(crate) mod values;
pub(crate) mod variable;
