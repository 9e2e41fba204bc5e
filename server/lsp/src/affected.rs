//! Which test files a saved file affects, for `runOnSave: affected`: from imports in the source, to a depth of one
//! besides conftest files.

use std::path::{Path, PathBuf};

use pytest_lens_analysis::{Import, PytestSettings, listing};

use crate::paths::relative;

/// Test files, relative to the root: the saved one itself, those that import it, and, for a `conftest.py` or what one
/// imports, all those below it. Reads the disk.
pub(crate) fn files(root: &Path, settings: &PytestSettings, saved: &Path) -> Vec<String> {
    if saved.extension().is_none_or(|extension| extension != "py") {
        return Vec::new();
    }
    let Some(file) = relative(saved, root) else { return Vec::new() };
    let mut roots = Vec::new();
    for folder in conftest_folders(root) {
        let conftest = folder.join("conftest.py");
        let text = std::fs::read_to_string(&conftest).unwrap_or_default();
        let imports = pytest_lens_analysis::analyze(&text, settings).imports;
        let prefix = relative(&folder, root).unwrap_or_default();
        if conftest == saved || imports.iter().any(|import| reaches(import, &prefix, &file)) {
            roots.push(prefix);
        }
    }
    let below = |path: &str| roots.iter().any(|root| root.is_empty() || path.starts_with(&format!("{root}/")));
    let folder_of = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    listing::list(root, settings)
        .into_iter()
        .filter(|test| {
            let imports = || test.analysis.imports.iter();
            test.path == file
                || below(&test.path)
                || imports().any(|import| reaches(import, &folder_of(&test.path), &file))
        })
        .map(|test| test.path)
        .collect()
}

/// Folders with a `conftest.py`, those that pytest does not enter left out.
fn conftest_folders(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(folder) = left.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name == "conftest.py" {
                found.push(folder.clone());
            }
            let enters = !name.starts_with('.') && !matches!(&*name, "node_modules" | "venv" | "build" | "dist");
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if enters && is_folder && !entry.path().join("pyvenv.cfg").exists() {
                left.push(entry.path());
            }
        }
    }
    found
}

/// Whether an import in a file of `folder` may load `file`. Where a package is put on `sys.path` is not known, so a
/// module's name may be any tail of its path.
fn reaches(import: &Import, folder: &str, file: &str) -> bool {
    let module = file.strip_suffix(".py").unwrap_or(file);
    let module = module.strip_suffix("/__init__").unwrap_or(module);
    let name = module.replace('/', ".");
    let mut asked = Vec::new();
    let base = if import.level == 0 {
        import.module.clone()
    } else {
        let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        parts.truncate((parts.len() + 1).saturating_sub(import.level as usize));
        parts.extend(Some(import.module.as_str()).filter(|module| !module.is_empty()));
        parts.join(".")
    };
    // `import a.b` loads a as well; `from a import b` may name a module.
    for (end, _) in base.match_indices('.').chain([(base.len(), "")]) {
        asked.push(base.get(..end).unwrap_or(&base).to_owned());
    }
    asked.extend(import.names.iter().map(|inner| format!("{base}.{inner}")));
    asked.iter().any(|asked| !asked.is_empty() && is_tail(&name, asked))
}

fn is_tail(name: &str, tail: &str) -> bool {
    name == tail || name.strip_suffix(tail).is_some_and(|head| head.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(level: u32, module: &str, names: &[&str]) -> Import {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Import { module: module.into(), names, level, line: 1 }
    }

    #[test]
    fn imports_reach_modules_by_any_tail_of_their_path() {
        assert!(reaches(&import(0, "pkg.mod", &[]), "tests", "src/pkg/mod.py"));
        assert!(reaches(&import(0, "pkg", &["mod"]), "tests", "src/pkg/mod.py"));
        assert!(reaches(&import(0, "pkg.mod", &["f"]), "tests", "src/pkg/__init__.py"));
        assert!(reaches(&import(1, "", &["helper"]), "tests/unit", "tests/unit/helper.py"));
        assert!(reaches(&import(2, "helper", &["f"]), "tests/unit", "tests/helper.py"));
        assert!(!reaches(&import(0, "mod2", &[]), "tests", "src/pkg/mod.py"));
        assert!(!reaches(&import(0, "od", &[]), "tests", "src/pkg/mod.py"));
    }
}
