//! Finds the Python interpreter of a repository, and explains the choice.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pytest_lens_analysis::FileSettings;
use pytest_lens_platform::files::is_executable;
use pytest_lens_platform::processes::stay_stoppable;
use pytest_lens_platform::python;
use tokio::process::Command;

use super::pytest_config;
use crate::processes::activation::Activation;
use crate::timing::MANAGER_LIMIT;

/// An interpreter, and the reason for choosing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interpreter {
    pub path: PathBuf,
    /// The reason in words, such as "the repo's .venv".
    pub source: String,
}

/// Finds the interpreter in which the tests of a root run if no client requests another one.
///
/// # Errors
///
/// One sentence that says what is missing and what to do.
pub async fn find_python(root: &Path) -> Result<PathBuf, String> {
    let rootdir = pytest_config::read(root, None).rootdir;
    let asked = FileSettings::of_root(root).given.complete().python_path;
    find(root, &rootdir, asked.as_deref(), &Activation::default()).await.map(|found| found.path)
}

/// Finds the interpreter. The order is: the requested one, the repository's virtual environment, the active
/// environment, an environment of another name in the repository, the project manager's environment, and `python3` on
/// PATH. A root below pytest's `rootdir` is a part of that repository. `activation` is the client's environment.
///
/// # Errors
///
/// One sentence that says what is missing and what to do.
pub(crate) async fn find(
    root: &Path,
    rootdir: &Path,
    asked: Option<&str>,
    activation: &Activation,
) -> Result<Interpreter, String> {
    if let Some(asked) = asked {
        let path = resolve_asked(root, asked, activation)?;
        return Ok(Interpreter { path, source: "the given path".into() });
    }
    if let Some(near) = near(root, rootdir, activation) {
        return Ok(near);
    }
    if let Some(own) = activation.program().and_then(|program| of_program(&program)) {
        return Ok(own);
    }
    for folder in repo(root, rootdir) {
        if let Some(found) = of_manager(folder, activation).await {
            return Ok(found);
        }
    }
    python_on_path(activation)
        .map(|path| Interpreter { path, source: "python3 on PATH".into() })
        .ok_or_else(|| {
            format!(
                "no Python found for {}; create an environment with `python3 -m venv .venv` and install pytest in it, or set pytestLens.pythonPath",
                root.display()
            )
        })
}

/// The interpreter to use from now on if no client requested one and `present` is in use; `None` to keep it. Checks
/// only a few names, unless `present` is gone or `thorough` is set: asking a project manager means running a program.
pub(crate) async fn renewed(
    root: &Path,
    rootdir: &Path,
    present: &Interpreter,
    thorough: bool,
    activation: &Activation,
) -> Option<Interpreter> {
    let found = match near(root, rootdir, activation) {
        Some(near) => near,
        None if thorough || !is_executable(&present.path) => find(root, rootdir, None, activation).await.ok()?,
        None => return None,
    };
    (found.path != present.path).then_some(found)
}

/// The repository's own environment, which comes before anything that a client has activated.
pub(crate) fn of_repo(root: &Path, rootdir: &Path) -> Option<Interpreter> {
    named(root, rootdir, &[".venv", "venv"])
}

/// The interpreters to which an activated environment can lead, in their order.
pub(crate) fn activated(activation: &Activation) -> Vec<Option<PathBuf>> {
    let program = activation.program().and_then(|program| of_program(&program));
    let mut found: Vec<_> = ACTIVE.iter().map(|name| active(activation, name).map(|active| active.path)).collect();
    found.extend([program.map(|program| program.path), python_on_path(activation)]);
    found
}

/// A nested project's own environment.
pub(crate) fn of_nested(root: &Path) -> Option<Interpreter> {
    [".venv", "venv"].iter().find_map(|name| {
        Some(Interpreter { path: python_in(&root.join(name))?, source: format!("the project's {name}") })
    })
}

/// The folders of the repository that a root is part of, from the root upwards.
fn repo<'a>(root: &'a Path, rootdir: &'a Path) -> impl Iterator<Item = &'a Path> {
    root.ancestors().take_while(move |folder| *folder == root || folder.starts_with(rootdir))
}

/// The variables of an active environment.
const ACTIVE: [&str; 2] = ["VIRTUAL_ENV", "CONDA_PREFIX"];

/// The repository's environment under one of the usual names, or the active one.
fn near(root: &Path, rootdir: &Path, activation: &Activation) -> Option<Interpreter> {
    of_repo(root, rootdir)
        .or_else(|| ACTIVE.iter().find_map(|name| active(activation, name)))
        .or_else(|| named(root, rootdir, &["env", ".env"]))
}

/// The repository's environment under one of these names.
fn named(root: &Path, rootdir: &Path, names: &[&str]) -> Option<Interpreter> {
    repo(root, rootdir).flat_map(|folder| names.iter().map(move |name| (folder, name))).find_map(|(folder, name)| {
        Some(Interpreter { path: python_in(&folder.join(name))?, source: format!("the repo's {name}") })
    })
}

/// The active environment that a variable names.
fn active(activation: &Activation, variable: &str) -> Option<Interpreter> {
    let path = python_in(Path::new(&activation.variable(variable)?))?;
    Some(Interpreter { path, source: format!("${variable}") })
}

fn resolve_asked(root: &Path, asked: &str, activation: &Activation) -> Result<PathBuf, String> {
    let expanded = match (asked.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(asked),
    };
    let path = root.join(&expanded);
    // If the repository has no file of that name, the name is looked up as a shell would.
    if !path.exists()
        && expanded.components().count() == 1
        && let Some(path) = on_path(expanded.as_os_str(), activation)
    {
        return Ok(path);
    }
    if path.is_dir() {
        return python_in(&path).ok_or_else(|| {
            format!("{} is a folder without {}; name the interpreter itself", path.display(), python::INTERPRETERS[0])
        });
    }
    if is_executable(&path) {
        Ok(path)
    } else {
        Err(format!("the Python interpreter {} does not exist or can't be executed; correct the path", path.display()))
    }
}

/// The environment that a program is installed in, by `pip install pytest-lens`. One without pytest is the program's
/// alone, as uvx and pipx make it.
fn of_program(program: &Path) -> Option<Interpreter> {
    let prefix = program.parent()?.parent()?;
    let is_environment = prefix.join("pyvenv.cfg").is_file() || prefix.join("conda-meta").is_dir();
    if !is_environment || !has_pytest(prefix) {
        return None;
    }
    Some(Interpreter { path: python_in(prefix)?, source: "the environment of this pytest-lens".into() })
}

fn has_pytest(prefix: &Path) -> bool {
    python::packages(prefix).iter().any(|folder| folder.join("pytest").is_dir())
}

/// The interpreter of an environment. Its symlink is not resolved, since its own path determines the prefix.
fn python_in(prefix: &Path) -> Option<PathBuf> {
    python::INTERPRETERS.iter().map(|name| prefix.join(name)).find(|path| is_executable(path))
}

fn python_on_path(activation: &Activation) -> Option<PathBuf> {
    ["python3", "python"].iter().find_map(|name| on_path(OsStr::new(name), activation))
}

fn on_path(name: &OsStr, activation: &Activation) -> Option<PathBuf> {
    let folders = activation.variable("PATH")?;
    let names = python::program_names(name);
    let paths = std::env::split_paths(&folders).flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    paths.into_iter().find(|path| is_executable(path))
}

/// Asks the project's manager for its environment. pyproject.toml or a lock file shows which manager that is.
async fn of_manager(root: &Path, activation: &Activation) -> Option<Interpreter> {
    let text = pytest_lens_analysis::listing::read_text(&root.join("pyproject.toml")).ok()?;
    let project: toml::Table = toml::from_str(&text).ok()?;
    let tool = |name: &str| project.get("tool").and_then(|tools| tools.get(name)).is_some();
    let lock = |name: &str| root.join(name).exists();
    let managers: [(&str, bool, &[&str]); 4] = [
        ("uv", tool("uv") || lock("uv.lock"), &["python", "find"]),
        ("poetry", tool("poetry") || lock("poetry.lock"), &["env", "info", "--executable"]),
        ("hatch", tool("hatch"), &["env", "find"]),
        ("pdm", tool("pdm") || lock("pdm.lock"), &["info", "--python"]),
    ];
    for (name, used, arguments) in managers {
        let Some(program) = on_path(OsStr::new(name), activation).filter(|_| used) else { continue };
        let mut command = Command::new(program);
        activation.apply(&mut command);
        command.args(arguments).current_dir(root).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        stay_stoppable(command.as_std_mut());
        let Ok(Ok(answer)) = tokio::time::timeout(MANAGER_LIMIT, command.output()).await else { continue };
        let line = String::from_utf8_lossy(&answer.stdout).lines().next().unwrap_or_default().trim().to_owned();
        let path = PathBuf::from(line);
        let path = if path.is_dir() { python_in(&path) } else { Some(path) };
        if let Some(path) = path.filter(|path| is_executable(path)) {
            return Some(Interpreter { path, source: format!("{name}'s environment") });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    use pytest_lens_protocol::Activated;

    fn fake(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn own() -> Activation {
        Activation::default()
    }

    #[tokio::test]
    async fn the_repos_own_environment_comes_first_and_its_link_stays() {
        let root = tempfile::tempdir().unwrap();
        fake(&root.path().join("real"));
        std::fs::create_dir_all(root.path().join(".venv/bin")).unwrap();
        std::os::unix::fs::symlink(root.path().join("real"), root.path().join(".venv/bin/python")).unwrap();
        let found = find(root.path(), root.path(), None, &own()).await.unwrap();
        assert_eq!(found.path, root.path().join(".venv/bin/python"));
        assert_eq!(found.source, "the repo's .venv");
    }

    #[tokio::test]
    async fn a4_what_would_be_found_now_is_taken_up() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let python = |name: &str| root.join(name).join("bin/python");
        let renewed = async |present: &Path| {
            let present = Interpreter { path: present.to_owned(), source: String::new() };
            renewed(root, root, &present, false, &own()).await.map(|found| found.path)
        };
        fake(&root.join("elsewhere"));
        assert_eq!(near(root, root, &own()).filter(|near| near.path.starts_with(root)), None);
        fake(&python("venv"));
        assert_eq!(renewed(&root.join("elsewhere")).await, Some(python("venv")));
        assert_eq!(renewed(&python("venv")).await, None);
        fake(&python(".venv"));
        assert_eq!(renewed(&python("venv")).await, Some(python(".venv")));
        std::fs::remove_dir_all(root.join(".venv")).unwrap();
        assert_eq!(renewed(&python(".venv")).await, Some(python("venv")));
    }

    #[tokio::test]
    async fn d7_a_part_of_a_repo_has_the_environment_of_the_repo_but_of_nothing_above() {
        let above = tempfile::tempdir().unwrap();
        let (rootdir, part) = (above.path().join("repo"), above.path().join("repo/sub/deeper"));
        fake(&above.path().join(".venv/bin/python"));
        std::fs::create_dir_all(&part).unwrap();
        let found = find(&part, &rootdir, None, &own()).await.ok();
        assert!(found.is_none_or(|found| !found.path.starts_with(above.path())));
        fake(&rootdir.join("venv/bin/python"));
        assert_eq!(find(&part, &rootdir, None, &own()).await.unwrap().path, rootdir.join("venv/bin/python"));
        fake(&part.join("venv/bin/python"));
        assert_eq!(find(&part, &rootdir, None, &own()).await.unwrap().path, part.join("venv/bin/python"));
        assert_eq!(find(&rootdir, &rootdir, None, &own()).await.unwrap().path, rootdir.join("venv/bin/python"));
    }

    #[test]
    fn an_installed_program_takes_its_own_environment_if_that_has_pytest() {
        let prefix = tempfile::tempdir().unwrap();
        let prefix = prefix.path();
        let program = prefix.join("bin/pytest-lens");
        fake(&prefix.join("bin/python"));
        std::fs::create_dir_all(prefix.join("lib/python3.9/site-packages/pytest")).unwrap();
        assert_eq!(of_program(&program), None, "a system's folders are no environment");
        std::fs::write(prefix.join("pyvenv.cfg"), "").unwrap();
        assert_eq!(of_program(&program).unwrap().path, prefix.join("bin/python"));
        std::fs::remove_dir(prefix.join("lib/python3.9/site-packages/pytest")).unwrap();
        assert_eq!(of_program(&program), None, "the environment is the program's alone");
    }

    #[tokio::test]
    async fn d1_the_environment_of_the_client_counts_not_that_of_the_engine() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let text = |path: PathBuf| Some(path.to_string_lossy().into_owned());
        fake(&root.join("conda/bin/python"));
        fake(&root.join("active/bin/python"));
        fake(&root.join("own/bin/python"));
        fake(&root.join("path/python3"));
        std::fs::create_dir_all(root.join("own/lib/python3.9/site-packages/pytest")).unwrap();
        std::fs::write(root.join("own/pyvenv.cfg"), "").unwrap();
        let project = root.join("project");
        std::fs::create_dir(&project).unwrap();
        let mut given = Activated {
            virtual_env: text(root.join("active")),
            conda_prefix: text(root.join("conda")),
            path: text(root.join("path")),
            program: text(root.join("own/bin/pytest-lens")),
        };
        let found = async |given: &Activated| {
            find(&project, &project, None, &Activation(Some(given.clone()))).await.unwrap().path
        };
        assert_eq!(found(&given).await, root.join("active/bin/python"));
        given.virtual_env = None;
        assert_eq!(found(&given).await, root.join("conda/bin/python"));
        given.conda_prefix = text(root.join("nothing"));
        assert_eq!(found(&given).await, root.join("own/bin/python"));
        given.program = text(root.join("path/pytest-lens"));
        assert_eq!(found(&given).await, root.join("path/python3"));
        fake(&project.join("venv/bin/python"));
        given.virtual_env = text(root.join("active"));
        assert_eq!(found(&given).await, project.join("venv/bin/python"));
    }

    #[tokio::test]
    async fn an_asked_interpreter_that_is_not_there_is_named() {
        let root = tempfile::tempdir().unwrap();
        let error = find(root.path(), root.path(), Some("nowhere/python"), &own()).await.unwrap_err();
        assert!(error.contains("nowhere/python") && error.contains("correct the path"), "{error}");
    }

    #[tokio::test]
    async fn an_asked_environment_folder_stands_for_its_interpreter() {
        let root = tempfile::tempdir().unwrap();
        fake(&root.path().join("env/bin/python3"));
        let found = find(root.path(), root.path(), Some("env"), &own()).await.unwrap();
        assert_eq!(found.path, root.path().join("env/bin/python3"));
    }
}
