//! The state of the disk that the inventory describes. A refresh compares it with the disk.

use std::path::PathBuf;

use tokio::time::Instant;

use crate::model::scope::Scope;
use crate::processes::disk_snapshot::Snapshot;

/// Snapshots of everything that the inventory was collected from.
#[derive(Default)]
pub(crate) struct KnownDisk {
    /// Everything that collecting the whole project read; `None` before that.
    whole: Option<Snapshot>,
    /// Everything that runs have read since, in sessions of parts of the project. It is kept apart, since only a
    /// refresh collects everything that a change affects, and until then a part's files may change back.
    parts: Snapshot,
    /// The time of the disk that the newest part describes.
    parts_at: Option<Instant>,
    /// The start of a collection that failed after `whole`: the inventory has its error, which belongs to another state
    /// of the disk.
    failed_at: Option<Instant>,
    /// Counts how often `whole` was replaced, or forgotten, other than by a refresh.
    version: u64,
}

impl KnownDisk {
    /// A collection is in the inventory, which describes the disk at this time.
    pub(crate) fn collected(&mut self, scope: &Scope, read: Snapshot, described_at: Instant) {
        if *scope != Scope::All {
            self.parts.absorb(&read);
            self.parts_at = self.parts_at.max(Some(described_at));
            return;
        }
        self.whole = Some(read);
        // The error of a later collection stays in the inventory.
        self.failed_at = self.failed_at.filter(|failed_at| *failed_at > described_at);
        self.version += 1;
        // The inventory has what a part found after this collection had begun, which knows nothing of the part's files.
        if self.parts_at <= Some(described_at) {
            self.parts = Snapshot::default();
        }
    }

    /// The inventory has the error of a collection that began at this time and failed.
    pub(crate) fn failed(&mut self, began: Instant) {
        self.failed_at = self.failed_at.max(Some(began));
    }

    /// Whether the inventory has such an error, although the disk may be again as the inventory knows it.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed_at.is_some()
    }

    /// The inventory may be wrong: the next refresh collects the whole project.
    pub(crate) fn forget(&mut self) {
        self.whole = None;
        self.version += 1;
    }

    /// Whether the whole project was collected.
    pub(crate) fn is_complete(&self) -> bool {
        self.whole.is_some()
    }

    /// Whether one of these files was read.
    pub(crate) fn has_read(&self, paths: &[PathBuf]) -> bool {
        paths.iter().any(|path| self.parts.knows(path) || self.whole.as_ref().is_some_and(|whole| whole.knows(path)))
    }

    /// The snapshot of the whole project, with the number that [`KnownDisk::refreshed`] asks for.
    pub(crate) fn whole(&self) -> Option<(Snapshot, u64)> {
        Some((self.whole.clone()?, self.version))
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

    /// A refresh has brought the inventory up to this state. Returns false if the whole project was collected meanwhile,
    /// or must be: then that collection counts.
    pub(crate) fn refreshed(&mut self, whole: Snapshot, version: u64) -> bool {
        let is_newest = self.version == version;
        if is_newest {
            self.whole = Some(whole);
        }
        is_newest
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

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
        let mut known = KnownDisk { whole: Some(Snapshot::default()), parts: of(&[&a, &b]), ..KnownDisk::default() };
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

    #[test]
    fn what_a_part_found_is_compared_after_an_older_collection_of_the_whole_project() {
        let folder = tempfile::tempdir().unwrap();
        let (new, rest) = (folder.path().join("test_new.py"), folder.path().join("test_rest.py"));
        fs::write(&new, "").unwrap();
        fs::write(&rest, "").unwrap();
        let (began, part) = (Instant::now(), Scope::of_ids(["test_new.py"]));
        let later = began + Duration::from_secs(1);
        let knows_new = |known: &KnownDisk| known.has_read(std::slice::from_ref(&new));
        let mut known = KnownDisk::default();
        known.collected(&part, of(&[&new]), later);
        known.collected(&Scope::All, of(&[&rest]), began);
        assert!(knows_new(&known));
        known.collected(&Scope::All, of(&[&rest]), later);
        assert!(!knows_new(&known), "a later one has looked itself");
    }

    #[test]
    fn the_error_of_a_later_collection_is_not_forgotten() {
        let (began, mut known) = (Instant::now(), KnownDisk::default());
        let later = began + Duration::from_secs(1);
        known.failed(later);
        known.failed(began);
        known.collected(&Scope::All, Snapshot::default(), began);
        assert!(known.has_failed());
        known.collected(&Scope::All, Snapshot::default(), later);
        assert!(!known.has_failed());
    }

    #[test]
    fn a_refresh_does_not_replace_a_collection_that_came_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old.py"), folder.path().join("new.py"));
        fs::write(&old, "").unwrap();
        fs::write(&new, "").unwrap();
        let mut known = KnownDisk::default();
        known.collected(&Scope::All, of(&[&old]), Instant::now());
        let (whole, version) = known.whole().unwrap();
        known.collected(&Scope::All, of(&[&new]), Instant::now());
        assert!(!known.refreshed(whole, version));
        assert!(known.has_read(&[new]) && !known.has_read(&[old]));
        let (whole, version) = known.whole().unwrap();
        known.forget();
        assert!(!known.refreshed(whole, version) && !known.is_complete());
    }
}
