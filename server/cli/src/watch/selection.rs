//! Makes the options of one run of `--watch`: the command line's, narrowed by the scope and the filters.

use std::collections::BTreeSet;
use std::path::Path;

use pytest_lens_analysis::{is_config_file, is_settings_file};
use pytest_lens_protocol::{NodeId, Request, Response};

use super::machine::{Filters, Scope};
use super::words;
use crate::engine::client::Client;
use crate::engine::inventory::{chosen, inventory, refresh};
use crate::failure::Failure;
use crate::options::arguments::{Filter, Run};
use crate::options::{addopts, project_file, selectors};
use crate::run::affected;
use crate::style::Style;

/// The next run.
pub(super) enum Next {
    Run {
        options: Box<Run>,
        /// A line to print first; empty if there is none.
        heading: String,
    },
    /// There is nothing to run, for this reason.
    Nothing(String),
}

/// The options of the next run.
pub(super) async fn next(
    client: &Client,
    root: &Path,
    given: &Run,
    scope: &Scope,
    filters: &Filters,
    style: Style,
) -> Result<Next, Failure> {
    let mut options = with_added(root, given);
    options.filter.keyword = match (options.filter.keyword.take(), &*filters.name) {
        (keyword, "") => keyword,
        (None, name) => Some(name.to_owned()),
        (Some(keyword), name) => Some(format!("({keyword}) and ({name})")),
    };
    let run = |options: Run, heading: String| Ok(Next::Run { options: Box::new(options), heading });
    match scope {
        Scope::Failed => {
            options.last_failed = true;
            options.no_failures = Some("none".into());
        }
        Scope::Affected(paths) if concerns_all(paths) => {
            // The tests that there are may be others.
            refresh(client).await;
            if filters.path.is_empty() {
                return run(options, words::heading(paths, None, style));
            }
        }
        Scope::Affected(paths) => {
            // The saved files are part of every change against a commit.
            options.affected = None;
            let configured: Vec<&str> = paths.iter().filter_map(|path| configured_folder(path)).collect();
            if !configured.is_empty() {
                // It may be a nested project now, or none any more.
                refresh(client).await;
            }
            let selected = selectors::node_ids(root, &options.selectors)?;
            let mut reached = reached_by(client, paths).await?;
            if !configured.is_empty() {
                let files = Tests::read(client, root).await?.files().into_iter();
                reached.extend(files.filter(|file| configured.iter().any(|folder| selectors::covers(folder, file))));
            }
            let reached: BTreeSet<String> =
                reached.into_iter().filter(|id| !addopts::leave_out(root, id, &options.passed)).collect();
            if reached.is_empty() {
                return Ok(Next::Nothing(words::no_test(paths, "test")));
            }
            let tests = Tests::current(client, root, &reached).await?;
            let ids = affected::left(&selected, &reached, &tests.known, &tests.broken);
            let is_all = affected::left_out(&selected, &ids, &tests.known).is_empty() && filters.path.is_empty();
            let ids: Vec<String> = ids.into_iter().filter(|id| is_at(id, &filters.path)).collect();
            if ids.is_empty() {
                return Ok(Next::Nothing(words::no_test(paths, "selected test")));
            }
            let files = ids.iter().map(|id| NodeId::new(id).file()).collect::<BTreeSet<_>>().len();
            let heading = words::heading(paths, Some(files), style);
            if !is_all {
                options.selectors = ids;
            }
            return run(options, heading);
        }
        Scope::All => {}
    }
    if filters.path.is_empty() {
        return run(options, String::new());
    }
    refresh(client).await;
    let tests = Tests::read(client, root).await?;
    let selected = selectors::node_ids(root, &options.selectors)?;
    let files = tests.files().into_iter().filter(|file| is_at(file, &filters.path)).collect();
    let ids = affected::left(&selected, &files, &tests.known, &tests.broken);
    if ids.is_empty() {
        return Ok(Next::Nothing(format!("no test file's path contains `{}`", filters.path)));
    }
    options.selectors = ids;
    run(options, String::new())
}

/// The options, with those that the project's files and the environment add now.
fn with_added(root: &Path, given: &Run) -> Run {
    let mut options = given.clone();
    let file = project_file::read(root).given.complete();
    let added = addopts::of_project(root, &file, &options);
    addopts::add(&mut options, &added);
    options
}

/// Whether a change may affect which tests there are, anywhere.
fn concerns_all(paths: &BTreeSet<String>) -> bool {
    paths.iter().any(|path| is_config_file(path) || is_settings_file(path))
}

/// The folder below the root whose configuration a file may hold.
fn configured_folder(path: &str) -> Option<&str> {
    let (folder, name) = path.rsplit_once('/')?;
    (is_config_file(name) || is_settings_file(name)).then_some(folder)
}

/// Whether an id is in a file whose path contains this, in any case.
fn is_at(id: &str, part: &str) -> bool {
    NodeId::new(id).file().to_lowercase().contains(&part.to_lowercase())
}

async fn reached_by(client: &Client, paths: &BTreeSet<String>) -> Result<Vec<String>, Failure> {
    let paths = paths.iter().cloned().collect();
    match client.session.call(Request::GetAffected { context_id: client.context_id.clone(), paths }).await {
        Response::TestList { node_ids } => Ok(node_ids),
        other => Err(Failure::of_response(other)),
    }
}

/// The tests that pytest has collected.
struct Tests {
    known: Vec<String>,
    /// Files that could not be collected.
    broken: Vec<String>,
}

impl Tests {
    async fn read(client: &Client, root: &Path) -> Result<Self, Failure> {
        let known = inventory(client).await?.into_iter().map(|node| node.node_id).collect();
        Ok(Tests { known, broken: affected::broken(client, root).await? })
    }

    /// As [`Tests::read`], after a collection if a file of these ids is new: only pytest knows whether it collects it.
    async fn current(client: &Client, root: &Path, ids: &BTreeSet<String>) -> Result<Self, Failure> {
        let tests = Tests::read(client, root).await?;
        let known = tests.files();
        if ids.iter().all(|id| known.contains(NodeId::new(id).file())) {
            return Ok(tests);
        }
        let is_unknown = chosen(client, &Filter::default()).await.is_err();
        let mut tests = Tests::read(client, root).await?;
        if is_unknown {
            // The run itself reports why nothing can be collected.
            let files: BTreeSet<&str> = ids.iter().map(|id| NodeId::new(id).file()).collect();
            tests.broken.extend(files.into_iter().filter(|file| root.join(file).is_file()).map(str::to_owned));
        }
        Ok(tests)
    }

    fn files(&self) -> BTreeSet<String> {
        self.known.iter().map(|id| NodeId::new(id).file().to_owned()).chain(self.broken.iter().cloned()).collect()
    }
}

/// Makes the engine read who imports whom, so that it still knows after files are deleted.
pub(super) async fn learn_imports(client: &Client) {
    reached_by(client, &BTreeSet::new()).await.ok();
}
