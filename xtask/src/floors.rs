//! The engine's floors: a folder of `server/engine/src` imports only folders below it, so that whoever reads one need
//! know only those.
//!
//! Paths are read from the source text: `use` trees with their braces, and paths in code that begin with `crate::` or
//! `super::`.

use std::path::Path;

/// Where the engine's sources are.
const SOURCES: &str = "server/engine/src/";

/// From the top to the bottom. A file beside the folders is a floor by its own name; those of one floor may import each
/// other. What is not listed is the crate's root, which may name every floor and is named by none.
const FLOORS: [&[&str]; 9] = [
    &["api"],
    &["socket"],
    &["engine", "idle_projects"],
    &["suites"],
    &["project"],
    &["runs"],
    &["processes"],
    &["model"],
    &["session", "config", "clock", "api_error"],
];

/// Imports of a file of the engine that lead to a floor above it, or to one that is not listed.
pub fn complaints(path: &Path, text: &str) -> Vec<String> {
    let Some(inside) = path.to_str().and_then(|path| path.strip_prefix(SOURCES)) else { return Vec::new() };
    let module: Vec<&str> = inside.trim_end_matches(".rs").trim_end_matches("/mod").split('/').collect();
    if module == ["lib"] {
        return Vec::new();
    }
    let Some(own) = floor(module[0]) else {
        return vec![format!("{}: {} is on no floor; see `FLOORS` in {}", path.display(), module[0], file!())];
    };
    let mut found = Vec::new();
    for (line, target) in imports(&module, text) {
        let is_below = target == module[0] || floor(&target).is_some_and(|other| other >= own);
        if !is_below {
            found.push(format!(
                "{}:{line}: `{}` must not import `{target}`, which is above it",
                path.display(),
                module[0]
            ));
        }
    }
    found
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|names| names.contains(&name))
}

/// The top modules that a file names, each with its line.
fn imports(module: &[&str], text: &str) -> Vec<(usize, String)> {
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            // The rest of a longer path or name is no beginning of one.
            let before = &code[..at];
            if before.ends_with(|last: char| last.is_alphanumeric() || last == '_' || last == ':') {
                continue;
            }
            let line = before.matches('\n').count() + 1;
            let nested = text.lines().take(line).any(|line| line.starts_with("mod tests {"));
            let parent = module.len().saturating_sub(usize::from(!nested));
            let base = if start == "crate::" { &[][..] } else { &module[..parent] };
            found.extend(heads(base, &code[at + start.len()..]).into_iter().map(|head| (line, head)));
        }
    }
    found
}

/// The first names of the paths that a `use` tree or a path stands for, counted from `base`.
fn heads(base: &[&str], tree: &str) -> Vec<String> {
    let tree = tree.trim_start();
    if let Some(rest) = tree.strip_prefix("super::") {
        return heads(&base[..base.len().saturating_sub(1)], rest);
    }
    if let Some(top) = base.first() {
        return vec![(*top).to_owned()];
    }
    match tree.strip_prefix('{') {
        Some(group) => members(group).into_iter().flat_map(|member| heads(base, member)).collect(),
        None => {
            let name: String = tree.chars().take_while(|next| next.is_alphanumeric() || *next == '_').collect();
            if name.is_empty() { Vec::new() } else { vec![name] }
        }
    }
}

/// What stands between the commas of a group whose opening brace was read.
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
        let prefix = format!("{SOURCES}{file}");
        let shown = complaints(Path::new(&prefix), text).into_iter();
        shown.map(|complaint| complaint.trim_start_matches(SOURCES).to_owned()).collect()
    }

    #[test]
    fn a_floor_imports_itself_and_those_below() {
        let text = "use crate::runs::plan::RunPlan;\nuse super::worker_slot;\nuse crate::{clock, model::node::{Node, Scope}};\n";
        assert!(found("runs/driver.rs", text).is_empty());
        assert!(found("lib.rs", "use crate::api::answer;\n").is_empty());
        assert!(complaints(Path::new("server/lsp/src/a.rs"), "use crate::api;\n").is_empty());
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
}
