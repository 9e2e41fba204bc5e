//! Paths for people.

use std::path::{Path, PathBuf};

/// The path of a `file:` URI: relative to the root if it is below it, else absolute.
pub(crate) fn path_of_uri(uri: &str, root: &Path) -> String {
    let path = url::Url::parse(uri).ok().and_then(|uri| uri.to_file_path().ok());
    match path {
        Some(path) => path.strip_prefix(root).unwrap_or(&path).display().to_string(),
        None => uri.to_owned(),
    }
}

/// The path of a `file:` URI as pytest writes it: see [`from_folder`].
pub(crate) fn relative_of_uri(uri: &str, folder: &Path) -> String {
    let path = url::Url::parse(uri).ok().and_then(|uri| uri.to_file_path().ok());
    path.map_or_else(|| uri.to_owned(), |path| from_folder(&path, folder))
}

/// A path as pytest writes it: relative to the folder, with `..` if it is not below it.
pub(crate) fn from_folder(path: &Path, root: &Path) -> String {
    let common = root.ancestors().find(|folder| path.starts_with(folder));
    let (Some(below), Some(rest)) = (
        common.and_then(|common| root.strip_prefix(common).ok()),
        common.and_then(|common| path.strip_prefix(common).ok()),
    ) else {
        return path.display().to_string();
    };
    let up: PathBuf = below.components().map(|_| "..").collect();
    up.join(rest).display().to_string()
}
