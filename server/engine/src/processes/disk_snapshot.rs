//! A snapshot of the files and folders that a process has read, to find out whether they have changed.
//!
//! A file is unchanged if its stat is, including its inode and the time of its entry's last change. If the file was
//! written shortly before it was read, two edits of equal size within one tick of the clock look alike, so the content
//! is compared, unless the file is so large that reading it would take longer than collecting. A folder is unchanged if
//! the relevant names in it are; a name that was looked up, if the same kind of entry is there. The reader of a file or
//! folder takes its stat first, and reports whether the last change was long enough ago: when the engine gets the
//! report, another change may have come.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, io};

use pytest_lens_analysis::{is_cached_bytecode, is_config_file};
use pytest_lens_platform::files;
use sha2::{Digest, Sha256};

use crate::processes::wire_reads::{Counted, WireDir, WireLook, WireRead, WireStat};

/// A modification time this close to the reading proves nothing: 2 s, the coarsest tick of file systems in use.
const RECENT_NS: i64 = 2_000_000_000;

/// Larger files are compared by their stat alone, as in `watching/disk_state.py`.
const DIGEST_LIMIT: u64 = 8 << 20;

/// The state of a file when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileState {
    mtime_ns: i64,
    /// The last change of the file's entry, which no program can set. `None` if it means nothing, since another
    /// environment may link to an installed file.
    ctime_ns: Option<i64>,
    size: u64,
    identity: Identity,
    sha256: Option<String>,
    /// The stat alone decides: all writes to the file were well before the stat was taken.
    settled: bool,
}

/// Identifies a file or folder independent of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(data: &fs::Metadata) -> Self {
        let (device, inode) = files::identity(data);
        Identity { device, inode }
    }

    fn reported(device: u64, inode: u64) -> Self {
        let (device, inode) = files::reported_identity(device, inode);
        Identity { device, inode }
    }
}

/// The folder that a process works in. Another folder of the same name is a different one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FolderIdentity {
    path: PathBuf,
    /// Includes the time of its creation, since inode numbers are reused.
    identity: Option<(Identity, Option<SystemTime>)>,
}

impl FolderIdentity {
    pub(crate) fn of(path: &Path) -> Self {
        FolderIdentity {
            path: path.to_owned(),
            identity: fs::metadata(path).ok().map(|data| (Identity::of(&data), data.created().ok())),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn holds(&self) -> bool {
        self.identity.is_some() && FolderIdentity::of(&self.path) == *self
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct DirState {
    times: FolderTimes,
    /// The times alone decide, as for a file.
    settled: bool,
    counted: Counted,
    names: Vec<String>,
}

/// When the entries of a folder changed last, and the folder itself: tools that copy put the first back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FolderTimes {
    mtime_ns: i64,
    ctime_ns: i64,
}

impl FolderTimes {
    fn of(path: &Path) -> io::Result<Self> {
        let data = fs::metadata(path)?;
        Ok(FolderTimes { mtime_ns: mtime_ns(&data), ctime_ns: ctime_ns(&data) })
    }
}

/// The files and folders that a process has read, and the names that it looked up, in their state at that time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    files: BTreeMap<PathBuf, FileState>,
    dirs: BTreeMap<PathBuf, DirState>,
    /// The kind of entry at a name: see [`WireLook`].
    looks: BTreeMap<PathBuf, String>,
}

/// The differences between the disk and a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Files that have other content, or are gone.
    pub files: Vec<PathBuf>,
    /// Entries that were added to or removed from folders.
    pub entries: Vec<PathBuf>,
    /// Names that were looked up and now lead to something else; folders of installed packages.
    pub others: Vec<PathBuf>,
    seen: Seen,
}

/// The state in which a comparison found what differs, except files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    /// `None`: the folder is gone.
    dirs: BTreeMap<PathBuf, Option<DirState>>,
    looks: BTreeMap<PathBuf, String>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Adds the changes since another snapshot.
    pub(crate) fn add(&mut self, more: Changes) {
        self.seen.dirs.extend(more.seen.dirs);
        self.seen.looks.extend(more.seen.looks);
        let kinds = [(&mut self.files, more.files), (&mut self.entries, more.entries), (&mut self.others, more.others)];
        for (own, more) in kinds {
            own.extend(more);
            own.sort_unstable();
            own.dedup();
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().chain(&self.entries).chain(&self.others)
    }

    /// Paths whose meaning only the reader knows: they were looked up, and not opened.
    pub(crate) fn asked_for(&self) -> impl Iterator<Item = &PathBuf> {
        self.others.iter().filter(|path| !self.files.contains(path))
    }
}

impl Snapshot {
    pub(crate) fn new(read: WireRead) -> Self {
        let files: BTreeMap<PathBuf, FileState> = read
            .files
            .into_iter()
            .map(|WireStat(path, mtime_ns, ctime_ns, size, settled, sha256, device, inode)| {
                let identity = Identity::reported(device, inode);
                (path.into(), FileState { mtime_ns, ctime_ns, size, identity, sha256, settled })
            })
            .collect();
        let dirs = read.dirs.into_iter().map(|WireDir(path, mtime_ns, ctime_ns, settled, counted, names)| {
            (path.into(), DirState { times: FolderTimes { mtime_ns, ctime_ns }, settled, counted, names })
        });
        let looks = read.names.into_iter().map(|WireLook(path, kind)| (PathBuf::from(path), kind));
        // pytest looks for an environment marker in every folder. Only its existence matters.
        let looks = looks.filter(|(path, _)| !path.ancestors().skip(1).any(|above| files.contains_key(above)));
        Snapshot { dirs: dirs.collect(), looks: looks.collect(), files }
    }

    /// Adds files in their current state.
    pub(crate) fn add_opened(&mut self, paths: impl Iterator<Item = PathBuf>) {
        self.files.extend(paths.filter_map(|path| FileState::now(&path).map(|state| (path, state))));
    }

    /// Returns whether it contains a file.
    pub(crate) fn knows(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// Whether a file still is as it was read; `None` if it was not read.
    pub(crate) fn still_holds(&mut self, path: &Path) -> Option<bool> {
        Some(self.files.get_mut(path)?.holds(path))
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// Returns whether both have the same content for all files of the project that both have read.
    pub(crate) fn agrees_with(&self, read: &WireRead) -> bool {
        read.files.iter().all(|file| {
            let known = self.files.get(Path::new(&file.0)).and_then(|state| state.sha256.as_ref());
            known.zip(file.5.as_ref()).is_none_or(|(one, other)| one == other)
        })
    }

    /// Its folders and lookups, without its files.
    pub(crate) fn places(&self) -> Snapshot {
        Snapshot { files: BTreeMap::new(), dirs: self.dirs.clone(), looks: self.looks.clone() }
    }

    /// Returns whether all files were written before a time. Programs can set the time of the content.
    pub(crate) fn is_older_than(&self, time: SystemTime) -> bool {
        let limit = nanoseconds(time);
        self.files.values().all(|file| file.ctime_ns.unwrap_or(file.mtime_ns) < limit)
    }

    /// Adds the later reads of another process.
    pub(crate) fn absorb(&mut self, later: &Snapshot) {
        self.files.extend(later.files.iter().map(|(path, state)| (path.clone(), state.clone())));
        self.dirs.extend(later.dirs.iter().map(|(path, state)| (path.clone(), state.clone())));
        self.looks.extend(later.looks.iter().map(|(path, kind)| (path.clone(), kind.clone())));
    }

    /// Adds later reads of the same process: all files, but folders and names only if they are new.
    pub(crate) fn add(&mut self, later: Snapshot) {
        self.files.extend(later.files);
        self.add_new(Snapshot { files: BTreeMap::new(), ..later });
    }

    /// Adds those of later reads that are new, and folders of which more names count: the next comparison finds what
    /// changed between an earlier read and a later one.
    pub(crate) fn add_new(&mut self, later: Snapshot) {
        for (path, state) in later.files {
            self.files.entry(path).or_insert(state);
        }
        for (path, state) in later.dirs {
            match self.dirs.entry(path) {
                Entry::Vacant(new) => drop(new.insert(state)),
                Entry::Occupied(mut known) if state.extends(known.get()) => drop(known.insert(state)),
                Entry::Occupied(_) => {}
            }
        }
        for (path, kind) in later.looks {
            self.looks.entry(path).or_insert(kind);
        }
    }

    /// Accepts these changes, as they were when they were found: changed files no longer count, and of folders and
    /// lookups the state at that time does. A change that came later is found by the next comparison.
    pub(crate) fn accept(&mut self, changes: Changes) {
        for path in &changes.files {
            self.files.remove(path);
        }
        for (path, state) in changes.seen.dirs {
            match state {
                Some(state) => drop(self.dirs.insert(path, state)),
                None => drop(self.dirs.remove(&path)),
            }
        }
        self.looks.extend(changes.seen.looks);
    }

    /// Returns whether nothing differs. Stops at the first difference.
    pub(crate) fn is_fresh(&mut self) -> bool {
        self.compare(true).is_empty()
    }

    /// Returns the differences.
    pub(crate) fn changes(&mut self) -> Changes {
        self.compare(false)
    }

    fn compare(&mut self, first_only: bool) -> Changes {
        let mut changes = Changes::default();
        let differs = self.files.iter_mut().filter_map(|(path, state)| (!state.holds(path)).then(|| path.clone()));
        changes.files.extend(differs.take(if first_only { 1 } else { usize::MAX }));
        if first_only && !changes.is_empty() {
            return changes;
        }
        for (path, state) in &mut self.dirs {
            let into = if state.counted == Counted::Installed { &mut changes.others } else { &mut changes.entries };
            if let Some(Difference { paths, present }) = state.difference(path) {
                into.extend(paths);
                changes.seen.dirs.insert(path.clone(), present);
                if first_only {
                    return changes;
                }
            }
        }
        let differs = self.looks.iter().filter(|(path, kind)| !stands_for(path, kind)).map(|(path, _)| path.clone());
        for path in differs.take(if first_only { 1 } else { usize::MAX }) {
            changes.seen.looks.insert(path.clone(), look(&path));
            changes.others.push(path);
        }
        changes
    }
}

impl FileState {
    /// Reads a file's current state.
    pub(crate) fn now(path: &Path) -> Option<Self> {
        let data = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let (mtime_ns, ctime_ns) = (mtime_ns(&data), ctime_ns(&data));
        let settled = is_settled(mtime_ns.max(ctime_ns));
        let sha256 = if settled || data.len() > DIGEST_LIMIT { None } else { Some(hex_sha256(&fs::read(path).ok()?)) };
        let identity = Identity::of(&data);
        Some(FileState { mtime_ns, ctime_ns: Some(ctime_ns), size: data.len(), identity, sha256, settled })
    }

    /// Returns whether the file is still the same.
    pub(crate) fn holds(&mut self, path: &Path) -> bool {
        let Ok(data) = fs::metadata(path) else { return false };
        let same = mtime_ns(&data) == self.mtime_ns && data.len() == self.size && Identity::of(&data) == self.identity;
        let untouched = same && self.ctime_ns.is_none_or(|known| known == ctime_ns(&data));
        let Some(sha256) = &self.sha256 else { return untouched };
        if untouched && self.settled {
            return true;
        }
        let settled = is_settled(mtime_ns(&data).max(ctime_ns(&data)));
        // A path that is no longer a file may be a pipe, and reading that might never end.
        if !data.is_file()
            || data.len() != self.size
            || !fs::read(path).is_ok_and(|content| hex_sha256(&content) == *sha256)
        {
            return false;
        }
        self.mtime_ns = mtime_ns(&data);
        self.ctime_ns = Some(ctime_ns(&data));
        self.identity = Identity::of(&data);
        self.settled = settled;
        true
    }
}

/// The difference between a folder and its state in a snapshot.
struct Difference {
    /// Names that were added or removed; the folder itself if it is gone and was empty, or if its names don't count.
    paths: Vec<PathBuf>,
    /// `None`: it is gone.
    present: Option<DirState>,
}

impl DirState {
    /// Whether it has the same names as an earlier read, and further ones that did not count there.
    fn extends(&self, known: &DirState) -> bool {
        let shown = || self.names.iter().filter(|name| counts(name, Counted::Shown));
        known.counted == Counted::Shown && self.counted == Counted::All && shown().eq(&known.names)
    }

    fn difference(&mut self, path: &Path) -> Option<Difference> {
        let is_same_time = FolderTimes::of(path).is_ok_and(|times| times == self.times);
        if is_same_time && (self.settled || self.counted == Counted::Installed) {
            return None;
        }
        let present = list(path, self.counted).ok();
        if self.counted == Counted::Installed {
            return Some(Difference { paths: vec![path.to_owned()], present });
        }
        let names = present.as_ref().map_or(&[][..], |present| &present.names);
        let came = names.iter().filter(|name| self.names.binary_search(name).is_err());
        let went = self.names.iter().filter(|name| names.binary_search(name).is_err());
        let paths: Vec<PathBuf> = came.chain(went).map(|name| path.join(name)).collect();
        match present {
            Some(present) if paths.is_empty() => {
                *self = present;
                None
            }
            None if paths.is_empty() => Some(Difference { paths: vec![path.to_owned()], present }),
            _ => Some(Difference { paths, present }),
        }
    }
}

/// The relevant names in a folder.
fn list(path: &Path, counted: Counted) -> io::Result<DirState> {
    let times = FolderTimes::of(path)?;
    let settled = is_settled(times.mtime_ns.max(times.ctime_ns));
    let mut names = Vec::new();
    if counted != Counted::Installed {
        for entry in fs::read_dir(path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if counts(&name, counted) {
                names.push(name);
            }
        }
        names.sort_unstable();
    }
    Ok(DirState { times, settled, counted, names })
}

/// As in `watching/disk_state.py`.
fn counts(name: &str, counted: Counted) -> bool {
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    if name == "__pycache__" || ends(&["~"]) || is_cached_bytecode(name) {
        return false;
    }
    match counted {
        Counted::All => !name.starts_with(".#") && !ends(&[".swp", ".swo", ".swx"]),
        Counted::Shown | Counted::Installed => !name.starts_with('.') || is_config_file(name),
    }
}

/// Returns whether a lookup still has the same result.
fn stands_for(path: &Path, kind: &str) -> bool {
    match kind.strip_prefix("link ") {
        Some(target) => fs::read_link(path).is_ok_and(|found| found == Path::new(target)),
        None => look(path) == kind,
    }
}

fn look(path: &Path) -> String {
    match fs::metadata(path) {
        Ok(data) if data.is_file() => "file",
        Ok(data) if data.is_dir() => "folder",
        Ok(_) => "other",
        Err(_) => "none",
    }
    .to_owned()
}

pub(crate) fn hex_sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mtime_ns(data: &fs::Metadata) -> i64 {
    files::modified_ns(data)
}

fn ctime_ns(data: &fs::Metadata) -> i64 {
    files::entry_changed_ns(data)
}

/// Returns whether a time is old enough for the next change to get a different one.
fn is_settled(changed_ns: i64) -> bool {
    nanoseconds(SystemTime::now()) - changed_ns > RECENT_NS
}

fn nanoseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    i64::try_from(since).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(path: &Path, with_hash: bool) -> WireStat {
        let data = fs::metadata(path).unwrap();
        let sha256 = with_hash.then(|| hex_sha256(&fs::read(path).unwrap()));
        let Identity { device, inode } = Identity::of(&data);
        let path = path.to_string_lossy().into();
        WireStat(path, mtime_ns(&data), Some(ctime_ns(&data)), data.len(), false, sha256, device, inode)
    }

    fn dir(path: &Path) -> WireDir {
        let state = list(path, Counted::Shown).unwrap();
        let FolderTimes { mtime_ns, ctime_ns } = state.times;
        WireDir(path.to_string_lossy().into(), mtime_ns, ctime_ns, state.settled, state.counted, state.names)
    }

    fn read(files: Vec<WireStat>, dirs: Vec<WireDir>) -> Snapshot {
        Snapshot::new(WireRead { files, dirs, names: Vec::new() })
    }

    #[test]
    fn an_edit_of_the_same_size_and_time_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.py");
        fs::write(&path, "a = 1").unwrap();
        let mut snapshot = read(vec![stat(&path, true)], vec![]);
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "a = 2").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
        assert!(!snapshot.is_fresh());
        assert_eq!(snapshot.changes().files, vec![path]);
    }

    #[test]
    fn touching_a_file_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.py");
        fs::write(&path, "a = 1").unwrap();
        let mut snapshot = read(vec![stat(&path, true)], vec![]);
        fs::File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now()).unwrap();
        assert!(snapshot.is_fresh());
    }

    #[test]
    fn a_file_that_goes_and_one_that_comes_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old.py"), folder.path().join("new.py"));
        fs::write(&old, "").unwrap();
        let mut snapshot = read(vec![stat(&old, true)], vec![dir(folder.path())]);
        assert!(snapshot.is_fresh());
        fs::write(&new, "").unwrap();
        let changes = snapshot.changes();
        assert_eq!(changes.entries, vec![new.clone()]);
        snapshot.accept(changes);
        assert!(snapshot.is_fresh());
        fs::remove_file(&old).unwrap();
        let changes = snapshot.changes();
        assert_eq!((changes.files, changes.entries), (vec![old.clone()], vec![old]));
    }

    #[test]
    fn a_file_that_comes_is_seen_although_the_time_of_its_folder_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let before = fs::metadata(folder.path()).unwrap().modified().unwrap();
        for counted in [Counted::Shown, Counted::Installed] {
            let WireDir(path, mtime_ns, ctime_ns, _, _, names) = dir(folder.path());
            // The folder was read long after its last change.
            let old = WireDir(path, mtime_ns, ctime_ns, true, counted, names);
            let mut snapshot = read(vec![], vec![old]);
            assert!(snapshot.is_fresh());
            fs::write(folder.path().join(format!("{counted:?}.py")), "").unwrap();
            fs::File::open(folder.path()).unwrap().set_modified(before).unwrap();
            assert!(!snapshot.is_fresh());
        }
    }

    #[test]
    fn what_comes_between_a_comparison_and_its_acceptance_is_seen_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let names = vec![WireLook(path("pytest.ini").to_string_lossy().into_owned(), "none".into())];
        let mut snapshot = Snapshot::new(WireRead { files: Vec::new(), dirs: vec![dir(folder.path())], names });
        fs::write(path("first.py"), "").unwrap();
        let changes = snapshot.changes();
        fs::write(path("second.py"), "").unwrap();
        fs::write(path("pytest.ini"), "").unwrap();
        snapshot.accept(changes);
        let changes = snapshot.changes();
        assert_eq!(changes.entries, [path("pytest.ini"), path("second.py")]);
        assert_eq!(changes.others, [path("pytest.ini")]);
        snapshot.accept(changes);
        assert!(snapshot.is_fresh());
    }

    #[test]
    fn what_comes_between_a_comparison_and_a_later_read_is_seen_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let (file, new) = (folder.path().join("m.py"), folder.path().join(".new"));
        fs::write(&file, "a = 1").unwrap();
        let mut known = read(vec![stat(&file, true)], vec![dir(folder.path())]);
        let later = |counted| {
            let dirs = BTreeMap::from([(folder.path().to_owned(), list(folder.path(), counted).unwrap())]);
            Snapshot { dirs, ..read(vec![stat(&file, true)], vec![]) }
        };
        known.add_new(later(Counted::All));
        assert!(known.is_fresh());
        fs::write(&new, "").unwrap();
        assert_eq!(known.changes().entries, std::slice::from_ref(&new), "hidden names count now");
        fs::write(&file, "a = 2").unwrap();
        known.add_new(later(Counted::Shown));
        assert_eq!((known.changes().files, known.changes().entries), (vec![file], vec![new]));
    }

    #[test]
    fn a_folder_that_goes_no_longer_counts() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let mut snapshot = read(vec![], vec![dir(&inner)]);
        fs::remove_dir(&inner).unwrap();
        let changes = snapshot.changes();
        assert_eq!(changes.entries, [inner]);
        snapshot.accept(changes);
        assert!(snapshot.is_fresh());
    }

    #[test]
    fn a_file_that_becomes_a_folder_is_seen_without_asking_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.py");
        fs::write(&path, "").unwrap();
        let within = path.join("pyvenv.cfg").to_string_lossy().into_owned();
        let names = vec![WireLook(within, "none".into())];
        let mut snapshot = Snapshot::new(WireRead { files: vec![stat(&path, true)], dirs: Vec::new(), names });
        assert!(snapshot.looks.is_empty() && snapshot.is_fresh());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("pyvenv.cfg"), "").unwrap();
        assert_eq!(snapshot.changes().files, vec![path]);
    }

    #[test]
    fn bytecode_and_backups_in_a_folder_are_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let mut snapshot = read(vec![], vec![dir(folder.path())]);
        fs::create_dir(folder.path().join("__pycache__")).unwrap();
        fs::write(folder.path().join("m.py~"), "").unwrap();
        fs::write(folder.path().join(".m.py.swp"), "").unwrap();
        assert!(snapshot.is_fresh());
    }
}
