//! `trust`: the folders that the user of an editor does not trust. They are files in the user's state folder, because an
//! editor with an engine of its own and a daemon must agree.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use pytest_lens_history::Location;
use pytest_lens_platform::private;
use pytest_lens_protocol::{ErrorCode, Response};

use super::Answered;
use super::init::repo_root;
use crate::api_error::Refusal;

/// Stores the decision, if there is one, and answers with the one in force.
pub(super) fn trust(state_dir: &Path, repo_path: &str, trusted: Option<bool>) -> Answered {
    let root = repo_root(repo_path)?;
    if let Some(trusted) = trusted {
        let mark = mark(state_dir, &root);
        store(&mark, trusted).map_err(|error| {
            let message =
                format!("whether {} is trusted can't be stored in {}: {error}", root.display(), mark.display());
            Refusal::new(ErrorCode::InternalError, message)
        })?;
    }
    let untrusted = root.ancestors().find(|folder| mark(state_dir, folder).exists());
    Ok(Response::Trust { untrusted: untrusted.map(|folder| folder.display().to_string()) })
}

/// The file that says that a folder is not trusted.
fn mark(state_dir: &Path, folder: &Path) -> PathBuf {
    let name = Location::of(state_dir, folder).file;
    state_dir.join("untrusted").join(name.file_stem().unwrap_or_default())
}

fn store(mark: &Path, trusted: bool) -> io::Result<()> {
    if trusted {
        return match fs::remove_file(mark) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    if let Some(folder) = mark.parent() {
        private::create_folders(folder)?;
    }
    fs::write(mark, "")
}

#[cfg(test)]
mod tests {
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
