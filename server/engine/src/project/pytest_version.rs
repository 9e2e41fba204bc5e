//! The version of pytest that is installed for an interpreter, as far as the configuration depends on it.

use std::path::Path;
use std::process::{Command, Stdio};

use pytest_lens_analysis::ConfigRules;
use pytest_lens_platform::python;

const ASKS: &str = "import importlib.metadata as metadata; print(metadata.version('pytest'))";

/// The rules by which the pytest of an interpreter finds its configuration; those of the latest version if it has none.
/// Blocks, and starts the interpreter if its folders do not show the version.
#[must_use]
pub fn config_rules(python: &Path) -> ConfigRules {
    match of_environment(python).or_else(|| asked(python)) {
        Some(major) if major < 9 => ConfigRules::Before9,
        _ => ConfigRules::Since9,
    }
}

/// The version of pytest in the folders of the interpreter's environment.
fn of_environment(python: &Path) -> Option<u32> {
    let prefix = python.parent()?.parent()?;
    // Other folders may hold the packages of several interpreters.
    if !prefix.join("pyvenv.cfg").is_file() {
        return None;
    }
    let folders = python::packages(prefix).into_iter().filter_map(|folder| folder.read_dir().ok());
    let mut versions = folders.flatten().flatten().filter_map(|entry| {
        let name = entry.file_name();
        major(name.to_str()?.strip_prefix("pytest-")?.strip_suffix(".dist-info")?)
    });
    versions.next().filter(|_| versions.next().is_none())
}

fn asked(python: &Path) -> Option<u32> {
    let answer = Command::new(python).args(["-c", ASKS]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    major(String::from_utf8_lossy(&answer.stdout).trim())
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_folders_of_an_environment_show_the_version_and_otherwise_its_interpreter_does() {
        let prefix = tempfile::tempdir().unwrap();
        let prefix = prefix.path();
        let packages = prefix.join("lib/python3.9/site-packages");
        for folder in ["pytest_xdist-3.8.0.dist-info", "pytest-8.4.2.dist-info"] {
            std::fs::create_dir_all(packages.join(folder)).unwrap();
        }
        let python = prefix.join("bin/python");
        std::fs::create_dir(prefix.join("bin")).unwrap();
        std::fs::write(&python, "#!/bin/sh\necho 9.0.1\n").unwrap();
        std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(config_rules(&python), ConfigRules::Since9, "it is no environment: the interpreter knows");
        std::fs::write(prefix.join("pyvenv.cfg"), "").unwrap();
        assert_eq!(config_rules(&python), ConfigRules::Before9);
        std::fs::create_dir(packages.join("pytest-7.4.4.dist-info")).unwrap();
        assert_eq!(config_rules(&python), ConfigRules::Since9, "one of them is a remainder: the interpreter knows");
        std::fs::remove_dir_all(packages).unwrap();
        std::fs::remove_file(&python).unwrap();
        assert_eq!(config_rules(&python), ConfigRules::Since9, "there is none");
    }
}
