//! A recorded run: one that has ended, with the outcome of every attempt in it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use pytest_lens_plan::outcome::Outcome;
pub use pytest_lens_protocol::Source;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// Identifies a run across processes: a run is recorded once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub(crate) [u8; 16]);

impl Uid {
    /// The id of a new run, unlike any other.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
        let parts = (now, std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed), std::thread::current().id());
        Self::of_content(format!("{parts:?}").as_bytes())
    }

    /// The id of a run from a report, by the report's content.
    #[must_use]
    pub fn of_content(content: &[u8]) -> Self {
        let mut uid = [0; 16];
        uid.copy_from_slice(&Sha256::digest(content)[..16]);
        Uid(uid)
    }

    /// As [`Uid::of_content`], by the content's SHA-256 in hexadecimal digits; `None` if it is something else.
    #[must_use]
    pub fn of_hash(hash: &str) -> Option<Self> {
        if hash.len() != 64 || !hash.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let byte = |at: usize| u8::from_str_radix(hash.get(2 * at..2 * at + 2)?, 16).ok();
        let mut uid = [0; 16];
        for (at, slot) in uid.iter_mut().enumerate() {
            *slot = byte(at)?;
        }
        Some(Uid(uid))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Default for Uid {
    fn default() -> Self {
        Self::new()
    }
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Id of the run.
    pub uid: Uid,
    /// The time of its beginning, in milliseconds since 1970: runs are ordered by it.
    pub started_ms: u64,
    /// The origin of the run.
    pub source: Source,
    /// The fingerprint of the code that it ran on ([`crate::Fingerprints`]); `None` if that is not certain.
    pub code: Option<Arc<str>>,
    /// Whether it comes from a report of another machine, which may have other code.
    pub is_imported: bool,
    /// Its outcomes in the order in which they came. `not_run` is left out of the history.
    pub attempts: Vec<Attempt>,
}

impl Run {
    /// A new run without outcomes, begun now.
    #[must_use]
    pub fn new(source: Source, code: Option<Arc<str>>) -> Self {
        Run { code, ..Run::begun(source, now_ms()) }
    }

    /// A new run without outcomes, begun at this Unix time in milliseconds.
    #[must_use]
    pub fn begun(source: Source, started_ms: u64) -> Self {
        Run { uid: Uid::new(), started_ms, source, code: None, is_imported: false, attempts: Vec::new() }
    }
}

/// One attempt of one test.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Node id.
    pub id: Arc<str>,
    /// How the attempt ended.
    pub outcome: Outcome,
    /// The number of the attempt within the run, from 1. No two attempts of a test within a run have the same number.
    pub attempt: u32,
    /// Duration in milliseconds.
    pub duration_ms: f64,
    /// The failure, if known. Only the last of each test is kept.
    pub failure: Option<Arc<Failure>>,
}

impl Attempt {
    /// The duration as it is kept: whole microseconds, at most 71 minutes.
    pub(crate) fn duration_us(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` cuts off at the limits")]
        let us = (self.duration_ms * 1000.0).round() as u32;
        us
    }

    /// The number of the attempt as it is kept.
    pub(crate) fn number(&self) -> u16 {
        u16::try_from(self.attempt).unwrap_or(u16::MAX)
    }
}

/// The Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// An outcome's number in the file. These never change their meaning.
pub(crate) fn code_of(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Passed => 0,
        Outcome::Failed => 1,
        Outcome::Skipped => 2,
        Outcome::Error => 3,
        Outcome::XFailed => 4,
        Outcome::XPassed => 5,
        Outcome::TimedOut => 6,
        Outcome::Crashed => 7,
        Outcome::NotRun => 8,
    }
}

/// The outcome of a number in the file.
pub(crate) fn outcome_of(code: i64) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|outcome| i64::from(code_of(*outcome)) == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_outcomes_are_their_own() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome_of(i64::from(code_of(outcome))), Some(outcome));
        }
        assert_eq!((outcome_of(9), outcome_of(-1)), (None, None));
    }

    #[test]
    fn a_service_says_so_in_ci() {
        let of = |value| Source::of_command(value).as_str();
        let told = [None, Some(""), Some("0"), Some("False"), Some("true"), Some("1"), Some("woodpecker")].map(of);
        assert_eq!(told, ["cli", "cli", "cli", "cli", "ci", "ci", "ci"]);
    }

    #[test]
    fn a_report_is_known_by_its_hash() {
        let uid = Uid::of_content(b"report");
        let hash: String = Sha256::digest(b"report").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(Uid::of_hash(&hash), Some(uid));
        assert_eq!(Uid::of_hash(&hash.to_uppercase()), Some(uid));
        assert_eq!(uid.to_string(), hash[..32]);
        for other in ["", &hash[1..], &format!("{hash}0"), &hash.replace(&hash[..1], "g"), &"é".repeat(32)] {
            assert_eq!(Uid::of_hash(other), None, "{other}");
        }
    }

    #[test]
    fn a_run_begins_now() {
        let (before, run) = (SystemTime::now(), Run::new(Source::Agent, Some("code".into())));
        let began = UNIX_EPOCH + std::time::Duration::from_millis(run.started_ms + 1);
        assert!(before < began && began <= SystemTime::now() + std::time::Duration::from_millis(1));
        assert_eq!((run.source, run.code.as_deref(), run.attempts.len()), (Source::Agent, Some("code"), 0));
        assert_ne!(run.uid, Uid::default());
    }

    #[test]
    fn large_numbers_of_an_attempt_are_cut_off() {
        let of = |duration_ms, attempt| {
            let attempt = Attempt { id: "t".into(), outcome: Outcome::Passed, attempt, duration_ms, failure: None };
            (attempt.duration_us(), attempt.number())
        };
        assert_eq!(of(1.2346, 2), (1235, 2));
        assert_eq!(of(f64::MAX, u32::MAX), (u32::MAX, u16::MAX));
        assert_eq!(of(-1.0, 0), (0, 0));
    }

    #[test]
    fn runs_are_told_apart() {
        assert_ne!(Uid::new(), Uid::new());
        assert_eq!(Uid::of_content(b"a"), Uid::of_content(b"a"));
        assert_ne!(Uid::of_content(b"a"), Uid::of_content(b"b"));
    }
}
