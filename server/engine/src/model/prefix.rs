//! Ids of a nested project's tests as a client sees them that opened a folder above: they begin with the project's
//! folder. Only the way from and to that client knows of it; the nested project itself does not.

use std::sync::Arc;

use pytest_lens_protocol::{
    CollectError, EventPayload, FlakinessHints, InventoryDelta, ItemKind, RunEnd, StaleOutcomes, TestItem,
    TestNodeInfo, TestOutcome, TimeKind,
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

    /// Changes the places in pytest's text of a failure (`test_a.py:3: in f`), which are relative to the project: a user
    /// reads them in the folder above.
    pub(crate) fn text(self, text: &mut String) {
        if self.0.is_empty() || !text.contains(".py:") {
            return;
        }
        let changed = |line: &str| self.place(line).unwrap_or_else(|| line.to_owned());
        *text = text.split('\n').map(changed).collect::<Vec<_>>().join("\n");
    }

    /// A line that begins with the path of a source and a line number, by its path from the folder above.
    fn place(self, line: &str) -> Option<String> {
        let (path, rest) = line.split_once(".py:")?;
        let number = rest.split(':').next().unwrap_or_default();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if path.starts_with(['/', ' ', '>', '<']) || path.starts_with("E ") || path.contains([':', '"']) || !is_number {
            return None;
        }
        let (mut folder, mut path) = (Some(self.0), path);
        while let (Some(inner), Some(above)) = (folder, path.strip_prefix("../")) {
            path = above;
            folder = inner.rsplit_once('/').map(|(outer, _)| outer);
        }
        Some(folder.map_or_else(|| format!("{path}.py:{rest}"), |folder| format!("{folder}/{path}.py:{rest}")))
    }

    pub(crate) fn errors(self, errors: &mut [CollectError]) {
        errors.iter_mut().filter_map(|error| error.longrepr.as_mut()).for_each(|text| self.text(text));
    }

    fn outcome(self, outcome: &mut TestOutcome) {
        self.change(&mut outcome.id);
        outcome.longrepr.iter_mut().for_each(|text| self.text(text));
        outcome.failed_reports.iter_mut().for_each(|report| self.text(&mut report.longrepr));
    }

    pub(crate) fn info(self, mut info: TestNodeInfo) -> TestNodeInfo {
        self.change(&mut info.node_id);
        self.change(&mut info.file_path);
        info
    }

    /// The item of the project itself, at the top of the tree.
    pub(crate) fn project_item(self, root: &std::path::Path) -> TestItem {
        TestItem { parent: None, label: self.0.into(), ..outline_item(root, self.0, ItemKind::Dir) }
    }

    pub(crate) fn delta(self, mut delta: InventoryDelta) -> InventoryDelta {
        for item in &mut delta.upserts {
            let item = Arc::make_mut(item);
            item.id = self.id(&item.id).into();
            item.parent = Some(item.parent.as_deref().map_or_else(|| self.0.into(), |parent| self.id(parent).into()));
        }
        delta.removed.iter_mut().for_each(|id| self.change(id));
        for siblings in &mut delta.order {
            self.change(&mut siblings.parent);
            siblings.ids.iter_mut().for_each(|id| self.change(id));
        }
        delta.whole_files.iter_mut().for_each(|file| self.change(file));
        self.errors(&mut delta.errors);
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
                self.errors(&mut run.errors);
            }
            EventPayload::TestStarted(tests) => tests.ids.iter_mut().for_each(|id| self.change(id)),
            EventPayload::TestOutcome(tests) => tests.outcomes.iter_mut().for_each(|it| self.outcome(it)),
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
    #[test]
    fn places_are_those_from_the_folder_above() {
        let changed = |folder: &str, text: &str| {
            let mut text = text.to_owned();
            Prefix(folder).text(&mut text);
            text
        };
        let long = "    def test():\n>       f(\"a.py:1: no\")\n\ntest_a.py:3: \n_ _\ntests/help.py:4: in f\nE   a.py:1: no\n\n\
            ../lib.py:9: ValueError\n/abs/x.py:1: in g\n<frozen x.py:1: y";
        assert_eq!(changed("", long), long);
        let expected = "    def test():\n>       f(\"a.py:1: no\")\n\npkg/api/test_a.py:3: \n_ _\npkg/api/tests/help.py:4: in f\n\
            E   a.py:1: no\n\npkg/lib.py:9: ValueError\n/abs/x.py:1: in g\n<frozen x.py:1: y";
        assert_eq!(changed("pkg/api", long), expected);
        assert_eq!(changed("api", "../lib.py:9: in f"), "lib.py:9: in f");
        assert_eq!(changed("api", "../../lib.py:9: in f"), "../lib.py:9: in f");
    }
}
