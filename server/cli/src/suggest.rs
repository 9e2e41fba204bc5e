//! "Did you mean": finds the known word, path or id that is nearest to an unknown one.

use std::path::{Path, PathBuf};

pub(crate) use pytest_lens_analysis::nearest;

/// The end of a sentence on an unknown word: `; did you mean `x`?`, or nothing.
pub(crate) fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

/// The existing path that is nearest to a missing one, both relative to the root.
pub(crate) fn nearest_path(root: &Path, wanted: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    let mut is_another = false;
    for part in wanted {
        let next = found.join(part);
        if root.join(&next).exists() {
            found = next;
            continue;
        }
        let entries = std::fs::read_dir(root.join(&found)).ok()?;
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        found.push(nearest(&part.to_string_lossy(), names.iter().map(String::as_str))?);
        is_another = true;
    }
    is_another.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f4_a_path_that_was_meant() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("tests")).unwrap();
        std::fs::write(root.path().join("tests/test_crate.py"), "").unwrap();
        let meant = |wanted: &str| nearest_path(root.path(), Path::new(wanted));
        assert_eq!(meant("tests/test_crat.py"), Some("tests/test_crate.py".into()));
        assert_eq!(meant("test/test_crate.py"), Some("tests/test_crate.py".into()));
        assert_eq!(meant("tets/test_rcate.py"), Some("tests/test_crate.py".into()));
        assert_eq!(meant("elsewhere/test_crate.py"), None);
    }
}
