//! `cargo xtask dist`: builds the packages for users.

use anyhow::Result;

use crate::vscode;
use chores::build;

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
        /// Only print the platforms that a release packages, each with Rust's target.
        #[arg(long)]
        list: bool,
    },
}

/// Packages.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let What::Vscode { list } = options.what;
    if list {
        for (platform, target) in vscode::PLATFORMS {
            println!("{platform:14} {target}");
        }
        return Ok(true);
    }
    vscode::bundle(false)?;
    let vsix = vscode::package(&build::binary("release")?, vscode::host_platform()?)?;
    println!("{}", vsix.display());
    Ok(true)
}
