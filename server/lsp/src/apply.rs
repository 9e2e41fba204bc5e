//! Takes the engine's events into a folder's view, and says what the client is to hear of them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use lsp_types::{DiagnosticRelatedInformation, DiagnosticSeverity, MessageType};
use pytest_lens_protocol::{CollectError, EventPayload, Location, RunEndStatus, RunStart, TestOutcome, TestOutcomes};

use crate::findings::Finding;
use crate::live::{Live, from_wire};
use crate::outcome::is_failure;
use crate::paths::uri;
use crate::progress::{run_begins, run_ends, run_moves};
use crate::publisher::Outgoing;
use crate::state::State;
use crate::telling::tell;

impl State {
    /// Takes in one event of a folder; returns what is to be told, in order.
    pub(crate) fn apply_event(&mut self, folder: &str, payload: &EventPayload) -> Vec<Outgoing> {
        let State { documents, workspaces, encoding, cancels, features, .. } = self;
        let encoding = *encoding;
        let Some(workspace) = workspaces.iter_mut().find(|workspace| workspace.uri == folder) else {
            return Vec::new();
        };
        let mut out = Vec::new();
        if let EventPayload::RunStarted(run) = payload {
            let marks = documents.iter().map(|(path, document)| (path.clone(), document.log.saved())).collect();
            workspace.marks.insert(run.run_id.clone(), marks);
        }
        let touched = workspace.view.apply(payload);
        let mut files: BTreeSet<PathBuf> = touched.tests.iter().map(|id| workspace.file_of(id)).collect();
        for id in &touched.gone {
            files.extend(workspace.findings.clear_test(id));
        }
        if let EventPayload::TestOutcome(outcomes) = payload {
            for outcome in outcomes.outcomes.iter().filter(|outcome| !outcome.will_rerun) {
                let live = Live { documents, workspace, encoding };
                let found = live.failure(&outcomes.run_id, outcome);
                files.extend(match found {
                    Some((path, finding)) => workspace.findings.set_test(&outcome.id, path, finding),
                    None if outcome.outcome == "not_run" => BTreeSet::new(),
                    None => workspace.findings.clear_test(&outcome.id),
                });
            }
        }
        if let EventPayload::Inventory(delta) = payload {
            let live = Live { documents, workspace, encoding };
            let errors = delta.errors.iter().filter_map(|error| live.collection_error(error)).collect();
            files.extend(workspace.findings.set_errors(errors));
            files.extend(documents.keys().filter(|path| path.starts_with(&workspace.root)).cloned());
        }
        out.extend(tell(features, documents, workspace, encoding, payload));
        match payload {
            EventPayload::RunStarted(RunStart { run_id, total, .. }) => {
                out.extend(run_begins(cancels, run_id, *total));
            }
            EventPayload::TestOutcome(TestOutcomes { run_id, .. }) => {
                out.extend(workspace.view.runs().get(run_id).map(|run| run_moves(run_id, run)));
            }
            EventPayload::RunFinished(run) => {
                workspace.marks.remove(&run.run_id);
                if let Some(iterator_id) = &run.debug_data {
                    workspace.has_measured(&run.run_id, iterator_id);
                }
                out.extend(run_ends(cancels, run));
                let fault = run.message.clone().filter(|_| run.status == RunEndStatus::InternalError);
                out.extend(fault.map(|text| Outgoing::Message { kind: MessageType::ERROR, text }));
                self.trim_logs();
            }
            EventPayload::Inventory(_) => self.read_confirmed_documents(folder),
            _ => {}
        }
        if !files.is_empty() {
            out.push(Outgoing::Changed { files });
        }
        out
    }

    /// Documents that only pytest knows to be test files are read for tests from now on.
    fn read_confirmed_documents(&mut self, folder: &str) {
        let Some(workspace) = self.workspace(folder) else { return };
        let news = self.documents.iter().filter(|(path, document)| {
            document.nodes().is_empty() && path.starts_with(&workspace.root) && workspace.holds_tests(path)
        });
        let news: Vec<PathBuf> = news.map(|(path, _)| path.clone()).collect();
        for path in news {
            self.refresh_document(&path);
        }
    }

    /// Forgets edits that no run will speak of any more.
    pub(crate) fn trim_logs(&mut self) {
        for (path, document) in &mut self.documents {
            let marks = self.workspaces.iter().flat_map(|workspace| workspace.marks.values());
            let oldest = marks.filter_map(|marks| marks.get(path)).min().copied();
            document.log.trim(oldest.unwrap_or(usize::MAX));
        }
    }
}

impl Live<'_> {
    /// A failed test at its line; `None` for one that did not fail.
    fn failure(&self, run: &str, outcome: &TestOutcome) -> Option<(PathBuf, Finding)> {
        if !is_failure(&outcome.outcome) {
            return None;
        }
        // A line of someone else's code is no place for a diagnostic: nobody would see it.
        let ours = |location: &Location| {
            let path = self.workspace.local_path(&location.uri)?;
            let inside = path.starts_with(&self.workspace.root)
                && path.components().all(|part| part.as_os_str() != "site-packages");
            inside.then_some((path, location.range.start.line))
        };
        let innermost = || outcome.frames.iter().rev().find_map(|frame| ours(&frame.location));
        let place = outcome.location.as_ref().and_then(ours).or_else(innermost);
        let (path, line) = match place {
            Some((path, line)) => {
                let line = self.line(run, &path, line);
                (path, Some(line))
            }
            None => (self.workspace.file_of(&outcome.id), None),
        };
        // A traceback of one frame says nothing that the diagnostic's own place does not.
        let told = outcome.frames.iter().filter(|_| outcome.frames.len() > 1);
        let frames = told.map(|frame| {
            let location = self.location(run, &frame.location);
            let text = frame.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
            DiagnosticRelatedInformation {
                location: lsp_types::Location { uri: uri(&location.uri), range: from_wire(location.range) },
                message: text.map_or_else(|| frame.name.clone(), |text| format!("{}: {text}", frame.name)),
            }
        });
        let finding = Finding {
            test: Some(outcome.id.clone()),
            line,
            message: message(outcome),
            code: outcome.outcome.clone(),
            severity: DiagnosticSeverity::ERROR,
            related: frames.collect(),
        };
        Some((path, finding))
    }

    fn collection_error(&self, error: &CollectError) -> Option<(PathBuf, Finding)> {
        let path = self.workspace.local_path(&error.uri)?;
        let line = self.line("", &path, error.range.start.line);
        let finding = Finding {
            test: None,
            line: Some(line),
            message: error.message.clone(),
            code: "collection_error".into(),
            severity: DiagnosticSeverity::ERROR,
            related: Vec::new(),
        };
        Some((path, finding))
    }
}

/// What a diagnostic says: several cases share a line, so each names itself.
fn message(outcome: &TestOutcome) -> String {
    let text = outcome.message.clone().unwrap_or_else(|| format!("the test ended as {}", outcome.outcome));
    match outcome.id.split_once('[') {
        Some((_, case)) => format!("[{case} {text}"),
        None => text,
    }
}
