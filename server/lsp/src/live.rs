//! From lines of files as they ran to places in live buffers: for items and outcomes on their way to the client.

use lsp_types::Range;
use pytest_lens_protocol as wire;
use pytest_lens_protocol::{EventPayload, Location, TestItem, TestOutcome};

use crate::encoding::Encoding;
use crate::findings::Line;
use crate::paths::uri_text;
use crate::state::Documents;
use crate::workspace::{Workspace, split_id};

/// One folder, and the documents that may be open in it.
#[derive(Clone, Copy)]
pub(crate) struct Live<'a> {
    /// Open documents.
    pub(crate) documents: &'a Documents,
    /// The folder.
    pub(crate) workspace: &'a Workspace,
    /// How positions are counted.
    pub(crate) encoding: Encoding,
}

impl Live<'_> {
    /// Where a line that a run spoke of is now.
    pub(crate) fn line(&self, run: &str, path: &std::path::Path, line: u32) -> Line {
        let Some(document) = self.documents.get(path) else { return Line { disk: line, live: line } };
        let ran = self.workspace.marks.get(run).and_then(|marks| marks.get(path)).copied();
        let ran = ran.unwrap_or_else(|| document.log.saved());
        let log = &document.log;
        Line { disk: log.map(line, ran, log.saved()), live: log.map(line, ran, log.now()) }
    }

    /// The name of a test or class in the live buffer, where its file is open and holds it.
    pub(crate) fn name_range(&self, id: &str) -> Option<Range> {
        let document = self.documents.get(&self.workspace.file_of(id))?;
        let node = document.node(split_id(id).1)?;
        Some(self.encoding.range(&document.text, node.name_span))
    }

    /// An item as the client should see it.
    pub(crate) fn item(&self, item: &TestItem) -> TestItem {
        let mut item = item.clone();
        item.uri = self.uri(&item.uri);
        if let Some(range) = self.name_range(&item.id) {
            item.range = Some(to_wire(range));
        }
        item
    }

    /// The same for many: those of one file come together, and there are files with thousands.
    fn items(&self, items: &mut [TestItem]) {
        let (mut told, mut spelled, mut document) = (String::new(), String::new(), None);
        for item in items {
            if item.uri != told {
                told.clone_from(&item.uri);
                spelled = self.uri(&told);
                document = self.workspace.local_path(&told).and_then(|path| self.documents.get(&path));
            }
            if spelled != told {
                item.uri.clone_from(&spelled);
            }
            let node = document.and_then(|document| Some((document, document.node(split_id(&item.id).1)?)));
            if let Some((document, node)) = node {
                item.range = Some(to_wire(self.encoding.range(&document.text, node.name_span)));
            }
        }
    }

    /// A place that a run spoke of, as the client should see it.
    pub(crate) fn location(&self, run: &str, location: &Location) -> Location {
        let Some(path) = self.workspace.local_path(&location.uri) else { return location.clone() };
        let Some(document) = self.documents.get(&path) else {
            return Location { uri: self.uri(&location.uri), range: location.range };
        };
        let line = self.line(run, &path, location.range.start.line).live;
        Location { uri: document.uri.clone(), range: to_wire(self.encoding.line(&document.text, line)) }
    }

    /// An event as the client should see it.
    pub(crate) fn payload(&self, mut payload: EventPayload) -> EventPayload {
        match &mut payload {
            EventPayload::Inventory(delta) => {
                self.items(&mut delta.upserts);
                for error in &mut delta.errors {
                    let place = Location { uri: error.uri.clone(), range: error.range };
                    let place = self.location("", &place);
                    (error.uri, error.range) = (place.uri, place.range);
                }
            }
            EventPayload::TestOutcome(outcomes) => {
                let run = outcomes.run_id.clone();
                for outcome in &mut outcomes.outcomes {
                    self.outcome(&run, outcome);
                }
            }
            _ => {}
        }
        payload
    }

    fn outcome(&self, run: &str, outcome: &mut TestOutcome) {
        if let Some(location) = &mut outcome.location {
            *location = self.location(run, location);
        }
        for frame in &mut outcome.frames {
            frame.location = self.location(run, &frame.location);
        }
    }

    /// A URI of the engine in the client's spelling, as far as that is known.
    fn uri(&self, uri: &str) -> String {
        let Some(path) = self.workspace.local_path(uri) else { return uri.to_owned() };
        self.documents.get(&path).map_or_else(|| uri_text(&path), |document| document.uri.clone())
    }
}

/// LSP's range as the protocol has it.
pub(crate) fn to_wire(range: Range) -> wire::Range {
    let position = |at: lsp_types::Position| wire::Position { line: at.line, character: at.character };
    wire::Range { start: position(range.start), end: position(range.end) }
}

/// The protocol's range as LSP has it.
pub(crate) fn from_wire(range: wire::Range) -> Range {
    let position = |at: wire::Position| lsp_types::Position { line: at.line, character: at.character };
    Range { start: position(range.start), end: position(range.end) }
}
