//! `trust`: the user of an editor does not trust a folder, or trusts it again.

use std::path::Path;

use pytest_lens_protocol::{ErrorCode, Response};

use super::Answered;
use super::init::repo_root;
use crate::api_error::Refusal;
use crate::project::untrusted;

/// Stores the decision, if there is one, and answers with the one in force.
pub(super) fn trust(state_dir: &Path, repo_path: &str, trusted: Option<bool>) -> Answered {
    let root = repo_root(repo_path)?;
    if let Some(trusted) = trusted {
        untrusted::store(state_dir, &root, trusted).map_err(|error| {
            let message = format!(
                "whether {} is trusted can't be stored in {}: {error}",
                root.display(),
                untrusted::mark(state_dir, &root).display()
            );
            Refusal::new(ErrorCode::InternalError, message)
        })?;
    }
    let untrusted = untrusted::around(state_dir, &root).map(|folder| folder.display().to_string());
    Ok(Response::Trust { untrusted })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_folder_is_untrusted_with_all_below_until_it_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        let (root, sub, state) = (top.join("repo"), top.join("repo/sub"), top.join("state"));
        fs::create_dir_all(&sub).unwrap();
        let ask = |folder: &Path, trusted: Option<bool>| match trust(&state, &folder.display().to_string(), trusted) {
            Ok(Response::Trust { untrusted }) => untrusted.map(PathBuf::from),
            _ => panic!("refused"),
        };
        assert_eq!(ask(&root, None), None, "as in an editor that does not say");
        assert_eq!(ask(&root, Some(false)), Some(root.clone()));
        assert_eq!(ask(&sub, None), Some(root.clone()));
        assert_eq!(ask(&top, None), None);
        assert_eq!(ask(&sub, Some(true)), Some(root.clone()), "the folder above is still not trusted");
        assert_eq!(ask(&root, Some(true)), None);
        assert_eq!(ask(&root, Some(true)), None, "twice");
        assert!(trust(&state, "relative", None).is_err());
    }
}
