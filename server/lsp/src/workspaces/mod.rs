//! The data of each open folder: its tests, their outcomes, and their positions in the texts.

pub(crate) mod findings;
pub(crate) mod lazy_outline;
pub(crate) mod link;
pub(crate) mod outcome;
pub(crate) mod positions;
pub(crate) mod projects;
pub(crate) mod runnables;
pub(crate) mod summary;
pub(crate) mod view;
pub(crate) mod workspace;
