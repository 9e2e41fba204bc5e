//! The system's list of processes, where there is no /proc. `sysinfo` reads it.

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// The children of a process. Reads the whole list.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let (Some(parent), Ok(mut system)) = (known(pid), System::new()) else { return Vec::new() };
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
    let all = system.processes().iter().filter(|(_, process)| process.parent() == Some(parent));
    all.filter_map(|(pid, _)| i32::try_from(pid.as_u32()).ok()).collect()
}

/// Reads something of a live process; `None` if there is none.
pub(crate) fn of<T>(pid: i32, read: impl FnOnce(&sysinfo::Process) -> T) -> Option<T> {
    let pid = known(pid)?;
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, ProcessRefreshKind::nothing());
    system.process(pid).map(read)
}

fn known(pid: i32) -> Option<Pid> {
    u32::try_from(pid).ok().filter(|pid| *pid > 0).map(Pid::from_u32)
}
