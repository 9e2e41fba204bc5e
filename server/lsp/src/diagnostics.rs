//! Diagnostics of a file: failures, collection errors and flaky tests, at their lines of the live buffer.

use std::path::Path;

use lsp_types::{
    Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, NumberOrString, PublishDiagnosticsParams, Range,
};
use pytest_lens_protocol::Hint;

use crate::findings::{Finding, Step};
use crate::live::{Live, from_wire, whole_line};
use crate::paths::{uri, uri_text};
use crate::state::State;

/// The `source` of all our diagnostics.
const SOURCE: &str = "pytest-lens";

impl State {
    /// What to publish for a file now; empty where all is well.
    pub(crate) fn diagnostics(&self, path: &Path) -> PublishDiagnosticsParams {
        let document = self.documents.get(path);
        let mut diagnostics = Vec::new();
        if let Some(workspace) = self.workspace_of(path) {
            let live = self.live(workspace);
            diagnostics.extend(live.failures(path, self.features.related));
            if let Some(file) = workspace.relative(path) {
                let flaky = workspace.view.hints_within(&file).filter(|hint| hint.is_flaky);
                diagnostics.extend(flaky.filter_map(|hint| live.flaky(hint)));
            }
        }
        // In an order of their own, so that the same picture is the same message.
        diagnostics.sort_by(|a, b| (a.range.start, &a.message).cmp(&(b.range.start, &b.message)));
        let text = document.map_or_else(|| uri_text(path), |document| document.uri.clone());
        PublishDiagnosticsParams { uri: uri(&text), diagnostics, version: document.map(|document| document.version) }
    }
}

impl Live<'_> {
    /// What is shown of a file's findings.
    fn failures(&self, path: &Path, related: bool) -> Vec<Diagnostic> {
        let shown = self.workspace.findings.of(path).iter();
        let placed = shown.filter_map(|finding| Some((self.place_of(path, finding)?, finding)));
        placed.map(|(range, finding)| self.diagnostic(range, finding, related)).collect()
    }

    /// Where a finding is now; `None` where what it speaks of is gone.
    fn place_of(&self, path: &Path, finding: &Finding) -> Option<Range> {
        match (&finding.line, finding.test.as_deref()) {
            (Some(line), Some(test)) => Some(self.range(path, self.line_of(test, path, line)?)),
            (Some(line), None) => Some(self.range_of(path, line)),
            (None, None) => Some(whole_line(0)),
            (None, Some(test)) => self.definition(test).or_else(|| (!self.is_gone(test)).then(|| whole_line(0))),
        }
    }

    fn diagnostic(&self, range: Range, finding: &Finding, related: bool) -> Diagnostic {
        let way = finding.related.iter().filter(|_| related).map(|step| self.step(finding, step));
        let way: Vec<DiagnosticRelatedInformation> = way.collect();
        Diagnostic {
            range,
            severity: Some(finding.severity),
            code: Some(NumberOrString::String(finding.code.clone())),
            source: Some(SOURCE.into()),
            message: finding.message.clone(),
            related_information: (!way.is_empty()).then_some(way),
            ..Diagnostic::default()
        }
    }

    fn step(&self, finding: &Finding, step: &Step) -> DiagnosticRelatedInformation {
        let inside = finding.test.as_deref().and_then(|test| self.line_of(test, &step.path, &step.line));
        let range = inside.map_or_else(|| self.range_of(&step.path, &step.line), |line| self.range(&step.path, line));
        let location = lsp_types::Location { uri: uri(&self.uri_of(&step.path)), range };
        DiagnosticRelatedInformation { location, message: step.message.clone() }
    }

    /// Where a test is defined now, as far as that is known.
    fn definition(&self, id: &str) -> Option<Range> {
        let told = || Some(from_wire(self.item(self.workspace.view.item(id)?).range?));
        let range = self.name_range(id).or_else(told)?;
        Some(if range.start == range.end { whole_line(range.start.line) } else { range })
    }

    fn flaky(&self, hint: &Hint) -> Option<Diagnostic> {
        let range = self.definition(&hint.id)?;
        let name = hint.id.rsplit("::").next().unwrap_or(&hint.id);
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
