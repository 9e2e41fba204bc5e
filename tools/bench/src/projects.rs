//! Generated projects of a known size, which differ only in a heavy import.

use anyhow::Result;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// A generated project.
pub(crate) struct Generated {
    /// Its root.
    pub root: PathBuf,
    /// Number of tests.
    pub tests: usize,
    /// Number of test files.
    pub files: usize,
    /// The module under test.
    pub module: PathBuf,
    /// A test file in the middle, relative to the root.
    pub file: String,
    /// A test in the middle of that file, and its line (0-based).
    pub test: (String, usize),
}

impl Generated {
    /// A test file, by its number.
    pub(crate) fn test_file(&self, number: usize) -> PathBuf {
        self.root.join(format!("tests/test_part_{number:03}.py"))
    }

    /// The text of the module under test in its n-th revision; each differs in code, not in behavior.
    pub(crate) fn module_text(&self, revision: u64) -> Result<String> {
        let text = fs::read_to_string(&self.module)?;
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for line in &mut lines {
            if line.starts_with("REVISION = ") {
                *line = format!("REVISION = {revision}");
            }
        }
        Ok(lines.join("\n") + "\n")
    }
}

/// A project whose module and tests import pandas.
pub(crate) fn pandas(root: &Path, files: usize, each: usize) -> Result<Generated> {
    generate(root, files, each, "import pandas as pd\n", "int(pd.Series(values).sum())")
}

/// A project that imports nothing heavy.
pub(crate) fn plain(root: &Path, files: usize, each: usize) -> Result<Generated> {
    generate(root, files, each, "", "sum(values)")
}

fn generate(root: &Path, files: usize, each: usize, import: &str, sum: &str) -> Result<Generated> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    fs::create_dir_all(root.join("tests"))?;
    fs::write(root.join("pyproject.toml"), "[tool.pytest.ini_options]\ntestpaths = [\"tests\"]\n")?;
    let module = root.join("ledger.py");
    let head = "\"\"\"The module under test.\"\"\"\n\n";
    let body = format!("\n\nREVISION = 0\n\n\ndef total(values):\n    return {sum}\n");
    fs::write(&module, format!("{head}{import}{body}"))?;
    let mut line = 0;
    for file in 0..files {
        let mut text = format!("\"\"\"Tests.\"\"\"\n\n{import}\nimport ledger\n");
        for number in 0..each {
            text.push_str("\n\n");
            if number == each / 2 {
                line = text.lines().count();
            }
            write!(text, "def test_{number}():\n    print(\"revision\", ledger.REVISION)\n")?;
            writeln!(text, "    assert ledger.total([{file}, {number}]) == {}", file + number)?;
        }
        fs::write(root.join(format!("tests/test_part_{file:03}.py")), text)?;
    }
    Ok(Generated {
        root: root.to_path_buf(),
        tests: files * each,
        files,
        module,
        file: format!("tests/test_part_{:03}.py", files / 2),
        test: (format!("test_{}", each / 2), line),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_on_the_test() {
        let root = std::env::temp_dir().join(format!("lens-bench-{}", std::process::id()));
        let project = plain(&root, 3, 4).unwrap();
        let text = fs::read_to_string(root.join(&project.file)).unwrap();
        let line = text.lines().nth(project.test.1);
        assert_eq!(line, Some(format!("def {}():", project.test.0).as_str()));
        assert!(project.module_text(7).unwrap().contains("\nREVISION = 7\n"));
        fs::remove_dir_all(&root).unwrap();
    }
}
