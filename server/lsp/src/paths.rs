//! `file:` URIs and paths: documents are keyed by path, because clients and the engine spell the same URI differently.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use lsp_types::Uri;

/// The path of a `file:` URI; `None` for any other scheme.
pub(crate) fn path_of(uri: &str) -> Option<PathBuf> {
    let url = url::Url::parse(uri).ok()?;
    if url.scheme() != "file" {
        return None;
    }
    url.to_file_path().ok()
}

/// The `file:` URI of an absolute path, as text.
pub(crate) fn uri_text(path: &Path) -> String {
    let Ok(url) = url::Url::from_file_path(path) else { return String::from("file:///") };
    // RFC 3986 allows these only percent-encoded; WHATWG's rules leave them as they are.
    url.as_str().replace('[', "%5B").replace(']', "%5D").replace('^', "%5E").replace('|', "%7C")
}

/// A URI for a payload. An invalid URI becomes that of the root, which no client can open: better than a lost message.
pub(crate) fn uri(text: &str) -> Uri {
    Uri::from_str(text).unwrap_or_else(|_| root_uri())
}

#[expect(clippy::expect_used, reason = "a literal that is a URI")]
fn root_uri() -> Uri {
    Uri::from_str("file:///").expect("a literal URI")
}

/// A path relative to a root, with `/` between its parts, as in node ids.
pub(crate) fn relative(path: &Path, root: &Path) -> Option<String> {
    let inner = path.strip_prefix(root).ok()?;
    let parts: Vec<_> = inner.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_strange_names() {
        for name in ["/a/test b.py", "/a/[x]^|.py", "/ä/測試.py", "/a/%41.py"] {
            let text = uri_text(Path::new(name));
            assert_eq!(uri(&text).as_str(), text);
            assert_eq!(path_of(&text).as_deref(), Some(Path::new(name)));
        }
    }

    #[test]
    fn other_schemes_have_no_path() {
        assert_eq!(path_of("untitled:Untitled-1"), None);
        assert_eq!(path_of("nonsense"), None);
    }

    #[test]
    fn editors_spellings_are_one_path() {
        assert_eq!(path_of("file:///a/b%5B1%5D.py"), path_of("file:///a/b[1].py"));
    }
}
