//! What the user asks for: arguments, pytest's options among them, and the paths and node ids that they name.

pub mod arguments;
pub mod pytest_options;
pub mod selectors;
pub mod terminal_access;
