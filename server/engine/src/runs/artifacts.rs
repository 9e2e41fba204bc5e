//! Artifacts of runs: the output of tests, which grows while they run, folders, and files of debug data. They are on
//! disk; only their paths and ranges are in memory.

use std::collections::HashMap;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use pytest_lens_platform::files;
use pytest_lens_protocol::{Artifact, OutputStream};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::watch;

use super::suite_log::{artifact_id, stream_artifact};

/// The most bytes that one stream of a test keeps on disk. The limit is lower after tests that printed a lot.
const MOST: u64 = 64 << 20;
const LEAST: u64 = 64 << 10;
/// The intended limit, in bytes, for all streams of one runner.
const BUDGET: u64 = 2 << 30;

/// The most bytes in one answer.
pub(crate) const CHUNK: u64 = 256 << 10;

/// The longest log record, in bytes.
const LINE: u64 = 16 << 20;

/// The most bytes of a stream in an outcome.
const TEXT: u64 = 1 << 20;

/// The streams, in the order of the worker's messages.
pub(crate) const STREAMS: [(OutputStream, &str); 3] =
    [(OutputStream::Stdout, "out"), (OutputStream::Stderr, "err"), (OutputStream::Log, "log")];

/// An artifact of a suite.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Item {
    /// A range of a file that a runner writes.
    Text { stream: OutputStream, source: Arc<Source> },
    /// A folder that a test filled.
    Custom { directory: PathBuf, moniker: Arc<str> },
    /// Files of debug data, by the numbers of their items.
    Debug { files: Arc<Vec<(String, u32)>> },
    /// One file of debug data.
    File(Arc<Source>),
}

impl Item {
    /// Returns whether it can't grow any more.
    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Item::Text { source, .. } | Item::File(source) => source.extent.borrow().done,
            Item::Custom { .. } | Item::Debug { .. } => true,
        }
    }

    /// The artifact as it appears in an event.
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

/// The readable extent of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extent {
    pub length: u64,
    pub done: bool,
    /// A range that was cut out of the middle.
    pub hole: Option<(u64, u64)>,
}

/// A range of a file that may still grow.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    start: u64,
    pub extent: watch::Sender<Extent>,
    /// Held while a range is cut out or read, so that a reader never gets a hole's zeros.
    cutting: Mutex<()>,
}

/// A [`Source`] in a packed record.
#[derive(Serialize, Deserialize)]
struct PackedSource(PathBuf, u64, Extent);

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PackedSource(self.path.clone(), self.start, *self.extent.borrow()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let PackedSource(path, start, extent) = PackedSource::deserialize(deserializer)?;
        Ok(Source { path, start, extent: watch::Sender::new(extent), cutting: Mutex::default() })
    }
}

impl Source {
    pub(crate) fn growing(path: PathBuf, start: u64) -> Arc<Self> {
        Arc::new(Source { path, start, extent: watch::Sender::new(Extent::default()), cutting: Mutex::default() })
    }

    /// A range that is complete.
    pub(crate) fn complete(path: PathBuf, start: u64, length: u64) -> Arc<Self> {
        let extent = Extent { length, done: true, hole: None };
        Arc::new(Source { path, start, extent: watch::Sender::new(extent), cutting: Mutex::default() })
    }

    /// Takes in the file's new size. Bytes above the limit are cut out of the middle, so that a test that prints
    /// forever does not fill the disk.
    fn grow(&self, size: u64) {
        let length = size.saturating_sub(self.start);
        let _cutting = self.cutting();
        let (limit, before) = (limit_at(self.start), *self.extent.borrow());
        let mut extent = Extent { length: before.length.max(length), ..before };
        if length > limit {
            let (from, to) = (limit / 4 * 3, length - limit / 4);
            let done_to = before.hole.map_or(from, |(_, to)| to);
            // Only whole blocks can be freed, so the first and the last few stay.
            if to > done_to && punch(&self.path, self.start + done_to, to - done_to).is_ok() {
                extent.hole = Some((from, to));
            }
        }
        if extent != before {
            self.extent.send_replace(extent);
        }
    }

    /// Completes the range. `end`: its end in the file; `None` for the end of the file.
    fn finish(&self, end: Option<u64>) {
        self.grow(end.unwrap_or_else(|| size_of(&self.path)));
        self.extent.send_modify(|extent| {
            extent.done = true;
            // The file may already hold output of the next test.
            if let Some(end) = end {
                extent.length = end.saturating_sub(self.start);
            }
        });
    }

    fn cutting(&self) -> MutexGuard<'_, ()> {
        self.cutting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for bytes at an offset. Returns the offset after them, the bytes, and whether they are the last.
    ///
    /// # Errors
    ///
    /// If the file can't be read.
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

    /// Reads bytes at an offset. Returns the offset after them, and the bytes. Blocks.
    ///
    /// # Errors
    ///
    /// If the file can't be read.
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
            // A line longer than a chunk is read to its end, unless it is longer than any that a runner writes.
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

/// Frees the disk space of a range in the middle of a file.
fn punch(path: &Path, from: u64, length: u64) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).open(path)?;
    files::punch(&file, from, length)
}

/// The start of a running test's streams: the runner's files, and an offset in each.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    pub prefix: Arc<PathBuf>,
    pub at: [u64; 3],
}

impl Streams {
    /// The folder of a test's artifacts, if the test made one.
    pub(crate) fn folder(&self, index: usize) -> Option<PathBuf> {
        let mut path = self.prefix.as_os_str().to_owned();
        path.push(format!(".d/{index}"));
        Some(PathBuf::from(path)).filter(|path| path.is_dir())
    }

    /// The output of a test whose process ended before it reported, from stdout and stderr.
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

/// The streams of running tests.
#[derive(Default)]
pub(crate) struct OpenStreams(Mutex<HashMap<usize, Running>>);

struct Running {
    streams: Streams,
    /// The streams that were reported as artifacts.
    sources: [Option<Arc<Source>>; 3],
    /// The sizes of the files at the last look.
    sizes: [u64; 3],
}

impl OpenStreams {
    fn running(&self) -> MutexGuard<'_, HashMap<usize, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A test starts to write.
    pub(crate) fn open(&self, case: usize, streams: Streams) {
        let (sources, sizes) = ([None, None, None], streams.at);
        let before = self.running().insert(case, Running { streams, sources, sizes });
        // If a runner starts a test twice, readers of the first streams must not wait forever.
        for source in before.iter().flat_map(|test| test.sources.iter().flatten()) {
            source.finish(None);
        }
    }

    /// Looks at the files' sizes. Returns the streams that have output for the first time. Blocks briefly.
    ///
    /// It reports the output that was there at the previous look. If that belongs to a test that has ended since, the
    /// runner has reported the end by now, so output of the next test is not attributed to it.
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

    /// Makes an artifact of a stream, unless there is one or the test is over.
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

    /// Completes a test's streams. Returns those that were not reported yet. `ends`: the ends that the runner reported;
    /// `None` for the ends of the files.
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

    /// Frees the memory of closed streams.
    pub(crate) fn release(&self) {
        self.running().shrink_to_fit();
    }

    /// The cases with open streams.
    pub(crate) fn open_cases(&self) -> Vec<usize> {
        self.running().keys().copied().collect()
    }

    /// The artifact folder of a running test that can't report it any more.
    pub(crate) fn folder(&self, case: usize) -> Option<PathBuf> {
        self.running().get(&case)?.streams.folder(case)
    }
}

/// The output of a suite: printed outside of tests, or captured in memory. It is written to files at once.
#[derive(Default)]
pub(crate) struct SuiteOutput {
    /// The suite's streams, in the order of [`STREAMS`].
    suite: Mutex<[Option<Arc<Source>>; 3]>,
}

impl SuiteOutput {
    fn suite(&self) -> MutexGuard<'_, [Option<Arc<Source>>; 3]> {
        self.suite.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends output of the suite. Returns an artifact for a stream's first output.
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

    /// Completes the suite's streams.
    pub(crate) fn finish(&self) {
        for source in self.suite().iter().flatten() {
            source.finish(None);
        }
    }

    /// Stores the complete text of one of a test's streams.
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

/// Appends to a file. Returns the start and the end of the appended range.
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
        let streams = OpenStreams::default();
        let prefix = Arc::new(folder.path().join("w0"));
        fs::write(folder.path().join("w0.out"), "first").unwrap();
        streams.open(3, Streams { prefix: Arc::clone(&prefix), at: [0; 3] });
        assert!(streams.look().is_empty(), "told with the next look");
        assert_eq!(streams.look(), [(3, 0)]);
        let Some(Item::Text { source, .. }) = streams.announce(3, 0) else { panic!("no artifact") };
        assert!(streams.announce(3, 0).is_none(), "announced once");
        // The runner continues, and its report of the test's end comes late.
        append(&folder.path().join("w0.out"), b"second").unwrap();
        streams.look();
        streams.look();
        assert!(streams.close(3, Some([5, 0, 0])).is_empty());
        assert_eq!(all(&source).await, b"first");
    }

    #[tokio::test]
    async fn a_reader_never_waits_for_a_test_that_began_anew() {
        let folder = tempfile::tempdir().unwrap();
        let streams = OpenStreams::default();
        let prefix = Arc::new(folder.path().join("w0"));
        fs::write(folder.path().join("w0.out"), "first").unwrap();
        streams.open(3, Streams { prefix: Arc::clone(&prefix), at: [0; 3] });
        let Some(Item::Text { source, .. }) = streams.announce(3, 0) else { panic!("no artifact") };
        streams.open(3, Streams { prefix, at: [5, 0, 0] });
        assert_eq!(all(&source).await, b"first");
    }
}
