//! The Python wheel: built as users build it, or for another Linux with zig as linker; and tried on every Python.

use crate::targets::Library;
use crate::test::areas::pytest_command;
use crate::test::side_by_side::side_by_side;
use crate::test::{Tally, pythons};
use anyhow::{Context, Result, anyhow};
use chores::venv::Venv;
use chores::{build, paths, process, ui};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The tests of a wheel that run on every Python.
const TESTS: &str = "tests/package/test_wheel.py";

/// The Linux targets of a release: Rust's names, and the wheels' tags.
pub(crate) const TARGETS: [(&str, &str); 4] = [
    ("x86_64-unknown-linux-gnu", "manylinux2014"),
    ("aarch64-unknown-linux-gnu", "manylinux2014"),
    ("x86_64-unknown-linux-musl", "musllinux_1_2"),
    ("aarch64-unknown-linux-musl", "musllinux_1_2"),
];

/// Builds the wheel of this machine by `pip wheel ./python`, as `pip install ./python` does, and returns its path.
pub(crate) fn for_host(profile: &str, out: &Path) -> Result<PathBuf> {
    let venv = Venv::from_file("package", &paths::root().join("xtask/requirements/package.txt"))?;
    pip_wheel(&venv, &["--profile", profile], out, |_| ())
}

/// Builds a wheel for one of [`TARGETS`] on any machine that has Rust's standard library for it, or its sources in a
/// toolchain's folder.
pub(crate) fn for_target(target: &str, profile: &str, toolchain: Option<&Path>, out: &Path) -> Result<PathBuf> {
    let cross = Cross::new(target, profile, toolchain)?;
    let program = program(&cross.arguments, Some(&cross))?;
    let arguments: Vec<&str> = cross.arguments.iter().map(String::as_str).collect();
    let mut entered = Ok(());
    let wheel = pip_wheel(&tools()?, &arguments, out, |command| {
        // The pinned maturin and zig of the environment.
        command.arg("--no-build-isolation").env("PYTEST_LENS_BIN", &program.binary);
        entered = cross.enter(command);
    });
    entered.and(wheel)
}

/// A build with zig as linker, for one of [`TARGETS`].
struct Cross {
    /// maturin's arguments.
    arguments: Vec<String>,
    library: Library,
    is_musl: bool,
}

impl Cross {
    fn new(target: &str, profile: &str, toolchain: Option<&Path>) -> Result<Self> {
        let names = TARGETS.map(|(name, _)| name).join(", ");
        let found = TARGETS.into_iter().find(|(name, _)| *name == target);
        let (_, tag) = found.with_context(|| format!("there is no wheel for {target}: choose one of {names}"))?;
        let library = Library::find(target, toolchain).map_err(|why| {
            // A machine without the library says so before it compiles anything.
            anyhow!("{target} can't be built, because {why}; the workflow `release` builds it, too")
        })?;
        let mut arguments: Vec<String> =
            ["--profile", profile, "--target", target, "--zig", "--compatibility", tag].map(str::to_owned).into();
        arguments.extend(library.flag().into_iter().flat_map(|flag| ["-Z".to_owned(), flag.to_owned()]));
        Ok(Cross { arguments, library, is_musl: target.ends_with("-musl") })
    }

    fn enter(&self, command: &mut Command) -> Result<()> {
        // The machine's own cargo configuration may ask for a linker, which zig's is not: these flags go over it. zig
        // has the start files of musl itself.
        command.env("CARGO_ENCODED_RUSTFLAGS", if self.is_musl { "-Clink-self-contained=no" } else { "" });
        self.library.enter(command)
    }
}

/// The command line's binary, and the list of the crates in it.
pub(crate) struct Program {
    pub(crate) binary: PathBuf,
    /// A CycloneDX file.
    pub(crate) contents: PathBuf,
}

/// Builds the command for one of [`TARGETS`].
pub(crate) fn program_for(target: &str, profile: &str, toolchain: Option<&Path>) -> Result<Program> {
    let cross = Cross::new(target, profile, toolchain)?;
    program(&cross.arguments, Some(&cross))
}

/// Builds the command for this machine's system.
pub(crate) fn program_for_host(profile: &str) -> Result<Program> {
    program(&["--profile".to_owned(), profile.to_owned()], None)
}

/// Builds the command with maturin, which lists its crates, and which checks that a manylinux binary needs no newer libc.
fn program(arguments: &[String], cross: Option<&Cross>) -> Result<Program> {
    let folder = paths::target().join("program");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let venv = tools()?;
    let mut command = Command::new(venv.program("maturin"));
    venv.enter(&mut command);
    command.current_dir(paths::root()).args(["build", "--quiet", "--manifest-path", "server/cli/Cargo.toml"]);
    command.args(arguments).arg("--out").arg(&folder);
    match cross {
        Some(cross) => cross.enter(&mut command)?,
        None => drop(command.env("CARGO_ENCODED_RUSTFLAGS", "")),
    }
    process::check(&mut command)?;
    let packed = only_file(&folder)?;
    let mut unpack = venv.python_command();
    unpack.args(["-m", "zipfile", "-e"]).arg(&packed).arg(&folder);
    process::output(&mut unpack)?;
    let stem = format!("pytest_lens-{}", env!("CARGO_PKG_VERSION"));
    let binary = only_file(&folder.join(format!("{stem}.data/scripts")))?;
    // Unpacking leaves no file executable: it gets the permissions of this program.
    fs::set_permissions(&binary, fs::metadata(std::env::current_exe()?)?.permissions())?;
    Ok(Program { binary, contents: only_file(&folder.join(format!("{stem}.dist-info/sboms")))? })
}

/// The one file of a folder; folders do not count.
fn only_file(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} is missing", folder.display()))?;
    let mut files = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    files.next().with_context(|| format!("{} has no file", folder.display()))
}

/// The pinned tools that build for other machines.
fn tools() -> Result<Venv> {
    Venv::from_file("wheel", &paths::root().join("xtask/requirements/wheel.txt"))
}

/// Whether this machine can install that target's wheel: its processor and its libc.
pub(crate) fn runs_here(target: &str) -> bool {
    let libc = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    target == format!("{}-unknown-{}-{libc}", std::env::consts::ARCH, std::env::consts::OS)
}

/// Runs `pip wheel` with arguments for maturin, and returns the new wheel.
fn pip_wheel(venv: &Venv, maturin: &[&str], out: &Path, adjust: impl FnOnce(&mut Command)) -> Result<PathBuf> {
    // Nothing else is in this folder, so that the result needs no guess at its name.
    let fresh = paths::target().join("wheel");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    let mut command = venv.pip()?;
    command
        .current_dir(paths::root())
        .env("MATURIN_PEP517_ARGS", maturin.join(" "))
        .env("CARGO_TARGET_DIR", paths::target())
        .env("CARGO", build::cargo_program())
        .env_remove("PYTEST_LENS_BIN")
        .args(["wheel", "--no-deps", "--wheel-dir"])
        .arg(&fresh);
    adjust(&mut command);
    process::check(command.arg("./python"))?;
    let built = only_file(&fresh)?;
    fs::create_dir_all(out)?;
    let wheel = out.join(built.file_name().context("a file has a name")?);
    fs::rename(built, &wheel)?;
    Ok(wheel)
}

/// Installs a wheel into an environment in place of the one there.
pub(crate) fn install(venv: &Venv, wheel: &Path) -> Result<()> {
    let mut command = venv.pip()?;
    command.args(["install", "--no-deps", "--force-reinstall"]);
    process::check(command.arg(wheel))
}

/// Installs the wheel with nothing but pytest on each Python there is, except `done`, and runs its tests.
pub(crate) fn try_out(wheel: &Path, done: Option<u32>) -> Result<Tally> {
    let root = paths::root();
    let pythons = pythons::PYTHONS.into_iter().filter(|python| Some(*python) != done);
    let ended = side_by_side(pythons, |python| {
        let name = format!("3.{python}");
        let Some(interpreter) = pythons::find(python) else {
            return Ok((Tally { skipped: 1, ..Tally::default() }, vec![name, "absent".to_owned(), String::new()]));
        };
        let pytest_version = pythons::pytests(python).last().context("no pytest for this Python")?;
        let list = root.join(format!("xtask/requirements/pytest-{pytest_version}.txt"));
        let venv = Venv::ensure_of(&interpreter, &format!("wheel-{name}"), &fs::read_to_string(list)?)?;
        let start = Instant::now();
        install(&venv, wheel)?;
        let (status, output) = process::capture(pytest_command(&venv, &root, &[TESTS])?)?;
        println!("{}\n{output}", ui::paint(ui::Colour::Bold, &format!("Python {name}")));
        let tally = Tally::from_pytest(&process::plain(&output)).honest(status.success());
        let result = format!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
        Ok((tally, vec![name, result, ui::duration(start.elapsed())]))
    })?;
    let (mut sum, mut rows) = (Tally::default(), Vec::new());
    for (tally, row) in ended {
        sum.add(tally);
        rows.push(row);
    }
    print!("{}", ui::table(&["Python", "the wheel's tests", "time"], &rows));
    Ok(sum)
}

/// The size of a file for people: `12.3 MB`.
pub(crate) fn size(file: &Path) -> Result<String> {
    let bytes = fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    Ok(format!("{:.1} MB", bytes as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_target_is_named_with_the_known_ones() {
        let error = for_target("sparc-sun-solaris", "dev", None, Path::new("out")).unwrap_err().to_string();
        assert!(error.starts_with("there is no wheel for sparc-sun-solaris: choose one of x86_64-"), "{error}");
    }

    #[test]
    fn a_musl_build_from_the_sources_of_the_library_has_its_flags() {
        let library = Library::Sources("tools".into());
        assert_eq!(library.flag(), Some("build-std=std,panic_unwind"));
        let cross = Cross { arguments: Vec::new(), library, is_musl: true };
        let mut command = Command::new("maturin");
        cross.enter(&mut command).unwrap();
        let flags = command.get_envs().find(|(name, _)| *name == "CARGO_ENCODED_RUSTFLAGS");
        assert_eq!(flags.and_then(|(_, value)| value), Some(std::ffi::OsStr::new("-Clink-self-contained=no")));
    }
}
