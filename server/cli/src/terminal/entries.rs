//! The entries of a test in pytest's sections ERRORS and FAILURES: one for each of its failed reports, with the captured
//! output that pytest prints below it.

use pytest_lens_protocol::{FailedReport, NodeId, Phase, TestOutcome};

use super::statuses::{Status, statuses};
use crate::results::report::is_failure;

/// A failed report of a test.
pub(super) struct Entry<'o> {
    pub outcome: &'o TestOutcome,
    pub title: String,
    /// The phase that failed, if it is known.
    pub phase: Option<Phase>,
    /// The index of the subtest that it is about.
    pub subtest: Option<usize>,
    pub message: Option<&'o str>,
    pub longrepr: Option<&'o str>,
    /// pytest lists it as an error of the set-up or the teardown.
    pub is_error: bool,
    /// How a hook has it shown.
    pub status: Option<Status<'o>>,
}

/// A part of a test's captured output, with its heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section<'o> {
    pub name: String,
    pub text: &'o str,
    phase: Option<Phase>,
    subtest: Option<usize>,
    /// A hook added it; the text of a failure contains such sections.
    is_added: bool,
}

impl Section<'_> {
    /// Whether `--show-capture` names its stream, as pytest looks for it.
    pub(super) fn is_wanted(&self, shown: Option<&str>) -> bool {
        shown.is_none_or(|shown| shown == "all" || self.name.contains(shown))
    }

    pub(super) fn is_of_teardown(&self) -> bool {
        self.phase == Some(Phase::Teardown)
    }
}

/// The entries of a failed test, or of one that hooks have pytest list as a failure, in the order of pytest's reports.
pub(super) fn entries(outcome: &TestOutcome) -> Vec<Entry<'_>> {
    if outcome.statuses.is_none() {
        return usual_entries(outcome);
    }
    let mut usual = if is_failure(&outcome.outcome) { usual_entries(outcome) } else { Vec::new() };
    let mut found = Vec::new();
    // The last execution of a test comes last.
    for status in statuses(outcome).into_iter().rev() {
        let is_same = |entry: &Entry<'_>| entry.phase == status.phase && entry.subtest == status.subtest;
        let known = usual.iter().position(is_same).map(|at| usual.remove(at));
        if matches!(status.category, "failed" | "error") {
            found.push(shown_so(known.unwrap_or_else(|| without_reason(outcome, &status)), status));
        }
    }
    found.reverse();
    found
}

/// The entry of a report that did not fail.
fn without_reason<'o>(outcome: &'o TestOutcome, status: &Status<'o>) -> Entry<'o> {
    Entry {
        outcome,
        title: NodeId::new(&outcome.id).dotted(),
        phase: status.phase,
        subtest: status.subtest,
        message: None,
        longrepr: Some(""),
        is_error: false,
        status: None,
    }
}

fn shown_so<'o>(entry: Entry<'o>, status: Status<'o>) -> Entry<'o> {
    let is_error = status.category == "error";
    let title = match (is_error, entry.is_error, status.phase) {
        (true, false, Some(phase)) => format!("ERROR at {phase} of {}", entry.title),
        (false, true, Some(phase)) => {
            entry.title.strip_prefix(&format!("ERROR at {phase} of ")).unwrap_or(&entry.title).to_owned()
        }
        _ => entry.title,
    };
    Entry { title, is_error, status: Some(status), ..entry }
}

fn usual_entries(outcome: &TestOutcome) -> Vec<Entry<'_>> {
    if outcome.failed_reports.is_empty() {
        return vec![only_entry(outcome)];
    }
    outcome.failed_reports.iter().map(|report| entry(outcome, report)).collect()
}

fn entry<'o>(outcome: &'o TestOutcome, report: &'o FailedReport) -> Entry<'o> {
    let is_error = report.phase != Phase::Call;
    let title = if is_error { format!("ERROR at {} of {}", report.phase, report.title) } else { report.title.clone() };
    Entry {
        outcome,
        title,
        phase: Some(report.phase),
        subtest: report.subtest,
        message: report.message.as_deref(),
        longrepr: Some(&report.longrepr),
        is_error,
        status: None,
    }
}

fn only_entry(outcome: &TestOutcome) -> Entry<'_> {
    let name = NodeId::new(&outcome.id).dotted();
    let title = match (&*outcome.outcome, &outcome.phase) {
        ("error", Some(phase)) if *phase != Phase::Call => format!("ERROR at {phase} of {name}"),
        ("error", _) => format!("ERROR in {name}"),
        ("failed", _) => name,
        (other, _) => format!("{name}: {}", other.replace('_', " ")),
    };
    Entry {
        outcome,
        title,
        phase: outcome.phase,
        subtest: None,
        message: outcome.message.as_deref(),
        longrepr: outcome.longrepr.as_deref(),
        is_error: outcome.outcome == "error",
        status: None,
    }
}

impl<'o> Entry<'o> {
    /// The captured output below it.
    pub(super) fn sections(&self) -> Vec<Section<'o>> {
        let mut sections = sections(self.outcome);
        sections.retain(|section| !section.is_added && self.has(section));
        // Those of a subtest come before those of its test's teardown.
        sections.sort_by_key(|section| section.is_of_teardown());
        sections
    }

    fn has(&self, section: &Section<'_>) -> bool {
        if section.subtest.is_some() {
            return section.subtest == self.subtest;
        }
        // The output of a teardown that failed is below its own entry.
        let other_fails_in_teardown = || {
            let mut reports = self.outcome.failed_reports.iter();
            reports.any(|report| report.phase == Phase::Teardown) && self.phase != Some(Phase::Teardown)
        };
        match section.phase {
            Some(Phase::Setup) | None => true,
            Some(Phase::Call) => self.phase != Some(Phase::Setup) && self.subtest.is_none(),
            Some(Phase::Teardown) => self.phase != Some(Phase::Setup) && !other_fails_in_teardown(),
        }
    }
}

/// The captured output of a test, in pytest's order.
pub(super) fn sections(outcome: &TestOutcome) -> Vec<Section<'_>> {
    let streams = [("stdout", &outcome.stdout), ("stderr", &outcome.stderr), ("log", &outcome.log)];
    let mut left = streams.map(|(name, text)| (name, text.as_deref().unwrap_or_default()));
    let mut found = Vec::new();
    for known in &outcome.sections {
        if let Some(text) = &known.text {
            let phase = if known.name.contains("teardown") { Phase::Teardown } else { Phase::Call };
            let (name, phase) = (known.name.clone(), Some(phase));
            found.push(Section { name, text, phase, subtest: known.subtest, is_added: true });
            continue;
        }
        let mut words = known.name.split(' ').skip(1);
        let (stream, phase) = (words.next(), words.next());
        let Some((_, text)) = left.iter_mut().find(|(name, _)| stream == Some(*name)) else { continue };
        let end = text.char_indices().nth(known.length).map_or(text.len(), |(at, _)| at);
        let (own, rest) = text.split_at(end);
        *text = rest;
        let phase = match phase {
            Some("setup") => Some(Phase::Setup),
            Some("call") => Some(Phase::Call),
            Some("teardown") => Some(Phase::Teardown),
            _ => None,
        };
        found.push(Section { name: known.name.clone(), text: own, phase, subtest: known.subtest, is_added: false });
    }
    // Nobody knows the phases of output that was read from a file, because the test's process had died.
    let unknown = left.into_iter().filter(|(_, text)| !text.is_empty());
    found.extend(unknown.map(|(name, text)| Section {
        name: format!("Captured {name}"),
        text,
        phase: None,
        subtest: None,
        is_added: false,
    }));
    found
}

#[cfg(test)]
mod tests {
    use pytest_lens_protocol::OutputSection;

    use super::*;

    fn section(name: &str, length: usize, subtest: Option<usize>) -> OutputSection {
        OutputSection { name: name.into(), length, subtest, text: None }
    }

    fn report(phase: Phase, title: &str, subtest: Option<usize>) -> FailedReport {
        FailedReport { title: title.into(), phase, subtest, message: None, longrepr: String::new() }
    }

    fn shown(entry: &Entry<'_>) -> Vec<(String, String)> {
        entry.sections().into_iter().map(|section| (section.name, section.text.to_owned())).collect()
    }

    #[test]
    fn output_is_below_the_report_of_its_phase() {
        let outcome = TestOutcome {
            id: "t.py::T::t".into(),
            outcome: "error".into(),
            stdout: Some("sü\ncall\nsub\ntear\n".into()),
            sections: vec![
                section("Captured stdout setup", 3, None),
                section("Captured stdout call", 5, None),
                section("Captured stdout call", 4, Some(0)),
                section("Captured stdout teardown", 5, None),
            ],
            failed_reports: vec![
                report(Phase::Call, "T.t [i=1]", Some(0)),
                report(Phase::Call, "T.t", None),
                report(Phase::Teardown, "T.t", None),
            ],
            ..TestOutcome::default()
        };
        let entries = entries(&outcome);
        let titles: Vec<_> = entries.iter().map(|entry| (&*entry.title, entry.is_error)).collect();
        assert_eq!(titles, [("T.t [i=1]", false), ("T.t", false), ("ERROR at teardown of T.t", true)]);
        let part = |name: &str, text: &str| (format!("Captured stdout {name}"), text.to_owned());
        assert_eq!(shown(&entries[0]), [part("setup", "sü\n"), part("call", "sub\n")]);
        assert_eq!(shown(&entries[1]), [part("setup", "sü\n"), part("call", "call\n")]);
        let whole = [part("setup", "sü\n"), part("call", "call\n"), part("teardown", "tear\n")];
        assert_eq!(shown(&entries[2]), whole);
    }

    #[test]
    fn output_of_which_no_phase_is_known_has_the_name_of_its_stream() {
        let outcome = TestOutcome {
            id: "t.py::t".into(),
            outcome: "crashed".into(),
            stderr: Some("in setup\nthen stacks\n".into()),
            sections: vec![section("Captured stderr setup", 9, None)],
            ..TestOutcome::default()
        };
        let found: Vec<_> = sections(&outcome).into_iter().map(|section| (section.name, section.text)).collect();
        let expected = [("Captured stderr setup", "in setup\n"), ("Captured stderr", "then stacks\n")];
        assert_eq!(found, expected.map(|(name, text)| (name.to_owned(), text)));
    }
}
