//! Which processes of a project are alive: identified by its root, which is their working folder or in their
//! environment or command line.

use std::fs;
use std::time::Duration;

/// Processes that have to do with `mark`, each as `pid command line`. Zombies are not alive.
pub(crate) fn alive(mark: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let pids = pids.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own);
    pids.filter_map(|pid| {
        let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let environment = String::from_utf8_lossy(&read("environ")).into_owned();
        let folder = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        let is_ours = command.contains(mark) || environment.contains(mark) || folder.starts_with(mark);
        let state = String::from_utf8_lossy(&read("stat")).into_owned();
        let is_zombie = state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
        (is_ours && !is_zombie).then(|| format!("{pid} {command}"))
    })
    .collect()
}

/// Waits until no process of `mark` is left.
pub(crate) async fn gone(mark: &str) {
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        loop {
            ticks.tick().await;
            if alive(mark).is_empty() {
                return;
            }
        }
    };
    let limit = Duration::from_secs(10);
    if tokio::time::timeout(limit, waiting).await.is_err() {
        panic!("still alive after {limit:?}: {:#?}", alive(mark));
    }
}
