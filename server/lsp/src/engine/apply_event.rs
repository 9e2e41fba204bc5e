//! Applies the engine's events to a folder's view, and collects the messages for the client.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_types::DiagnosticSeverity;
use pytest_lens_protocol::{
    CollectError, EventPayload, Location, NodeId, Output, OutputStream, RunStart, TestOutcome, TestOutcomes,
};

use crate::documents::disk::Disk;
use crate::documents::document::Documents;
use crate::documents::encoding::Encoding;
use crate::engine::progress::{run_finished, run_progressed, run_started};
use crate::engine::warnings;
use crate::paths::relative;
use crate::session::message::Outgoing;
use crate::session::narrow::events_for_client;
use crate::session::state::State;
use crate::workspaces::findings::{Finding, Step};
use crate::workspaces::outcome::{date, is_failure, words};
use crate::workspaces::positions::Positions;
use crate::workspaces::workspace::Workspace;

impl State {
    /// Applies one event to a folder; returns the messages for the client, in order.
    pub(crate) fn apply_event(&mut self, folder: &str, payload: &EventPayload) -> Vec<Outgoing> {
        let looked = self.read_files_of(folder, payload);
        let State { documents, disk, workspaces, encoding, cancels, features, .. } = self;
        let encoding = *encoding;
        let Some(workspace) = workspaces.iter_mut().find(|workspace| workspace.uri == folder) else {
            return Vec::new();
        };
        let mut out = Vec::new();
        let touched = workspace.view.apply(payload);
        let mut files = looked;
        files.extend(touched.tests.iter().map(|id| workspace.file_of(id)));
        for id in &touched.gone {
            files.extend(workspace.findings.clear_test(id));
        }
        if !touched.back.is_empty() {
            workspace.link.tests_returned.notify_one();
        }
        if let EventPayload::TestOutcome(outcomes) = payload {
            files.extend(workspace.take_failures(documents, disk, encoding, &outcomes.run_id, &outcomes.outcomes));
        }
        if let EventPayload::Inventory(delta) = payload {
            let positions = Positions { documents, disk, workspace, encoding };
            let errors = delta.errors.iter().filter_map(|error| positions.collection_error(error)).collect();
            files.extend(workspace.findings.set_errors(errors));
            files.extend(documents.keys().filter(|path| path.starts_with(&workspace.root)).cloned());
        }
        if let EventPayload::RunFinished(run) = payload
            && let Some(text) = warnings::summary(run, &workspace.root)
        {
            let output = Output { run_id: run.run_id.clone(), id: None, stream: OutputStream::Stdout, text };
            out.extend(events_for_client(
                features,
                documents,
                disk,
                workspace,
                encoding,
                &EventPayload::Output(output),
            ));
        }
        out.extend(events_for_client(features, documents, disk, workspace, encoding, payload));
        match payload {
            EventPayload::RunStarted(RunStart { run_id, total, .. }) => {
                out.extend(run_started(cancels, run_id, *total));
            }
            EventPayload::TestOutcome(TestOutcomes { run_id, .. }) => {
                out.extend(workspace.view.runs().get(run_id).map(|run| run_progressed(run_id, run)));
            }
            EventPayload::RunFinished(run) => {
                workspace.run_texts.remove(&run.run_id);
                if let Some(iterator_id) = &run.debug_data {
                    workspace.keep_measured(&run.run_id, iterator_id);
                }
                out.extend(run_finished(cancels, run, !features.opted_in));
                self.forget_sources();
            }
            EventPayload::Inventory(_) => self.read_confirmed_documents(folder),
            _ => {}
        }
        if let EventPayload::TestOutcome(told) = payload {
            files.extend(self.share_outcomes(folder, told));
        }
        if !files.is_empty() {
            out.push(Outgoing::Changed { files });
        }
        out
    }

    /// Applies outcomes to the folders around and within their own, in which the same tests have other ids: a document
    /// shows those of its innermost folder. The client gets them once, from the folder that ran them. Returns the files
    /// whose lenses or diagnostics changed.
    fn share_outcomes(&mut self, folder: &str, told: &TestOutcomes) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        let Some(own) = self.workspace(folder) else { return files };
        let theirs = |other: &Workspace| {
            let translated = told.outcomes.iter().filter_map(|outcome| {
                let file = relative(&own.file_of(&outcome.id), &other.root)?;
                let id = format!("{file}::{}", NodeId::new(&outcome.id).names()?);
                other.view.item(&id)?;
                Some(TestOutcome { id, ..outcome.clone() })
            });
            TestOutcomes { run_id: told.run_id.clone(), outcomes: translated.collect() }
        };
        let is_related = |other: &&Workspace| {
            other.uri != folder && (other.root.starts_with(&own.root) || own.root.starts_with(&other.root))
        };
        let related = self.workspaces.iter().filter(is_related).map(|other| (other.uri.clone(), theirs(other)));
        let related: Vec<_> = related.filter(|(_, theirs)| !theirs.outcomes.is_empty()).collect();
        if related.is_empty() {
            return files;
        }
        let run_texts = own.run_texts.get(&told.run_id).cloned().unwrap_or_default();
        let State { documents, disk, workspaces, encoding, .. } = self;
        for (uri, theirs) in related {
            let Some(other) = workspaces.iter_mut().find(|workspace| workspace.uri == uri) else { continue };
            other.run_texts.insert(theirs.run_id.clone(), run_texts.clone());
            files.extend(other.take_failures(documents, disk, *encoding, &theirs.run_id, &theirs.outcomes));
            other.run_texts.remove(&theirs.run_id);
            let touched = other.view.apply(&EventPayload::TestOutcome(theirs));
            files.extend(touched.tests.iter().map(|id| other.file_of(id)));
        }
        files
    }

    /// Documents that only pytest knows to be test files are searched for tests from now on.
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

    /// Reads the files that an event refers to, because later nobody can know which text its lines belong to. Returns
    /// those that show something, whose lines may have moved.
    fn read_files_of(&mut self, folder: &str, payload: &EventPayload) -> BTreeSet<PathBuf> {
        let mut shown = BTreeSet::new();
        let Some(workspace) = self.workspace(folder) else { return shown };
        let inside = |path: &PathBuf| path.starts_with(&workspace.root);
        match payload {
            // It comes again if more of its tests are known.
            EventPayload::RunStarted(run) if !workspace.run_texts.contains_key(&run.run_id) => {
                let known = self.documents.keys().chain(self.disk.paths()).filter(|path| inside(path));
                let known = known.cloned().collect();
                self.keep_run_texts(folder, &run.run_id, known);
            }
            EventPayload::TestOutcome(TestOutcomes { run_id, outcomes }) => {
                let places = outcomes.iter().flat_map(|outcome| {
                    outcome.location.iter().chain(outcome.frames.iter().map(|frame| &frame.location))
                });
                let uris: BTreeSet<&str> = places.map(|place| place.uri.as_str()).collect();
                let paths = uris.into_iter().filter_map(|uri| workspace.local_path(uri));
                let ours = paths.filter(|path| self.documents.contains_key(path) || is_ours(&workspace.root, path));
                let ours = ours.collect();
                self.keep_run_texts(folder, run_id, ours);
            }
            EventPayload::Inventory(delta) => {
                let uris: BTreeSet<&str> = delta.upserts.iter().map(|item| &*item.uri).collect();
                let told = uris.into_iter().filter_map(|uri| workspace.local_path(uri));
                let told: Vec<PathBuf> = told.filter(|path| self.is_watched(path)).collect();
                let faulty = delta.errors.iter().filter_map(|error| workspace.local_path(&error.uri)).filter(inside);
                shown.extend(workspace.findings.files().cloned());
                let all: BTreeSet<PathBuf> = faulty.chain(shown.iter().cloned()).chain(told.iter().cloned()).collect();
                for path in all {
                    self.read_disk(&path);
                }
                for path in told {
                    self.mark_collected(&path);
                }
            }
            EventPayload::RunStarted(_)
            | EventPayload::TestStarted(_)
            | EventPayload::Output(_)
            | EventPayload::RunFinished(_)
            | EventPayload::FlakinessHint(_)
            | EventPayload::StaleOutcomes(_) => {}
        }
        shown
    }

    /// A file whose text is cached, because it is open or something is shown in it.
    fn is_watched(&self, path: &Path) -> bool {
        self.documents.contains_key(path) || self.disk.seen(path).is_some()
    }

    /// Records that pytest has collected the present text on disk.
    pub(crate) fn mark_collected(&mut self, path: &Path) {
        let text = self.disk.seen(path).cloned();
        if let Some(document) = self.documents.get_mut(path) {
            document.collected = text.or_else(|| Some(Arc::clone(&document.saved)));
        }
    }

    /// A run executes the present text on disk of these files, or the one that is known already.
    fn keep_run_texts(&mut self, folder: &str, run: &str, paths: Vec<PathBuf>) {
        let looked = paths.into_iter().filter_map(|path| Some((self.read_disk(&path)?, path)));
        let texts: Vec<_> = looked.map(|(text, path)| (path, text)).collect();
        if let Some(workspace) = self.workspace_mut(folder) {
            let run_texts = workspace.run_texts.entry(run.to_owned()).or_default();
            for (path, text) in texts {
                run_texts.entry(path).or_insert(text);
            }
        }
    }

    /// The runs in progress execute the text on disk of a document that was opened just now, and may be edited before
    /// they report its lines.
    pub(crate) fn keep_for_runs(&mut self, path: &Path) {
        let Some(text) = self.disk.seen(path).cloned() else { return };
        let around = self.workspaces.iter_mut().filter(|workspace| path.starts_with(&workspace.root));
        for run_texts in around.flat_map(|workspace| workspace.run_texts.values_mut()) {
            run_texts.entry(path.to_owned()).or_insert_with(|| Arc::clone(&text));
        }
    }

    /// Drops files in which nothing is shown.
    pub(crate) fn forget_sources(&mut self) {
        let State { documents, disk, workspaces, .. } = self;
        let told: BTreeSet<PathBuf> = workspaces
            .iter()
            .flat_map(|workspace| workspace.sent_ranges.keys().map(|id| workspace.file_of(id)))
            .collect();
        let shows = |path: &Path| workspaces.iter().any(|workspace| !workspace.findings.of(path).is_empty());
        disk.retain(|path| documents.contains_key(path) || told.contains(path) || shows(path));
    }
}

/// A diagnostic never goes to a line of installed code: nobody would see it.
fn is_ours(root: &Path, path: &Path) -> bool {
    path.starts_with(root) && path.components().all(|part| part.as_os_str() != "site-packages")
}

impl Workspace {
    /// Adds the failures among outcomes, and removes those of tests that pass; returns the files whose diagnostics
    /// changed.
    pub(crate) fn take_failures(
        &mut self,
        documents: &Documents,
        disk: &Disk,
        encoding: Encoding,
        run: &str,
        outcomes: &[TestOutcome],
    ) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        for outcome in outcomes.iter().filter(|outcome| !outcome.will_rerun) {
            let positions = Positions { documents, disk, workspace: self, encoding };
            files.extend(match positions.failure(run, outcome) {
                Some((path, finding)) => self.findings.set_test(&outcome.id, path, finding),
                None if outcome.outcome == "not_run" => BTreeSet::new(),
                None => self.findings.clear_test(&outcome.id),
            });
        }
        files
    }
}

impl Positions<'_> {
    /// The finding for a failed test; `None` if the test did not fail.
    fn failure(&self, run: &str, outcome: &TestOutcome) -> Option<(PathBuf, Finding)> {
        if !is_failure(&outcome.outcome) {
            return None;
        }
        let ours = |location: &Location| {
            let path = self.workspace.local_path(&location.uri)?;
            is_ours(&self.workspace.root, &path).then_some((path, location.range.start.line))
        };
        let innermost = || outcome.frames.iter().rev().find_map(|frame| ours(&frame.location));
        let place = outcome.location.as_ref().and_then(ours).or_else(innermost);
        let (path, line) = match place {
            Some((path, line)) => {
                let line = self.anchor(run, &path, line);
                (path, Some(line))
            }
            None => (self.workspace.file_of(&outcome.id), None),
        };
        // A traceback of one frame adds nothing to the diagnostic's own position.
        let told = outcome.frames.iter().filter(|_| outcome.frames.len() > 1);
        let steps = told.filter_map(|frame| {
            let path = self.workspace.local_path(&frame.location.uri)?;
            let text = frame.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
            let message = text.map_or_else(|| frame.name.clone(), |text| format!("{}: {text}", frame.name));
            Some(Step { line: self.anchor(run, &path, frame.location.range.start.line), path, message })
        });
        let finding = Finding {
            test: Some(outcome.id.clone()),
            line,
            message: message(outcome),
            code: outcome.outcome.clone(),
            severity: DiagnosticSeverity::ERROR,
            related: steps.collect(),
        };
        Some((path, finding))
    }

    fn collection_error(&self, error: &CollectError) -> Option<(PathBuf, Finding)> {
        let path = self.workspace.local_path(&error.uri)?;
        let line = self.anchor("", &path, error.range.start.line);
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

/// The message of a diagnostic.
fn message(outcome: &TestOutcome) -> String {
    match (outcome.as_of, &outcome.message) {
        (Some(at), message) => {
            format!("{}, as of {}: {}", words(&outcome.outcome), date(at), message.as_deref().unwrap_or_default())
        }
        (None, Some(message)) => message.clone(),
        (None, None) => format!("the test ended as {}", outcome.outcome),
    }
}
