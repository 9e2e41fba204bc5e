//! Paths for people.

use std::path::Path;

/// The path of a `file:` URI: relative to the root if it is below it, else absolute.
pub(crate) fn path_of_uri(uri: &str, root: &Path) -> String {
    let path = url::Url::parse(uri).ok().and_then(|uri| uri.to_file_path().ok());
    match path {
        Some(path) => path.strip_prefix(root).unwrap_or(&path).display().to_string(),
        None => uri.to_owned(),
    }
}
