//! The truth under load: while all processors are busy and a file is saved a hundred times a second, a run executes no
//! code that is older than its request, and its outcome is that of the code that it executed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::common::{Lab, Order};

/// The time between two saves.
const PAUSE: Duration = Duration::from_millis(10);

/// The runs of one case.
const RUNS: usize = 3;

/// The file that holds the value.
#[derive(Debug, Clone, Copy)]
enum Place {
    Module,
    Conftest,
    Test,
    /// Data that a module reads while it is imported.
    Data,
}

#[derive(Debug, Clone, Copy)]
struct Script {
    place: Place,
    /// Another file takes the place of the old one, as most editors do it; otherwise it is overwritten.
    by_rename: bool,
    /// The time of the old file is put back.
    puts_time_back: bool,
    is_warm: bool,
}

fn script() -> impl Strategy<Value = Script> {
    let place = prop::sample::select(vec![Place::Module, Place::Conftest, Place::Test, Place::Data]);
    (place, any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(place, by_rename, puts_time_back, is_warm)| Script { place, by_rename, puts_time_back, is_warm })
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Place::Module => "mod.py",
            Place::Conftest => "conftest.py",
            Place::Test => "test_a.py",
            Place::Data => "data.txt",
        }
    }

    /// The files of a project whose test appends the value to `seen`, and passes if it is even.
    fn files(self, seen: &Path) -> Vec<(&'static str, String)> {
        let imports = match self {
            Place::Module | Place::Data => "from mod import VALUE",
            Place::Conftest => "from conftest import VALUE",
            Place::Test => "VALUE = int('000000')",
        };
        let test = format!(
            "{imports}\n\ndef test():\n    with open({seen:?}, 'a') as file:\n        file.write(f'{{VALUE}}\\n')\n    \
             assert VALUE % 2 == 0\n"
        );
        let mut files = vec![("test_a.py", test)];
        match self {
            Place::Test => {}
            Place::Data => {
                files.push(("mod.py", "VALUE = int(open('data.txt').read())\n".to_owned()));
                files.push(("data.txt", "000000\n".to_owned()));
            }
            Place::Module | Place::Conftest => files.push((self.name(), "VALUE = int('000000')\n".to_owned())),
        }
        files
    }
}

/// Saves a file with the next value again and again, as long as this is held.
struct Saver {
    saved: Arc<AtomicUsize>,
    _stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Saver {
    fn start(path: PathBuf, Script { by_rename, puts_time_back, .. }: Script) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let saved = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = mpsc::channel();
        let counter = Arc::clone(&saved);
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(PAUSE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let next = counter.load(Ordering::SeqCst) + 1;
                let text = text.replace("000000", &format!("{next:06}"));
                let time = fs::metadata(&path).unwrap().modified().unwrap();
                save(&path, &text, by_rename, puts_time_back.then_some(time));
                counter.store(next, Ordering::SeqCst);
            }
        });
        Saver { saved, _stop: stop, thread }
    }

    /// The value of the last complete save.
    fn saved(&self) -> usize {
        self.saved.load(Ordering::SeqCst)
    }

    fn stop(self) {
        drop(self._stop);
        self.thread.join().unwrap();
    }
}

/// Nobody sees half of the text: the new file takes the place of the old one, or a few bytes are overwritten at once.
fn save(path: &Path, text: &str, by_rename: bool, time: Option<SystemTime>) {
    let target = if by_rename { path.with_extension("swp") } else { path.to_owned() };
    let mut options = fs::File::options();
    let mut file = options.write(true).create(by_rename).truncate(by_rename).open(&target).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    if let Some(time) = time {
        file.set_modified(time).unwrap();
    }
    if by_rename {
        fs::rename(&target, path).unwrap();
    }
}

/// Keeps all processors busy, as long as this is held.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn start() -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            let ends = Arc::clone(&ends);
            thread::spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Busy(ends)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn play(script: Script) -> Result<(), TestCaseError> {
    let outside = tempfile::tempdir().unwrap();
    let seen = outside.path().join("seen.txt");
    let files = script.place.files(&seen);
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let lab = if script.is_warm { Lab::resident(&files).await } else { Lab::resident_in("subprocess", &files).await };
    let _busy = Busy::start();
    let saver = Saver::start(lab.project.root.join(script.place.name()), script);
    for run in 0..RUNS {
        let before = saver.saved();
        let [total, passed, ..] = lab.counts(Order::all()).await;
        let after = saver.saved() + 1;
        let values = fs::read_to_string(&seen).unwrap_or_default();
        let values: Vec<usize> = values.lines().map(|line| line.parse().unwrap()).collect();
        prop_assert_eq!((total, values.len()), (1, run + 1), "the test runs once in each run");
        let value = values[run];
        prop_assert!((before..=after).contains(&value), "{value} is not from {before} to {after}");
        prop_assert_eq!(passed == 1, value.is_multiple_of(2), "the outcome is that of {}", value);
    }
    prop_assert!(saver.saved() > 0);
    saver.stop();
    lab.close().await;
    Ok(())
}

#[test]
fn a_run_is_never_older_than_its_request_while_files_are_saved_all_the_time() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4);
    let mut runner = TestRunner::new(Config { cases, max_shrink_iters: 4, ..Config::default() });
    runner.run(&script(), |script| runtime.block_on(play(script))).unwrap();
}
