//! Parses the stacks that Python prints when a test runs out of time.

use std::path::Path;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StackFrame {
    pub path: String,
    pub line: u32,
    pub name: String,
}

/// The frames of the test's thread, outermost first, from the project's own code on. That is the first thread with a
/// frame in the test's file or, without one, pytest's thread.
pub(crate) fn of_test(stacks: &str, file: &Path, root: &Path) -> Vec<StackFrame> {
    let threads: Vec<Vec<StackFrame>> = threads(stacks);
    let has = |thread: &&Vec<StackFrame>, wanted: &dyn Fn(&StackFrame) -> bool| thread.iter().any(wanted);
    let chosen = threads
        .iter()
        .find(|thread| has(thread, &|frame| Path::new(&frame.path) == file))
        .or_else(|| threads.iter().find(|thread| has(thread, &|frame| frame.path.contains("/_pytest/"))));
    let Some(thread) = chosen else { return Vec::new() };
    let is_own =
        |frame: &&StackFrame| Path::new(&frame.path).starts_with(root) && !frame.path.contains("/site-packages/");
    let outermost = thread.iter().position(|frame| is_own(&frame)).unwrap_or(thread.len());
    thread[outermost..].to_vec()
}

/// The frames of every thread, outermost first.
fn threads(stacks: &str) -> Vec<Vec<StackFrame>> {
    let mut threads: Vec<Vec<StackFrame>> = Vec::new();
    for line in stacks.lines() {
        match frame(line) {
            Some(frame) => match threads.last_mut() {
                Some(thread) => thread.insert(0, frame),
                None => threads.push(vec![frame]),
            },
            None if line.contains("hread 0x") => threads.push(Vec::new()),
            None => {}
        }
    }
    threads
}

/// `  File "/a/b.py", line 3 in f`
fn frame(line: &str) -> Option<StackFrame> {
    let rest = line.trim_start().strip_prefix("File \"")?;
    let (path, rest) = rest.rsplit_once("\", line ")?;
    let (number, name) = rest.split_once(" in ")?;
    Some(StackFrame { path: path.to_owned(), line: number.trim().parse().ok()?, name: name.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACKS: &str = "Timeout (0:00:01)!
Thread 0x00007f1 (most recent call first):
  File \"/usr/lib/python3.11/threading.py\", line 320 in wait
  File \"/p/helper.py\", line 2 in background

Thread 0x00007f2 (most recent call first):
  File \"/usr/lib/python3.11/time.py\", line 9 in nap
  File \"/p/helper.py\", line 7 in slow
  File \"/p/test_a.py\", line 5 in test_it
  File \"/v/site-packages/_pytest/python.py\", line 194 in pytest_pyfunc_call
";

    #[test]
    fn the_tests_own_thread_is_found_and_pytest_left_out() {
        let frames = of_test(STACKS, Path::new("/p/test_a.py"), Path::new("/p"));
        let told: Vec<String> = frames.iter().map(|frame| format!("{}:{}", frame.name, frame.line)).collect();
        assert_eq!(told, ["test_it:5", "slow:7", "nap:9"]);
        assert_eq!(frames[0].path, "/p/test_a.py");
    }

    #[test]
    fn without_a_frame_in_the_file_it_is_pytests_thread() {
        assert_eq!(of_test(STACKS, Path::new("/p/test_b.py"), Path::new("/p"))[0].name, "test_it");
        assert_eq!(of_test("", Path::new("/p/test_b.py"), Path::new("/p")), []);
    }
}
