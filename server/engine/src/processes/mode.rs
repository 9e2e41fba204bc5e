//! The execution mode of a project: the requested one, and the safe one.

use pytest_lens_platform::{HAS_SAFE_FORK, SYSTEM};

use crate::processes::worker_protocol::{Ready, WireHazard};

/// The requested `execution_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ModeRequest {
    Embedded,
    Subprocess,
    Auto,
}

impl ModeRequest {
    /// # Errors
    ///
    /// A sentence that names the three modes.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, String> {
        match text.unwrap_or("auto") {
            "embedded" => Ok(ModeRequest::Embedded),
            "subprocess" => Ok(ModeRequest::Subprocess),
            "auto" => Ok(ModeRequest::Auto),
            other => Err(format!("execution_mode {other:?} is unknown; use \"embedded\", \"subprocess\" or \"auto\"")),
        }
    }
}

/// The mode of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mode {
    /// Warm interpreters are kept and forked; otherwise each run starts a fresh one.
    pub embedded: bool,
    pub reason: String,
}

/// Chooses the mode, based on the warm interpreter's report.
pub(crate) fn choose(asked: ModeRequest, ready: &Ready) -> Mode {
    let hazards: Vec<&str> = ready.hazards.iter().map(|WireHazard { detail, .. }| detail.as_str()).collect();
    let subprocess = |reason: String| Mode { embedded: false, reason };
    match asked {
        ModeRequest::Subprocess => subprocess("asked for".into()),
        _ if !HAS_SAFE_FORK => subprocess(without_forks(asked, SYSTEM)),
        _ if !hazards.is_empty() => {
            subprocess(format!("a warm interpreter can't be forked safely: {}", hazards.join("; ")))
        }
        ModeRequest::Embedded => Mode { embedded: true, reason: "asked for".into() },
        ModeRequest::Auto => Mode { embedded: true, reason: "nothing found that makes forking unsafe".into() },
    }
}

/// The reason on a system whose processes must not be forked when they are warm.
fn without_forks(asked: ModeRequest, system: &str) -> String {
    let unsafe_here = format!("a warm interpreter can't be forked safely on {system}");
    match asked {
        ModeRequest::Embedded => {
            format!("{unsafe_here}, so each run has a fresh one, although \"embedded\" was asked for: use \"auto\"")
        }
        ModeRequest::Auto | ModeRequest::Subprocess => unsafe_here,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_for_forks_is_answered_with_the_system_and_the_way_out() {
        assert_eq!(without_forks(ModeRequest::Auto, "macOS"), "a warm interpreter can't be forked safely on macOS");
        let refused = without_forks(ModeRequest::Embedded, "Windows");
        assert!(refused.contains("on Windows") && refused.ends_with("use \"auto\""), "{refused}");
    }
}
