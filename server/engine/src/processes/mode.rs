//! How a project runs tests: what was asked for, and what is safe.

use crate::processes::worker_protocol::{Ready, WireHazard};

/// What `execution_mode` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ModeAsked {
    Embedded,
    Subprocess,
    Auto,
}

impl ModeAsked {
    /// # Errors
    /// A sentence that names the three.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, String> {
        match text.unwrap_or("auto") {
            "embedded" => Ok(ModeAsked::Embedded),
            "subprocess" => Ok(ModeAsked::Subprocess),
            "auto" => Ok(ModeAsked::Auto),
            other => Err(format!("execution_mode {other:?} is unknown; use \"embedded\", \"subprocess\" or \"auto\"")),
        }
    }
}

/// What runs use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mode {
    /// Warm interpreters are kept and forked; else each run gets a fresh one.
    pub embedded: bool,
    pub reason: String,
}

/// Chooses, by what a warm interpreter says of itself.
pub(crate) fn choose(asked: ModeAsked, ready: &Ready) -> Mode {
    let hazards: Vec<&str> = ready.hazards.iter().map(|WireHazard { detail, .. }| detail.as_str()).collect();
    let subprocess = |reason: String| Mode { embedded: false, reason };
    match asked {
        ModeAsked::Subprocess => subprocess("asked for".into()),
        _ if !cfg!(target_os = "linux") => subprocess("forking a warm interpreter is safe on Linux only".into()),
        _ if !hazards.is_empty() => {
            subprocess(format!("a warm interpreter can't be forked safely: {}", hazards.join("; ")))
        }
        ModeAsked::Embedded => Mode { embedded: true, reason: "asked for".into() },
        ModeAsked::Auto => Mode { embedded: true, reason: "nothing found that makes forking unsafe".into() },
    }
}
