//! The areas of `cargo xtask test`, in the order in which they run: those that fail quickly come first.

use super::side_by_side::AT_A_TIME;
use super::{Area, Tally, chunks, neovim, pythons, whole};
use crate::{faults, tidy, wheel};
use anyhow::{Result, bail};
use chores::venv::Venv;
use chores::{build, paths, process};
use std::path::Path;
use std::process::Command;

/// All areas.
pub(super) const AREAS: &[Area] = &[
    Area {
        name: "tidy",
        about: "opening docs, file length, left-over notes, floors, plain words",
        check: || Ok(Tally::of(tidy::run()?)),
    },
    Area { name: "fmt", about: "cargo fmt --check", check: || cargo_check(&["fmt", "--all", "--check"]) },
    Area {
        name: "codegen",
        about: "generated types are what the Rust definitions say",
        check: || Ok(Tally::of(process::tee(crate::tool("codegen", ["--check"])?)?.0.success())),
    },
    Area {
        name: "clippy",
        about: "every crate and target, warnings are errors",
        check: || cargo_check(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]),
    },
    Area { name: "spelling", about: "typos over the whole tree", check: whole::spelling },
    Area {
        name: "dependencies",
        about: "licences, duplicates and sources of crates; none that is not used",
        check: whole::dependencies,
    },
    Area { name: "docs", about: "rustdoc of every library, warnings are errors", check: whole::docs },
    Area { name: "rust", about: "cargo test of every crate", check: rust },
    Area { name: "fuzz", about: "a few seconds of random input for each reader of input", check: crate::fuzz::short },
    Area { name: "python-lint", about: "ruff and mypy over the Python sources", check: python_lint },
    Area { name: "python", about: "the tests of the worker and of the fidelity plugins", check: python },
    Area { name: "pythons", about: "the core of that with every Python and every pytest", check: pythons::run },
    Area {
        name: "package",
        about: "the wheel, built and installed as users do, and its tests on each Python",
        check: package,
    },
    Area { name: "e2e", about: "the built binary from outside (tests/e2e)", check: end_to_end },
    Area {
        name: "faults",
        about: "processes killed at random, long use, stale code (tests/faults), short",
        check: faults::short,
    },
    Area { name: "ray", about: "runs on a real Ray cluster of several nodes (tests/ray)", check: cluster },
    Area { name: "mcp", about: "the server for AI agents, by MCP's official client (tests/mcp)", check: agents },
    Area { name: "neovim-lint", about: "format and types of the Neovim plugin", check: neovim::lint },
    Area { name: "neovim", about: "the Neovim plugin in a child Neovim", check: neovim::tests },
    Area {
        name: "vscode",
        about: "the VS Code extension: lints, types, units, and real VS Code",
        check: super::vscode::run,
    },
    Area { name: "bench", about: "the figures' measurements, short: their results, no times", check: bench },
    Area {
        name: "fidelity-small",
        about: "two real suites: the same verdicts as plain pytest, injected harm included",
        check: fidelity_small,
    },
];

fn cargo_check(arguments: &[&str]) -> Result<Tally> {
    let mut command = build::cargo();
    command.args(arguments);
    Ok(Tally::of(process::tee(command)?.0.success()))
}

fn rust() -> Result<Tally> {
    let venv = Venv::from_file("python", &paths::root().join("xtask/requirements/python.txt"))?;
    let mut command = build::cargo();
    // The engine's tests run real pytest, from the environment that this variable names.
    command.env("PYTEST_LENS_TEST_PYTHON", venv.python());
    if let Some(recording) = pythons::recording()? {
        command.env("PYTEST_LENS_TEST_RECORDING_PYTHON", recording.python());
    }
    command.args(["test", "--workspace", "--no-fail-fast", "--quiet"]);
    // Most of the engine's tests wait for processes, which leaves a core idle.
    command.env("RUST_TEST_THREADS", AT_A_TIME.to_string());
    let (status, output) = process::tee(command)?;
    Ok(Tally::from_cargo(&output).honest(status.success()))
}

fn python_lint() -> Result<Tally> {
    let root = paths::root();
    let venv = Venv::from_file("lint", &root.join("xtask/requirements/lint.txt"))?;
    let beside = [
        "../tests/fidelity",
        "../tests/e2e",
        "../tests/mcp",
        "../tests/package",
        "../tests/pythons",
        "../tests/impact",
        "../tests/faults",
        "../tests/ray",
        "../editors/neovim/tests",
    ];
    let beside: Vec<&str> = beside.into_iter().filter(|path| root.join("python").join(path).is_dir()).collect();
    let mut sum = Tally::default();
    for arguments in [
        ["ruff", "format", "--check", "--config", "pyproject.toml", "."].as_slice(),
        &["ruff", "check", "--config", "pyproject.toml", "."],
        &["mypy"],
    ] {
        let mut command = venv.python_command();
        command.current_dir(root.join("python")).arg("-m").args(arguments);
        if arguments[0] == "ruff" {
            command.args(&beside);
        }
        sum.add(Tally::of(process::tee(command)?.0.success()));
    }
    Ok(sum)
}

fn python() -> Result<Tally> {
    let root = paths::root();
    let venv = Venv::from_file("python", &root.join("xtask/requirements/python.txt"))?;
    let mut sum = chunks::pytest(&venv, &root.join("python"), "tests")?;
    sum.add(pytest(&venv, &root, &["tests/fidelity"])?);
    Ok(sum)
}

/// Builds the wheel as `pip install ./python` does, from the debug profile, whose crates are compiled already. All its
/// tests run on `python3`, and those of each part on every other Python.
fn package() -> Result<Tally> {
    let root = paths::root();
    let venv = Venv::from_file("package", &root.join("xtask/requirements/package.txt"))?;
    let wheel = wheel::for_host("dev", &paths::target().join("debug/wheel"))?;
    wheel::install(&venv, &wheel)?;
    let mut sum = chunks::pytest(&venv, &root, "tests/package")?;
    sum.add(wheel::try_out(&wheel, pythons::minor(&venv.python()))?);
    Ok(sum)
}

fn end_to_end() -> Result<Tally> {
    let root = paths::root();
    let requirements = root.join("tests/requirements.txt");
    let venv = Venv::from_file("e2e", &requirements)?;
    // The projects of some tests have plugins, which the tests themselves must not have.
    Venv::from_file("plugins", &root.join("tests/plugins.txt"))?;
    Venv::from_file("popular-plugins", &root.join("tests/popular_plugins.txt"))?;
    build::binary("debug")?;
    chunks::pytest(&venv, &root, "tests/e2e")
}

fn cluster() -> Result<Tally> {
    let root = paths::root();
    if !cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))) {
        eprintln!("Ray has no wheel for this system: its tests are SKIPPED");
        return Ok(Tally { skipped: 1, ..Tally::default() });
    }
    let venv = Venv::from_file("ray", &root.join("tests/ray/requirements.txt"))?;
    build::binary("debug")?;
    pytest(&venv, &root, &["tests/ray"])
}

fn agents() -> Result<Tally> {
    let root = paths::root();
    let venv = Venv::from_file("mcp", &root.join("tests/mcp/requirements.txt"))?;
    build::binary("debug")?;
    chunks::pytest(&venv, &root, "tests/mcp")
}

fn bench() -> Result<Tally> {
    let (status, output) = process::tee(crate::tool("bench", ["--short"])?)?;
    if !status.success() {
        let missing: Vec<&str> = output.lines().filter(|line| line.contains(" was not measured: ")).collect();
        bail!("{status}: {}", missing.join("; "));
    }
    Ok(Tally::of(true))
}

fn fidelity_small() -> Result<Tally> {
    let (status, output) = process::tee(crate::tool("fidelity", ["--small"])?)?;
    Ok(Tally::from_own(&output).honest(status.success()))
}

/// Runs pytest over a folder, with more arguments behind it; the tests find the built binary in `PYTEST_LENS_BIN`.
pub(super) fn pytest(venv: &Venv, dir: &Path, arguments: &[&str]) -> Result<Tally> {
    let (status, output) = process::tee(pytest_command(venv, dir, arguments)?)?;
    Ok(Tally::from_pytest(&output).honest(status.success()))
}

/// The command that runs pytest in a folder, on the built binary.
pub(crate) fn pytest_command(venv: &Venv, dir: &Path, arguments: &[&str]) -> Result<Command> {
    if let Some(tests) = arguments.first().filter(|tests| !dir.join(tests).exists()) {
        bail!("there is no {}", dir.join(tests).display());
    }
    let mut command = venv.python_command();
    command.current_dir(dir).env("PYTEST_LENS_BIN", paths::binary("debug"));
    command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).args(arguments);
    if chores::ui::is_colourful() {
        command.arg("--color=yes");
    }
    Ok(command)
}
