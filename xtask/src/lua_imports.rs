//! The imports of the Neovim plugin: they form no circle, and a module is imported at the top of a file unless there is
//! a reason to load it later.
//!
//! Imports are read from the source text. StyLua indents everything that is not at the top.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The folder of the plugin.
const PLUGIN: &str = "editors/neovim/";

/// A file that imports modules inside its functions.
struct Late {
    file: &'static str,
    modules: &'static [&'static str],
    reason: &'static str,
}

/// Every import inside a function.
const LATE: &[Late] = &[
    Late {
        file: "plugin/pytest_lens.lua",
        modules: &["pytest_lens.client", "pytest_lens.commands", "pytest_lens.listeners"],
        reason: "Neovim runs it at every start",
    },
    Late {
        file: "lua/pytest_lens/init.lua",
        modules: &["pytest_lens.client", "pytest_lens.commands", "pytest_lens.statusline"],
        reason: "a statusline loads it at start-up",
    },
    Late {
        file: "lua/neotest-pytest-lens/init.lua",
        modules: &["pytest_lens.commands"],
        reason: "the user's configuration loads it at start-up, and the commands load everything",
    },
    Late {
        file: "lua/neotest-pytest-lens/init.lua",
        modules: &["neotest.config", "neotest.types", "nio"],
        reason: "the user's configuration may load it before neotest",
    },
    Late { file: "lua/pytest_lens/dap.lua", modules: &["dap"], reason: "an optional plugin" },
    Late { file: "lua/pytest_lens/health.lua", modules: &["dap", "neotest"], reason: "optional plugins" },
];

/// An import: the line, from 1, the module, and whether it is at the top of the file.
struct Import {
    line: usize,
    module: String,
    is_top: bool,
}

/// Checks the Lua files among `sources`, which are paths relative to the repository's root and their texts.
pub(crate) fn complaints<'a>(sources: impl Iterator<Item = (&'a Path, &'a str)>) -> Vec<String> {
    let mut found = Vec::new();
    let mut graph = BTreeMap::new();
    let listed = LATE.iter().flat_map(|late| late.modules.iter().map(|module| (late.file, *module, late.reason)));
    let mut unused: BTreeSet<(&str, &str, &str)> = listed.collect();
    for (path, text) in sources {
        let inside = path.to_str().and_then(|path| path.strip_prefix(PLUGIN));
        let Some(file) = inside.filter(|file| file.ends_with(".lua")) else { continue };
        let imports = imports(text);
        for import in imports.iter().filter(|import| !import.is_top) {
            let is_listed = LATE.iter().any(|late| late.file == file && late.modules.contains(&import.module.as_str()));
            unused.retain(|(listed, module, _)| (*listed, *module) != (file, import.module.as_str()));
            if !is_listed {
                let (line, module) = (import.line, &import.module);
                found.push(format!("{PLUGIN}{file}:{line}: import `{module}` at the top, or list it in {}", file!()));
            }
        }
        let modules: BTreeSet<String> = imports.into_iter().map(|import| import.module).collect();
        graph.insert(module_name(file), modules);
    }
    if !graph.is_empty() {
        found.extend(unused.iter().map(|(file, module, reason)| {
            format!("{PLUGIN}{file}: does not import `{module}` late ({reason}), as {} says", file!())
        }));
    }
    found.extend(circle(&graph).map(|circle| format!("{PLUGIN}: a circle of imports: {}", circle.join(" -> "))));
    found
}

/// The name by which other files import a file.
fn module_name(file: &str) -> String {
    let name = file.strip_prefix("lua/").unwrap_or(file).trim_end_matches(".lua");
    name.trim_end_matches("/init").replace('/', ".")
}

fn imports(text: &str) -> Vec<Import> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let code = line.split("--").next().unwrap_or_default();
        // In backticks it is a text for the user.
        for (at, _) in code.match_indices("require").filter(|(at, _)| !code[..*at].ends_with('`')) {
            let rest = code[at + "require".len()..].trim_start_matches(['(', ',', ' ']);
            let Some(quote) = rest.chars().next().filter(|first| matches!(first, '\'' | '"')) else { continue };
            let module = rest[1..].split(quote).next().unwrap_or_default().to_owned();
            found.push(Import { line: index + 1, module, is_top: !line.starts_with(' ') });
        }
    }
    found
}

/// A circle in a graph, with its first member repeated at the end.
pub(crate) fn circle(graph: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    graph.keys().find_map(|start| visit(graph, start, &mut Vec::new(), &mut done))
}

fn visit<'a>(
    graph: &'a BTreeMap<String, BTreeSet<String>>,
    module: &'a str,
    path: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<String>> {
    if let Some(at) = path.iter().position(|other| *other == module) {
        return Some(path[at..].iter().chain([&module]).map(|name| (*name).to_owned()).collect());
    }
    let imports = graph.get(module).filter(|_| !done.contains(module))?;
    path.push(module);
    let found = imports.iter().find_map(|import| visit(graph, import, path, done));
    path.pop();
    done.insert(module);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sources: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<(String, &str)> =
            sources.iter().map(|(file, text)| (format!("{PLUGIN}lua/pytest_lens/{file}.lua"), *text)).collect();
        let all = complaints(sources.iter().map(|(path, text)| (Path::new(path.as_str()), *text)));
        all.into_iter().filter(|complaint| !complaint.contains("does not import")).collect()
    }

    #[test]
    fn imports_at_the_top_without_a_circle_are_fine() {
        let client = "local store = require('pytest_lens.store')\n";
        assert!(
            found(&[
                ("client", client),
                ("store", "-- require('pytest_lens.client')\nlocal M = {}\n  x('`require(\"a\")`')\n")
            ])
            .is_empty()
        );
    }

    #[test]
    fn a_circle_is_named_with_all_its_members() {
        let to = |module: &str| format!("local m = require(\"pytest_lens.{module}\")\n");
        assert_eq!(
            found(&[("a", &to("b")), ("b", &to("c")), ("c", &to("b"))]),
            [format!("{PLUGIN}: a circle of imports: pytest_lens.b -> pytest_lens.c -> pytest_lens.b")]
        );
    }

    #[test]
    fn a_late_import_needs_a_reason() {
        let listed = "function M.start()\n  local found, dap = pcall(require, 'dap')\nend\n";
        assert!(found(&[("dap", listed)]).is_empty());
        let complaints = found(&[("marks", listed)]);
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("editors/neovim/lua/pytest_lens/marks.lua:2: import `dap` at the top"));
    }

    #[test]
    fn a_reason_without_an_import_is_stale() {
        let path = format!("{PLUGIN}lua/pytest_lens/dap.lua");
        let all = complaints([(Path::new(&path), "local M = {}\n")].into_iter());
        assert!(all.iter().any(|complaint| complaint.contains("lua/pytest_lens/dap.lua: does not import `dap`")));
    }

    #[test]
    fn a_folder_s_module_is_its_init_file() {
        assert_eq!(module_name("lua/pytest_lens/init.lua"), "pytest_lens");
        assert_eq!(module_name("lua/pytest_lens/client.lua"), "pytest_lens.client");
    }
}
