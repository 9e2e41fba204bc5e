//! The user's request: the command line, pytest's options in it, and the paths and node ids that it names.

pub(crate) mod arguments;
pub(crate) mod parse;
pub(crate) mod pytest_options;
mod pytest_table;
pub(crate) mod selectors;
pub(crate) mod terminal_access;
pub(crate) mod values;
