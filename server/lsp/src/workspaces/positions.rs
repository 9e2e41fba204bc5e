//! Maps lines from runs and collections to positions in the present texts: for items, outcomes and diagnostics.

use std::path::Path;
use std::sync::Arc;

use lsp_types::Range;
use pytest_lens_analysis::StaticNode;
use pytest_lens_protocol as wire;
use pytest_lens_protocol::{EventPayload, ItemKind, Location, NodeId, TestItem, TestOutcome};

use crate::documents::disk::Disk;
use crate::documents::document::Documents;
use crate::documents::encoding::Encoding;
use crate::documents::line_map::Spot;
use crate::documents::text::Text;
use crate::paths::uri_text;
use crate::workspaces::findings::Anchor;
use crate::workspaces::workspace::Workspace;

/// One folder, the documents that may be open in it, and the cached texts on disk.
#[derive(Clone, Copy)]
pub(crate) struct Positions<'a> {
    /// Open documents.
    pub(crate) documents: &'a Documents,
    /// Cached texts on disk.
    pub(crate) disk: &'a Disk,
    /// The folder.
    pub(crate) workspace: &'a Workspace,
    /// The encoding of positions.
    pub(crate) encoding: Encoding,
}

impl Positions<'_> {
    /// The present text of a file: its document's, otherwise the cached one on disk.
    fn text(&self, path: &Path) -> Option<&Text> {
        let open = self.documents.get(path).map(|document| &document.text);
        open.or_else(|| self.disk.seen(path).map(|text| &**text))
    }

    /// A line that a run reported.
    pub(crate) fn anchor(&self, run: &str, path: &Path, line: u32) -> Anchor {
        let ran = self.workspace.run_texts.get(run).and_then(|run_texts| run_texts.get(path));
        let saved = || self.documents.get(path).map(|document| &document.saved);
        Anchor { text: ran.or_else(|| self.disk.seen(path)).or_else(saved).cloned(), line }
    }

    /// The present place of a line; a removed line keeps its old place.
    fn line(&self, path: &Path, anchor: &Anchor) -> u32 {
        match (&anchor.text, self.text(path)) {
            (Some(old), Some(now)) if !now.is(old) => match now.spot(old, anchor.line) {
                Spot::Kept(line) | Spot::Gone(line) => line,
            },
            _ => anchor.line,
        }
    }

    /// The present place of a test's line: within the test, as long as the test exists. `None` if the line is gone.
    pub(crate) fn line_of(&self, test: &str, path: &Path, anchor: &Anchor) -> Option<u32> {
        let (Some(old), Some(now)) = (&anchor.text, self.text(path)) else { return Some(anchor.line) };
        if now.is(old) {
            return Some(anchor.line);
        }
        let test = NodeId::new(test);
        let (file, suffix) = (test.file(), test.names().unwrap_or_default());
        let own = self.workspace.root.join(file) == path;
        let node = if own { now.node(suffix) } else { None };
        if own && node.is_none() && old.node(suffix).is_some() {
            return None;
        }
        let within = own.then(|| now.spot_within(old, suffix, anchor.line)).flatten();
        let within = within.or_else(|| now.spot_within_def(old, anchor.line));
        match (within.unwrap_or_else(|| now.spot(old, anchor.line)), node) {
            (Spot::Kept(line), _) => Some(line),
            (Spot::Gone(line), Some(node)) => {
                Some(line.clamp(node.name_span.start.line, node.full_span.end.line.max(node.name_span.start.line)))
            }
            (Spot::Gone(_), None) => None,
        }
    }

    /// A line of a file, as a range.
    pub(crate) fn range(&self, path: &Path, line: u32) -> Range {
        self.text(path).map_or_else(|| whole_line(line), |text| self.encoding.line(text, line))
    }

    /// The range of a line outside of tests.
    pub(crate) fn range_of(&self, path: &Path, anchor: &Anchor) -> Range {
        self.range(path, self.line(path, anchor))
    }

    /// A test or class in the present text of its file, if the text is cached and contains it.
    pub(crate) fn node_of(&self, id: &str) -> Option<&StaticNode> {
        self.text(&self.workspace.file_of(id))?.node(NodeId::new(id).names().unwrap_or_default())
    }

    /// The range of its name.
    pub(crate) fn name_range(&self, id: &str) -> Option<Range> {
        let text = self.text(&self.workspace.file_of(id))?;
        Some(self.encoding.range(text, self.node_of(id)?.name_span))
    }

    /// An item in the client's terms.
    pub(crate) fn item(&self, item: &TestItem) -> TestItem {
        let mut items = [Arc::new(item.clone())];
        self.items(&mut items);
        let [item] = items;
        Arc::unwrap_or_clone(item)
    }

    /// Converts many items: those of one file come together, and a file may have thousands.
    fn items(&self, items: &mut [Arc<TestItem>]) {
        let (mut told, mut spelled, mut path): (Arc<str>, Arc<str>, _) = ("".into(), "".into(), None);
        for item in items {
            if item.uri != told {
                told.clone_from(&item.uri);
                spelled = self.uri(&told).into();
                path = self.workspace.local_path(&told);
            }
            if spelled != told {
                Arc::make_mut(item).uri = Arc::clone(&spelled);
            }
            if let Some(text) = path.as_deref().and_then(|path| self.text(path)) {
                let range = self.item_range(item, path.as_deref().unwrap_or(Path::new("")), text);
                if range != item.range {
                    Arc::make_mut(item).range = range;
                }
            }
        }
    }

    /// The present range of an item in its file: its name, or, for an item that only pytest knows, the present place of
    /// the line that pytest reported; `None` if it is gone from the text.
    fn item_range(&self, item: &TestItem, path: &Path, text: &Text) -> Option<wire::Range> {
        let suffix = NodeId::new(&item.id).names().unwrap_or_default();
        if let Some(node) = text.node(suffix) {
            return Some(to_wire(self.encoding.range(text, node.name_span)));
        }
        let told = item.range.filter(|_| !item.provisional)?;
        if self.collected_text(path).is_none_or(|collected| text.is(collected)) {
            return Some(told);
        }
        if matches!(item.kind, ItemKind::Class | ItemKind::Function) {
            let place = self.collected_runnable(item, path, text)?;
            return Some(to_wire(self.encoding.line(text, place.name_span.start.line)));
        }
        let line = self.collected_line(item, path, text)?;
        Some(to_wire(self.encoding.line(text, line)))
    }

    /// The last text of a file that pytest collected.
    pub(crate) fn collected_text(&self, path: &Path) -> Option<&Arc<Text>> {
        self.documents.get(path)?.collected.as_ref()
    }

    /// Whether a test was deleted in the editor.
    pub(crate) fn is_gone(&self, id: &str) -> bool {
        let suffix = NodeId::new(id).names().unwrap_or_default();
        let document = self.documents.get(&self.workspace.file_of(id));
        let was = document.map(|document| document.collected.as_ref().unwrap_or(&document.saved));
        was.is_some_and(|was| was.node(suffix).is_some())
            && document.is_some_and(|document| document.text.node(suffix).is_none())
    }

    /// A location that a run reported, in the client's terms.
    pub(crate) fn location(&self, run: &str, location: &Location) -> Location {
        let Some(path) = self.workspace.local_path(&location.uri) else { return location.clone() };
        if self.text(&path).is_none() {
            return Location { uri: self.uri(&location.uri), range: location.range };
        }
        let anchor = self.anchor(run, &path, location.range.start.line);
        self.place(&path, &anchor)
    }

    /// A line of a file, in the client's terms.
    pub(crate) fn place(&self, path: &Path, anchor: &Anchor) -> Location {
        Location { uri: self.uri_of(path), range: to_wire(self.range_of(path, anchor)) }
    }

    /// An event in the client's terms.
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
            let place = self.location_of(&outcome.id, run, location);
            *location = place;
        }
        for frame in &mut outcome.frames {
            frame.location = self.location_of(&outcome.id, run, &frame.location);
        }
    }

    /// An outcome in the client's terms.
    fn location_of(&self, test: &str, run: &str, location: &Location) -> Location {
        let line = self.workspace.local_path(&location.uri).and_then(|path| {
            self.text(&path)?;
            let anchor = self.anchor(run, &path, location.range.start.line);
            let line = self.line_of(test, &path, &anchor)?;
            Some(Location { uri: self.uri_of(&path), range: to_wire(self.range(&path, line)) })
        });
        line.unwrap_or_else(|| self.location(run, location))
    }

    /// The client's spelling of a URI of the engine, if known.
    fn uri(&self, uri: &str) -> String {
        self.workspace.local_path(uri).map_or_else(|| uri.to_owned(), |path| self.uri_of(&path))
    }

    /// The URI of a file in the client's spelling.
    pub(crate) fn uri_of(&self, path: &Path) -> String {
        self.documents.get(path).map_or_else(|| uri_text(path), |document| document.uri.clone())
    }
}

/// A line of a file whose text is not cached.
pub(crate) fn whole_line(line: u32) -> Range {
    use lsp_types::Position;
    Range { start: Position { line, character: 0 }, end: Position { line: line.saturating_add(1), character: 0 } }
}

/// Converts the protocol's range to LSP's.
pub(crate) fn to_wire(range: Range) -> wire::Range {
    let position = |at: lsp_types::Position| wire::Position { line: at.line, character: at.character };
    wire::Range { start: position(range.start), end: position(range.end) }
}

/// Converts LSP's range to the protocol's.
pub(crate) fn from_wire(range: wire::Range) -> Range {
    let position = |at: wire::Position| lsp_types::Position { line: at.line, character: at.character };
    Range { start: position(range.start), end: position(range.end) }
}
