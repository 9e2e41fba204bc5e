//! The area `vscode`: first checks that need only Node.js, then those that need a real VS Code.

use anyhow::Result;

use super::Tally;
use crate::vscode::{self, RealEditor};
use chores::{build, process};

/// Checks the extension.
pub(super) fn run() -> Result<Tally> {
    vscode::bundle(true)?;
    let mut sum = Tally::default();
    for (tool, arguments) in [
        ("eslint/bin/eslint.js", ["."].as_slice()),
        ("prettier/bin/prettier.cjs", &["--check", ".", "--log-level", "warn"]),
        ("typescript/bin/tsc", &["--noEmit"]),
    ] {
        let mut command = vscode::tool(tool);
        command.args(arguments);
        sum.add(Tally::of(process::tee(command)?.0.success()));
    }
    let mut unit = vscode::tool("mocha/bin/mocha.js");
    unit.arg("out/test/unit.js");
    let (status, output) = process::tee(unit)?;
    sum.add(Tally::from_mocha(&output).honest(status.success()));
    let editor = RealEditor::ensure()?;
    let vsix = vscode::package(&build::binary("debug")?, vscode::host_platform()?)?;
    for driver in ["run-host", "run-browser"] {
        let mut command = std::process::Command::new("node");
        command.current_dir(vscode::folder()).arg(format!("out/test/{driver}.js")).env("LENS_VSIX", &vsix);
        editor.equip(&mut command)?;
        let (status, output) = process::tee(command)?;
        sum.add(Tally::from_own(&output).honest(status.success()));
    }
    Ok(sum)
}
