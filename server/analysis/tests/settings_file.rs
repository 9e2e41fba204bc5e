//! The settings in `pytest-lens.toml` and `pyproject.toml`: what counts, and what is said about the rest.

use std::io;

use proptest::prelude::*;
use pytest_lens_analysis::{FileSettings, read_settings};
use pytest_lens_protocol::{Settings, WorkerCount};
use serde_json::json;

/// Reads files with these texts.
fn read(files: &[(&str, &str)]) -> FileSettings {
    read_settings(&|name| {
        let found = files.iter().find(|(file, _)| *file == name);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    })
}

fn sentences(settings: &FileSettings) -> String {
    settings.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_project_without_settings_has_the_defaults() {
    for files in [&[][..], &[("pyproject.toml", "[project]\nname = 'a'\n[tool.ruff]\nline-length = 9\n")]] {
        let read = read(files);
        assert_eq!(read, FileSettings::default());
        assert_eq!(read.given.complete(), Settings::default());
    }
}

const ALL: &str = "\
pythonPath = '.venv/bin/python'
executionMode = 'subprocess'
workers = 3
arguments = ['-x']
envFile = '.env'
projects = ['pkg/*']
runOnSave = 'file'
timeoutMs = 5
collectTimeoutMs = 6
debugTimeoutMs = 7
executor = 'ray'
env = { a-b_c = '1' }
codeLens.enable = false
inlayHints.enable = true
rerun = { enabled = true, maxReruns = 9, onlyFlaky = true, delayMs = 8 }
flaky.window = 7
ray.address = 'auto'
impact.record = 'off'
[fixtureReuse]
enabled = true
maxAgeSeconds = 1.5
teardownOnConftestChange = false
teardownOnTestFileChange = true
scopes = ['session']
";

#[test]
fn either_file_holds_every_setting_in_any_of_three_spellings() {
    let respelled = |mark: char| {
        let mut out = String::new();
        for letter in ALL.chars() {
            out.extend(letter.is_ascii_uppercase().then_some(mark));
            out.push(letter.to_ascii_lowercase());
        }
        out
    };
    let expected = json!({
        "pythonPath": ".venv/bin/python", "executionMode": "subprocess", "workers": 3, "arguments": ["-x"],
        "envFile": ".env", "projects": ["pkg/*"], "runOnSave": "file", "timeoutMs": 5, "collectTimeoutMs": 6, "debugTimeoutMs": 7,
        "executor": "ray", "env": {"a-b_c": "1"}, "codeLens": {"enable": false}, "inlayHints": {"enable": true},
        "rerun": {"enabled": true, "maxReruns": 9, "onlyFlaky": true, "delayMs": 8}, "flaky": {"window": 7},
        "ray": {"address": "auto"}, "impact": {"record": "off"},
        "fixtureReuse": {"enabled": true, "maxAgeSeconds": 1.5, "teardownOnConftestChange": false,
            "teardownOnTestFileChange": true, "scopes": ["session"]},
    });
    let keys: Vec<_> = Settings::all_keys().keys().cloned().collect();
    assert!(keys.iter().all(|key| expected.get(key).is_some()), "the test knows every setting: {keys:?}");
    for spelled in [ALL.to_owned(), respelled('-'), respelled('_')] {
        let own = read(&[("pytest-lens.toml", &spelled)]);
        assert_eq!((sentences(&own).as_str(), own.given.to_json()), ("", expected.clone()));
        let table = format!("[tool.pytest-lens]\n{}", spelled.replace("[fixture", "[tool.pytest-lens.fixture"));
        let pyproject = read(&[("pyproject.toml", &table)]);
        assert_eq!((sentences(&pyproject).as_str(), pyproject.given.to_json()), ("", expected.clone()));
        assert_eq!((own.file, pyproject.file), (Some("pytest-lens.toml"), Some("pyproject.toml")));
        assert_eq!(pyproject.lines["workers"], own.lines["workers"] + 1);
        assert_eq!(own.lines["env.a-b_c"], 12);
    }
}

#[test]
fn a_mistake_is_one_sentence_and_the_rest_counts() {
    let read = read(&[(
        "pyproject.toml",
        "[tool.pytest-lens]\nworker = 2\nworkers = 'many'\ntimeoutMs = 10\nmaxReruns = 3\narguments = ['-x', 3]\n\
         runOnSave = 'always'\ncolour = true\nrerun = 1\ntimeout-ms = 4\nenvFile = 1979-05-27\n\
         [tool.pytest-lens.ray-x]\n[tool.pytest-lens.fixture-reuse]\nenable = true\nscopes = ['function']\n\
         max-age-seconds = inf\ntimeout = 3\n[tool.pytest-lens.env]\nA = 1\nB = '2'\n",
    )]);
    assert_eq!(read.given.to_json(), json!({"timeoutMs": 10, "env": {"B": "2"}}));
    insta::assert_snapshot!(sentences(&read), @r#"
    pyproject.toml, line 2: `worker` is no setting; did you mean `workers`?
    pyproject.toml, line 3: `workers`: invalid value: string "many", expected a number from 1 to 65536, or "auto"; correct it, until then it counts as not set
    pyproject.toml, line 5: `maxReruns` is no setting; did you mean `rerun.maxReruns`?
    pyproject.toml, line 6: `arguments`: invalid type: integer `3`, expected a string; correct it, until then it counts as not set
    pyproject.toml, line 7: `runOnSave`: unknown variant `always`, expected one of `off`, `file`, `affected`; correct it, until then it counts as not set
    pyproject.toml, line 8: `colour` is no setting; leave it out, or write one of `pythonPath`, `executionMode`, `workers`, `arguments`, `env`, `envFile`, `projects`, `codeLens`, `inlayHints`, `runOnSave`, `timeoutMs`, `collectTimeoutMs`, `debugTimeoutMs`, `rerun`, `fixtureReuse`, `flaky`, `executor`, `ray`, `impact`
    pyproject.toml, line 9: `rerun`: invalid type: integer `1`, expected a table; correct it, until then it counts as not set
    pyproject.toml, line 10: `timeout-ms` is `timeoutMs`, which is set already; keep one of them
    pyproject.toml, line 11: `envFile`: a date is no value of a setting (write text in quotes); correct it, until then it counts as not set
    pyproject.toml, line 12: `ray-x` is no setting; did you mean `ray`?
    pyproject.toml, line 14: `fixture-reuse.enable` is no setting; did you mean `fixtureReuse.enabled`?
    pyproject.toml, line 15: `fixture-reuse.scopes`: unknown variant `function`, expected one of `session`, `package`, `module`, `class`; correct it, until then it counts as not set
    pyproject.toml, line 16: `fixture-reuse.max-age-seconds`: inf is no finite number; correct it, until then it counts as not set
    pyproject.toml, line 17: `fixture-reuse.timeout` is no setting; did you mean `timeoutMs`?
    pyproject.toml, line 19: `env.A`: invalid type: integer `1`, expected a string; correct it, until then it counts as not set
    "#);
}

#[test]
fn what_is_no_toml_does_not_count_and_is_named() {
    let broken = read(&[("pytest-lens.toml", "workers = 2\narguments = [\n")]);
    assert_eq!(broken.given.complete(), Settings::default());
    let bytes = read_settings(&|name| match name {
        "pytest-lens.toml" => Ok(vec![b'a', 0xff]),
        _ => Err(io::ErrorKind::PermissionDenied.into()),
    });
    let marked = read(&[("pyproject.toml", "tool = 3\n"), ("pytest-lens.toml", "\u{feff}workers = 2\n")]);
    assert_eq!(marked.given.complete().workers, Some(WorkerCount::Fixed(2)), "a byte order mark is no text");
    let told: Vec<String> = [broken, bytes, marked].iter().map(sentences).collect();
    insta::assert_snapshot!(told.join("\n---\n"), @r#"
    pytest-lens.toml, line 2: invalid TOML: unclosed array, expected `]`; until it is correct, its settings do not count
    ---
    pyproject.toml: its settings do not count, because it can't be read: permission denied
    pytest-lens.toml: its settings do not count, because it can't be read: it is not UTF-8
    ---
    "#);
}

#[test]
fn of_two_files_with_settings_the_own_one_counts() {
    let table = "[project]\nname = 'a'\n[tool.pytest-lens]\nworkers = 2\narguments = ['-x']\n";
    let both = read(&[("pytest-lens.toml", "workers = 3\n"), ("pyproject.toml", table)]);
    assert_eq!((both.given.to_json(), both.file), (json!({"workers": 3}), Some("pytest-lens.toml")));
    insta::assert_snapshot!(sentences(&both), @"pyproject.toml, line 3: [tool.pytest-lens] does not count, because pytest-lens.toml has the settings; keep one of them");
    let empty = read(&[("pytest-lens.toml", "workers = 3\n"), ("pyproject.toml", "[tool.pytest-lens]\n")]);
    assert_eq!(sentences(&empty), "", "an empty table says nothing");
}

#[test]
fn a_table_in_the_wrong_place_is_named() {
    let told = [
        ("pyproject.toml", "[tool.pytest_lens]\nworkers = 2\n"),
        ("pyproject.toml", "[tool.pytest-lense]\nworkers = 2\n"),
        ("pyproject.toml", "[tool]\npytest-lens = 2\n"),
        ("pytest-lens.toml", "[tool.pytest-lens]\nworkers = 2\n"),
    ]
    .map(|file| sentences(&read(&[file])));
    insta::assert_snapshot!(told.join("\n"), @"
    pyproject.toml, line 1: [tool.pytest_lens] is not read; write [tool.pytest-lens]
    pyproject.toml, line 1: [tool.pytest-lense] is not read; write [tool.pytest-lens]
    pyproject.toml, line 2: tool.pytest-lens must be a table: [tool.pytest-lens]
    pytest-lens.toml, line 1: the settings are at the top level of pytest-lens.toml; leave out [tool.pytest-lens]
    ");
}

#[test]
fn an_untrusted_project_gives_nothing_that_could_make_something_run() {
    let text = "pythonPath = './evil'\nexecutionMode = 'subprocess'\nworkers = 3\narguments = ['-p', 'evil']\n\
                env = { LD_PRELOAD = 'evil.so' }\nenvFile = 'evil.env'\nrunOnSave = 'file'\nexecutor = 'ray'\n\
                ray.address = 'evil'\nrerun.enabled = true\nfixtureReuse.enabled = true\ncodeLens.enable = false\n\
                inlayHints.enable = true\nflaky.window = 7\ntimeoutMs = 3\n";
    let read = read(&[("pytest-lens.toml", text)]);
    assert_eq!(sentences(&read), "");
    let shown = json!({"codeLens": {"enable": false}, "inlayHints": {"enable": true}, "flaky": {"window": 7}});
    assert_eq!(read.untrusted().to_json(), shown);
}

proptest! {
    #[test]
    fn any_text_is_read(text in "[a-z\\[\\]{}=.\"'\n 0-9-]{0,60}") {
        let read = read(&[("pytest-lens.toml", &text), ("pyproject.toml", &format!("[tool.pytest-lens]\n{text}"))]);
        let lines = u32::try_from(text.lines().count()).unwrap() + 2;
        prop_assert!(read.problems.iter().all(|problem| problem.line.is_none_or(|line| line <= lines)));
    }
}
