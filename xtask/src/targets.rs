//! `cargo xtask check-targets`: compiles the program for the systems that this machine is not, without linking.
//!
//! A target needs Rust's standard library: installed (`rustup target add`), or compiled from the sources of a toolchain
//! that has them. zig compiles the C code of crates. A target without either is named and left out.

use anyhow::Result;
use chores::venv::Venv;
use chores::{paths, process};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The targets of a release that are not built on every machine.
const TARGETS: [&str; 4] =
    ["aarch64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "aarch64-apple-darwin", "x86_64-pc-windows-gnu"];

/// The options of `cargo xtask check-targets`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rust's names of the targets; without any, those of a release.
    #[arg(value_name = "TRIPLE")]
    targets: Vec<String>,
    /// A toolchain with the sources of its standard library (`lib/rustlib/src/rust/library`), for targets whose library
    /// is not installed: the folder that holds its `bin` and `lib`.
    #[arg(long, value_name = "FOLDER")]
    toolchain: Option<PathBuf>,
}

/// The way to get a target's standard library.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Library {
    Installed,
    /// Compiled by this toolchain, from its sources.
    Sources(PathBuf),
}

impl Library {
    /// The library of a target; `toolchain`: a folder with the sources of one that is not installed.
    ///
    /// # Errors
    ///
    /// The reason why there is none, as the end of a sentence.
    pub(crate) fn find(target: &str, toolchain: Option<&Path>) -> Result<Self, String> {
        library(is_installed(target), toolchain)
    }

    /// The value of cargo's `-Z` that compiles it.
    pub(crate) fn flag(&self) -> Option<&'static str> {
        matches!(self, Library::Sources(_)).then_some("build-std=std,panic_unwind")
    }

    /// Makes a command use its compiler.
    pub(crate) fn enter(&self, command: &mut Command) -> Result<()> {
        if let Library::Sources(toolchain) = self {
            // A stable compiler builds its own library, whose sources use unstable features.
            command.env("RUSTC_BOOTSTRAP", "1").env("LD_LIBRARY_PATH", libraries(toolchain)?);
            command.env("CARGO", toolchain.join("bin/cargo")).env("RUSTC", toolchain.join("bin/rustc"));
            command.env_remove("RUSTUP_TOOLCHAIN");
        }
        Ok(())
    }
}

/// Checks each target; `false` if one does not compile.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let targets: Vec<&str> = if options.targets.is_empty() {
        TARGETS.to_vec()
    } else {
        options.targets.iter().map(String::as_str).collect()
    };
    let mut failed = false;
    for target in targets {
        match Library::find(target, options.toolchain.as_deref()) {
            Ok(library) => {
                let passes = check(target, &library)?;
                println!("{target}: {}", if passes { "compiles" } else { "does not compile" });
                failed |= !passes;
            }
            Err(why) => println!("{target}: not checked, because {why}"),
        }
    }
    Ok(!failed)
}

fn library(is_installed: bool, toolchain: Option<&Path>) -> Result<Library, String> {
    if is_installed {
        return Ok(Library::Installed);
    }
    let Some(toolchain) = toolchain else {
        return Err(
            "Rust's standard library for it is not installed (`rustup target add`), and no `--toolchain` with \
                    the library's sources is given"
                .into(),
        );
    };
    for part in ["bin/cargo", "bin/rustc", "lib/rustlib/src/rust/library/Cargo.lock"] {
        if !toolchain.join(part).is_file() {
            return Err(format!("the toolchain in {} has no {part}", toolchain.display()));
        }
    }
    Ok(Library::Sources(toolchain.to_owned()))
}

fn is_installed(target: &str) -> bool {
    let mut ask = Command::new("rustc");
    ask.current_dir(paths::root()).args(["--print", "target-libdir", "--target", target]);
    process::output(&mut ask).is_ok_and(|folder| Path::new(folder.trim()).is_dir())
}

/// Returns whether the program compiles for a target.
fn check(target: &str, library: &Library) -> Result<bool> {
    let venv = Venv::from_file("targets", &paths::root().join("xtask/requirements/targets.txt"))?;
    let mut command = Command::new(venv.program("cargo-zigbuild"));
    venv.enter(&mut command);
    command.current_dir(paths::root()).args(["check", "--package", "pytest-lens", "--target", target]);
    // A folder of its own: other flags and another compiler would throw away what is built.
    command.env("CARGO_TARGET_DIR", paths::target().join("targets")).env("CARGO_ENCODED_RUSTFLAGS", "");
    command.args(library.flag().map(|flag| format!("-Z{flag}")));
    library.enter(&mut command)?;
    Ok(process::status(&mut command)?.success())
}

/// The folders of a toolchain's own libraries, for one that was unpacked and not installed.
fn libraries(toolchain: &Path) -> Result<std::ffi::OsString> {
    let lib = toolchain.join("lib");
    let of_debian = lib.join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let given = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    Ok(std::env::join_paths([of_debian, lib].into_iter().chain(std::env::split_paths(&given)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_without_a_library_is_left_out_with_the_reason() {
        assert_eq!(library(true, None), Ok(Library::Installed));
        assert!(library(false, None).unwrap_err().contains("rustup target add"));
        let folder = std::env::temp_dir().join("no-toolchain-here");
        assert!(library(false, Some(&folder)).unwrap_err().ends_with("no-toolchain-here has no bin/cargo"));
    }
}
