//! Folders and files that only this user can read or change, whatever the umask, since the engine executes them.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, process};

use pytest_lens_platform::private;

/// Creates a folder and the missing folders above it, or takes over an existing one.
///
/// # Errors
///
/// If it can't be created or written to, or it, or a link in its place, belongs to another user. The error names the
/// path.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    private::create_folders(path).map_err(failed)?;
    let (link, data) = (fs::symlink_metadata(path).map_err(failed)?, fs::metadata(path).map_err(failed)?);
    if !private::is_own(&link) || !private::is_own(&data) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{} is not a folder of this user", path.display()),
        ));
    }
    private::restrict_folder(path, &data).map_err(failed)?;
    private::check_usable(path).map_err(failed)
}

/// Writes a file atomically, so that a full disk or a power cut leaves no half of it.
///
/// # Errors
///
/// If it can't be written. The error names the path.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}-{}.part", process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    let aside = Path::new(&aside);
    let write = || {
        let mut file = private::file_options().write(true).create(true).truncate(true).open(aside)?;
        private::restrict_file(&file)?;
        file.write_all(bytes)?;
        drop(file);
        fs::rename(aside, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(aside);
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    })
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn r5_folders_and_files_are_this_user_s_alone_and_made_so_where_they_are_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        folder(&path).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o700, 0o700));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        folder(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        let file = path.join("file");
        write(&file, b"text").unwrap();
        assert_eq!((mode(&file), fs::read(&file).unwrap()), (0o600, b"text".to_vec()));
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "nothing is left aside");
    }

    #[test]
    fn r5_a_folder_that_is_not_this_user_s_is_refused_by_name() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        let error = folder(&file.join("below")).unwrap_err().to_string();
        assert!(error.contains("file/below"), "{error}");
        if rustix::process::getuid().is_root() {
            let other = home.path().join("other");
            fs::create_dir(&other).unwrap();
            std::os::unix::fs::chown(&other, Some(12345), None).unwrap();
            let error = folder(&other).unwrap_err().to_string();
            assert!(error.contains("other is not a folder of this user"), "{error}");
        }
    }
}
