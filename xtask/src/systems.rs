//! The rule about operating systems: `server/platform` is the only crate that asks for the one that it is compiled for.
//!
//! Tests may: most of their projects need links, signals or permissions.

use std::path::Path;

/// The folders whose code may ask for the operating system. Chores are not shipped.
const ALLOWED: [&str; 3] = ["server/platform/", "xtask/", "tools/"];

/// Conditions that ask for it.
const QUESTIONS: [&str; 5] = ["unix", "windows", "target_os", "target_family", "target_env"];

/// The lines of a Rust file that ask for the operating system.
pub(crate) fn complaints(path: &Path, text: &str) -> Vec<String> {
    let is_source = path.extension().is_some_and(|end| end == "rs");
    let is_test = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
    if !is_source || is_test || ALLOWED.iter().any(|folder| path.starts_with(folder)) {
        return Vec::new();
    }
    let code = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    let found = code.enumerate().filter(|(_, line)| asks(line.split("//").next().unwrap_or_default()));
    found
        .map(|(number, _)| {
            format!("{}:{}: asks for the operating system; `server/platform` does that", path.display(), number + 1)
        })
        .collect()
}

fn asks(code: &str) -> bool {
    let is_condition = code.contains("cfg(") || code.contains("cfg!(") || code.contains("cfg_attr(");
    code.contains("std::os::")
        || code.contains("::unix::")
        || code.contains("rustix::")
        || is_condition && QUESTIONS.iter().any(|question| code.contains(question))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_platform_asks_for_the_system() {
        let line = "//! Why.\n#[cfg(target_os = \"linux\")]\nuse std::os::fd::OwnedFd;\n";
        let found = |name: &str, text: &str| complaints(Path::new(name), text).len();
        assert_eq!(found("server/engine/src/a.rs", line), 2);
        assert_eq!(found("server/platform/src/a.rs", line), 0);
        assert_eq!(found("server/engine/tests/engine/a.rs", line), 0);
        assert_eq!(found("server/engine/src/a.rs", &format!("#[cfg(test)]\n{line}")), 0);
        assert_eq!(found("server/engine/src/a.rs", "// not on unix\nlet windows = list.windows(2);\n"), 0);
        assert_eq!(found("server/engine/src/a.rs", "if cfg!(windows) {\n"), 1);
    }
}
