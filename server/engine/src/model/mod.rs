//! Data and decisions about a project's tests: items, outcomes, imports. No processes.

pub(crate) mod collect_error;
pub(crate) mod collection;
pub(crate) mod collection_order;
pub(crate) mod file_readers;
pub(crate) mod impact;
pub(crate) mod import_graph;
pub(crate) mod inventory;
pub(crate) mod item;
pub(crate) mod node;
pub(crate) mod outcome;
pub(crate) mod prefix;
pub(crate) mod recording;
pub(crate) mod scope;
pub(crate) mod select;
pub(crate) mod sources;
pub(crate) mod stacks;
pub(crate) mod test_inputs;
pub(crate) mod test_items;
pub(crate) mod timings;
pub(crate) mod verbosity;
pub(crate) mod versions;
pub(crate) mod warnings;
pub(crate) mod words;
