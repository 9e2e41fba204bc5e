//! The floors of the engine, the language server and the command line: a folder imports only folders below it, so that a
//! reader of one needs to know only those. Modules of the language server and the command line form no circle either.
//!
//! Paths are read from the source text: `use` trees with their braces, and paths in code that begin with `crate::` or
//! `super::`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::lua_imports::circle;

/// A crate, and its floors.
struct LayeredCrate {
    /// The folder of its sources.
    sources: &'static str,
    /// The floors from the top to the bottom. A file next to the folders is a floor by its own name; those of one floor
    /// may import each other. Modules that are not listed are the crate's root, which may name every floor and is named
    /// by none.
    floors: &'static [&'static [&'static str]],
    /// Whether modules of one floor may import each other in a circle.
    has_circles: bool,
}

const LAYERED_CRATES: [LayeredCrate; 3] = [
    LayeredCrate {
        sources: "server/engine/src/",
        floors: &[
            &["fuzzing", "simulation"],
            &["api"],
            &["socket"],
            &["engine", "idle_projects", "idle_runs"],
            &["suites"],
            &["project"],
            &["runs"],
            &["processes"],
            &["model"],
            &["session", "config", "clock", "timing", "api_error"],
        ],
        has_circles: true,
    },
    LayeredCrate {
        sources: "server/lsp/src/",
        floors: &[
            &["fuzzing"],
            &["server", "server_capabilities"],
            &["transport"],
            &["outgoing"],
            &["sync"],
            &["requests"],
            &["commands"],
            &["engine"],
            &["session"],
            &["workspaces"],
            &["documents"],
            &["error", "paths", "timing"],
        ],
        has_circles: false,
    },
    LayeredCrate {
        sources: "server/cli/src/",
        floors: &[
            &["main"],
            &["commands"],
            &["mcp", "watch"],
            &["run"],
            &["terminal"],
            &["results"],
            &["engine"],
            &["options"],
            &["failure", "git", "logs", "paths", "style", "suggest", "timing", "testing"],
        ],
        has_circles: false,
    },
];

impl LayeredCrate {
    fn floor(&self, name: &str) -> Option<usize> {
        self.floors.iter().position(|names| names.contains(&name))
    }

    /// The names of a file's module.
    fn module<'a>(&self, path: &'a Path) -> Option<Vec<&'a str>> {
        let inside = path.to_str()?.strip_prefix(self.sources)?;
        Some(inside.trim_end_matches(".rs").trim_end_matches("/mod").split('/').collect())
    }
}

/// Imports of a file from a floor above it, or from one that is not listed.
pub(crate) fn complaints(path: &Path, text: &str) -> Vec<String> {
    let layered = LAYERED_CRATES.iter().find_map(|layered| Some((layered, layered.module(path)?)));
    let Some((layered, module)) = layered.filter(|(_, module)| *module != ["lib"]) else { return Vec::new() };
    let Some(own) = layered.floor(module[0]) else {
        return vec![format!("{}: {} is on no floor; see `LAYERED_CRATES` in {}", path.display(), module[0], file!())];
    };
    let mut found = Vec::new();
    for (line, target) in imports(&module, text) {
        let Some(target) = target.first() else { continue };
        let is_below = target == module[0] || layered.floor(target).is_some_and(|other| other >= own);
        if !is_below {
            found.push(format!(
                "{}:{line}: `{}` must not import `{target}`, which is above it",
                path.display(),
                module[0]
            ));
        }
    }
    // Several names of one group are one import.
    found.dedup();
    found
}

/// Circles among the modules of a crate that must have none.
pub(crate) fn circles(sources: &[(impl AsRef<Path>, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for layered in LAYERED_CRATES.iter().filter(|layered| !layered.has_circles) {
        let modules: BTreeMap<String, (Vec<&str>, &str)> = sources
            .iter()
            .filter_map(|(path, text)| Some((layered.module(path.as_ref())?, text.as_str())))
            // Tests may import everything.
            .filter(|(module, _)| *module != ["lib"] && module.last() != Some(&"tests"))
            .map(|(module, text)| (module.join("::"), (module, text.split("\nmod tests {").next().unwrap_or_default())))
            .collect();
        let graph = modules.iter().map(|(name, (module, text))| {
            let targets = imports(module, text).into_iter().filter_map(|(_, path)| {
                // The longest beginning of the path that is a file.
                (1..=path.len()).rev().map(|length| path[..length].join("::")).find(|path| modules.contains_key(path))
            });
            (name.clone(), targets.filter(|target| target != name).collect())
        });
        let graph: BTreeMap<String, BTreeSet<String>> = graph.collect();
        found.extend(
            circle(&graph).map(|circle| format!("{}: a circle of imports: {}", layered.sources, circle.join(" -> "))),
        );
    }
    found
}

/// The paths that a file names, from the crate's root on, each with its line.
fn imports(module: &[&str], text: &str) -> Vec<(usize, Vec<String>)> {
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            // The beginning of a longer path or name does not count.
            let before = &code[..at];
            if before.ends_with(|last: char| last.is_alphanumeric() || last == '_' || last == ':') {
                continue;
            }
            let line = before.matches('\n').count() + 1;
            let nested = text.lines().take(line).any(|line| line.starts_with("mod tests {"));
            let parent = module.len().saturating_sub(usize::from(!nested));
            let base = if start == "crate::" { &[][..] } else { &module[..parent] };
            found.extend(paths(base, &code[at + start.len()..]).into_iter().map(|path| (line, path)));
        }
    }
    found
}

/// The paths that a `use` tree or a path stands for, counted from `base`.
fn paths(base: &[&str], tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim_start();
    if let Some(rest) = tree.strip_prefix("super::") {
        return paths(&base[..base.len().saturating_sub(1)], rest);
    }
    if let Some(group) = tree.strip_prefix('{') {
        return members(group).into_iter().flat_map(|member| paths(base, member)).collect();
    }
    let length = tree.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(tree.len());
    let (name, rest) = tree.split_at(length);
    if name.is_empty() || name == "self" {
        return vec![base.iter().map(|name| (*name).to_owned()).collect()];
    }
    let longer: Vec<&str> = base.iter().copied().chain([name]).collect();
    match rest.strip_prefix("::") {
        Some(rest) => paths(&longer, rest),
        None => vec![longer.into_iter().map(str::to_owned).collect()],
    }
}

/// The parts between the commas of a group, after its opening brace.
fn members(group: &str) -> Vec<&str> {
    let (mut members, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, next) in group.char_indices() {
        match next {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Vec<String> {
        let prefix = format!("{}{file}", LAYERED_CRATES[0].sources);
        let shown = complaints(Path::new(&prefix), text).into_iter();
        shown.map(|complaint| complaint.trim_start_matches(LAYERED_CRATES[0].sources).to_owned()).collect()
    }

    #[test]
    fn a_floor_imports_itself_and_those_below() {
        let text = "use crate::runs::plan::RunPlan;\nuse super::worker_slot;\nuse crate::{clock, model::node::{Node, Scope}};\n";
        assert!(found("runs/driver.rs", text).is_empty());
        assert!(found("lib.rs", "use crate::api::answer;\n").is_empty());
        assert!(complaints(Path::new("server/plan/src/a.rs"), "use crate::api;\n").is_empty());
    }

    #[test]
    fn what_leads_up_is_named_with_its_line() {
        let above = "must not import `project`, which is above it";
        assert_eq!(
            found("runs/plan.rs", "\nuse crate::project::Project;\n"),
            [format!("runs/plan.rs:2: `runs` {above}")]
        );
        let inline = "fn f() {\n    crate::project::state::f()\n}\n";
        assert_eq!(found("runs/plan.rs", inline), [format!("runs/plan.rs:2: `runs` {above}")]);
        let group = "use crate::{\n    clock::now_ms,\n    project::{Project, state},\n};\n";
        assert_eq!(found("runs/plan.rs", group), [format!("runs/plan.rs:1: `runs` {above}")]);
        let by_super = "use super::super::project::Project;\n";
        assert_eq!(found("runs/plan.rs", by_super), [format!("runs/plan.rs:1: `runs` {above}")]);
        assert_eq!(found("runs/driver/release.rs", "use super::super::super::project;\n").len(), 1);
    }

    #[test]
    fn tests_and_comments_of_a_file_stay_on_its_floor() {
        assert!(
            found(
                "runs/plan.rs",
                "// crate::project\nmod tests {\n    use super::*;\n    use super::super::record;\n}\n"
            )
            .is_empty()
        );
        assert!(found("clock.rs", "mod tests {\n    use super::now_ms;\n}\n").is_empty());
    }

    #[test]
    fn a_new_folder_needs_a_floor() {
        assert_eq!(found("attic/a.rs", "").len(), 1);
        assert_eq!(found("runs/plan.rs", "use crate::attic::a;\n").len(), 1);
    }

    #[test]
    fn each_crate_has_floors_of_its_own() {
        let up = complaints(Path::new("server/lsp/src/session/state.rs"), "use crate::{error, engine::connection};\n");
        assert_eq!(up, ["server/lsp/src/session/state.rs:1: `session` must not import `engine`, which is above it"]);
        assert!(complaints(Path::new("server/lsp/src/engine/connection.rs"), "use crate::session;\n").is_empty());
    }

    #[test]
    fn a_circle_among_modules_is_found_by_their_whole_paths() {
        let source = |file: &str, text: &str| (format!("server/lsp/src/{file}"), text.to_owned());
        let mut sources = vec![
            source(
                "session/state.rs",
                "use crate::session::message::{Outgoing, Progress};\nmod tests {\n    use super::x;\n}\n",
            ),
            source("session/message.rs", "use crate::workspaces::{self, view::View};\n"),
            source("workspaces/mod.rs", ""),
            source("workspaces/view.rs", "\nmod tests {\n    use crate::session::state::State;\n}\n"),
        ];
        assert!(circles(&sources).is_empty());
        sources[3].1 = "use super::super::session::state::State;\n".to_owned();
        let circle = "session::message -> workspaces::view -> session::state -> session::message";
        assert_eq!(circles(&sources), [format!("server/lsp/src/: a circle of imports: {circle}")]);
    }
}
