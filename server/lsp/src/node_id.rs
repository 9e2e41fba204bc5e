//! Node ids: the path of a file, and the names within it.

/// Splits an id into its file and the names within it.
pub(crate) fn split_id(id: &str) -> (&str, &str) {
    id.split_once("::").unwrap_or((id, ""))
}
