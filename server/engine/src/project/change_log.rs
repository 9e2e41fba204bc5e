//! The changed files of a project, numbered, for clients that run tests after a change.
//!
//! Only the watcher writes it. A path counts once, at its last change.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

/// Above this number of paths, older ones are dropped: a reader that missed them counts everything as changed.
const MANY: usize = 10_000;

/// Why the disk can't be watched, for a user.
const UNWATCHED: &str = "the project's folders can't be watched: raise the limit `fs.inotify.max_user_watches` or \
                         `fs.inotify.max_user_instances`, or choose a smaller folder by `--root`";

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Watching {
    #[default]
    NotYet,
    Begun,
    Failed,
}

#[derive(Debug, Default)]
struct Log {
    watching: Watching,
    last: u64,
    /// A reader from before this number has missed changes.
    complete_from: u64,
    paths: BTreeMap<String, u64>,
}

/// The changes since a reader's cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub cursor: u64,
    /// Relative to the root, in order.
    pub paths: Vec<String>,
    /// Changes were missed: any file may have changed.
    pub everything: bool,
}

/// The numbered changes of a project's files.
#[derive(Debug, Default)]
pub(crate) struct ChangeLog {
    log: watch::Sender<Log>,
}

impl ChangeLog {
    /// Changes are noticed from now on.
    pub(crate) fn begin(&self) {
        self.log.send_modify(|log| log.watching = Watching::Begun);
    }

    /// Changes are not noticed.
    pub(crate) fn fail(&self) {
        self.log.send_modify(|log| log.watching = Watching::Failed);
    }

    /// Whether changes are not noticed, as the disk can't be watched.
    pub(crate) fn has_failed(&self) -> bool {
        self.log.borrow().watching == Watching::Failed
    }

    /// Adds changed paths, relative to the root.
    pub(crate) fn add(&self, paths: impl IntoIterator<Item = String>) {
        let mut paths = paths.into_iter().peekable();
        if paths.peek().is_none() {
            return;
        }
        self.log.send_modify(|log| {
            log.last += 1;
            let number = log.last;
            log.paths.extend(paths.map(|path| (path, number)));
            if log.paths.len() > MANY {
                log.complete_from = log.last;
                log.paths.clear();
            }
        });
    }

    /// Changes were missed.
    pub(crate) fn lose(&self) {
        self.log.send_modify(|log| {
            log.last += 1;
            log.complete_from = log.last;
            log.paths.clear();
        });
    }

    /// The number of the last change.
    pub(crate) fn last(&self) -> u64 {
        self.log.borrow().last
    }

    /// The changes after `cursor`; a cursor from the future is that of now. Waits up to `limit` for the first.
    ///
    /// # Errors
    /// A sentence, if the disk can't be watched.
    pub(crate) async fn wait(&self, cursor: u64, limit: Duration) -> Result<Read, &'static str> {
        let mut reader = self.log.subscribe();
        let begun = reader.wait_for(|log| log.watching != Watching::NotYet).await.map(|log| (log.watching, log.last));
        let last = match begun {
            Ok((Watching::Begun, last)) => last,
            _ => return Err(UNWATCHED),
        };
        let cursor = cursor.min(last);
        let arrived = reader.wait_for(|log| log.last > cursor || log.watching == Watching::Failed);
        let _ = tokio::time::timeout(limit, arrived).await;
        let log = self.log.borrow();
        if log.watching == Watching::Failed {
            return Err(UNWATCHED);
        }
        let paths = log.paths.iter().filter(|(_, number)| **number > cursor).map(|(path, _)| path.clone()).collect();
        Ok(Read { cursor: log.last, paths, everything: cursor < log.complete_from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    async fn read(log: &ChangeLog, cursor: u64) -> Read {
        log.wait(cursor, Duration::ZERO).await.unwrap()
    }

    #[tokio::test]
    async fn a_path_counts_once_for_a_reader() {
        let log = ChangeLog::default();
        log.begin();
        let start = read(&log, u64::MAX).await;
        assert_eq!(start, Read { cursor: 0, paths: vec![], everything: false });
        log.add(words(&["b.py", "a.py"]));
        log.add(words(&["b.py"]));
        log.add(words(&[]));
        assert_eq!(read(&log, 0).await, Read { cursor: 2, paths: words(&["a.py", "b.py"]), everything: false });
        assert_eq!(read(&log, 1).await, Read { cursor: 2, paths: words(&["b.py"]), everything: false });
        assert_eq!(read(&log, 2).await, Read { cursor: 2, paths: vec![], everything: false });
        assert_eq!(read(&log, u64::MAX).await.cursor, 2);
    }

    #[tokio::test]
    async fn missed_changes_are_everything() {
        let log = ChangeLog::default();
        log.begin();
        log.add(words(&["a.py"]));
        log.lose();
        assert_eq!(read(&log, 1).await, Read { cursor: 2, paths: vec![], everything: true });
        assert!(!read(&log, 2).await.everything);
        log.add((0..=MANY).map(|number| format!("{number}.py")));
        assert!(read(&log, 2).await.everything);
    }

    #[tokio::test]
    async fn a_reader_waits_for_the_watch_and_then_for_a_change() {
        let log = std::sync::Arc::new(ChangeLog::default());
        let waiting = tokio::spawn({
            let log = std::sync::Arc::clone(&log);
            async move { log.wait(0, Duration::from_secs(60)).await }
        });
        log.begin();
        log.add(words(&["a.py"]));
        assert_eq!(waiting.await.unwrap().unwrap().paths, ["a.py"]);
        log.fail();
        assert_eq!(log.wait(1, Duration::from_secs(60)).await, Err(UNWATCHED));
    }
}
