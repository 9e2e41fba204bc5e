//! Ids of a nested project's tests as a client sees them that opened a folder above: they begin with the project's
//! folder. Only the way from and to that client knows of it; the nested project itself does not.

use pytest_lens_protocol::{
    EventPayload, FlakinessHints, InventoryDelta, ItemKind, RunEnd, StaleOutcomes, TestItem, TestNodeInfo, TimeKind,
};

use crate::model::item::outline_item;

/// The folder of a nested project, relative to that of the project around it; empty for that project's own tests, whose ids
/// stay as they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prefix<'p>(pub &'p str);

impl Prefix<'_> {
    /// An id as the project around knows it. The empty id is that of the whole project.
    pub(crate) fn id(self, id: &str) -> String {
        match (self.0, id) {
            ("", id) => id.to_owned(),
            (folder, "" | ".") => folder.to_owned(),
            (folder, id) => format!("{folder}/{id}"),
        }
    }

    pub(crate) fn change(self, id: &mut String) {
        if !self.0.is_empty() {
            *id = self.id(id);
        }
    }

    pub(crate) fn ids(self, mut ids: Vec<String>) -> Vec<String> {
        ids.iter_mut().for_each(|id| self.change(id));
        ids
    }

    pub(crate) fn info(self, mut info: TestNodeInfo) -> TestNodeInfo {
        self.change(&mut info.node_id);
        self.change(&mut info.file_path);
        info
    }

    /// The item of the project itself, at the top of the tree.
    pub(crate) fn project_item(self, root: &std::path::Path) -> TestItem {
        TestItem { parent: None, label: self.0.to_owned(), ..outline_item(root, self.0, ItemKind::Dir) }
    }

    pub(crate) fn delta(self, mut delta: InventoryDelta) -> InventoryDelta {
        for item in &mut delta.upserts {
            self.change(&mut item.id);
            item.parent = Some(item.parent.as_deref().map_or_else(|| self.0.to_owned(), |parent| self.id(parent)));
        }
        delta.removed.iter_mut().for_each(|id| self.change(id));
        for siblings in &mut delta.order {
            self.change(&mut siblings.parent);
            siblings.ids.iter_mut().for_each(|id| self.change(id));
        }
        delta.whole_files.iter_mut().for_each(|file| self.change(file));
        delta
    }

    pub(crate) fn end(self, mut end: RunEnd) -> RunEnd {
        for warning in &mut end.warnings {
            warning.ids.iter_mut().for_each(|id| self.change(id));
            warning.files.iter_mut().for_each(|file| self.change(&mut file.path));
        }
        if let Some(timings) = &mut end.timings {
            for spent in timings.collection.iter_mut().chain(&mut timings.run) {
                if matches!(spent.kind, TimeKind::File | TimeKind::Body) && !spent.name.is_empty() {
                    self.change(&mut spent.name);
                }
            }
        }
        end.summaries.iter_mut().for_each(|summary| self.change(&mut summary.project));
        end
    }

    pub(crate) fn event(self, mut payload: EventPayload) -> EventPayload {
        match &mut payload {
            EventPayload::Inventory(delta) => *delta = self.delta(std::mem::take(delta)),
            EventPayload::RunStarted(run) => {
                run.ids.iter_mut().flatten().for_each(|id| self.change(id));
                run.skipped_files.iter_mut().for_each(|file| self.change(&mut file.path));
            }
            EventPayload::TestStarted(tests) => tests.ids.iter_mut().for_each(|id| self.change(id)),
            EventPayload::TestOutcome(tests) => tests.outcomes.iter_mut().for_each(|it| self.change(&mut it.id)),
            EventPayload::Output(output) => output.id.iter_mut().for_each(|id| self.change(id)),
            EventPayload::RunFinished(end) => *end = self.end(end.clone()),
            EventPayload::FlakinessHint(FlakinessHints { hints }) => {
                hints.iter_mut().for_each(|hint| self.change(&mut hint.id));
            }
            EventPayload::StaleOutcomes(StaleOutcomes { stale, fresh }) => {
                stale.iter_mut().chain(fresh).for_each(|id| self.change(id));
            }
        }
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b11_ids_of_the_root_stay_as_they_are_and_others_begin_with_their_folder() {
        for (folder, id, whole) in [
            ("", "test_a.py::test", "test_a.py::test"),
            ("", "", ""),
            ("", ".", "."),
            ("pkg/api", "test_a.py::test", "pkg/api/test_a.py::test"),
            ("pkg/api", "", "pkg/api"),
            ("pkg/api", ".", "pkg/api"),
        ] {
            assert_eq!(Prefix(folder).id(id), whole);
            assert_eq!(Prefix(folder).ids(vec![id.to_owned()]), [whole]);
        }
    }
}
