//! Builds the product's binary, for the chores that drive it.

use crate::{paths, process};
use anyhow::Result;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// The cargo that runs this chore.
pub fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Cargo in the checkout, free of the caller's Python variables.
pub fn cargo() -> Command {
    let mut command = Command::new(cargo_program());
    command.current_dir(paths::root());
    process::clean_python(&mut command);
    if crate::ui::is_colourful() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    command
}

/// Builds `pytest-lens` in a profile (`debug` or `release`) and returns its path; crates that are up to date are not
/// built again. If `PYTEST_LENS_BIN` names a binary, returns that path.
pub fn binary(profile: &str) -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("PYTEST_LENS_BIN") {
        return Ok(PathBuf::from(given));
    }
    let mut command = cargo();
    command.args(["build", "--quiet", "--package", "pytest-lens"]);
    if profile == "release" {
        command.arg("--release");
    }
    process::check(&mut command)?;
    Ok(paths::binary(profile))
}

/// The binary of a crate that only chores run, in this version; builds it once. The build is quick and the program slow:
/// such tools have little to do.
pub fn tool(name: &str, version: &str) -> Result<PathBuf> {
    let root = paths::target().join(format!("tools/{name}-{version}"));
    let binary = root.join("bin").join(name);
    if !binary.exists() {
        println!("building {name} {version}, once");
        let mut install = cargo();
        install.args(["install", "--debug", "--quiet", "--locked", name, "--version", version, "--root"]).arg(&root);
        install.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_TARGET_DIR", root.join("build"));
        process::check(&mut install)?;
        std::fs::remove_dir_all(root.join("build"))?;
    }
    Ok(binary)
}
