//! The engine through its public seam, `engine.session().call(request)`, with real Python processes and real pytest.
//! One test binary, because each costs a link.

#[cfg(test)]
mod common;
mod conflicts;

#[cfg(test)]
mod affected;
#[cfg(test)]
mod artifacts;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod collect;
#[cfg(test)]
mod control;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod debug;
#[cfg(test)]
mod effects;
#[cfg(test)]
mod events;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod ground;
#[cfg(test)]
mod history;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod idle_runs;
#[cfg(test)]
mod incremental;
#[cfg(test)]
mod init;
#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod kept_reads;
#[cfg(test)]
mod list;
#[cfg(test)]
mod nested;
#[cfg(test)]
mod outcomes;
mod plugins;
#[cfg(test)]
mod prestarted;
#[cfg(test)]
mod rerun;
#[cfg(test)]
mod reuse;
#[cfg(test)]
mod selection;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod socket;
#[cfg(test)]
mod stale;
#[cfg(test)]
mod suites;
#[cfg(test)]
mod timings;
mod truth;
#[cfg(test)]
mod under_load;
#[cfg(test)]
mod workers;
