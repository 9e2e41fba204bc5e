//! One key for each document. A file may have several names, if a link leads to it or to a folder above it; the server
//! uses the name below its open folder, as the engine does, and the client the document's URI.

use std::path::{Path, PathBuf};

use crate::documents::document::Document;
use crate::paths::path_of;
use crate::session::state::State;

impl State {
    /// The key of the document that has this name at the client.
    pub(crate) fn key_of(&self, uri: &str) -> Option<PathBuf> {
        let path = path_of(uri)?;
        let own = self.own_name(&path);
        let is_second = self.documents.get(&path).is_some_and(|document| document.is_named(&path));
        let is_free = self.documents.get(&own).is_none_or(|document| !document.is_named(&path));
        Some(if is_second && is_free { path } else { own })
    }

    /// The name of a file below its open folder, without links that lead to it; outside of all folders, the given name.
    pub(crate) fn own_name(&self, path: &Path) -> PathBuf {
        let own = self.workspace_of(path).and_then(|workspace| Some(workspace.root.join(workspace.relative(path)?)));
        own.unwrap_or_else(|| path.to_owned())
    }

    /// Adds a document; returns its key. If a file is open under two names, the first stands for the file, or the one
    /// that is the file's own name.
    pub(crate) fn insert_document(&mut self, document: Document) -> Option<PathBuf> {
        let path = path_of(&document.uri)?;
        let own = self.own_name(&path);
        let first = self.documents.get(&own).and_then(|first| path_of(&first.uri)).filter(|first| *first != path);
        let key = match first {
            Some(first) if own == path => {
                let aside = self.documents.remove(&own);
                self.documents.extend(aside.map(|document| (first, document)));
                own
            }
            Some(_) => path,
            None => own,
        };
        self.documents.insert(key.clone(), document);
        self.doubt_uris(&key);
        Some(key)
    }

    /// Folders were opened or closed, and names may have changed.
    pub(crate) fn rename_documents(&mut self) {
        for document in std::mem::take(&mut self.documents).into_values() {
            self.insert_document(document);
        }
    }

    /// Sends the tests of a document whose name differs from its file's to the client again: they are in the document
    /// as long as it is open.
    pub(crate) fn doubt_uris(&mut self, key: &Path) {
        if self.documents.get(key).is_none_or(|document| document.is_named(key)) {
            return;
        }
        let folder = self.workspace_of(key).map(|workspace| workspace.uri.clone());
        if let Some(workspace) = folder.and_then(|folder| self.workspace_mut(&folder)) {
            workspace.maybe_moved.insert(key.to_owned());
        }
    }
}

impl Document {
    /// Whether this is the client's name of the document.
    fn is_named(&self, path: &Path) -> bool {
        path_of(&self.uri).is_some_and(|own| own == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::text::Reader;
    use crate::workspaces::workspace::Workspace;

    #[test]
    fn b9_a_file_that_is_open_by_two_names_is_two_documents() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("test_a.py"), "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let names = [real.join("test_a.py"), link.join("test_a.py")];
        let uris = names.each_ref().map(|name| crate::paths::uri_text(name));
        for order in [[0, 1], [1, 0]] {
            let mut state = State::default();
            state.workspaces.push(Workspace::new("file:///w".into(), link.clone()));
            let [first, second] = order;
            for index in order {
                let document = Document::new(uris[index].clone(), 1, "", Reader::default());
                state.insert_document(document).unwrap();
            }
            for index in order {
                let key = state.key_of(&uris[index]).unwrap();
                assert_eq!(state.documents[&key].uri, uris[index], "{order:?}");
            }
            let gone = state.key_of(&uris[first]).unwrap();
            state.documents.remove(&gone);
            let left = state.key_of(&uris[second]).unwrap();
            assert_eq!(state.documents[&left].uri, uris[second]);
            state.rename_documents();
            assert_eq!(state.key_of(&uris[second]).as_ref(), Some(&names[1]), "by the name below the folder");
        }
    }
}
