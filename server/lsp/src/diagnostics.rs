//! Diagnostics of a file: failures, collection errors and flaky tests, at their lines of the live buffer.

use std::path::Path;

use lsp_types::{Diagnostic, DiagnosticSeverity, NumberOrString, Position, PublishDiagnosticsParams, Range};
use pytest_lens_protocol::Hint;

use crate::findings::Finding;
use crate::live::{Live, from_wire};
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
            let live = Live { documents: &self.documents, workspace, encoding: self.encoding };
            let related = self.features.related;
            let failures = workspace.findings.of(path).iter().map(|finding| live.diagnostic(path, finding, related));
            diagnostics.extend(failures);
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
    fn diagnostic(&self, path: &Path, finding: &Finding, related: bool) -> Diagnostic {
        let range = match (finding.line, self.documents.get(path)) {
            (Some(line), Some(document)) => self.encoding.line(&document.text, line.live),
            (Some(line), None) => whole_line(line.disk),
            (None, _) => finding.test.as_deref().and_then(|id| self.definition(id)).unwrap_or_else(|| whole_line(0)),
        };
        Diagnostic {
            range,
            severity: Some(finding.severity),
            code: Some(NumberOrString::String(finding.code.clone())),
            source: Some(SOURCE.into()),
            message: finding.message.clone(),
            related_information: (related && !finding.related.is_empty()).then(|| finding.related.clone()),
            ..Diagnostic::default()
        }
    }

    /// Where a test is defined, as far as that is known.
    fn definition(&self, id: &str) -> Option<Range> {
        let stored = || Some(from_wire(self.workspace.view.item(id)?.range?));
        let range = self.name_range(id).or_else(stored)?;
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

/// A line of a file whose text is not at hand.
fn whole_line(line: u32) -> Range {
    Range { start: Position { line, character: 0 }, end: Position { line: line.saturating_add(1), character: 0 } }
}
