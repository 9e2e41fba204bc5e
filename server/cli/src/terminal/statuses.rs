//! How the reports of a test are shown: with pytest's letter and word for its outcome, or as hooks of the project and of
//! plugins decide.

use pytest_lens_protocol::{Phase, TestOutcome};

use super::outcome_words::{paint, word};
use crate::results::report;
use crate::style::{Paint, Style};

/// How one report is shown.
pub(crate) struct Status<'o> {
    /// By which it is counted and listed.
    pub category: &'o str,
    pub letter: &'o str,
    pub word: &'o str,
    /// The phase, if the status is not the usual one.
    pub phase: Option<Phase>,
    pub subtest: Option<usize>,
    /// Follows the word.
    pub reason: Option<&'o str>,
    look: Look<'o>,
}

enum Look<'o> {
    Paint(Paint),
    Markup(&'o [String]),
}

impl Status<'_> {
    /// Whether it is not shown when the report comes.
    pub(crate) fn is_hidden(&self) -> bool {
        self.letter.is_empty() && self.word.is_empty()
    }

    /// Adds the colors of the status to its letter or word.
    pub(crate) fn paint(&self, text: &str, style: Style) -> String {
        match self.look {
            Look::Paint(paint) => style.paint(paint, text),
            Look::Markup(names) => style.mark_up(names, text),
        }
    }
}

/// The statuses of a test's reports that are shown, in order; without the usual ones of its subtests.
pub(crate) fn statuses(outcome: &TestOutcome) -> Vec<Status<'_>> {
    if outcome.will_rerun {
        return vec![Status { category: "rerun", letter: "R", word: "RERUN", ..usual("rerun", None) }];
    }
    if let Some(known) = &outcome.statuses {
        return known
            .iter()
            .map(|status| Status {
                category: &status.category,
                letter: &status.letter,
                word: &status.word,
                phase: Some(status.phase),
                subtest: status.subtest,
                reason: status.reason.as_deref(),
                look: Look::Markup(&status.markup),
            })
            .collect();
    }
    let reason = outcome
        .message
        .as_deref()
        .filter(|_| matches!(&*outcome.outcome, "skipped" | "xfailed" | "xpassed" | "not_run"));
    let before = outcome.before_teardown.as_deref().map(|before| usual(before, None));
    before.into_iter().chain([usual(&outcome.outcome, reason)]).collect()
}

/// pytest's own status of an outcome.
fn usual<'o>(outcome: &'o str, reason: Option<&'o str>) -> Status<'o> {
    let letter = match outcome {
        "passed" => ".",
        "failed" | "timed_out" | "crashed" => "F",
        "error" => "E",
        "skipped" => "s",
        "xfailed" => "x",
        "xpassed" => "X",
        _ => "",
    };
    Status {
        category: outcome,
        letter,
        word: word(outcome),
        phase: None,
        subtest: None,
        reason,
        look: Look::Paint(paint(outcome)),
    }
}

/// Whether the subtest of this index has a status of its own.
pub(crate) fn is_of_subtest(outcome: &TestOutcome, index: usize) -> bool {
    outcome.statuses.iter().flatten().any(|status| status.subtest == Some(index))
}

/// Whether hooks hide all reports of the test while it runs.
pub(crate) fn is_hidden(outcome: &TestOutcome) -> bool {
    outcome.statuses.as_ref().is_some_and(|statuses| statuses.iter().all(report::is_hidden))
}

/// Whether pytest counts and lists the test in this category.
pub(crate) fn is_in(outcome: &TestOutcome, category: &str) -> bool {
    statuses(outcome).iter().any(|status| status.category == category)
}
