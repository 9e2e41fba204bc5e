//! Finds a project's pytest configuration file, and its rootdir.

use std::path::{Path, PathBuf};

use super::options::AddedOptions;
use super::tables::{CONFIG_FILES, ConfigRules, Table, table_of};
use super::values::OptionTable;
use super::{ConfigError, PytestSettings};

/// pytest's settings for a run in `root` without arguments, by the rules of its latest version.
///
/// `files` returns a file's text, or `None` if there is no such file: it is called for configuration files in `root`
/// and in all folders above. `root` should be absolute; otherwise no folder above it is read.
///
/// # Errors
/// A configuration with which pytest refuses to start.
pub fn settings_from(root: &Path, files: &dyn Fn(&Path) -> Option<String>) -> Result<PytestSettings, ConfigError> {
    settings_with(root, files, &[], ConfigRules::Since9)
}

/// The same by the rules of a version, for a run with these words, whose `-o` count more than those of `addopts`, which
/// they may replace.
///
/// # Errors
/// A configuration with which pytest refuses to start.
pub fn settings_with(
    root: &Path,
    files: &dyn Fn(&Path) -> Option<String>,
    words: &[String],
    rules: ConfigRules,
) -> Result<PytestSettings, ConfigError> {
    let located = locate(root, files, rules)?;
    let file = located.inifile.clone().unwrap_or_default();
    let given = AddedOptions::read(words).overrides;
    let plain = OptionTable { file: &file, table: &located.table, overrides: &given };
    let addopts = plain.args("addopts")?.unwrap_or_default();
    let added = AddedOptions::read(&addopts);
    let overrides = [&added.overrides[..], &given].concat();
    let options = OptionTable { overrides: &overrides, ..plain };
    let defaults = PytestSettings::default();
    let list = |name: &str, default: Vec<String>| Ok(options.args(name)?.unwrap_or(default));
    // The word `auto` stands for the verbosity of the run; pytest itself reports a text that is no number.
    let level = |name: &str| Ok(options.text(name)?.and_then(|text| text.trim().parse().ok()));
    Ok(PytestSettings {
        rootdir: located.rootdir,
        inifile: located.inifile.clone(),
        python_files: list("python_files", defaults.python_files)?,
        python_classes: list("python_classes", defaults.python_classes)?,
        python_functions: list("python_functions", defaults.python_functions)?,
        testpaths: list("testpaths", defaults.testpaths)?,
        norecursedirs: list("norecursedirs", defaults.norecursedirs)?,
        doctest_modules: added.doctest_modules,
        addopts,
        collect_imported_tests: options.bool("collect_imported_tests")?.unwrap_or(defaults.collect_imported_tests),
        console_output_style: options.text("console_output_style")?,
        verbosity_test_cases: level("verbosity_test_cases")?,
        verbosity_subtests: level("verbosity_subtests")?,
        log_cli: options.bool("log_cli")?.unwrap_or(defaults.log_cli),
        options: added,
        nested: defaults.nested,
    })
}

struct Located {
    rootdir: PathBuf,
    inifile: Option<PathBuf>,
    table: Table,
}

fn locate(root: &Path, files: &dyn Fn(&Path) -> Option<String>, rules: ConfigRules) -> Result<Located, ConfigError> {
    // The nearest `pyproject.toml` decides the rootdir if no file holds any configuration.
    let mut fallback = None;
    for folder in root.ancestors() {
        let mut found = None;
        for name in CONFIG_FILES.into_iter().filter(|name| rules.reads(name)) {
            let path = folder.join(name);
            let Some(text) = files(&path) else {
                continue;
            };
            if name == "pyproject.toml" && fallback.is_none() {
                fallback = Some(path.clone());
            }
            // pytest 9 reads the other files of the folder as well, to say that it ignores them: a broken one is fatal.
            if let Some(table) = table_of(&path, name, &text, rules)?
                && found.is_none()
            {
                found = Some((path, table));
                if rules == ConfigRules::Before9 {
                    break;
                }
            }
        }
        if let Some((path, table)) = found {
            return Ok(Located { rootdir: folder.to_owned(), inifile: Some(path), table });
        }
    }
    let rootdir = match &fallback {
        Some(path) => path.parent().map(Path::to_owned),
        None => root.ancestors().find(|folder| files(&folder.join("setup.py")).is_some()).map(Path::to_owned),
    };
    Ok(Located { rootdir: rootdir.unwrap_or_else(|| root.to_owned()), inifile: fallback, table: Table::default() })
}
