//! Checks that the files exist that documents name.

use crate::tidy;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};

/// The documents that name files of the tree by the ends of their paths.
const DOCUMENTS: [&str; 2] = ["ARCHITECTURE.md", "CONTRIBUTING.md"];

/// The endings of file names that a document may name.
const ENDINGS: [&str; 5] = [".rs", ".py", ".ts", ".lua", ".json"];

/// File names that belong to users, not to this tree.
const OF_USERS: [&str; 4] = ["conftest.py", "test_a.py", "settings.json", "sitecustomize.py"];

/// The complaints about all documents.
pub(crate) fn all_complaints(root: &Path) -> Result<Vec<String>> {
    let files = tidy::files(root)?;
    let mut found = Vec::new();
    for document in DOCUMENTS {
        found.extend(complaints(document, &fs::read_to_string(root.join(document))?, &files));
    }
    Ok(found)
}

/// One complaint for each name in `text` that no path in `files` ends with.
fn complaints(document: &str, text: &str, files: &[PathBuf]) -> Vec<String> {
    let exists = |name: &str| files.iter().any(|file| file.ends_with(name));
    names(text)
        .filter(|name| !OF_USERS.contains(&name.as_str()) && !exists(name))
        .map(|name| format!("{document}: names `{name}`, which is not there"))
        .collect()
}

/// The names of files in backticks. `{a,b}.rs` names two.
fn names(text: &str) -> impl Iterator<Item = String> {
    let spans = text.split('`').skip(1).step_by(2);
    let spans = spans.filter(|span| ENDINGS.iter().any(|ending| span.ends_with(ending)));
    let is_path = |span: &&str| span.chars().all(|c| c.is_alphanumeric() || "/._-{},".contains(c));
    spans.filter(is_path).flat_map(|span| match span.split_once('{').zip(span.split_once('}')) {
        Some(((before, inner), (_, after))) => {
            let inner = inner.split_once('}').map_or(inner, |(inner, _)| inner);
            inner.split(',').map(|part| format!("{before}{part}{after}")).collect()
        }
        None => vec![span.to_owned()],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_path_ends_with_is_found() {
        let files = ["server/engine/src/runs/driver.rs", "server/engine/src/model/scope.rs"].map(PathBuf::from);
        let text = "`runs/driver.rs` (`stop`), `model/{scope,select}.rs`, `serve.rs`, `conftest.py`, `a b.rs`";
        assert_eq!(
            complaints("ARCHITECTURE.md", text, &files),
            [
                "ARCHITECTURE.md: names `model/select.rs`, which is not there",
                "ARCHITECTURE.md: names `serve.rs`, which is not there"
            ]
        );
    }
}
