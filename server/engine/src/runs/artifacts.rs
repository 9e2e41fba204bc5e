//! What runs leave behind: output that grows while a test runs, folders, files of debug data. All of it lies on disk;
//! what is held in memory is where.

use std::collections::HashMap;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use pytest_lens_protocol::{Artifact, OutputStream};
use rustix::fs::{FallocateFlags, fallocate};
use tokio::sync::watch;

use super::suite_log::{artifact_id, stream_artifact};

/// The most that one stream of a test keeps on disk; behind many that printed much, less.
const MOST: u64 = 64 << 20;
const LEAST: u64 = 64 << 10;
/// The most that the streams of one runner are meant to keep together.
const BUDGET: u64 = 2 << 30;

/// The most bytes that one answer carries.
pub(crate) const CHUNK: u64 = 256 << 10;

/// No log record takes more than that.
const LINE: u64 = 16 << 20;

/// The most of a stream that an outcome carries.
const TEXT: u64 = 1 << 20;

/// Streams by their place in the worker's messages.
pub(crate) const STREAMS: [(OutputStream, &str); 3] =
    [(OutputStream::Stdout, "out"), (OutputStream::Stderr, "err"), (OutputStream::Log, "log")];

/// Something that a suite leaves behind.
#[derive(Clone)]
pub(crate) enum Item {
    /// A part of a file that a runner writes.
    Text { stream: OutputStream, source: Arc<Source> },
    /// A folder that a test filled.
    Custom { directory: PathBuf, moniker: Arc<str> },
    /// Files of debug data, by the numbers of their items.
    Debug { files: Arc<Vec<(String, u32)>> },
    /// One of these files.
    File(Arc<Source>),
}

impl Item {
    /// As an event tells it.
    pub(crate) fn told(&self, suite: &str, number: u32) -> Artifact {
        let id = artifact_id(suite, number);
        match self {
            Item::Text { stream, .. } => stream_artifact(*stream, id),
            Item::Custom { directory, moniker } => Artifact::Custom {
                directory: directory.to_string_lossy().into(),
                token: id,
                component_moniker: moniker.to_string(),
            },
            Item::Debug { .. } | Item::File(_) => Artifact::DebugData { iterator_id: id },
        }
    }
}

/// How much there is to read, from the start on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub length: u64,
    pub done: bool,
    /// What was cut out of the middle.
    pub hole: Option<(u64, u64)>,
}

/// A part of a file that may still grow.
pub(crate) struct Source {
    path: PathBuf,
    start: u64,
    pub extent: watch::Sender<Extent>,
    /// Held while something is cut out or read: what is read is never what was cut out a moment ago.
    cutting: Mutex<()>,
}

impl Source {
    pub(crate) fn growing(path: PathBuf, start: u64) -> Arc<Self> {
        Arc::new(Source { path, start, extent: watch::Sender::new(Extent::default()), cutting: Mutex::default() })
    }

    /// A part that is complete.
    pub(crate) fn complete(path: PathBuf, start: u64, length: u64) -> Arc<Self> {
        let extent = Extent { length, done: true, hole: None };
        Arc::new(Source { path, start, extent: watch::Sender::new(extent), cutting: Mutex::default() })
    }

    /// The file is so long now. What is above the limit is cut out of the middle, so that a test that never stops
    /// printing does not fill the disk.
    fn grow(&self, size: u64) {
        let length = size.saturating_sub(self.start);
        let _cutting = self.cutting();
        let (limit, before) = (limit_at(self.start), *self.extent.borrow());
        let mut extent = Extent { length: before.length.max(length), ..before };
        if length > limit {
            let (from, to) = (limit / 4 * 3, length - limit / 4);
            let done_to = before.hole.map_or(from, |(_, to)| to);
            // The first and last few blocks stay as they are: only whole ones can be given back.
            if to > done_to && punch(&self.path, self.start + done_to, to - done_to).is_ok() {
                extent.hole = Some((from, to));
            }
        }
        if extent != before {
            self.extent.send_replace(extent);
        }
    }

    /// Nothing is added any more. `end`: where it is in the file; else that is where the file is.
    fn finish(&self, end: Option<u64>) {
        self.grow(end.unwrap_or_else(|| size_of(&self.path)));
        self.extent.send_modify(|extent| {
            extent.done = true;
            // What the next test has written may have been seen before it was heard that this one is over.
            if let Some(end) = end {
                extent.length = end.saturating_sub(self.start);
            }
        });
    }

    fn cutting(&self) -> MutexGuard<'_, ()> {
        self.cutting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for bytes at an offset. Returns the offset behind them, them, and whether they are the last.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub(crate) async fn wait(self: &Arc<Self>, offset: u64, whole_lines: bool) -> io::Result<(u64, Vec<u8>, bool)> {
        let mut extent = self.extent.subscribe();
        loop {
            let Extent { length, done, .. } = *extent.borrow_and_update();
            if length > offset {
                let source = Arc::clone(self);
                let reading = tokio::task::spawn_blocking(move || source.read(offset, whole_lines));
                let (next, data) = reading.await.map_err(io::Error::other)??;
                if !data.is_empty() {
                    return Ok((next, data, done && next >= length));
                }
            }
            if done {
                return Ok((offset, Vec::new(), true));
            }
            let _ = extent.changed().await;
        }
    }

    /// Bytes at an offset, and the offset behind them. Blocks.
    ///
    /// # Errors
    /// Where the file can't be read.
    fn read(&self, offset: u64, whole_lines: bool) -> io::Result<(u64, Vec<u8>)> {
        let _cutting = self.cutting();
        let Extent { length, done, hole } = *self.extent.borrow();
        if let Some((from, to)) = hole
            && (from..to).contains(&offset)
        {
            let note = format!("\n[... {} bytes left out ...]\n", to - offset);
            return Ok((to, note.into_bytes()));
        }
        let end = hole.map_or(length, |(from, _)| if offset < from { from } else { length });
        let mut file = fs::File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.start + offset))?;
        let mut data = Vec::new();
        let mut left = end.saturating_sub(offset);
        loop {
            let read = (&mut file).take(left.min(CHUNK)).read_to_end(&mut data)? as u64;
            left -= read;
            if !whole_lines || (done && offset + data.len() as u64 == length) {
                break;
            }
            let lines = data.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            // A line longer than a chunk is read on, unless it is longer than any that a runner writes.
            if lines > 0 || left == 0 || read == 0 {
                data.truncate(lines);
                break;
            }
            if data.len() as u64 > LINE {
                break;
            }
        }
        Ok((offset + data.len() as u64, data))
    }
}

fn limit_at(start: u64) -> u64 {
    (BUDGET.saturating_sub(start) / 16).clamp(LEAST, MOST)
}

fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

/// Gives back the disk's space in the middle of a file.
fn punch(path: &Path, from: u64, length: u64) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).open(path)?;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(&file, flags, from, length).map_err(io::Error::from)
}

/// Where a running test's streams begin: the runner's files, and an offset in each.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    pub prefix: Arc<PathBuf>,
    pub at: [u64; 3],
}

impl Streams {
    /// The folder that a test has put artifacts in, whether it lived to say so or not.
    pub(crate) fn folder(&self, index: usize) -> Option<PathBuf> {
        let mut path = self.prefix.as_os_str().to_owned();
        path.push(format!(".d/{index}"));
        Some(PathBuf::from(path)).filter(|path| path.is_dir())
    }

    /// What a test that did not live to tell it has printed, to stdout and stderr.
    pub(crate) fn texts(&self) -> (Option<String>, Option<String>) {
        let text = |place: usize| {
            let mut file = fs::File::open(self.path(place)).ok()?;
            let start = self.at[place];
            let length = file.metadata().ok()?.len().checked_sub(start).filter(|length| *length > 0)?;
            let mut part = |from: u64, length: u64| {
                let mut bytes = Vec::new();
                file.seek(SeekFrom::Start(start + from)).ok()?;
                (&mut file).take(length).read_to_end(&mut bytes).ok()?;
                Some(String::from_utf8_lossy(&bytes).into_owned())
            };
            if length <= TEXT {
                return part(0, length);
            }
            let (head, tail) = (TEXT / 4 * 3, TEXT / 4);
            let note = format!("\n[... {} bytes left out ...]\n", length - head - tail);
            Some(part(0, head)? + &note + &part(length - tail, tail)?)
        };
        (text(0), text(1))
    }

    fn path(&self, place: usize) -> PathBuf {
        let mut path = self.prefix.as_os_str().to_owned();
        path.push(".");
        path.push(STREAMS[place].1);
        path.into()
    }
}

/// The streams of the tests that run now.
#[derive(Default)]
pub(crate) struct Outputs(Mutex<HashMap<usize, Running>>);

struct Running {
    streams: Streams,
    /// Those that were announced.
    sources: [Option<Arc<Source>>; 3],
    /// How long the files were when they were last looked at.
    sizes: [u64; 3],
}

impl Outputs {
    fn running(&self) -> MutexGuard<'_, HashMap<usize, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A test begins to write.
    pub(crate) fn open(&self, case: usize, streams: Streams) {
        let (sources, sizes) = ([None, None, None], streams.at);
        let before = self.running().insert(case, Running { streams, sources, sizes });
        // A runner that says twice that a test begins: whoever reads what was before must not wait for ever.
        for source in before.iter().flat_map(|test| test.sources.iter().flatten()) {
            source.finish(None);
        }
    }

    /// Looks at the files. Returns the streams in which there is something for the first time. Blocks for a moment.
    ///
    /// Told is what was there the last time: of a test that wrote it and is over meanwhile, the runner has said so by
    /// now, and what the next test writes is not taken for its.
    pub(crate) fn look(&self) -> Vec<(usize, usize)> {
        let mut running = self.running();
        let mut fresh = Vec::new();
        for (&case, test) in running.iter_mut() {
            for (place, source) in test.sources.iter().enumerate() {
                let size = std::mem::replace(&mut test.sizes[place], size_of(&test.streams.path(place)));
                match source {
                    Some(source) => source.grow(size),
                    None if size > test.streams.at[place] => fresh.push((case, place)),
                    None => {}
                }
            }
        }
        fresh
    }

    /// Makes an artifact of a stream, unless it is one already, or the test is over.
    pub(crate) fn announce(&self, case: usize, place: usize) -> Option<Item> {
        let mut running = self.running();
        let test = running.get_mut(&case)?;
        if test.sources[place].is_some() {
            return None;
        }
        let path = test.streams.path(place);
        let source = Source::growing(path, test.streams.at[place]);
        test.sources[place] = Some(Arc::clone(&source));
        Some(Item::Text { stream: STREAMS[place].0, source })
    }

    /// A test writes no more. Returns what is yet to be told of its streams. `ends`: where the runner says that they
    /// end; else it is where the files do.
    pub(crate) fn close(&self, case: usize, ends: Option<[u64; 3]>) -> Vec<Item> {
        let Some(test) = self.running().remove(&case) else { return Vec::new() };
        let mut left = Vec::new();
        for (place, source) in test.sources.into_iter().enumerate() {
            let path = test.streams.path(place);
            let (start, end) = (test.streams.at[place], ends.map(|ends| ends[place]));
            match source {
                Some(source) => source.finish(end),
                None if end.unwrap_or_else(|| size_of(&path)) > start => {
                    let source = Source::growing(path, start);
                    source.finish(end);
                    left.push(Item::Text { stream: STREAMS[place].0, source });
                }
                None => {}
            }
        }
        left
    }

    /// The cases that were opened and not closed.
    pub(crate) fn open_cases(&self) -> Vec<usize> {
        self.running().keys().copied().collect()
    }

    /// The folder that a running test has put artifacts in, where it can't say so itself any more.
    pub(crate) fn folder(&self, case: usize) -> Option<PathBuf> {
        self.running().get(&case)?.streams.folder(case)
    }
}

/// What is printed outside of tests, or captured in memory: written to files as it is heard of.
#[derive(Default)]
pub(crate) struct Spill {
    /// What the suite prints, by the stream's place.
    suite: Mutex<[Option<Arc<Source>>; 3]>,
}

impl Spill {
    fn suite(&self) -> MutexGuard<'_, [Option<Arc<Source>>; 3]> {
        self.suite.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a suite has printed. Returns what is to be told of it for the first time.
    pub(crate) fn print(&self, folder: &Path, stream: OutputStream, text: &str) -> Option<Item> {
        let place = STREAMS.iter().position(|(known, _)| *known == stream)?;
        let path = folder.join(format!("suite.{}", STREAMS[place].1));
        let (_, size) = append(&path, text.as_bytes()).ok()?;
        let mut sources = self.suite();
        if let Some(source) = &sources[place] {
            source.grow(size);
            return None;
        }
        let source = Source::growing(path, 0);
        source.grow(size);
        sources[place] = Some(Arc::clone(&source));
        Some(Item::Text { stream, source })
    }

    /// The suite prints no more.
    pub(crate) fn finish(&self) {
        for source in self.suite().iter().flatten() {
            source.finish(None);
        }
    }

    /// A complete text of a test.
    pub(crate) fn text(folder: &Path, stream: OutputStream, text: &str) -> Option<Item> {
        let name = STREAMS.iter().find(|(known, _)| *known == stream)?.1;
        let path = folder.join(format!("cases.{name}"));
        let (start, end) = match stream {
            OutputStream::Log => {
                let record = |line: &str| serde_json::json!({ "message": line, "text": line }).to_string() + "\n";
                append(&path, text.lines().map(record).collect::<String>().as_bytes()).ok()?
            }
            _ => append(&path, text.as_bytes()).ok()?,
        };
        Some(Item::Text { stream, source: Source::complete(path, start, end - start) })
    }
}

/// Returns where what was appended begins and ends.
fn append(path: &Path, bytes: &[u8]) -> io::Result<(u64, u64)> {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path)?;
    let start = file.metadata()?.len();
    file.write_all(bytes)?;
    Ok((start, start + bytes.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(source: &Arc<Source>) -> Vec<u8> {
        let (mut offset, mut text) = (0, Vec::new());
        loop {
            let (next, data, done) = source.wait(offset, false).await.unwrap();
            text.extend(data);
            offset = next;
            if done {
                return text;
            }
        }
    }

    #[tokio::test]
    async fn what_the_next_test_writes_is_not_taken_for_this_ones() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = Outputs::default();
        let prefix = Arc::new(folder.path().join("w0"));
        fs::write(folder.path().join("w0.out"), "first").unwrap();
        outputs.open(3, Streams { prefix: Arc::clone(&prefix), at: [0; 3] });
        assert!(outputs.look().is_empty(), "told with the next look");
        assert_eq!(outputs.look(), [(3, 0)]);
        let Some(Item::Text { source, .. }) = outputs.announce(3, 0) else { panic!("no artifact") };
        assert!(outputs.announce(3, 0).is_none(), "announced once");
        // The runner goes on, and its word that the test is over comes late.
        append(&folder.path().join("w0.out"), b"second").unwrap();
        outputs.look();
        outputs.look();
        assert!(outputs.close(3, Some([5, 0, 0])).is_empty());
        assert_eq!(all(&source).await, b"first");
    }

    #[tokio::test]
    async fn a_reader_never_waits_for_a_test_that_began_anew() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = Outputs::default();
        let prefix = Arc::new(folder.path().join("w0"));
        fs::write(folder.path().join("w0.out"), "first").unwrap();
        outputs.open(3, Streams { prefix: Arc::clone(&prefix), at: [0; 3] });
        let Some(Item::Text { source, .. }) = outputs.announce(3, 0) else { panic!("no artifact") };
        outputs.open(3, Streams { prefix, at: [5, 0, 0] });
        assert_eq!(all(&source).await, b"first");
    }
}
