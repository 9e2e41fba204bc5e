//! Memory and processor time of processes, by /proc.

use anyhow::{Context, Result};
use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// A process and all below it.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let parent = stat(pid).and_then(|fields| fields.get(1)?.parse().ok());
        children.entry(parent.unwrap_or_default()).or_default().push(pid);
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let below = children.remove(pid).unwrap_or_default();
        found.extend(below);
        next += 1;
    }
    found
}

/// The fields of a process after its name: the state is the first of them.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split_whitespace().map(str::to_owned).collect())
}

/// The processor time that a process has used.
pub(crate) fn processor_time(pid: u32) -> Result<Duration> {
    let fields = stat(pid).context("the process is gone")?;
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok());
    let ticks = ticks(11).zip(ticks(12)).map(|(user, system)| user + system).context("no times in /proc")?;
    // Linux shows programs hundredths of a second, on all machines.
    Ok(Duration::from_millis(ticks * 10))
}

/// The memory of processes in megabytes, in which each page counts once, by its share of the processes that have it.
pub(crate) fn proportional(processes: &[u32]) -> Result<f64> {
    processes.iter().map(|pid| megabytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:")).sum()
}

/// The resident memory of a process in megabytes.
pub(crate) fn resident(process: u32) -> Result<f64> {
    megabytes(&format!("/proc/{process}/status"), "VmRSS:")
}

/// A process is at rest when it has used no processor for this long: several times the server's longest pause after an
/// edit.
const REST: Duration = Duration::from_secs(1);

/// Waits until a process is at rest; returns the processor time that it has used.
pub(crate) fn at_rest(process: u32) -> Result<Duration> {
    let mut used = processor_time(process)?;
    loop {
        std::thread::sleep(REST);
        let now = processor_time(process)?;
        if now == used {
            return Ok(now);
        }
        used = now;
    }
}

fn megabytes(file: &str, field: &str) -> Result<f64> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kilobytes: f64 = kilobytes.with_context(|| format!("no {field} in {file}"))?.trim().parse()?;
    // The kernel's kB are 1,024 bytes.
    Ok(kilobytes * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_tree_has_the_children_of_children() {
        let mut outer = Command::new("sh");
        let mut outer = outer.args(["-c", "sh -c 'cat; :'; :"]).stdin(Stdio::piped()).spawn().unwrap();
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while tree(outer.id()).len() < 3 {
            assert!(std::time::Instant::now() < end, "the processes did not start");
        }
        let all = tree(outer.id());
        assert!(proportional(&all).unwrap() > 0.0);
        assert!(resident(outer.id()).unwrap() > 0.0);
        drop(outer.stdin.take());
        outer.wait().unwrap();
    }
}
