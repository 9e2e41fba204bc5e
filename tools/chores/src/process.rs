//! Starting other programs: one place that builds errors which name the command line, and that keeps the caller's
//! Python environment out of measurements and checks.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Variables that change how Python or pytest behave; a chore's result must not depend on its caller.
const PYTHON_VARIABLES: [&str; 13] = [
    "CONDA_PREFIX",
    "PYTEST_ADDOPTS",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
    "PYTEST_PLUGINS",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHONHOME",
    "PYTHONOPTIMIZE",
    "PYTHONPATH",
    "PYTHONSAFEPATH",
    "PYTHONUNBUFFERED",
    "PYTHONWARNINGS",
    "VIRTUAL_ENV",
];

/// Removes every variable from the command's environment that changes Python's or pytest's behavior.
pub fn clean_python(command: &mut Command) -> &mut Command {
    for name in PYTHON_VARIABLES {
        command.env_remove(name);
    }
    command
}

/// The command line as a person types it, for messages.
pub fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs the command on the caller's terminal; its status is the answer.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("could not start `{}`", line(command)))
}

/// Runs the command on the caller's terminal; an error if it does not succeed.
pub fn check(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// Runs the command silently; returns its standard output, or an error with its whole output if it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("could not start `{}`", line(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` ended with {}:\n{text}{errors}", line(command), output.status);
    }
    Ok(text)
}

/// Runs the command, passing its output on to the terminal while it comes, and also returns it without colors. Standard
/// output and standard error come in the order in which they were written.
pub fn tee(command: Command) -> Result<(ExitStatus, String)> {
    let mut text = String::new();
    let status = follow(command, |line| {
        print!("{line}");
        text.push_str(&plain(line));
        std::io::stdout().flush()
    })?;
    Ok((status, text))
}

/// Runs the command silently, and returns its standard output and standard error in the order in which they were written.
pub fn capture(command: Command) -> Result<(ExitStatus, String)> {
    let mut text = String::new();
    let status = follow(command, |line| {
        text.push_str(line);
        Ok(())
    })?;
    Ok((status, text))
}

/// Runs the command and hands on each line of its output.
fn follow(mut command: Command, mut each: impl FnMut(&str) -> std::io::Result<()>) -> Result<ExitStatus> {
    let (reader, writer) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let words = line(&command);
    let mut child = command.spawn().with_context(|| format!("could not start `{words}`"))?;
    // The command still holds the pipe's write ends: without this the reader never sees the end.
    drop(command);
    let mut reader = BufReader::new(reader);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        each(&String::from_utf8_lossy(&bytes))?;
        bytes.clear();
    }
    Ok(child.wait()?)
}

/// Waits for the process; `None` if it was killed after the deadline.
pub fn wait_until(child: &mut Child, end: Instant) -> Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The text without terminal colors.
pub fn plain(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("\u{1b}[") {
        result.push_str(&rest[..start]);
        let sequence = &rest[start + 2..];
        let end = sequence.find(|c: char| c.is_ascii_alphabetic());
        rest = end.map_or("", |end| &sequence[end + 1..]);
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(plain("\u{1b}[1;31mred\u{1b}[0m and plain"), "red and plain");
        assert_eq!(plain("cut \u{1b}[3"), "cut ");
    }

    #[test]
    fn tee_keeps_both_streams_in_order() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; echo three; exit 3"]);
        let (status, text) = tee(command).unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(text, "one\ntwo\nthree\n");
    }

    #[test]
    fn a_failing_command_is_named_with_its_output() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo why >&2; exit 1"]);
        let error = output(&mut command).unwrap_err().to_string();
        assert!(error.contains("sh -c"), "{error}");
        assert!(error.contains("why"), "{error}");
    }
}
