//! Files of the project that any process opened while a session collected. C libraries (lxml, HDF5, `fopen` by ctypes)
//! open files without an audit event, but the kernel reports them.
//!
//! The kernel does not report who opened a file, so this errs on the safe side: a file that another program opened
//! counts as read as well, and costs a collection when it changes. Python sources are left out, since Python's own
//! reads are known. The session's own reports take precedence. If a link leads out of the project, its target is
//! watched too, under the link's name.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pytest_lens_platform::opens::{Kernel, Report};

use crate::processes::disk_snapshot::{FolderIdentity, Snapshot};
use crate::processes::project_files;

/// Watches which files of a project are opened and changed.
pub(crate) struct Opens {
    root: PathBuf,
    /// `None` if the kernel refuses to watch.
    state: OnceLock<Option<Mutex<State>>>,
}

struct State {
    /// Identifies the watched folder: another folder of its name is a different one.
    root: FolderIdentity,
    kernel: Kernel,
    folders: HashMap<i32, PathBuf>,
    /// Single files outside of the project, by the names that lead to them.
    linked: HashMap<i32, PathBuf>,
    /// Links whose files have gone or were replaced.
    loose: Vec<PathBuf>,
    /// Files and folders outside of the project that its code names.
    named: HashSet<PathBuf>,
    /// Numbers the events.
    count: u64,
    /// Kept while a window is open.
    files: HashMap<PathBuf, Times>,
    /// The number of the event at which the kernel last dropped some.
    lost: u64,
    /// Number of open windows.
    windows: usize,
}

/// The numbers of a file's last opening and last change.
#[derive(Default, Clone, Copy)]
struct Times {
    opened: u64,
    changed: u64,
}

/// The openings of a window.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    /// In no order.
    pub files: Vec<PathBuf>,
    /// Files that were changed in the window as well, so that it is unknown which content was read.
    pub changed: Vec<PathBuf>,
    /// The kernel has dropped events.
    pub is_incomplete: bool,
}

impl Opened {
    /// The files that a process may have read in addition to those that it reported. `unseen`: files that may have been
    /// opened too.
    pub(crate) fn beside(self, told: &Snapshot, unseen: &[PathBuf]) -> UnreportedReads {
        let mut read = UnreportedReads { is_incomplete: self.is_incomplete, ..UnreportedReads::default() };
        let opened = self.files.into_iter().chain(unseen.iter().cloned());
        read.snapshot.add_opened(opened.filter(|path| !told.knows(path)));
        // A file that has come and gone belonged to one program for that moment.
        read.unclear = self.changed.into_iter().filter(|path| !told.knows(path) && path.exists()).collect();
        read
    }
}

/// The files that a process may have read without a report of its own.
#[derive(Debug, Default)]
pub(crate) struct UnreportedReads {
    pub snapshot: Snapshot,
    /// Files that changed meanwhile: it is unknown which content was read. In no order.
    unclear: Vec<PathBuf>,
    /// The kernel has dropped events, so there may be more.
    is_incomplete: bool,
}

impl UnreportedReads {
    /// Returns whether the snapshot has the content that was read.
    pub(crate) fn are_certain(&self) -> bool {
        !self.is_incomplete && self.unclear.is_empty()
    }

    /// Returns whether that holds for the files of a project.
    pub(crate) fn are_certain_within(&self, root: &Path) -> bool {
        !self.is_incomplete && !self.unclear.iter().any(|path| path.starts_with(root))
    }
}

/// A period in which openings are recorded.
pub(crate) struct Window {
    opens: Arc<Opens>,
    since: u64,
}

/// How many folders are watched behind one link.
const MAX_LINKED: usize = 1000;

impl Opens {
    pub(crate) fn new(root: PathBuf) -> Arc<Self> {
        Arc::new(Opens { root, state: OnceLock::new() })
    }

    /// Starts to watch, once. Blocks while it walks through the project's folders.
    pub(crate) fn watch(&self) {
        self.watched();
    }

    fn watched(&self) -> Option<&Mutex<State>> {
        let start = || match State::watching(&self.root) {
            Ok(state) => Some(Mutex::new(state)),
            Err(error) => {
                tracing::warn!(%error, "files that C libraries read are not seen: the project can't be watched");
                None
            }
        };
        self.state.get_or_init(start).as_ref()
    }

    /// Starts to record openings. Blocks.
    pub(crate) fn window(self: &Arc<Self>) -> Option<Window> {
        let mut state = self.watched()?.lock().unwrap_or_else(PoisonError::into_inner);
        state.take_in();
        if !state.root.holds() || !state.folders.values().any(|folder| *folder == self.root) {
            *state = State::watching(&self.root).ok()?;
        }
        for link in std::mem::take(&mut state.loose) {
            state.add_link(&link).ok()?;
        }
        state.windows += 1;
        Some(Window { opens: Arc::clone(self), since: state.count })
    }

    fn state(&self) -> Option<std::sync::MutexGuard<'_, State>> {
        let state = self.state.get()?.as_ref()?;
        Some(state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Window {
    /// Reads the kernel's events, before it has to drop some.
    pub(crate) fn look(&self) {
        if let Some(mut state) = self.opens.state() {
            state.take_in();
        }
    }

    /// Starts to watch these files, and those in these folders. Returns those that were not watched before and may have
    /// been opened.
    pub(crate) fn watch_named(&self, paths: Vec<PathBuf>) -> Vec<PathBuf> {
        let Some(mut state) = self.opens.state() else { return paths };
        let unseen = paths.into_iter().map(|path| {
            state.add_named(path.clone()).unwrap_or_else(|error| {
                tracing::warn!(%error, path = %path.display(), "a file outside of the project can't be watched");
                vec![path]
            })
        });
        unseen.flatten().filter(|path| is_data(path)).collect()
    }

    /// The openings until now. They include everything that a process did before its last message.
    pub(crate) fn opened(&self) -> Opened {
        let Some(mut state) = self.opens.state() else { return Opened::default() };
        state.take_in();
        let mut opened = Opened { is_incomplete: state.lost > self.since, ..Opened::default() };
        for (path, times) in state.files.iter().filter(|(_, times)| times.opened > self.since) {
            let list = if times.changed > self.since { &mut opened.changed } else { &mut opened.files };
            list.push(path.clone());
        }
        opened
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if let Some(mut state) = self.opens.state() {
            state.windows = state.windows.saturating_sub(1);
            if state.windows == 0 {
                state.files = HashMap::new();
            }
        }
    }
}

impl State {
    fn watching(root: &Path) -> io::Result<Self> {
        let kernel = Kernel::new()?;
        let mut state = State {
            root: FolderIdentity::of(root),
            kernel,
            folders: HashMap::new(),
            linked: HashMap::new(),
            loose: Vec::new(),
            named: HashSet::new(),
            count: 0,
            files: HashMap::new(),
            lost: 0,
            windows: 0,
        };
        state.add(root)?;
        Ok(state)
    }

    fn add(&mut self, folder: &Path) -> io::Result<()> {
        for entry in project_files::entries(folder) {
            let kind = entry.file_type();
            if kind.is_some_and(|kind| kind.is_dir()) {
                self.add_folder(entry.path(), entry.path().to_owned())?;
            } else if kind.is_some_and(|kind| kind.is_symlink()) {
                self.add_link(entry.path())?;
            }
        }
        Ok(())
    }

    fn add_folder(&mut self, folder: &Path, name: PathBuf) -> io::Result<()> {
        if let Some(number) = self.kernel.watch_folder(folder)? {
            self.folders.insert(number, name);
        }
        Ok(())
    }

    /// The target of a link, if it is outside of the project.
    fn add_link(&mut self, link: &Path) -> io::Result<()> {
        let Some(target) = link.canonicalize().ok().filter(|target| !target.starts_with(self.root.path())) else {
            return Ok(());
        };
        // A link to the root's own parents leads back into it.
        if self.root.path().starts_with(&target) {
            return Ok(());
        }
        if !target.is_dir() {
            return self.add_file(link);
        }
        for folder in project_files::folders(&target).take(MAX_LINKED) {
            if let Ok(below) = folder.strip_prefix(&target) {
                self.add_folder(&folder, link.join(below))?;
            }
        }
        Ok(())
    }

    fn add_file(&mut self, file: &Path) -> io::Result<()> {
        if let Some(number) = self.kernel.watch_file(file)? {
            self.linked.insert(number, file.to_owned());
        }
        Ok(())
    }

    /// Watches a file or a folder outside of the project. Returns the files that nobody has watched until now.
    fn add_named(&mut self, path: PathBuf) -> io::Result<Vec<PathBuf>> {
        if self.named.contains(&path) {
            return Ok(Vec::new());
        }
        let files = if path.is_dir() {
            self.add_folder(&path, path.clone())?;
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path());
            entries.filter(|path| path.is_file()).take(MAX_LINKED).collect()
        } else {
            self.add_file(&path)?;
            vec![path.clone()]
        };
        self.named.insert(path);
        Ok(files)
    }

    fn take_in(&mut self) {
        loop {
            let reports = self.kernel.reports();
            if reports.is_empty() {
                return;
            }
            for report in reports {
                self.count += 1;
                self.happened(report);
            }
        }
    }

    fn happened(&mut self, mut report: Report) {
        let watch = report.watch;
        if report.is_lost {
            self.lost = self.count;
        }
        if report.is_unwatched {
            self.folders.remove(&watch);
            self.loosen(watch);
            return;
        }
        // Another file may have its name now.
        if report.is_gone && self.linked.contains_key(&watch) {
            self.kernel.unwatch(watch);
            self.loosen(watch);
            return;
        }
        let linked = self.linked.get(&watch).cloned();
        let name = report.name.take();
        let named = || self.folders.get(&watch).zip(name).map(|(folder, name)| folder.join(name));
        let Some(path) = linked.or_else(named) else { return };
        if report.is_new
            && path.is_symlink()
            && let Err(error) = self.add_link(&path)
        {
            tracing::warn!(%error, "files that C libraries read are not seen behind a new link");
        }
        if report.is_folder {
            self.folder_happened(&report, &path);
        } else if self.windows > 0 && is_data(&path) {
            let times = self.files.entry(path).or_default();
            if report.is_opened {
                times.opened = self.count;
            }
            if report.is_changed {
                times.changed = self.count;
            }
        }
    }

    /// A single file is not watched any more.
    fn loosen(&mut self, watch: i32) {
        let Some(path) = self.linked.remove(&watch) else { return };
        if !self.named.remove(&path) {
            self.loose.push(path);
        }
    }

    fn folder_happened(&mut self, report: &Report, path: &Path) {
        if report.is_moved_away {
            self.folders.retain(|&number, folder| {
                let stays = !folder.starts_with(path);
                if !stays {
                    self.kernel.unwatch(number);
                }
                stays
            });
        }
        // Openings in a new folder are missed until it is watched. It did not exist when the session began.
        if report.is_new
            && let Err(error) = self.add(path)
        {
            tracing::warn!(%error, "files that C libraries read are not seen in a new folder");
        }
    }
}

/// Returns whether code other than Python's own may read a file of this name.
fn is_data(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ![".py", ".pyc", ".pyi", ".swp", ".log", "~"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn project() -> (tempfile::TempDir, Arc<Opens>) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("data")).unwrap();
        for name in ["data/a.xml", "data/b.xml", "test_a.py"] {
            fs::write(root.path().join(name), "1").unwrap();
        }
        let opens = Opens::new(root.path().to_owned());
        (root, opens)
    }

    #[test]
    fn p14_what_is_opened_in_a_window_is_told_and_what_was_before_is_not() {
        let (root, opens) = project();
        let path = |name: &str| root.path().join(name);
        let _longer = opens.window().unwrap();
        fs::read(path("data/a.xml")).unwrap();
        let window = opens.window().unwrap();
        fs::read(path("data/b.xml")).unwrap();
        fs::read(path("test_a.py")).unwrap();
        assert_eq!(window.opened(), Opened { files: vec![path("data/b.xml")], ..Opened::default() });
        fs::write(path("data/b.xml"), "2").unwrap();
        assert_eq!(window.opened(), Opened { changed: vec![path("data/b.xml")], ..Opened::default() });
    }

    #[test]
    fn p14_folders_that_come_move_and_go_are_followed() {
        let (root, opens) = project();
        let path = |name: &str| root.path().join(name);
        opens.watch();
        fs::create_dir_all(path("new/deep")).unwrap();
        fs::write(path("new/deep/c.xml"), "1").unwrap();
        drop(opens.window().unwrap());
        fs::rename(path("data"), path("moved")).unwrap();
        let window = opens.window().unwrap();
        fs::read(path("moved/a.xml")).unwrap();
        fs::read(path("new/deep/c.xml")).unwrap();
        let mut files = window.opened().files;
        files.sort();
        assert_eq!(files, [path("moved/a.xml"), path("new/deep/c.xml")]);
    }

    #[test]
    fn p14_what_links_lead_to_is_told_by_their_names() {
        let (root, opens) = project();
        let elsewhere = tempfile::tempdir().unwrap();
        let (path, other) = (|name: &str| root.path().join(name), |name: &str| elsewhere.path().join(name));
        fs::create_dir_all(other("set/deep")).unwrap();
        for name in ["set/deep/c.xml", "one.xml", "late.xml"] {
            fs::write(other(name), "1").unwrap();
        }
        std::os::unix::fs::symlink(other("set"), path("linked")).unwrap();
        std::os::unix::fs::symlink(other("one.xml"), path("data/one.xml")).unwrap();
        std::os::unix::fs::symlink(root.path().parent().unwrap(), path("up")).unwrap();
        opens.watch();
        std::os::unix::fs::symlink(other("late.xml"), path("late.xml")).unwrap();
        drop(opens.window().unwrap());
        let window = opens.window().unwrap();
        for name in ["linked/deep/c.xml", "data/one.xml", "late.xml"] {
            fs::read(path(name)).unwrap();
        }
        let mut files = window.opened().files;
        files.sort();
        assert_eq!(files, [path("data/one.xml"), path("late.xml"), path("linked/deep/c.xml")]);
        fs::write(other("one.xml"), "2").unwrap();
        assert_eq!(window.opened().changed, [path("data/one.xml")]);
        fs::write(other("new"), "3").unwrap();
        fs::rename(other("new"), other("one.xml")).unwrap();
        drop(window);
        let window = opens.window().unwrap();
        fs::read(path("data/one.xml")).unwrap();
        assert_eq!(window.opened().files, [path("data/one.xml")]);
    }

    #[test]
    fn p14_what_code_names_outside_is_told_when_it_is_opened() {
        let (_root, opens) = project();
        let elsewhere = tempfile::tempdir().unwrap();
        let other = |name: &str| elsewhere.path().join(name);
        fs::create_dir(other("set")).unwrap();
        for name in ["set/a.xml", "b.xml", "c.xml"] {
            fs::write(other(name), "1").unwrap();
        }
        let named = || vec![other("b.xml"), other("set")];
        let window = opens.window().unwrap();
        // Nobody knows whether they were opened before.
        assert_eq!(window.watch_named(named()), [other("b.xml"), other("set/a.xml")]);
        assert!(window.watch_named(named()).is_empty() && window.opened() == Opened::default());
        for name in ["b.xml", "c.xml", "set/a.xml"] {
            fs::read(other(name)).unwrap();
        }
        let mut files = window.opened().files;
        files.sort();
        assert_eq!(files, [other("b.xml"), other("set/a.xml")]);
        fs::rename(other("b.xml"), other("old.xml")).unwrap();
        fs::write(other("b.xml"), "2").unwrap();
        window.look();
        assert_eq!(window.watch_named(named()), [other("b.xml")]);
    }

    #[test]
    fn p14_another_folder_of_the_roots_name_is_watched() {
        let (root, opens) = project();
        opens.watch();
        fs::remove_dir_all(root.path()).unwrap();
        fs::create_dir(root.path()).unwrap();
        fs::write(root.path().join("a.xml"), "1").unwrap();
        let window = opens.window().unwrap();
        fs::read(root.path().join("a.xml")).unwrap();
        assert_eq!(window.opened().files, [root.path().join("a.xml")]);
    }
}
