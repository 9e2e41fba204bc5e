//! The areas that look at the tree as a whole: its spelling, its dependencies, its docs. The tools come as ready
//! binaries in an environment of their own.

use super::Tally;
use anyhow::Result;
use chores::venv::Venv;
use chores::{build, paths, process};
use std::process::Command;

/// The environment with the tools.
fn tools() -> Result<Venv> {
    Venv::from_file("tools", &paths::root().join("xtask/requirements/tools.txt"))
}

/// A tool, in the checkout.
fn tool(name: &str) -> Result<Command> {
    let mut command = Command::new(tools()?.program(name));
    command.current_dir(paths::root());
    Ok(command)
}

/// typos, by `typos.toml`.
pub(super) fn spelling() -> Result<Tally> {
    Ok(Tally::of(process::tee(tool("typos")?)?.0.success()))
}

/// cargo-deny by `deny.toml` and cargo-shear: licences, duplicates, sources, and unused crates. Advisories are left to
/// the hosted checks: their database comes from no registry.
pub(super) fn dependencies() -> Result<Tally> {
    let mut deny = tool("cargo-deny")?;
    deny.args(["--log-level", "error", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]);
    let mut sum = Tally::of(process::tee(deny)?.0.success());
    sum.add(Tally::of(process::tee(tool("cargo-shear")?)?.0.success()));
    Ok(sum)
}

/// rustdoc over the libraries: a link that leads nowhere is an error.
pub(super) fn docs() -> Result<Tally> {
    let mut doc = build::cargo();
    doc.args(["doc", "--workspace", "--lib", "--no-deps", "--document-private-items", "--keep-going", "--quiet"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    Ok(Tally::of(process::tee(doc)?.0.success()))
}
