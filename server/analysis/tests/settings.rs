//! The search for pytest's configuration, and the reading of its values.
#![expect(clippy::unwrap_used, reason = "in a test, a failed step is a failed test")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pytest_lens_analysis::{ConfigError, ConfigRules, PytestSettings, settings_from, settings_with};

/// Files with their texts, and the rootdir and ini-file that they lead to.
type Case = (&'static [(&'static str, &'static str)], &'static str, Option<&'static str>);

/// The settings of `/w/p/q` among these files.
fn settings(files: &[(&str, &str)]) -> Result<PytestSettings, ConfigError> {
    let files: HashMap<PathBuf, String> =
        files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
    settings_from(Path::new("/w/p/q"), &|path| files.get(path).cloned())
}

fn found(files: &[(&str, &str)]) -> (String, Option<String>) {
    let settings = settings(files).unwrap();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    (text(&settings.rootdir), settings.inifile.as_deref().map(text))
}

#[test]
fn the_first_configuration_upwards_decides() {
    const TABLE: &str = "[tool.pytest.ini_options]\n";
    let cases: [Case; 12] = [
        (&[], "/w/p/q", None),
        (&[("/w/p/q/pytest.ini", "")], "/w/p/q", Some("/w/p/q/pytest.ini")),
        (&[("/w/p/.pytest.ini", "")], "/w/p", Some("/w/p/.pytest.ini")),
        (&[("/w/p/q/tox.ini", "[tox]\n"), ("/w/setup.cfg", "[tool:pytest]\n")], "/w", Some("/w/setup.cfg")),
        (&[("/w/p/q/pytest.ini", ""), ("/w/p/q/pytest.toml", "")], "/w/p/q", Some("/w/p/q/pytest.toml")),
        (
            &[("/w/p/q/pyproject.toml", TABLE), ("/w/p/q/tox.ini", "[pytest]\n")],
            "/w/p/q",
            Some("/w/p/q/pyproject.toml"),
        ),
        // A pyproject.toml without a table gives way to a table further up,
        (&[("/w/p/q/pyproject.toml", ""), ("/w/tox.ini", "[pytest]\n")], "/w", Some("/w/tox.ini")),
        // but not to nothing, nor to a setup.py.
        (&[("/w/p/pyproject.toml", ""), ("/w/pyproject.toml", "")], "/w/p", Some("/w/p/pyproject.toml")),
        (&[("/w/p/pyproject.toml", ""), ("/w/p/q/setup.py", "")], "/w/p", Some("/w/p/pyproject.toml")),
        (&[("/w/p/setup.py", ""), ("/w/setup.py", "")], "/w/p", None),
        (&[("/w/p/q/setup.cfg", "[metadata]\n")], "/w/p/q", None),
        (&[("/pytest.ini", "")], "/", Some("/pytest.ini")),
    ];
    for (files, rootdir, inifile) in cases {
        assert_eq!(found(files), (rootdir.to_owned(), inifile.map(str::to_owned)), "{files:?}");
    }
}

#[test]
fn before_version_9_pytest_reads_neither_its_own_toml_files_nor_its_own_table() {
    let pytest_toml = ("/w/p/q/pytest.toml", "[pytest]\naddopts = [\"-x\"]\n");
    let own_table = ("/w/p/q/pyproject.toml", "[tool.pytest]\naddopts = [\"-x\"]\n");
    let both =
        ("/w/p/q/pyproject.toml", "[tool.pytest]\naddopts = [\"-x\"]\n[tool.pytest.ini_options]\naddopts = \"-v\"\n");
    let tox = ("/w/p/q/tox.ini", "[pytest]\naddopts = -q\n");
    let broken = ("/w/p/q/setup.cfg", "[pytest]\n");
    /// Files, and `addopts` of pytest 9 and of older ones; `None` if they refuse the configuration.
    type Versions<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>, Option<&'a str>);
    let cases: [Versions<'_>; 7] = [
        (&[pytest_toml], Some("-x"), Some("")),
        (&[own_table], Some("-x"), Some("")),
        (&[both], None, Some("-v")),
        (&[pytest_toml, tox], Some("-x"), Some("-q")),
        (&[own_table, tox], Some("-x"), Some("-q")),
        (&[tox, broken], None, Some("-q")),
        (&[broken], None, None),
    ];
    for (files, since, before) in cases {
        let read = |rules| {
            let text = |path: &Path| {
                files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).to_owned())
            };
            settings_with(Path::new("/w/p/q"), &text, &[], rules).ok().map(|settings| settings.addopts.join(" "))
        };
        let both = (read(ConfigRules::Since9), read(ConfigRules::Before9));
        assert_eq!((both.0.as_deref(), both.1.as_deref()), (since, before), "{files:?}");
    }
}

#[test]
fn defaults_are_pytests() {
    let settings = settings(&[]).unwrap();
    let expected = PytestSettings { rootdir: PathBuf::from("/w/p/q"), ..PytestSettings::default() };
    assert_eq!(settings, expected);
    assert_eq!(settings.python_files, ["test_*.py", "*_test.py"]);
    assert_eq!(settings.norecursedirs.len(), 9);
}

#[test]
fn values_of_each_format() {
    let ini = "[pytest]\npython_files = check_*.py 'a b.py'\npython_classes: Check\n    *Suite\naddopts = -ra\n  # note\n  --doctest-modules --ignore=x\ntestpaths =\n    unit\n    more\n";
    let cfg = ini.replace("[pytest]", "[tool:pytest]");
    let tool = "[tool.pytest.ini_options]\npython_files = ['check_*.py', 'a b.py']\npython_classes = 'Check *Suite'\naddopts = '-ra --doctest-modules --ignore=x'\ntestpaths = ['unit', 'more']\n";
    let native = "[pytest]\npython_files = ['check_*.py', 'a b.py']\npython_classes = ['Check', '*Suite']\naddopts = ['-ra', '--doctest-modules', '--ignore=x']\ntestpaths = ['unit', 'more']\n";
    let tool_native = native.replace("[pytest]", "[tool.pytest]");
    let files = [
        ("/w/p/q/pytest.ini", ini),
        ("/w/p/q/tox.ini", ini),
        ("/w/p/q/setup.cfg", &cfg),
        ("/w/p/q/pyproject.toml", tool),
        ("/w/p/q/pytest.toml", native),
        ("/w/p/q/pyproject.toml", &tool_native),
    ];
    for file in files {
        let settings = settings(&[file]).unwrap();
        assert_eq!(settings.python_files, ["check_*.py", "a b.py"], "{file:?}");
        assert_eq!(settings.python_classes, ["Check", "*Suite"], "{file:?}");
        assert_eq!(settings.testpaths, ["unit", "more"], "{file:?}");
        assert_eq!(settings.addopts, ["-ra", "--doctest-modules", "--ignore=x"], "{file:?}");
        assert_eq!(settings.options.ignore, ["x"], "{file:?}");
        assert!(settings.doctest_modules, "{file:?}");
    }
    let over =
        "[pytest]\npython_files = a.py\naddopts = -o python_files=b.py --override-ini collect_imported_tests=false\n";
    let settings = settings(&[("/w/p/q/pytest.ini", over)]).unwrap();
    assert_eq!(settings.python_files, ["b.py"]);
    assert!(!settings.collect_imported_tests);
}

#[test]
fn errors_name_the_file_the_line_and_the_way_out() {
    let cases = [
        ("pytest.ini", "x = 1\n"),
        ("pytest.ini", "[pytest]\nx=1\nx=2\n"),
        ("pytest.ini", "[pytest]\naddopts = 'open\n"),
        ("setup.cfg", "[metadata]\n\n[pytest]\n"),
        ("pytest.ini", "[pytest]\ncollect_imported_tests = maybe\n"),
        ("pyproject.toml", "[tool.pytest]\n\ntestpaths = 'tests'\n"),
        ("pyproject.toml", "[tool.pytest]\na = 1\n[tool.pytest.ini_options]\nb = 1\n"),
        ("pyproject.toml", "[tool\n"),
        ("pytest.toml", "testpaths = ['a']\n"),
        ("pytest.toml", "[pytest]\ntestpaths = ['a', 1]\n"),
        ("pytest.toml", "pytest = 1\n"),
        ("pyproject.toml", "tool = 1\n"),
    ];
    let errors: Vec<String> = cases
        .iter()
        .map(|(name, text)| settings(&[(&format!("/w/p/q/{name}"), text)]).unwrap_err().to_string())
        .collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
    /w/p/q/pytest.ini, line 1: a value outside of any section; put a header such as [pytest] before it
    /w/p/q/pytest.ini, line 3: x is set twice; keep one of them
    /w/p/q/pytest.ini, line 2: addopts: a quotation that begins with ' is not closed; close it
    /w/p/q/setup.cfg, line 3: pytest no longer reads [pytest] here; rename the section to [tool:pytest]
    /w/p/q/pytest.ini, line 2: collect_imported_tests is "maybe", which is neither true nor false; write one of them
    /w/p/q/pyproject.toml, line 3: testpaths has to be a list of strings, but is a string
    /w/p/q/pyproject.toml, line 3: [tool.pytest] and [tool.pytest.ini_options] exclude each other; keep one of them
    /w/p/q/pyproject.toml, line 1: invalid TOML: unclosed table, expected `]`
    /w/p/q/pytest.toml, line 1: testpaths stands outside of the [pytest] table; put [pytest] before it
    /w/p/q/pytest.toml, line 2: testpaths has to be a list of strings, but is a list with something else than strings
    /w/p/q/pytest.toml, line 1: pytest has to be a table: [pytest]
    /w/p/q/pyproject.toml, line 1: tool has to be a table: [tool]
    "#);
    // pytest reads the files that it then ignores, so a broken one stops it too.
    assert!(settings(&[("/w/p/q/pytest.ini", ""), ("/w/p/q/pyproject.toml", "x = ")]).is_err());
    assert!(settings(&[("/w/p/q/pytest.ini", ""), ("/w/p/pyproject.toml", "x = ")]).is_ok());
}

#[test]
fn test_files_by_pattern() {
    let mut settings = PytestSettings { rootdir: PathBuf::from("/w/p"), ..PytestSettings::default() };
    let is = |settings: &PytestSettings, path: &str| settings.is_test_file(Path::new(path));
    assert!(is(&settings, "a/test_x.py") && is(&settings, "/w/p/x_test.py"));
    assert!(!is(&settings, "a/x.py") && !is(&settings, "test_x.txt") && !is(&settings, "conftest.py"));
    settings.python_files = vec!["unit/*.py".to_owned()];
    assert!(is(&settings, "unit/x.py") && is(&settings, "a/unit/b/x.py") && is(&settings, "/elsewhere/unit/x.py"));
    assert!(!is(&settings, "units/x.py"));
}

#[test]
fn docstring_tests_are_named_after_the_module() {
    let mut settings =
        PytestSettings { rootdir: PathBuf::from("/w"), doctest_modules: true, ..PytestSettings::default() };
    let packages = |folder: &Path| folder == Path::new("/w/src/pkg") || folder == Path::new("/w/src/pkg/sub");
    let name = |settings: &PytestSettings, path: &str| {
        settings.role_of(Path::new(path), "setuptools", &packages).doctest_module
    };
    let cases = [
        ("src/pkg/sub/mod.py", Some("pkg.sub.mod")),
        ("src/pkg/__init__.py", Some("pkg")),
        ("src/alone.py", Some("alone")),
        ("src/pkg/__main__.py", None),
        ("setup.py", None),
    ];
    for (path, expected) in cases {
        assert_eq!(name(&settings, path).as_deref(), expected, "{path}");
    }
    settings.options.import_mode = Some("importlib".to_owned());
    assert_eq!(name(&settings, "src/pkg/mod.py").as_deref(), Some("pkg.mod"));
    assert_eq!(name(&settings, "src/alone.py").as_deref(), Some("src.alone"));
}
