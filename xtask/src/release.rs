//! Everything of a release: the packages of this machine, then the files about all packages of a folder.

use crate::targets::Library;
use crate::{vscode, wheel};
use anyhow::{Context, Result, bail};
use chores::{paths, process};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SUMS: &str = "SHA256SUMS";

/// Builds the packages that this machine can build into `out`, and names the wheels that it can't; `false` if the tests
/// of a wheel failed. `toolchain`: one with the sources of its standard library, for the wheels of other systems.
pub(crate) fn build_all(profile: &str, toolchain: Option<&Path>, out: &Path) -> Result<bool> {
    let version = version();
    notes(&fs::read_to_string(paths::root().join("CHANGELOG.md"))?, &version)?;
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    fs::create_dir_all(out)?;
    let target = host()?;
    // Linked by zig, the binary runs with older libcs than this machine's.
    let is_linux = cfg!(target_os = "linux");
    let program =
        if is_linux { wheel::program_for(&target, profile, None)? } else { wheel::program_for_host(profile)? };
    fs::copy(&program.contents, out.join(format!("pytest-lens-{version}-{target}.cdx.json")))?;
    let shell_files = paths::target().join("shell-files");
    write_shell_files(&program.binary, &shell_files)?;
    archive(out, &format!("pytest-lens-{version}-{target}"), &program_files(&program.binary, &shell_files))?;
    archive(out, &format!("pytest-lens-neovim-{version}"), &neovim_files())?;
    vscode::bundle(false)?;
    vscode::package(&program.binary, vscode::host_platform()?)?;
    let wheel = if is_linux { wheel::for_target(&target, profile, None, out)? } else { wheel::for_host(profile, out)? };
    let tried = wheel::try_out(&wheel, None)?;
    for (other, _) in wheel::TARGETS.into_iter().filter(|(other, _)| *other != target) {
        match Library::find(other, toolchain) {
            Ok(_) => drop(wheel::for_target(other, profile, toolchain, out)?),
            Err(why) => println!("no wheel for {other}, because {why}"),
        }
    }
    finish(out)?;
    Ok(tried.failed == 0)
}

/// Writes the files about the packages in `out`, which may come from several machines: checksums, release notes, and
/// the entries of package managers with versions and checksums.
pub(crate) fn finish(out: &Path) -> Result<()> {
    let version = version();
    let sums = checksums(out)?;
    let lines: Vec<String> = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
    fs::write(out.join(SUMS), lines.concat())?;
    let changelog = fs::read_to_string(paths::root().join("CHANGELOG.md"))?;
    fs::write(out.join("NOTES.md"), notes(&changelog, &version)?)?;
    for template in templates()? {
        let from = paths::root().join("packaging").join(&template);
        let text = fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?;
        let (filled, missing) = fill(&text, &version, &sums);
        for name in missing {
            println!("packaging/{}: no checksum, {name} is not built here", template.display());
        }
        let to = out.join("packaging").join(&template);
        fs::create_dir_all(to.parent().context("a file has a folder")?)?;
        fs::write(to, filled)?;
    }
    for (name, _) in sums {
        println!("{}  {name}", wheel::size(&out.join(&name))?);
    }
    println!("all in {}", out.display());
    Ok(())
}

/// The workspace's version.
fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Rust's name of this machine.
fn host() -> Result<String> {
    let told = process::output(Command::new("rustc").current_dir(paths::root()).arg("-vV"))?;
    let line = told.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).context("rustc names no host")
}

/// The files of the archive for those who install by hand, each with its name there.
fn program_files(program: &Path, shell_files: &Path) -> Vec<(PathBuf, String)> {
    let root = paths::root();
    let folders = ["completions", "man"].map(|name| (shell_files.join(name), name.to_owned()));
    let texts = ["README.md", "LICENSE-MIT", "LICENSE-APACHE"].map(|name| (root.join(name), name.to_owned()));
    std::iter::once((program.to_owned(), "pytest-lens".to_owned())).chain(texts).chain(folders).collect()
}

/// Writes the completions of each shell and the manual pages, as the program prints them.
fn write_shell_files(program: &Path, folder: &Path) -> Result<()> {
    let shells = [
        ("bash", "pytest-lens"),
        ("zsh", "_pytest-lens"),
        ("fish", "pytest-lens.fish"),
        ("powershell", "pytest-lens.ps1"),
        ("elvish", "pytest-lens.elv"),
    ];
    for kind in ["completions", "man"] {
        fs::create_dir_all(folder.join(kind))?;
    }
    for (shell, name) in shells {
        let script = process::output(Command::new(program).args(["completions", shell]))?;
        let to = folder.join("completions").join(shell);
        fs::create_dir_all(&to)?;
        fs::write(to.join(name), script)?;
    }
    let main = process::output(Command::new(program).arg("man"))?;
    for name in subcommands(&main) {
        let page = process::output(Command::new(program).args(["man", name]))?;
        fs::write(folder.join(format!("man/pytest-lens-{name}.1")), page)?;
    }
    fs::write(folder.join("man/pytest-lens.1"), main)?;
    Ok(())
}

/// The subcommands that a manual page refers to.
fn subcommands(page: &str) -> Vec<&str> {
    let names = page.lines().filter_map(|line| line.strip_prefix(r"pytest\-lens\-")?.strip_suffix("(1)"));
    names.filter(|name| *name != "help").collect()
}

/// The folders of the Neovim plugin, as a 'runtimepath' wants them.
fn neovim_files() -> Vec<(PathBuf, String)> {
    let root = paths::root();
    let parts = ["lsp", "lua", "plugin", "doc", "README.md"];
    let plugin = parts.map(|name| (root.join("editors/neovim").join(name), name.to_owned()));
    let licences = ["LICENSE-MIT", "LICENSE-APACHE"].map(|name| (root.join(name), name.to_owned()));
    plugin.into_iter().chain(licences).collect()
}

/// Packs files and folders as `NAME.tar.gz`, below one folder of that name.
fn archive(out: &Path, name: &str, files: &[(PathBuf, String)]) -> Result<()> {
    let stage = paths::target().join("archive");
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    let folder = stage.join(name);
    fs::create_dir_all(&folder)?;
    for (from, to) in files {
        if from.is_dir() {
            vscode::copy_folder(from, &folder.join(to))?;
        } else {
            fs::copy(from, folder.join(to)).with_context(|| format!("{} can't be packed", from.display()))?;
        }
    }
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(out.join(format!("{name}.tar.gz"))).arg("-C").arg(&stage).arg(name);
    process::output(&mut tar).map(drop)
}

/// The SHA-256 of each package in a folder, by its name.
fn checksums(out: &Path) -> Result<BTreeMap<String, String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(out).with_context(|| format!("{} is missing", out.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && name != SUMS && name != "NOTES.md" {
            names.push(name);
        }
    }
    if names.is_empty() {
        bail!("there is no package in {}: run `cargo xtask dist all`", out.display());
    }
    let told = process::output(Command::new("sha256sum").current_dir(out).arg("--").args(names))?;
    Ok(told.lines().filter_map(|line| line.split_once("  ")).map(|(sum, name)| (name.into(), sum.into())).collect())
}

/// The files below `packaging` that are filled in.
fn templates() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in fs::read_dir(paths::root().join("packaging"))? {
        let folder = folder?;
        if folder.file_type()?.is_dir() {
            for file in fs::read_dir(folder.path())? {
                found.push(Path::new(&folder.file_name()).join(file?.file_name()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The changelog's part about a version.
fn notes(changelog: &str, version: &str) -> Result<String> {
    let is_heading = |line: &&str| line.starts_with("## ");
    let mut lines = changelog.lines().skip_while(|line| line.split(' ').nth(1) != Some(version) || !is_heading(line));
    if lines.next().is_none() {
        bail!("CHANGELOG.md has no part about {version}: give its heading the version and a date");
    }
    let part: Vec<&str> = lines.take_while(|line| !is_heading(line)).collect();
    Ok(part.join("\n").trim().to_owned() + "\n")
}

/// A text with `@VERSION@` and `@SHA256 FILE@` replaced; also returns the files without a checksum.
fn fill(text: &str, version: &str, sums: &BTreeMap<String, String>) -> (String, Vec<String>) {
    let text = text.replace("@VERSION@", version);
    let (mut filled, mut missing) = (String::new(), Vec::new());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("@SHA256 ") {
        let Some((name, behind)) = after.split_once('@') else { break };
        filled.push_str(before);
        match sums.get(name) {
            Some(sum) => filled.push_str(sum),
            None => {
                missing.push(name.to_owned());
                filled.push_str(&format!("@SHA256 {name}@"));
            }
        }
        rest = behind;
    }
    (filled + rest, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_one_versions_part() {
        let changelog = "# Changelog\n\n## Unreleased\n\n- new\n\n## 1.1.0 - 2026-02-03\n\n### Added\n\n- it\n\n## 1.0.0\n\n- old\n";
        assert_eq!(notes(changelog, "1.1.0").unwrap(), "### Added\n\n- it\n");
        assert_eq!(notes(changelog, "1.0.0").unwrap(), "- old\n");
        assert!(notes(changelog, "2.0.0").unwrap_err().to_string().contains("no part about 2.0.0"));
    }

    #[test]
    fn a_manual_names_the_pages_of_its_subcommands() {
        let page = ".SH SUBCOMMANDS\n.TP\npytest\\-lens\\-run(1)\nRun tests\n.TP\npytest\\-lens\\-help(1)\nHelp\n";
        assert_eq!(subcommands(page), ["run"]);
    }

    #[test]
    fn a_placeholder_without_its_file_stays_and_is_named() {
        let sums = BTreeMap::from([("a-1.0.tar.gz".to_owned(), "abc".to_owned())]);
        let text = "id@@VERSION@ \"@SHA256 a-@VERSION@.tar.gz@\" \"@SHA256 b@\"";
        let (filled, missing) = fill(text, "1.0", &sums);
        assert_eq!(filled, "id@1.0 \"abc\" \"@SHA256 b@\"");
        assert_eq!(missing, ["b"]);
    }

    #[test]
    fn every_file_of_packaging_is_filled_without_a_leftover_but_checksums() {
        for template in templates().unwrap() {
            let text = fs::read_to_string(paths::root().join("packaging").join(&template)).unwrap();
            let (filled, _) = fill(&text, "1.2.3", &BTreeMap::new());
            assert!(!filled.contains("@VERSION"), "{}", template.display());
            assert_eq!(filled.matches("@SHA256").count(), text.matches("@SHA256 ").count(), "{}", template.display());
        }
    }
}
