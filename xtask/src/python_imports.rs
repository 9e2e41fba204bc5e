//! The imports of the Python package: its modules form no circle, a folder of the worker imports only folders below it,
//! and a module is imported at the top of a file unless there is a reason to load it later.
//!
//! Imports are read from the source text, those inside functions and for type checkers included.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::lua_imports::circle;

/// The folder of the package.
const PACKAGE: &str = "python/pytest_lens/";

/// The name by which its modules may import each other in full.
const NAME: &str = "pytest_lens";

/// The compiled module, which has no source file in the folder.
const COMPILED: &str = "_native";

/// The package with floors.
const WORKER: &str = "worker";

/// The worker's floors from the top to the bottom, each with its folders and files. Those of one floor may import each
/// other.
const FLOORS: &[&[&str]] = &[
    &["cluster"],
    &["start"],
    &["boot", "coverage_report"],
    &["base"],
    &["session"],
    &["running"],
    &["collection"],
    &["sharing"],
    &["reports"],
    &["park", "start_over"],
    &["state"],
    &["output"],
    &["preload"],
    &["processes"],
    &["inputs"],
    &["timings"],
    &["watching"],
    &["site_paths", "wire"],
    &["compiled", "high_descriptors"],
    &["config_files", "garbage", "own_code", "unpatched"],
];

/// Every import of one module of the package by another that is not at the top of the file: file, module, reason.
const LATE: &[(&str, &str, &str)] = &[
    ("worker/boot.py", "worker.base", "it imports pytest, which may be missing"),
    ("worker/start.py", "worker.boot", "it is loaded in another way"),
    ("worker/state.py", "worker.inputs.recorder", "for type checkers alone: it imports pytest, which may be missing"),
    ("worker/state.py", "worker.timings.timer", "as above"),
    ("plugin.py", "_native", "every pytest of the environment loads the plugin, most without `--lens`"),
    ("plugin.py", "engine_session", "as above, and it imports the engine's interface"),
    ("__init__.py", "engine", "for type checkers alone: the worker must not load the compiled module"),
    ("__init__.py", "errors", "as above"),
    ("__init__.py", "runs", "as above"),
    ("__init__.py", "_native", "as above"),
];

/// An import: the line, from 1, the module that is named with its folders, and whether it is at the top of the file.
struct Import {
    line: usize,
    module: String,
    is_top: bool,
}

/// Checks the Python files among `sources`, which are paths relative to the repository's root and their texts.
pub(crate) fn complaints<'a>(sources: impl Iterator<Item = (&'a Path, &'a str)>) -> Vec<String> {
    let files: BTreeMap<&str, &str> = sources
        .filter_map(|(path, text)| Some((path.to_str()?.strip_prefix(PACKAGE)?, text)))
        .filter(|(file, _)| file.ends_with(".py"))
        .collect();
    let mut modules: BTreeSet<String> = files.keys().map(|file| module_name(file)).collect();
    modules.insert(COMPILED.to_owned());
    let mut unused: BTreeSet<_> = LATE.iter().filter(|(file, ..)| files.contains_key(file)).collect();
    let mut found = Vec::new();
    let mut graph = BTreeMap::new();
    for (file, text) in files {
        let imports = imports(file, text, &modules);
        for Import { line, module, is_top } in &imports {
            let is_listed = |(listed, late, _): &&(&str, &str, &str)| *listed == file && late == module;
            if !is_top && !LATE.iter().any(|late| is_listed(&late)) {
                found.push(format!("{PACKAGE}{file}:{line}: import `{module}` at the top, or list it in {}", file!()));
            }
            if !is_top {
                unused.retain(|late| !is_listed(late));
            }
            found.extend(upward(file, module).map(|fault| format!("{PACKAGE}{file}:{line}: {fault}")));
        }
        let own = module_name(file);
        let targets = imports.into_iter().map(|import| import.module).filter(|module| *module != own);
        graph.insert(own.clone(), targets.collect());
    }
    found.extend(unused.into_iter().map(|(file, module, reason)| {
        format!("{PACKAGE}{file}: does not import `{module}` late ({reason}), as {} says", file!())
    }));
    found.extend(circle(&graph).map(|circle| format!("{PACKAGE}: a circle of imports: {}", circle.join(" -> "))));
    // Several names of one import.
    found.dedup();
    found
}

/// The complaint about an import from a floor above; none if there is nothing wrong.
fn upward(file: &str, module: &str) -> Option<String> {
    let own = file.strip_prefix(WORKER)?.strip_prefix('/')?.trim_end_matches(".py").split('/').next()?;
    if own == "__init__" {
        return None;
    }
    let floor = |name: &str| FLOORS.iter().position(|names| names.contains(&name));
    let Some(own_floor) = floor(own) else {
        return Some(format!("`{own}` is on no floor; see `FLOORS` in {}", file!()));
    };
    let Some(target) = module.strip_prefix(WORKER).and_then(|rest| rest.strip_prefix('.')) else {
        return Some(format!("the worker must not import `{module}`, which is not a part of it"));
    };
    let target = target.split('.').next().unwrap_or_default();
    let is_below = target == own || floor(target).is_some_and(|other| other >= own_floor);
    (!is_below).then(|| format!("`{own}` must not import `{target}`, which is above it"))
}

/// The name of a file's module within the package: `worker.session.plugin`; that of the package itself is empty.
fn module_name(file: &str) -> String {
    let name = file.trim_end_matches(".py").replace('/', ".");
    let name = name.strip_suffix("__init__").unwrap_or(&name);
    name.trim_end_matches('.').to_owned()
}

/// The imports of other modules of the package.
fn imports(file: &str, text: &str, modules: &BTreeSet<String>) -> Vec<Import> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let code = line.trim_start();
        let Some((from, names)) = code.strip_prefix("from ").and_then(|rest| rest.split_once(" import ")) else {
            let whole = code.strip_prefix("import ").and_then(|name| name.strip_prefix(&format!("{NAME}.")));
            found.extend(whole.map(|name| import(index, line, without_comment(name).trim())));
            continue;
        };
        let Some(base) = base(file, from) else { continue };
        let mut names = without_comment(names).to_owned();
        while names.contains('(') && !names.contains(')') {
            let Some((_, more)) = lines.next() else { break };
            names.push_str(without_comment(more));
        }
        for name in names.split(',').map(|name| name.trim_matches(['(', ')', ' '])).filter(|name| !name.is_empty()) {
            let name = name.split(' ').next().unwrap_or_default();
            let longer = if base.is_empty() { name.to_owned() } else { format!("{base}.{name}") };
            let module = if modules.contains(&longer) { longer } else { base.clone() };
            found.push(import(index, line, &module));
        }
    }
    found
}

fn import(index: usize, line: &str, module: &str) -> Import {
    Import { line: index + 1, module: module.to_owned(), is_top: !line.starts_with(' ') }
}

fn without_comment(code: &str) -> &str {
    code.split('#').next().unwrap_or_default()
}

/// The module that `from` names, seen from a file; none if it is not one of the package's.
fn base(file: &str, from: &str) -> Option<String> {
    if let Some(rest) = from.strip_prefix(NAME) {
        return (rest.is_empty() || rest.starts_with('.')).then(|| rest.trim_start_matches('.').to_owned());
    }
    let rest = from.trim_start_matches('.');
    let dots = from.len() - rest.len();
    let mut folders: Vec<&str> = file.split('/').collect();
    folders.truncate(folders.len().checked_sub(dots)?);
    folders.extend(rest.split('.').filter(|part| !part.is_empty()));
    (dots > 0).then(|| folders.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sources: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<(String, &str)> =
            sources.iter().map(|(file, text)| (format!("{PACKAGE}{file}.py"), *text)).collect();
        let found = complaints(sources.iter().map(|(path, text)| (Path::new(path.as_str()), *text))).into_iter();
        found.map(|complaint| complaint.trim_start_matches(PACKAGE).to_owned()).collect()
    }

    #[test]
    fn imports_from_below_without_a_circle_are_fine() {
        let plugin = "from .. import unpatched, wire\nfrom ..running.run_loop import (\n    RunLoop,  # the loop\n)\n";
        let sources = [
            ("worker/session/plugin", plugin),
            ("worker/running/run_loop", "from ..unpatched import os\nfrom pytest import Item\n"),
            ("worker/unpatched", "import os\n"),
            ("worker/wire", ""),
            ("runs", "from . import _native\n"),
        ];
        assert_eq!(found(&sources), [""; 0]);
    }

    #[test]
    fn an_import_from_above_is_named_with_its_line() {
        let sources = [("worker/session/main", ""), ("worker/park", "\nfrom .session import main\n")];
        assert_eq!(found(&sources), ["worker/park.py:2: `park` must not import `session`, which is above it"]);
        let outside = [("runs", ""), ("worker/wire", "from ..runs import Run\n")];
        assert_eq!(
            found(&outside)[0],
            "worker/wire.py:1: the worker must not import `runs`, which is not a part of it"
        );
        assert_eq!(found(&[("worker/wire", ""), ("worker/attic", "from .wire import cut\n")]).len(), 1);
    }

    #[test]
    fn a_circle_is_found_inside_functions_and_by_full_names_too() {
        let late = "def f():\n    from .engine import Engine\n";
        let complaints = found(&[("engine", "import pytest_lens.runs\n"), ("runs", late)]);
        assert_eq!(complaints.len(), 2);
        assert!(complaints[0].starts_with("runs.py:2: import `engine` at the top"), "{complaints:?}");
        assert_eq!(complaints[1], ": a circle of imports: engine -> runs -> engine");
    }

    #[test]
    fn a_reason_without_an_import_is_stale() {
        assert!(found(&[("worker/boot", "")])[0].contains("does not import `worker.base` late"));
    }
}
