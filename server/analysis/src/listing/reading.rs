//! Reads files that people write, and refuses anything else of that name that could block a reader: a pipe without a
//! writer, an endless device, gigabytes.

use std::io::Read;
use std::path::Path;
use std::{fs, io};

/// The largest size that is read, in bytes; no source, configuration or report is larger.
pub const LARGEST: u64 = 256 << 20;

/// The content of an ordinary file.
///
/// # Errors
/// Fails if the file can't be read, is no ordinary file, or is larger than [`LARGEST`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Checked before it is opened: opening a pipe waits for the other end.
    let data = fs::metadata(path)?;
    if !data.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    // One more byte than it has, for the read that finds the end.
    let mut content = Vec::with_capacity(usize::try_from(data.len().min(LARGEST)).unwrap_or_default() + 1);
    fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    Ok(content)
}

/// The text of an ordinary file in UTF-8.
///
/// # Errors
/// As [`read`], and if it is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| io::Error::other("it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r15_a_pipe_or_an_endless_file_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pytest.ini");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for path in [&pipe, Path::new("/dev/zero"), folder.path()] {
            assert_eq!(read_text(path).unwrap_err().to_string(), "it is no ordinary file", "{}", path.display());
        }
        let large = folder.path().join("large");
        fs::File::create(&large).unwrap().set_len(LARGEST + 1).unwrap();
        assert!(read(&large).unwrap_err().to_string().contains("larger"));
        fs::write(&large, "text").unwrap();
        assert_eq!(read_text(&large).unwrap(), "text");
    }
}
