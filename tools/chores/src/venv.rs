//! Virtual environments under `target/venvs`: made once from pinned requirements, and again when those change.
//!
//! One pip installs into all of them: to copy pip into each takes longer than what it then does.

use crate::{paths, process};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A ready virtual environment.
pub struct Venv {
    dir: PathBuf,
}

/// The file that lists the requirements of a finished environment.
const STAMP: &str = "made-from.txt";

/// The environment whose pip installs into the others, and its requirement: the last version that runs on Python 3.9.
const INSTALLER: (&str, &str) = ("pip", "pip==25.3");

impl Venv {
    /// The environment `name` with exactly these requirements (the text of a requirements file, every version pinned).
    /// It is made when it is missing, half made, or made from other requirements or another Python.
    pub fn ensure(name: &str, requirements: &str) -> Result<Self> {
        Self::ensure_of(Path::new("python3"), name, requirements)
    }

    /// As [`Venv::ensure`], made by this interpreter.
    pub fn ensure_of(interpreter: &Path, name: &str, requirements: &str) -> Result<Self> {
        let venvs = paths::target().join("venvs");
        fs::create_dir_all(&venvs)?;
        check_pins(name, requirements)?;
        let dir = venvs.join(name);
        // Two chores may ask for the same environment at once; the second waits for the first.
        let lock = fs::File::create(venvs.join(format!("{name}.lock")))?;
        lock.lock()?;
        let python = base_python(interpreter)?;
        let stamp = format!("{python}\n{requirements}");
        let venv = Self { dir };
        if fs::read_to_string(venv.dir.join(STAMP)).is_ok_and(|made| made == stamp) {
            return Ok(venv);
        }
        println!("making the Python environment {}", venv.dir.display());
        if venv.dir.exists() {
            fs::remove_dir_all(&venv.dir)?;
        }
        let is_installer = name == INSTALLER.0;
        let mut make = Command::new(interpreter);
        make.args(["-m", "venv"]).args((!is_installer).then_some("--without-pip")).arg(&venv.dir);
        process::output(process::clean_python(&mut make))?;
        let list = venv.dir.join("requirements.txt");
        fs::write(&list, requirements)?;
        let mut install = if is_installer { venv.own_pip() } else { venv.pip()? };
        process::output(install.args(["install", "--no-compile", "-r"]).arg(&list))?;
        fs::write(venv.dir.join(STAMP), stamp)?;
        Ok(venv)
    }

    /// As [`Venv::ensure`], with the requirements read from a file.
    pub fn from_file(name: &str, requirements: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
        Self::ensure(name, &text)
    }

    /// The environment's interpreter; never resolved, as the path decides the prefix.
    pub fn python(&self) -> PathBuf {
        self.dir.join("bin").join("python")
    }

    /// A program that a package of the environment brings.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join("bin").join(name)
    }

    /// A command of the environment's interpreter, free of the caller's Python variables.
    pub fn python_command(&self) -> Command {
        let mut command = Command::new(self.python());
        self.enter(&mut command);
        command
    }

    /// pip's command for this environment, without a subcommand yet.
    pub fn pip(&self) -> Result<Command> {
        let mut pip = Self::ensure(INSTALLER.0, INSTALLER.1)?.own_pip();
        // A build calls the programs of this environment.
        self.enter(&mut pip);
        pip.arg("--python").arg(self.python());
        Ok(pip)
    }

    fn own_pip(&self) -> Command {
        let mut pip = self.python_command();
        pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]);
        pip
    }

    /// Makes the command run as in a shell where this environment is active.
    pub fn enter(&self, command: &mut Command) {
        process::clean_python(command);
        command.env("VIRTUAL_ENV", &self.dir);
        let mut path = self.dir.join("bin").into_os_string();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        command.env("PATH", path);
    }

    /// The folder that packages are installed in.
    pub fn site_packages(&self) -> Result<PathBuf> {
        let mut ask = self.python_command();
        ask.args(["-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]);
        Ok(PathBuf::from(process::output(&mut ask)?.trim()))
    }
}

/// The Python that makes the environments.
fn base_python(interpreter: &Path) -> Result<String> {
    let mut ask = Command::new(interpreter);
    ask.args(["-c", "import sys; print(sys.base_prefix, sys.version)"]);
    process::output(process::clean_python(&mut ask))
        .context("Python 3.9 or newer is needed: install it so that `python3` is on PATH")
}

/// Every requirement names one version, so that the same checkout makes the same environment.
fn check_pins(name: &str, requirements: &str) -> Result<()> {
    for line in requirements.lines().map(str::trim) {
        if !line.is_empty() && !line.starts_with(['#', '-']) && !line.contains("==") {
            bail!("the requirement `{line}` of the environment {name} has no pinned version");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_without_a_version_is_refused() {
        assert!(check_pins("lint", "# tools\nruff==1.2.3\n\n").is_ok());
        let error = check_pins("lint", "ruff==1.2.3\nmypy\n").unwrap_err();
        assert_eq!(error.to_string(), "the requirement `mypy` of the environment lint has no pinned version");
    }
}
