//! The tests that a change reaches in a root and its nested projects. The root's imports cover the sources of all of them, so that a
//! change in one project reaches tests of another; what tests read while they run, only their own project knows.

use std::collections::{BTreeMap, BTreeSet};

use pytest_lens_analysis::is_config_file;
use pytest_lens_protocol::{ReachedFile, Request, Response};

use super::checked;
use super::gather::Family;
use crate::api::{Answered, affected, answer};

pub(super) async fn of_paths(family: &Family<'_>, paths: &[String]) -> Answered {
    let mut reached = BTreeSet::new();
    if let Response::TestList { node_ids } = affected::of_paths(family.project, &of_root(family, paths)).await {
        reached.extend(node_ids);
    }
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
    let mut whole = affected::explained(family.project, &of_root(family, paths)).await;
    let Response::Affected { files, .. } = &mut whole else { return Ok(whole) };
    let mut reached: BTreeMap<String, Vec<String>> = files.drain(..).map(|file| (file.path, file.through)).collect();
    let absolute = absolute(family, paths);
    for member in family.members.iter() {
        let request = Request::ExplainAffected { context_id: member.project.id.clone(), paths: absolute.clone() };
        let answered = checked(&member.path, Box::pin(answer(family.session, request)).await)?;
        let Response::Affected { everything, files: more } = answered else { continue };
        let prefix = member.prefix();
        if !everything.is_empty() {
            // All tests of this project, which are not all of the root's.
            reached.entry(member.path.to_string()).or_insert_with(|| prefix.ids(everything));
        }
        for ReachedFile { path, through } in more {
            let through = through.into_iter().map(|path| if path == "*" { path } else { prefix.id(&path) }).collect();
            reached.entry(prefix.id(&path)).or_insert(through);
        }
    }
    files.extend(reached.into_iter().map(|(path, through)| ReachedFile { path, through }));
    Ok(whole)
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
