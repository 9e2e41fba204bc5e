//! Coverage as pytest-cov's options request it, measured by coverage.py itself, with or without pytest-cov. At the end
//! of the run the data become one data file and one JSON report.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use pytest_lens_platform::processes::stay_stoppable;
use tokio::process::Command;

use crate::processes::launcher::Launcher;
use crate::processes::worker_protocol::Measure;
use crate::timing::COVERAGE_REPORT_LIMIT;

/// Names of the files.
const DATA: [&str; 2] = [".coverage", "coverage.json"];

/// The coverage to measure in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    pub source: Vec<String>,
    pub branch: bool,
    /// Record which test executed a line.
    pub contexts: bool,
    pub config: Option<String>,
}

/// Takes pytest-cov's options out of pytest's arguments. Its reports and thresholds are left to the readers of the
/// data.
pub(crate) fn split(arguments: &[String]) -> (Vec<String>, Option<Coverage>) {
    let (mut rest, mut wanted, mut is_wanted) = (Vec::new(), Coverage::default(), false);
    let mut arguments = arguments.iter().map(String::as_str).peekable();
    while let Some(argument) = arguments.next() {
        let (name, given) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument, None),
        };
        let mut value =
            || given.clone().or_else(|| arguments.next_if(|next| !next.starts_with('-')).map(str::to_owned));
        match name {
            "--cov" => {
                is_wanted = true;
                wanted.source.extend(value().filter(|source| !source.is_empty()));
            }
            "--cov-branch" => wanted.branch = true,
            "--cov-context" => wanted.contexts |= value().as_deref() == Some("test"),
            "--cov-config" => wanted.config = value(),
            "--cov-report" | "--cov-fail-under" | "--cov-precision" => drop(value()),
            "--cov-append" | "--no-cov-on-fail" => {}
            "--cov-reset" => wanted.source.clear(),
            "--no-cov" => return (rest.into_iter().chain(arguments.map(str::to_owned)).collect(), None),
            _ => rest.push(argument.to_owned()),
        }
    }
    (rest, is_wanted.then_some(wanted))
}

impl Coverage {
    /// An editor's coverage run: lines and branches, by test.
    pub(crate) fn for_editors() -> Self {
        Coverage { branch: true, contexts: true, ..Coverage::default() }
    }

    /// The options for a session.
    pub(crate) fn measure(&self, folder: &Path) -> Measure {
        Measure {
            folder: folder.to_string_lossy().into(),
            source: self.source.clone(),
            branch: self.branch,
            contexts: self.contexts,
            config: self.config.clone(),
        }
    }
}

/// Combines the runners' data in `folder` into one data file and one report.
pub(crate) async fn gather(launcher: &Launcher, folder: &Path, coverage: &Coverage) -> Vec<(String, PathBuf)> {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let config = coverage.config.as_deref().map_or_else(|| "None".to_owned(), text);
    let program = format!(
        "import sys;sys.path.insert(0,{});from _pytest_lens_worker.coverage_report import main;main({},{config})",
        text(&launcher.worker_dir.to_string_lossy()),
        text(&folder.to_string_lossy()),
    );
    let env = launcher.env.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let mut command = Command::new(launcher.python());
    command.arg("-c").arg(program).current_dir(&launcher.root).envs(env);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    stay_stoppable(command.as_std_mut());
    match tokio::time::timeout(COVERAGE_REPORT_LIMIT, command.output()).await {
        Ok(Ok(done)) if done.status.success() => {}
        Ok(Ok(done)) => {
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            tracing::warn!(said, "no report of the coverage could be made");
        }
        Ok(Err(error)) => tracing::warn!(%error, "no report of the coverage could be made"),
        Err(_) => tracing::warn!("the report of the coverage took too long"),
    }
    let files = DATA.iter().map(|name| ((*name).to_owned(), folder.join(name)));
    files.filter(|(_, path)| path.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(arguments: &str) -> String {
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        let (rest, coverage) = split(&arguments);
        match coverage {
            Some(Coverage { source, branch, contexts, config }) => {
                format!("{rest:?} {source:?} branch={branch} contexts={contexts} config={config:?}")
            }
            None => format!("{rest:?}"),
        }
    }

    #[test]
    fn the_options_of_pytest_cov_are_understood() {
        insta::assert_snapshot!(told("-x --cov -k a"), @r#"["-x", "-k", "a"] [] branch=false contexts=false config=None"#);
        insta::assert_snapshot!(
            told("--cov=src --cov lib --cov-branch --cov-context=test --cov-config .rc -v"),
            @r#"["-v"] ["src", "lib"] branch=true contexts=true config=Some(".rc")"#
        );
        insta::assert_snapshot!(told("--cov= --cov-report html --cov-fail-under=90"), @"[] [] branch=false contexts=false config=None");
        insta::assert_snapshot!(told("--cov-report xml"), @"[]");
        insta::assert_snapshot!(told("--cov --no-cov -x"), @r#"["-x"]"#);
        insta::assert_snapshot!(told("--covfefe"), @r#"["--covfefe"]"#);
    }
}
