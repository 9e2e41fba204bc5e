//! Requests that read the state; one file for each LSP method.

pub(crate) mod code_action;
pub(crate) mod code_lens;
pub(crate) mod diagnostics;
pub(crate) mod hover;
pub(crate) mod inlay_hint;
