//! The tests that a change reaches in a root and its nested projects. The root's imports cover the sources of all of
//! them, so that a change in one project reaches tests of another; what tests read and execute, only their own project
//! knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use pytest_lens_analysis::is_config_file;
use pytest_lens_protocol::{ImpactReason, NodeId, ReachedFile, Request, Response, TestImpact};

use super::checked;
use super::gather::Family;
use crate::api::affected::{self, NestedTests};
use crate::api::{Answered, answer};
use crate::model::prefix::Prefix;
use crate::model::scope::is_within;
use crate::project::members::Member;

pub(super) async fn of_paths(family: &Family<'_>, paths: &[String]) -> Answered {
    let of_root = of_root(family, paths);
    let mut reached = BTreeSet::new();
    if let Response::TestList { node_ids } = affected::of_paths(family.project, &of_root).await {
        let is_nested = |id: &String| family.members.iter().any(|member| is_within(id, &member.path));
        reached.extend(node_ids.into_iter().filter(|id| !is_nested(id)));
    }
    let outside = affected::from_outside(family.project, &of_root, nested_tests(family), false).await;
    reached.extend(outside.into_iter().flat_map(BTreeMap::into_keys));
    let absolute = absolute(family, paths);
    for member in family.members.iter() {
        let request = Request::GetAffected { context_id: member.project.id.clone(), paths: absolute.clone() };
        let answered = checked(&member.path, Box::pin(answer(family.session, request)).await)?;
        if let Response::TestList { node_ids } = answered {
            reached.extend(member.prefix().ids(node_ids));
        }
    }
    Ok(Response::TestList { node_ids: reached.into_iter().collect() })
}

pub(super) async fn explained(family: &Family<'_>, paths: &[String]) -> Answered {
    let of_root = of_root(family, paths);
    let mut whole = affected::explained(family.project, &of_root).await;
    let Response::Affected { files, tests, .. } = &mut whole else { return Ok(whole) };
    let mut reached: BTreeMap<String, Vec<String>> = files.drain(..).map(|file| (file.path, file.through)).collect();
    let mut outside = affected::from_outside(family.project, &of_root, nested_tests(family), true).await.into_iter();
    let absolute = absolute(family, paths);
    for member in family.members.iter() {
        let request = Request::ExplainAffected { context_id: member.project.id.clone(), paths: absolute.clone() };
        let answered = checked(&member.path, Box::pin(answer(family.session, request)).await)?;
        let Response::Affected { everything, files: more, tests: judged } = answered else { continue };
        let (prefix, outside) = (member.prefix(), outside.next().unwrap_or_default());
        if !everything.is_empty() {
            // All tests of this project, which are not all of the root's.
            reached.entry(member.path.to_string()).or_insert_with(|| prefix.ids(everything));
        }
        let own = |test: TestImpact| TestImpact {
            node_id: prefix.id(&test.node_id),
            reason: test.reason.map(|reason| own_reason(prefix, reason)),
            ..test
        };
        let is_known =
            |test: &TestImpact| test.reason.is_some() || !outside.contains_key(NodeId::new(&test.node_id).file());
        tests.extend(judged.into_iter().map(own).filter(is_known));
        for ReachedFile { path, through } in more {
            let through = through.into_iter().map(|path| if path == "*" { path } else { prefix.id(&path) }).collect();
            reached.entry(prefix.id(&path)).or_insert(through);
        }
        for (path, through) in outside {
            reached.entry(path).or_insert(through);
        }
    }
    files.extend(reached.into_iter().map(|(path, through)| ReachedFile { path, through }));
    Ok(whole)
}

/// The tests of the nested projects by the root's paths.
fn nested_tests(family: &Family<'_>) -> Vec<NestedTests> {
    let of = |member: &Arc<Member>| {
        let inventory = member.project.state.inventory.load();
        let files = inventory.files.iter().map(|file| member.prefix().id(&file.path)).collect();
        NestedTests { folder: member.path.to_string(), files }
    };
    family.members.iter().map(of).collect()
}

/// A reason with the root's name of a file; other names are the same everywhere.
fn own_reason(prefix: Prefix<'_>, reason: ImpactReason) -> ImpactReason {
    let is_path = ["function", "file", "folder", "lines", "configuration", "stat"].contains(&&*reason.kind);
    let name = if is_path && Path::new(&reason.name).is_relative() { prefix.id(&reason.name) } else { reason.name };
    ImpactReason { name, ..reason }
}

/// The changed files that may concern others than the project in which they are.
fn of_root(family: &Family<'_>, paths: &[String]) -> Vec<String> {
    let root = &family.project.state.root;
    let is_configuration = |path: &&String| {
        let inside = family.members.iter().any(|member| root.join(path.as_str()).starts_with(root.join(&*member.path)));
        let name = path.rsplit('/').next().unwrap_or(path);
        !(inside && is_config_file(name))
    };
    paths.iter().filter(is_configuration).cloned().collect()
}

fn absolute(family: &Family<'_>, paths: &[String]) -> Vec<String> {
    let root = &family.project.state.root;
    paths.iter().map(|path| root.join(path).to_string_lossy().into_owned()).collect()
}
