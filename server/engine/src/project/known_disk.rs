//! The state of the disk that the inventory describes. A refresh compares it with the disk.

use std::path::PathBuf;

use crate::model::scope::Scope;
use crate::processes::collected_session::CollectedSession;
use crate::processes::disk_snapshot::Snapshot;

/// Snapshots of everything that the inventory was collected from.
#[derive(Default)]
pub(crate) struct KnownDisk {
    /// Everything that collecting the whole project read; `None` before that.
    whole: Option<Snapshot>,
    /// Everything that runs have read since, in sessions of parts of the project. It is kept apart, since only a
    /// refresh collects everything that a change affects, and until then a part's files may change back.
    parts: Snapshot,
}

impl KnownDisk {
    /// A collection is in the inventory.
    pub(crate) fn collected(&mut self, collected: &CollectedSession) {
        if collected.scope == Scope::All {
            *self = KnownDisk { whole: Some(collected.snapshot()), parts: Snapshot::default() };
        } else {
            self.parts.absorb(&collected.snapshot());
        }
    }

    /// The inventory may be wrong: the next refresh collects the whole project.
    pub(crate) fn forget(&mut self) {
        self.whole = None;
    }

    /// Whether the whole project was collected.
    pub(crate) fn is_complete(&self) -> bool {
        self.whole.is_some()
    }

    /// Whether one of these files was read.
    pub(crate) fn has_read(&self, paths: &[PathBuf]) -> bool {
        paths.iter().any(|path| self.parts.knows(path) || self.whole.as_ref().is_some_and(|whole| whole.knows(path)))
    }

    /// The snapshot of the whole project.
    pub(crate) fn whole(&self) -> Option<Snapshot> {
        self.whole.clone()
    }

    /// Takes the snapshot of the parts, for a refresh.
    pub(crate) fn take_parts(&mut self) -> Snapshot {
        std::mem::take(&mut self.parts)
    }

    /// The refresh has not brought the inventory up to date: the next one compares the parts again.
    pub(crate) fn give_back(&mut self, parts: Snapshot) {
        let later = std::mem::replace(&mut self.parts, parts);
        self.parts.absorb(&later);
    }

    /// A refresh has brought the inventory up to this state.
    pub(crate) fn refreshed(&mut self, whole: Snapshot) {
        self.whole = Some(whole);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn of(paths: &[&Path]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.add_opened(paths.iter().map(|path| path.to_path_buf()));
        snapshot
    }

    #[test]
    fn a_refresh_that_fails_leaves_what_parts_have_read_to_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.txt"), folder.path().join("b.txt"));
        fs::write(&a, "1").unwrap();
        fs::write(&b, "1").unwrap();
        let mut known = KnownDisk { whole: Some(Snapshot::default()), parts: of(&[&a, &b]) };
        fs::write(&a, "22").unwrap();
        fs::write(&b, "22").unwrap();
        let mut parts = known.take_parts();
        assert_eq!(parts.changes().files, [a.clone(), b.clone()]);
        // Meanwhile a run has read one of them.
        known.parts = of(&[&b]);
        known.give_back(parts);
        assert!(known.has_read(std::slice::from_ref(&a)));
        assert_eq!(known.take_parts().changes().files, [a]);
    }
}
