//! The exit statuses with which the sessions of a run ended: hooks may decide another than that of the outcomes.

use crate::processes::process::ExitStatus;

/// The end of one session, as its process reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionEnd {
    /// pytest's exit status.
    pub status: i32,
    /// The exit status by the outcomes of the session's tests.
    pub expected: i32,
    /// A plugin's message about the session, or the exception of a hook.
    pub message: Option<String>,
}

impl SessionEnd {
    /// The end of a session whose process ended before it reported one.
    pub(crate) fn broken_off(exit: Option<&ExitStatus>) -> Self {
        let exit = exit.cloned().unwrap_or_default();
        let message = format!("pytest's session was broken off after its tests: its process {exit}; look at its hooks");
        SessionEnd { status: exit.code.unwrap_or(1), expected: 0, message: Some(message) }
    }
}

/// The decision of hooks on a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The exit status of the run.
    pub status: i32,
    pub message: String,
}

/// The decision of the hooks; `None` if the outcomes decide. A failure that a hook decided in one session counts for the
/// run; a success counts only if no session failed.
pub(crate) fn decision(ends: &[SessionEnd]) -> Option<Decision> {
    let decided = || ends.iter().filter(|end| end.status != end.expected);
    let failed = decided().find(|end| end.status != 0);
    let succeeded = || decided().next().filter(|_| ends.iter().all(|end| end.status == 0));
    let end = failed.or_else(succeeded)?;
    let unnamed = || format!("a hook of a conftest or plugin ended pytest with status {}", end.status);
    Some(Decision { status: end.status, message: end.message.clone().unwrap_or_else(unnamed) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(ends: &[(i32, i32)]) -> Option<i32> {
        let end = |&(expected, status)| SessionEnd { status, expected, message: None };
        decision(&ends.iter().map(end).collect::<Vec<_>>()).map(|decision| decision.status)
    }

    #[test]
    fn the_outcomes_decide_if_no_hook_does() {
        assert_eq!(status(&[]), None);
        assert_eq!(status(&[(0, 0), (1, 1), (5, 5)]), None);
    }

    #[test]
    fn a_failure_that_one_hook_decides_counts_for_all() {
        assert_eq!(status(&[(0, 11)]), Some(11));
        assert_eq!(status(&[(0, 0), (1, 1), (0, 7), (1, 0)]), Some(7));
    }

    #[test]
    fn a_success_counts_only_if_no_session_failed() {
        assert_eq!(status(&[(5, 0)]), Some(0));
        assert_eq!(status(&[(1, 0), (0, 0)]), Some(0));
        assert_eq!(status(&[(1, 0), (1, 1)]), None);
    }

    #[test]
    fn a_plugins_own_words_are_preferred() {
        let end = SessionEnd { status: 1, expected: 0, message: Some("FAIL too little".to_owned()) };
        assert_eq!(decision(&[end]).unwrap().message, "FAIL too little");
    }
}
