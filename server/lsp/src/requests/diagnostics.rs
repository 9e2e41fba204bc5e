//! The diagnostics of a file: failures, collection errors and flaky tests, at their lines of the live text.

use std::collections::BTreeMap;
use std::path::Path;

use lsp_types::{
    Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, NumberOrString, PublishDiagnosticsParams, Range,
};
use pytest_lens_analysis::FileProblem;
use pytest_lens_protocol::{Hint, NodeId};

use crate::paths::{uri, uri_text};
use crate::session::state::State;
use crate::workspaces::findings::{Finding, Step};
use crate::workspaces::positions::{Positions, from_wire, whole_line};

/// The most tests of one problem that its message names.
const FEW: usize = 5;

/// The most tests of one problem in the related information.
const NAMED: usize = 100;

/// The `source` of all our diagnostics.
const SOURCE: &str = "pytest-lens";

impl State {
    /// The diagnostics to publish for a file now; empty if it has none.
    pub(crate) fn diagnostics(&self, path: &Path) -> PublishDiagnosticsParams {
        let document = self.documents.get(path);
        let mut diagnostics = Vec::new();
        if let Some(workspace) = self.workspace_of(path) {
            let positions = self.positions(workspace);
            diagnostics.extend(positions.failures(path, self.features.related));
            diagnostics.extend(workspace.settings_problems(path).map(settings_problem));
            if let Some(file) = workspace.relative(path) {
                let flaky = workspace.view.hints_within(&file).filter(|hint| hint.is_flaky);
                diagnostics.extend(flaky.filter_map(|hint| positions.flaky(hint)));
            }
        }
        // Sorted, so that equal diagnostics are equal messages.
        diagnostics.sort_by(|a, b| (a.range.start, &a.message).cmp(&(b.range.start, &b.message)));
        let text = document.map_or_else(|| uri_text(path), |document| document.uri.clone());
        PublishDiagnosticsParams { uri: uri(&text), diagnostics, version: document.map(|document| document.version) }
    }
}

impl Positions<'_> {
    /// Converts a file's findings. Tests that failed at one line for one reason, as with a broken fixture, are one
    /// problem.
    fn failures(&self, path: &Path, related: bool) -> Vec<Diagnostic> {
        let mut problems: BTreeMap<_, (Range, Vec<&Finding>)> = BTreeMap::new();
        for finding in self.workspace.findings.of(path) {
            let Some(range) = self.place_of(path, finding) else { continue };
            let key = (range.start.line, range.start.character, &finding.code, &finding.message);
            problems.entry(key).or_insert_with(|| (range, Vec::new())).1.push(finding);
        }
        problems.into_values().map(|(range, findings)| self.diagnostic(path, range, &findings, related)).collect()
    }

    /// The present range of a finding; `None` if its line or test is gone.
    fn place_of(&self, path: &Path, finding: &Finding) -> Option<Range> {
        match (&finding.line, finding.test.as_deref()) {
            (Some(line), Some(test)) => Some(self.range(path, self.line_of(test, path, line)?)),
            (Some(line), None) => Some(self.range_of(path, line)),
            (None, None) => Some(whole_line(0)),
            (None, Some(test)) => self.definition(test).or_else(|| (!self.is_gone(test)).then(|| whole_line(0))),
        }
    }

    fn diagnostic(&self, path: &Path, range: Range, findings: &[&Finding], related: bool) -> Diagnostic {
        let tests: Vec<&str> = findings.iter().filter_map(|finding| finding.test.as_deref()).collect();
        let first = findings.first();
        let text = first.map(|finding| finding.message.clone()).unwrap_or_default();
        let elsewhere = |test: &&str| !self.is_within(test, path, range.start.line);
        let mut information = Vec::new();
        if related {
            information.extend(first.into_iter().flat_map(|f| f.related.iter().map(|step| self.step(f, step))));
            let is_told = |test: &str| first.is_some_and(|finding| self.goes_through(finding, test));
            let named = tests.iter().filter(|test| tests.len() > 1 || (elsewhere(test) && !is_told(test)));
            let named = named.take(NAMED);
            information.extend(named.filter_map(|test| self.broken(test)));
        }
        let message = match tests.as_slice() {
            [] => text,
            [test] => match NodeId::new(test).parameters() {
                // Several cases share a line, so each message names its case.
                Some(case) => format!("{case} {text}"),
                None if elsewhere(test) => format!("{text} (in {})", NodeId::new(test).name()),
                None => text,
            },
            several => {
                let named: Vec<&str> = several.iter().take(FEW).map(|test| NodeId::new(test).case_name()).collect();
                let more = if several.len() > FEW { ", …" } else { "" };
                format!("{text}\n{} tests: {}{more}", several.len(), named.join(", "))
            }
        };
        Diagnostic {
            range,
            severity: first.map(|finding| finding.severity),
            code: first.map(|finding| NumberOrString::String(finding.code.clone())),
            source: Some(SOURCE.into()),
            message,
            related_information: (!information.is_empty()).then_some(information),
            ..Diagnostic::default()
        }
    }

    /// Whether a line belongs to a test.
    fn is_within(&self, test: &str, path: &Path, line: u32) -> bool {
        if self.workspace.file_of(test) != path {
            return false;
        }
        // Unknown for a file whose text is not cached.
        self.node_of(test).is_none_or(|node| (node.full_span.start.line..=node.full_span.end.line).contains(&line))
    }

    /// Whether a failure's traceback passes through lines of a test.
    fn goes_through(&self, finding: &Finding, test: &str) -> bool {
        let lines = finding.related.iter().map(|step| (step, self.step(finding, step).location.range.start.line));
        lines.into_iter().any(|(step, line)| self.is_within(test, &step.path, line))
    }

    /// A test that fails because of an error elsewhere.
    fn broken(&self, test: &str) -> Option<DiagnosticRelatedInformation> {
        let range = self.definition(test)?;
        let location = lsp_types::Location { uri: uri(&self.uri_of(&self.workspace.file_of(test))), range };
        Some(DiagnosticRelatedInformation { location, message: NodeId::new(test).case_name().to_owned() })
    }

    fn step(&self, finding: &Finding, step: &Step) -> DiagnosticRelatedInformation {
        let inside = finding.test.as_deref().and_then(|test| self.line_of(test, &step.path, &step.line));
        let range = inside.map_or_else(|| self.range_of(&step.path, &step.line), |line| self.range(&step.path, line));
        let location = lsp_types::Location { uri: uri(&self.uri_of(&step.path)), range };
        DiagnosticRelatedInformation { location, message: step.message.clone() }
    }

    /// The present definition of a test, if known.
    fn definition(&self, id: &str) -> Option<Range> {
        let told = || Some(from_wire(self.item(self.workspace.view.item(id)?).range?));
        let range = self.name_range(id).or_else(told)?;
        Some(if range.start == range.end { whole_line(range.start.line) } else { range })
    }

    fn flaky(&self, hint: &Hint) -> Option<Diagnostic> {
        let range = self.definition(&hint.id)?;
        let name = NodeId::new(&hint.id).case_name();
        let message = format!(
            "{name} is flaky: it failed in {:.0} % of {} runs, with passes and failures on the same code",
            hint.failure_rate * 100.0,
            hint.total_runs
        );
        Some(Diagnostic {
            range,
            severity: Some(DiagnosticSeverity::HINT),
            code: Some(NumberOrString::String("flaky".into())),
            source: Some(SOURCE.into()),
            message,
            ..Diagnostic::default()
        })
    }
}

/// A problem with the settings in a folder's file, at its line.
fn settings_problem(problem: &FileProblem) -> Diagnostic {
    Diagnostic {
        range: whole_line(problem.line.map_or(0, |line| line.saturating_sub(1))),
        severity: Some(DiagnosticSeverity::WARNING),
        code: Some(NumberOrString::String("settings".into())),
        source: Some(SOURCE.into()),
        message: problem.message.clone(),
        ..Diagnostic::default()
    }
}
