//! `pytest-lens list`: the tests, as pytest collects them.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use pytest_lens_engine::Connect;
use pytest_lens_protocol::{CollectError, NodeId, Request, Response, Settings, TestNodeInfo};

use crate::engine::client::Client;
use crate::engine::inventory::{chosen, inventory};
use crate::failure::{Failure, exit};
use crate::options::addopts;
use crate::options::arguments::{Filter, List, Run};
use crate::options::selectors;
use crate::options::selectors::is_selected_file;
use crate::paths::path_of_uri;
use crate::run::{affected, narrow, order};
use crate::suggest;

/// Collects, and prints the tests that the options select. Files that can't be collected go to standard error.
pub(crate) async fn list(
    connect: Arc<dyn Connect>,
    root: &Path,
    options: &List,
    out: &mut dyn Write,
) -> Result<i32, Failure> {
    let (selectors, filter) = (&options.selectors, &options.filter);
    let wanted = Wanted { selectors, filter, json: options.json, passed: &[], first: &[] };
    let client = Client::open(&*connect, root, None).await?;
    listed(&client, root, wanted, out).await
}

/// `pytest-lens run --collect-only`: prints the tests that the run would run. `file`: the settings in the project's
/// files.
pub(crate) async fn of_run(
    connect: Arc<dyn Connect>,
    root: &Path,
    options: &Run,
    file: &Settings,
    out: &mut dyn Write,
) -> Result<i32, Failure> {
    let client = Client::open(&*connect, root, options.mode.clone()).await?;
    if options.cache_clear {
        narrow::clear(&client).await?;
    }
    if !options.passed.is_empty() {
        if connect.is_shared() {
            return Err(Failure::usage(format!(
                "`--collect-only` can't pass options to pytest ({}) with `--connect`, because other clients share the collection",
                options.passed.join(" ")
            )));
        }
        let arguments = [file.arguments.as_slice(), &options.passed].concat();
        let settings = serde_json::json!({ "arguments": arguments });
        let request = Request::ConfigureContext { context_id: client.context_id.clone(), settings };
        if let refused @ Response::Error { .. } = client.session.call(request).await {
            return Err(Failure::of_response(refused));
        }
    }
    let (first, _) = order::first(&client, root, options).await?;
    let (selectors, filter) = (&options.selectors, &options.filter);
    let wanted = Wanted { selectors, filter, json: options.json, passed: &options.passed, first: &first };
    let mut failed = Vec::new();
    if narrow::continues_last(options) {
        let named = selectors::node_ids(root, wanted.selectors)?;
        failed = narrow::previously_failed(&client, root, &named, &options.passed, options.last_failed).await?;
    }
    let wanted = if failed.is_empty() { wanted } else { Wanted { selectors: &failed, ..wanted } };
    if options.affected.is_none() && options.shard.is_none() {
        return listed(&client, root, wanted, out).await;
    }
    let mut left = selectors::node_ids(root, wanted.selectors)?;
    if let Some(base) = &options.affected {
        let narrowed = affected::narrow(&client, root, left, base, &options.passed).await?;
        if narrowed.is_nothing {
            return Ok(nothing(&narrowed.left_out, exit::OK));
        }
        left = narrowed.node_ids;
    }
    if let Some(shard) = options.shard {
        left = narrow::shard_of(&client, root, left, shard, options).await?;
        if left.is_empty() {
            return Ok(nothing(&narrow::empty_shard(shard), exit::NO_TESTS));
        }
    }
    listed(&client, root, Wanted { selectors: &left, ..wanted }, out).await
}

/// Says why there is nothing to list.
fn nothing(why: &str, status: i32) -> i32 {
    // If standard error is closed, nobody reads it.
    let _ = writeln!(std::io::stderr(), "pytest-lens: {why}");
    status
}

/// `pytest-lens run --affected --explain`: says why a test would run or not.
pub(crate) async fn explain(
    connect: Arc<dyn Connect>,
    root: &Path,
    options: &Run,
    (test, base): (&str, &str),
    out: &mut dyn Write,
) -> Result<i32, Failure> {
    let client = Client::open(&*connect, root, options.mode.clone()).await?;
    affected::explain(&client, root, test, base, out).await
}

/// The tests to list, and the format.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    selectors: &'a [String],
    filter: &'a Filter,
    json: bool,
    /// pytest's options, which may leave out files.
    passed: &'a [String],
    /// The tests that are listed before the others, in their order.
    first: &'a [String],
}

async fn listed(client: &Client, root: &Path, options: Wanted<'_>, out: &mut dyn Write) -> Result<i32, Failure> {
    let selected = chosen(client, options.filter).await;
    let mut errors = client.collect_errors().await?;
    let selected = match selected {
        Err(failure) if errors.is_empty() => return Err(failure),
        other => other.unwrap_or_default(),
    };
    let named = selectors::node_ids(root, options.selectors)?;
    let mut nodes = inventory(client).await?;
    let known: HashSet<&str> = nodes.iter().map(|node| &*node.node_id).collect();
    for id in named.iter().filter(|id| id.contains("::") && !known.contains(id.as_str())) {
        let any = nodes.iter().any(|node| selectors::covers(id, &node.node_id));
        if !any && errors.is_empty() {
            let nearest = selectors::nearest_test(id, nodes.iter().map(|node| &*node.node_id));
            return Err(Failure::usage(format!(
                "there is no test `{id}`{}",
                suggest::did_you_mean(nearest.as_deref())
            )));
        }
    }
    if !named.is_empty() {
        let named: HashSet<&str> = named.iter().map(|id| id.trim_end_matches('/')).collect();
        nodes.retain(|node| affected::is_covered(&named, &node.node_id));
    }
    // A file that is named is collected in spite of options.
    let is_named = |path: &str| named.iter().any(|id| NodeId::new(id).file() == path);
    let is_left_out = |path: &str| addopts::leave_out(root, path, options.passed) && !is_named(path);
    nodes.retain(|node| selected.contains(&node.node_id) && !is_left_out(NodeId::new(&node.node_id).file()));
    let places: HashMap<&String, usize> = options.first.iter().enumerate().map(|(place, id)| (id, place)).collect();
    nodes.sort_by_key(|node| places.get(&node.node_id).copied().unwrap_or(usize::MAX));
    print(&nodes, options.json, out)?;
    errors.retain(|error| {
        let path = path_of_uri(&error.uri, root);
        is_selected_file(&named, &path) && !is_left_out(&path)
    });
    let mut stderr = std::io::stderr();
    for path in selectors::without_tests(&named, nodes.iter().map(|node| &*node.node_id)) {
        if errors.is_empty() && !is_left_out(path) && options.filter.is_empty() {
            // If standard error is closed, the list still says it.
            let _ = writeln!(stderr, "pytest-lens: {}", selectors::no_tests_in(path));
        }
    }
    say_errors(&errors, root);
    Ok(status(errors.is_empty(), nodes.is_empty()))
}

/// Says on standard error which files can't be collected, and why.
pub(super) fn say_errors(errors: &[CollectError], root: &Path) {
    let mut stderr = std::io::stderr();
    for error in errors {
        let message = error.message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        let path = path_of_uri(&error.uri, root);
        // If standard error is closed, the exit status still says it.
        let _ = writeln!(stderr, "pytest-lens: {path}:{}: {message}", error.range.start.line + 1);
    }
}

/// pytest's exit status for a collection.
pub(crate) fn status(without_errors: bool, is_empty: bool) -> i32 {
    match (without_errors, is_empty) {
        (false, _) => exit::INTERRUPTED,
        (true, true) => exit::NO_TESTS,
        (true, false) => exit::OK,
    }
}

/// Prints tests: per line an id, or a JSON object.
pub(crate) fn print(nodes: &[TestNodeInfo], json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let mut out = std::io::BufWriter::new(out);
    for node in nodes {
        if json {
            let line = serde_json::to_string(node).map_err(|error| Failure::internal(error.to_string()))?;
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{}", node.node_id)?;
        }
    }
    Ok(out.flush()?)
}
