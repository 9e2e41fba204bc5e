//! `pytest-lens doctor`: the Python, pytest, settings and mode of a project, with the reasons, and how to fix what is
//! wrong. The exit status is 0 only if nothing is.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use pytest_lens_analysis::FileSettings;
use pytest_lens_engine::Connect;
use pytest_lens_protocol::{CollectError, PartialSettings, Request, Response, Settings};
use serde_json::Value;

use crate::engine::client::{Client, Collected};
use crate::engine::history::{History, history};
use crate::engine::inventory::chosen;
use crate::failure::{Failure, exit};
use crate::options::arguments::Filter;
use crate::paths::path_of_uri;
use crate::style::{Paint, Style};

/// Examines a root and prints the findings.
pub(crate) async fn doctor(
    connect: Arc<dyn Connect>,
    root: &Path,
    file: &FileSettings,
    out: &mut dyn Write,
    style: Style,
) -> Result<i32, Failure> {
    let mut page = Page::new(style, root);
    let healthy = settings(&mut page, file);
    let healthy = examine(&*connect, root, file, &mut page).await? && healthy;
    let healthy = recorded(&mut page, history(&*connect, root).await) && healthy;
    page.end(healthy);
    out.write_all(page.text.as_bytes())?;
    out.flush()?;
    Ok(if healthy { exit::OK } else { exit::FAILED })
}

async fn examine(connect: &dyn Connect, root: &Path, file: &FileSettings, page: &mut Page) -> Result<bool, Failure> {
    let client = match Client::open(connect, root, None).await {
        Ok(client) => client,
        Err(Failure::Message { sentence, .. }) => {
            page.entry(Mark::Wrong, "Python", &sentence, &[]);
            return Ok(false);
        }
        Err(other) => return Err(other),
    };
    // Collects first: it shows whether the project's own modules allow forks.
    let collected = client.collect().await;
    // That was without effects. Where it is not all, the tests are counted as a person asks for them.
    let collected = match (collected, chosen(&client, &Filter::default()).await) {
        (Ok(collected), Ok(ids)) => Ok(Collected { node_count: ids.len(), ..collected }),
        (collected, _) => collected,
    };
    let errors = client.collect_errors().await?;
    let status = context_status(&client, &client.context_id).await?;
    let healthy = projects(&client, page, &status).await?;
    environment(page, status, root, file);
    Ok(tests(page, collected, &errors, root) && healthy)
}

async fn context_status(client: &Client, context_id: &str) -> Result<Response, Failure> {
    match client.session.call(Request::GetContextStatus { context_id: context_id.to_owned() }).await {
        status @ Response::ContextStatus { .. } => Ok(status),
        other => Err(Failure::of_response(other)),
    }
}

/// The nested projects, with their interpreters; what is wrong with them is a fault.
async fn projects(client: &Client, page: &mut Page, status: &Response) -> Result<bool, Failure> {
    let Response::ContextStatus { nested: Some(nested), .. } = status else { return Ok(true) };
    for project in &nested.projects {
        let inner = context_status(client, &project.context_id).await?;
        let Response::ContextStatus { python_path, python_source, config_file, .. } = inner else { continue };
        let config = config_file.as_deref().map(Path::new).and_then(Path::file_name);
        let config = config.map_or_else(|| "none".to_owned(), |name| name.display().to_string());
        let notes = [format!("Python: {python_path} ({python_source}); config: {config}")];
        page.entry(Mark::Ok, "project", &project.path, &notes);
    }
    for problem in &nested.problems {
        page.entry(Mark::Wrong, "project", problem, &[]);
    }
    Ok(nested.problems.is_empty())
}

/// The settings that differ from the defaults, and where each comes from; a mistake in them is a fault.
fn settings(page: &mut Page, file: &FileSettings) -> bool {
    let defaults = PartialSettings::read(&Value::Object(Settings::all_keys())).0;
    let name = file.file.unwrap_or_default();
    let mut set: Vec<_> = file.lines.iter().map(|(key, line)| (line, key)).collect();
    set.sort();
    for (line, key) in set {
        if let Some(value) = file.given.get(key).filter(|value| defaults.get(key) != Some(value)) {
            page.entry(Mark::Ok, "setting", &format!("{key} = {value}"), &[format!("from {name}, line {line}")]);
        }
    }
    for problem in &file.problems {
        page.entry(Mark::Wrong, "setting", &problem.to_string(), &[]);
    }
    file.problems.is_empty()
}

/// The history. A damaged file that was set aside is no fault any more.
fn recorded(page: &mut Page, history: Result<History, Failure>) -> bool {
    let history = match history {
        Ok(history) => history,
        Err(Failure::Message { sentence, .. }) => {
            page.entry(Mark::Wrong, "history", &sentence, &[]);
            return false;
        }
        Err(_) => return false,
    };
    let History { file, outcomes, tracked, trouble, set_aside, .. } = history;
    let value = match history.exists {
        true => format!("{outcomes} outcomes of {tracked} tests in {file}"),
        false => format!("nothing is recorded yet; it will be in {file}"),
    };
    let healthy = trouble.is_none();
    let mut notes: Vec<String> = trouble.into_iter().collect();
    notes.extend(
        set_aside.iter().map(|path| format!("a damaged file was set aside as {path}; delete it if you do not need it")),
    );
    page.entry(if healthy { Mark::Ok } else { Mark::Wrong }, "history", &value, &notes);
    healthy
}

/// The environment of the context. Hazards are no fault: they only cost time.
fn environment(page: &mut Page, status: Response, root: &Path, file: &FileSettings) {
    let Response::ContextStatus {
        python_path,
        python_source,
        python_version,
        pytest_version,
        plugins,
        config_file,
        execution_mode,
        mode_reason,
        hazards,
        ..
    } = status
    else {
        return;
    };
    let python = format!("{python_version}  {python_path}");
    page.entry(Mark::Ok, "Python", &python, &[format!("found by: {python_source}")]);
    page.entry(Mark::Ok, "pytest", &pytest_version, &[]);
    let plugins = if plugins.is_empty() { "none".to_owned() } else { plugins.join(", ") };
    page.entry(Mark::Ok, "plugins", &plugins, &[]);
    let config = config_file.as_deref().map(Path::new);
    let config = config.map(|file| file.strip_prefix(root).unwrap_or(file).display().to_string());
    page.entry(Mark::Ok, "config", config.as_deref().unwrap_or("none; pytest's defaults apply"), &[]);
    let mark = if hazards.is_empty() { Mark::Ok } else { Mark::Slow };
    let chosen = match file.lines.get("executionMode").zip(file.file) {
        Some((line, name)) if mode_reason == "asked for" => format!("by `executionMode` in {name}, line {line}"),
        Some((line, name)) if file.given.complete().execution_mode != "auto" => {
            format!("although {name}, line {line} says otherwise: {mode_reason}")
        }
        _ => format!("chosen by `auto`: {mode_reason}"),
    };
    page.entry(mark, "mode", &format!("{execution_mode}, {chosen}"), &[]);
    for hazard in hazards {
        page.entry(Mark::Slow, "hazard", &hazard, &[format!("way out: {}", way_out(&hazard))]);
    }
}

/// The way out of a hazard, by the words of its sentence.
fn way_out(hazard: &str) -> &'static str {
    let hazard = hazard.to_ascii_lowercase();
    let ways = [
        (
            "while tests are collected",
            "move it into a fixture: then tests are collected in the background, and runs share the collection",
        ),
        (
            "only when asked",
            "move what it names into a fixture: then tests are collected in the background, and runs share the collection",
        ),
        ("was opened", "open it in a fixture instead of at import"),
        ("random numbers", "draw them in a fixture, or give the generator a seed"),
        (
            "thread",
            "start the thread in a fixture or a function instead of at import, or stop it before collection ends",
        ),
        ("polars", "import polars in the tests or functions that use it instead of at the top of a module"),
        ("grpc", "import grpc in the tests or functions that use it instead of at the top of a module"),
        ("gevent", "patch in a fixture instead of at import"),
        ("eventlet", "patch in a fixture instead of at import"),
        ("cuda", "initialise CUDA in a fixture instead of at import"),
        ("loop", "start the event loop in a fixture instead of at import"),
        ("randomly", "turn it off for the warm runs: `-p no:randomly` in `pytestLens.arguments`"),
        ("session", "turn the session hook into a session fixture, which each run sets up by itself"),
        ("linux", "none on this system: a fresh interpreter is used for each run"),
    ];
    let found = ways.iter().find(|(name, _)| hazard.contains(name));
    found.map_or("none is needed: runs are right all the same, only slower", |(_, way)| way)
}

fn tests(page: &mut Page, collected: Result<Collected, Failure>, errors: &[CollectError], root: &Path) -> bool {
    let mut healthy = true;
    // The collection's own error already says why pytest can't start at all.
    let errors = errors.iter().map(|error| (path_of_uri(&error.uri, root), error));
    let errors: Vec<_> = errors.filter(|(path, _)| collected.is_ok() || !path.is_empty()).collect();
    match collected {
        Ok(Collected { node_count: 0, .. }) if errors.is_empty() => {
            healthy = false;
            let advice = "check `testpaths` and `python_files` in pytest's configuration".to_owned();
            page.entry(Mark::Wrong, "tests", "none were collected", &[advice]);
        }
        Ok(Collected { node_count, duration_ms }) => {
            let told = format!("{node_count} collected in {:.2} s", duration_ms as f64 / 1_000.0);
            page.entry(if node_count == 0 { Mark::Wrong } else { Mark::Ok }, "tests", &told, &[]);
        }
        Err(Failure::Message { sentence, .. }) => {
            healthy = false;
            page.entry(Mark::Wrong, "tests", &sentence, &[]);
        }
        Err(_) => healthy = false,
    }
    for (path, error) in errors {
        healthy = false;
        let place = format!("{path}:{}", error.range.start.line + 1);
        let lines: Vec<String> = error.message.lines().map(str::to_owned).collect();
        page.entry(Mark::Wrong, "tests", &format!("{place} can't be collected"), &lines);
    }
    healthy
}

/// The verdict on an entry.
#[derive(Clone, Copy)]
enum Mark {
    Ok,
    /// No fault, but it costs time.
    Slow,
    Wrong,
}

/// The text, entry after entry.
struct Page {
    style: Style,
    text: String,
}

impl Page {
    fn new(style: Style, root: &Path) -> Self {
        let title = format!("pytest-lens {} in {}", env!("CARGO_PKG_VERSION"), root.display());
        Page { style, text: style.paint(Paint::Bold, &title) + "\n\n" }
    }

    fn entry(&mut self, mark: Mark, name: &str, value: &str, more: &[String]) {
        let mark = match mark {
            Mark::Ok => self.style.paint(Paint::Green, "ok   "),
            Mark::Slow => self.style.paint(Paint::Yellow, "slow "),
            Mark::Wrong => self.style.paint(Paint::Red, "wrong"),
        };
        let name = self.style.paint(Paint::Bold, &format!("{name:8}"));
        self.text.push_str(&format!("  {mark}  {name}  {}\n", indented(value)));
        for line in more {
            self.text.push_str(&format!("{INDENT}{line}\n"));
        }
    }

    fn end(&mut self, healthy: bool) {
        let verdict = if healthy { "Nothing is wrong." } else { "Something is wrong: see above." };
        let paint = if healthy { Paint::Green } else { Paint::Red };
        self.text.push_str(&format!("\n{}\n", self.style.paint(paint, verdict)));
    }
}

/// As wide as the columns before an entry's value.
const INDENT: &str = "                   ";

fn indented(value: &str) -> String {
    value.lines().collect::<Vec<_>>().join(&format!("\n{INDENT}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, collect_error, inventory};
    use pytest_lens_protocol::{ErrorCode, NestedContext, NestedStatus};

    fn status(hazards: &[&str]) -> Response {
        Response::ContextStatus {
            context_id: "c".into(),
            repo_path: "/repo".into(),
            python_path: "/repo/.venv/bin/python".into(),
            python_source: "the repo's .venv".into(),
            python_version: "3.11.7".into(),
            pytest_version: "9.2.0".into(),
            plugins: vec!["xdist 3.8.0".into(), "cov 7.0.0".into()],
            config_file: Some("/repo/pyproject.toml".into()),
            execution_mode: if hazards.is_empty() { "embedded" } else { "subprocess" }.into(),
            mode_reason: if hazards.is_empty() { "nothing keeps tests from being forked" } else { hazards[0] }.into(),
            hazards: hazards.iter().map(|&hazard| hazard.into()).collect(),
            active_runs: vec![],
            nested: None,
        }
    }

    /// Answers the request for the history, and no other.
    fn recorded(request: &Request) -> Response {
        match request {
            Request::GetHistory { .. } => Response::History {
                file: "/state/repo.db".into(),
                exists: true,
                outcomes: 12,
                tracked: 3,
                stable: 3,
                flaky: vec![],
                unstable: vec![],
                trouble: None,
                set_aside: vec!["/state/repo.db.damaged-1".into()],
            },
            _ => Response::Pong,
        }
    }

    async fn page(fake: Fake) -> String {
        page_with(fake, &FileSettings::default()).await
    }

    async fn page_with(fake: Fake, file: &FileSettings) -> String {
        let mut out = Vec::new();
        let result = doctor(Arc::new(fake), Path::new("/repo"), file, &mut out, Style::PLAIN).await;
        format!("{}exit status {:?}", String::from_utf8(out).unwrap(), result)
    }

    #[tokio::test]
    async fn all_is_well() {
        let fake = Fake::new(|request| match request {
            Request::Collect { .. } => Response::CollectionComplete { node_count: 1_002, duration_ms: 410 },
            Request::GetContextStatus { .. } => status(&[]),
            other => recorded(other),
        });
        insta::assert_snapshot!(page(fake).await, @"
        pytest-lens 0.1.0 in /repo

          ok     Python    3.11.7  /repo/.venv/bin/python
                           found by: the repo's .venv
          ok     pytest    9.2.0
          ok     plugins   xdist 3.8.0, cov 7.0.0
          ok     config    pyproject.toml
          ok     mode      embedded, chosen by `auto`: nothing keeps tests from being forked
          ok     tests     1002 collected in 0.41 s
          ok     history   12 outcomes of 3 tests in /state/repo.db
                           a damaged file was set aside as /state/repo.db.damaged-1; delete it if you do not need it

        Nothing is wrong.
        exit status Ok(0)
        ");
    }

    #[tokio::test]
    async fn b11_nested_projects_are_named_with_their_interpreters() {
        let fake = Fake::new(|request| match request {
            Request::Collect { .. } => Response::CollectionComplete { node_count: 2, duration_ms: 5 },
            Request::GetContextStatus { context_id } => {
                let mut status = status(&[]);
                if let Response::ContextStatus { nested, .. } = &mut status
                    && context_id != "inner"
                {
                    let nested = nested.insert(NestedStatus::default());
                    nested.projects.push(NestedContext { path: "pkg/api".into(), context_id: "inner".into() });
                    nested.problems.push("pkg/loop is a link to a folder that contains it".into());
                }
                status
            }
            other => recorded(other),
        });
        let text = page(fake).await;
        let project = "  ok     project   pkg/api\n                   Python: /repo/.venv/bin/python (the repo's .venv); \
                       config: pyproject.toml\n  wrong  project   pkg/loop is a link to a folder that contains it\n";
        assert!(text.contains(project), "{text}");
        assert!(text.ends_with("exit status Ok(1)"), "{text}");
    }

    #[tokio::test]
    async fn hazards_are_no_fault_and_errors_are() {
        let fake = Fake::new(|request| match request {
            Request::Collect { .. } => Response::CollectionComplete { node_count: 2, duration_ms: 5 },
            Request::GetContextStatus { .. } => status(&["a thread `poller` is alive after collection"]),
            other => recorded(other),
        });
        let error = collect_error("/repo/tests/test_b.py", 3, "ModuleNotFoundError: No module named 'nope'");
        insta::assert_snapshot!(page(fake.with_events(vec![inventory(vec![error])])).await, @"
        pytest-lens 0.1.0 in /repo

          ok     Python    3.11.7  /repo/.venv/bin/python
                           found by: the repo's .venv
          ok     pytest    9.2.0
          ok     plugins   xdist 3.8.0, cov 7.0.0
          ok     config    pyproject.toml
          slow   mode      subprocess, chosen by `auto`: a thread `poller` is alive after collection
          slow   hazard    a thread `poller` is alive after collection
                           way out: start the thread in a fixture or a function instead of at import, or stop it before collection ends
          ok     tests     2 collected in 0.01 s
          wrong  tests     tests/test_b.py:3 can't be collected
                           ModuleNotFoundError: No module named 'nope'
          ok     history   12 outcomes of 3 tests in /state/repo.db
                           a damaged file was set aside as /state/repo.db.damaged-1; delete it if you do not need it

        Something is wrong: see above.
        exit status Ok(1)
        ");
    }

    #[tokio::test]
    async fn no_python_is_said_and_nothing_else() {
        let fake = Fake::new(|request| match request {
            Request::InitContext { .. } => Response::error(
                ErrorCode::PythonNotFound,
                "pytest is not installed in /usr/bin/python3; run `/usr/bin/python3 -m pip install pytest`",
            ),
            other => recorded(other),
        });
        insta::assert_snapshot!(page(fake).await, @"
        pytest-lens 0.1.0 in /repo

          wrong  Python    pytest is not installed in /usr/bin/python3; run `/usr/bin/python3 -m pip install pytest`
          ok     history   12 outcomes of 3 tests in /state/repo.db
                           a damaged file was set aside as /state/repo.db.damaged-1; delete it if you do not need it

        Something is wrong: see above.
        exit status Ok(1)
        ");
    }

    #[tokio::test]
    async fn each_setting_is_printed_with_its_place_and_a_mistake_is_a_fault() {
        let text = "[tool.pytest-lens]\nworkers = 4\nexecution-mode = 'subprocess'\nrunOnSave = 'off'\nworker = 3\n\
                    env.A = 'b'\n";
        let file = pytest_lens_analysis::read_settings(&|name| match name {
            "pyproject.toml" => Ok(text.into()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        });
        let fake = Fake::new(|request| match request {
            Request::Collect { .. } => Response::CollectionComplete { node_count: 2, duration_ms: 5 },
            Request::GetContextStatus { .. } => {
                let mut status = status(&[]);
                if let Response::ContextStatus { execution_mode, mode_reason, .. } = &mut status {
                    (*execution_mode, *mode_reason) = ("subprocess".into(), "asked for".into());
                }
                status
            }
            other => recorded(other),
        });
        insta::assert_snapshot!(page_with(fake, &file).await, @r#"
        pytest-lens 0.1.0 in /repo

          ok     setting   workers = 4
                           from pyproject.toml, line 2
          ok     setting   executionMode = "subprocess"
                           from pyproject.toml, line 3
          ok     setting   env.A = "b"
                           from pyproject.toml, line 6
          wrong  setting   pyproject.toml, line 5: `worker` is no setting; did you mean `workers`?
          ok     Python    3.11.7  /repo/.venv/bin/python
                           found by: the repo's .venv
          ok     pytest    9.2.0
          ok     plugins   xdist 3.8.0, cov 7.0.0
          ok     config    pyproject.toml
          ok     mode      subprocess, by `executionMode` in pyproject.toml, line 3
          ok     tests     2 collected in 0.01 s
          ok     history   12 outcomes of 3 tests in /state/repo.db
                           a damaged file was set aside as /state/repo.db.damaged-1; delete it if you do not need it

        Something is wrong: see above.
        exit status Ok(1)
        "#);
    }
}
