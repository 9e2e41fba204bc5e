//! `cargo xtask dist`: builds the packages for users, into `target/dist`.

use anyhow::Result;
use std::path::{Path, PathBuf};

use crate::{release, vscode, wheel};
use chores::{build, paths};

/// The options of `cargo xtask dist`.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// The VS Code extension as a VSIX, with the server for this machine's platform.
    Vscode {
        /// With the server for this Linux target instead, built with zig as linker.
        #[arg(long, value_name = "TRIPLE")]
        target: Option<String>,
        /// As for `wheel`: a toolchain with the sources of its standard library.
        #[arg(long, value_name = "FOLDER", requires = "target")]
        toolchain: Option<PathBuf>,
        /// Only print the platforms that a release packages, each with Rust's target.
        #[arg(long)]
        list: bool,
    },
    /// The Python wheel, with the command in it; the one of this machine is tried on every Python there is.
    Wheel {
        /// Build for this Linux target instead: manylinux2014 or musllinux, with zig as linker.
        #[arg(long, value_name = "TRIPLE")]
        target: Option<String>,
        /// A toolchain with the sources of its standard library, for a target whose library is not installed: the folder
        /// that holds its `bin` and `lib`.
        #[arg(long, value_name = "FOLDER", requires = "target")]
        toolchain: Option<PathBuf>,
        /// Cargo's profile; `dev` builds faster and runs slower.
        #[arg(long, default_value = "release")]
        profile: String,
        /// Only print the targets, each with its wheel's tag.
        #[arg(long)]
        list: bool,
    },
    /// Everything of a release that this machine builds, with checksums, a list of its crates, and release notes.
    All {
        /// Cargo's profile; `dev` builds faster and runs slower.
        #[arg(long, default_value = "release")]
        profile: String,
        /// As for `wheel`: a toolchain that builds the wheels for other systems.
        #[arg(long, value_name = "FOLDER")]
        toolchain: Option<PathBuf>,
    },
    /// Only the checksums, notes and package managers' entries, for the packages that are in `target/dist`.
    Finish,
}

/// Packages.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let out = paths::target().join("dist");
    match &options.what {
        What::Vscode { list: true, .. } => {
            for (platform, target) in vscode::PLATFORMS {
                println!("{platform:14} {target}");
            }
            Ok(true)
        }
        What::Vscode { target: Some(target), toolchain, .. } => {
            let platform = vscode::platform(target)?;
            let program = wheel::program_for(target, "release", toolchain.as_deref())?;
            vscode::bundle(false)?;
            let vsix = vscode::package(&program.binary, platform)?;
            println!("{}", vsix.display());
            Ok(true)
        }
        What::Vscode { target: None, .. } => {
            vscode::bundle(false)?;
            let vsix = vscode::package(&build::binary("release")?, vscode::host_platform()?)?;
            println!("{}", vsix.display());
            Ok(true)
        }
        What::All { profile, toolchain } => release::build_all(profile, toolchain.as_deref(), &out),
        What::Finish => release::finish(&out).map(|()| true),
        What::Wheel { list: true, .. } => {
            for (target, tag) in wheel::TARGETS {
                println!("{target:27} {tag}");
            }
            Ok(true)
        }
        What::Wheel { target: Some(target), profile, toolchain, .. } => {
            let wheel = wheel::for_target(target, profile, toolchain.as_deref(), &out)?;
            let tried = !wheel::runs_here(target) || wheel::try_out(&wheel, None)?.failed == 0;
            report(&wheel)?;
            Ok(tried)
        }
        What::Wheel { target: None, profile, .. } => {
            let wheel = wheel::for_host(profile, &out)?;
            let tried = wheel::try_out(&wheel, None)?.failed == 0;
            report(&wheel)?;
            Ok(tried)
        }
    }
}

/// Names a package and its size.
fn report(package: &Path) -> Result<()> {
    println!("{}  {}", package.display(), wheel::size(package)?);
    Ok(())
}
