//! One key for each document. A file may have several names, where its folder or one above it is reached by a link; the
//! server knows it by the name below its open folder, as the engine tells of it, and the client by the document's URI.

use std::path::{Path, PathBuf};

use crate::documents::document::Document;
use crate::paths::path_of;
use crate::session::state::State;

impl State {
    /// The key of the document that the client names so.
    pub(crate) fn key_of(&self, uri: &str) -> Option<PathBuf> {
        let path = path_of(uri)?;
        let own = self.own_name(&path);
        let is_second = self.documents.get(&path).is_some_and(|document| document.is_named(&path));
        let is_free = self.documents.get(&own).is_none_or(|document| !document.is_named(&path));
        Some(if is_second && is_free { path } else { own })
    }

    /// The name of a file below its open folder, whatever links lead to it; outside of all, the name that it was given.
    pub(crate) fn own_name(&self, path: &Path) -> PathBuf {
        let own = self.workspace_of(path).and_then(|workspace| Some(workspace.root.join(workspace.relative(path)?)));
        own.unwrap_or_else(|| path.to_owned())
    }

    /// Takes in a document; returns its key. Of one file under two names the first stands for the file, or the one that
    /// has the file's own name.
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

    /// Folders came or went, and with them names.
    pub(crate) fn rename_documents(&mut self) {
        for document in std::mem::take(&mut self.documents).into_values() {
            self.insert_document(document);
        }
    }

    /// The client is told anew of the tests of a document that has another name than its file: they lie in the
    /// document, as long as that is open.
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
    /// Whether this is the client's name for it.
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
