//! Whether a session answers for other arguments than its own: for one of its files as a session of that one would, or
//! for some of its tests.

use std::path::Path;

use crate::model::collect_error::CollectError;
use crate::model::scope::{Scope, is_below};
use crate::processes::collected_session::CollectedSession;

impl CollectedSession {
    /// Returns whether its tests may be others with other arguments: code of the project may read these, or its hooks
    /// add or leave out tests, which may depend on those that the arguments select.
    pub(crate) fn acts_by_arguments(&self) -> bool {
        self.reads_args || self.adds || self.dropped > 0
    }

    /// Returns whether it has the arguments of one run, and so perhaps not all tests of its files.
    pub(crate) fn has_own_args(&self) -> bool {
        self.options.args != self.scope.args()
    }

    /// Returns whether it has what a collection of this path alone has.
    pub(super) fn has_all_of(&self, path: &str) -> bool {
        let is_whole = match &self.scope {
            Scope::All => self.args.iter().any(|start| is_below(path, start)),
            own @ Scope::Paths(_) => own.holds(path),
        };
        // Hooks that a collection of the path alone would not load, or that act by what is collected.
        let acts_otherwise = || {
            let is_elsewhere = |folder: &String| path != "." && !is_below(path, folder);
            self.acts_by_arguments() || self.hook_folders.iter().any(is_elsewhere)
        };
        let mut errors = self.tests.errors.iter().filter(|error| is_below(&error.path, path)).peekable();
        // Another file of the same name is the reason why one can't be imported.
        let is_mismatch = |error: &CollectError| {
            error.message.contains("ImportPathMismatchError") || error.message.contains("import file mismatch")
        };
        let has_error = errors.peek().is_some();
        is_whole
            && !acts_otherwise()
            && !errors.any(is_mismatch)
            && (has_error || self.tests.nodes.iter().any(|node| is_below(&node.file, path)))
            && !self.is_unusual_file(path)
    }

    /// Returns whether it is a file that the configuration does not take for one of tests: of one that a client names,
    /// pytest collects more.
    fn is_unusual_file(&self, path: &str) -> bool {
        let is_file = || {
            self.tests.nodes.iter().any(|node| *node.file == *path)
                || self.tests.errors.iter().any(|error| error.path == path)
        };
        !self.settings.is_test_file(Path::new(path)) && is_file()
    }
}
