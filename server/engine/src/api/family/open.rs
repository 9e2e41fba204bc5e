//! Opens the nested projects of a root, when a request needs them, and follows their coming and going.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};

use pytest_lens_analysis::listing::has_configuration;
use pytest_lens_protocol::{ClientSettings, NodeId, PartialSettings};
use serde_json::Value;

use crate::api::init::{Opening, open, read_pytest};
use crate::api_error::Refusal;
use crate::engine::Shared;
use crate::processes::mode::ModeRequest;
use crate::project::Project;
use crate::project::interpreter::{self, Interpreter};
use crate::project::layered_settings::LayeredSettings;
use crate::project::members::Member;
use crate::project::recorder::Command;

/// The open nested projects of a root, all of them.
pub(super) async fn members(shared: &Arc<Shared>, project: &Arc<Project>) -> Arc<Vec<Arc<Member>>> {
    let is_up_to_date = |project: &Project| {
        let (present, wanted) = (project.members.list(), project.state.pytest.load());
        present.len() == wanted.nested.projects.len()
            && present.iter().zip(&wanted.nested.projects).all(|(member, wanted)| *member.path == *wanted.path)
    };
    if is_up_to_date(project) {
        return project.members.list();
    }
    let _one = project.members.busy.lock().await;
    if is_up_to_date(project) {
        return project.members.list();
    }
    let present = project.members.list();
    let wanted = project.state.pytest.load_full();
    let is_wanted = |member: &Member| wanted.nested.projects.iter().any(|nested| *nested.path == *member.path);
    // A folder may belong to another project from now on: it leaves the tree of the former one before it joins the other.
    for member in present.iter().filter(|member| !is_wanted(member)) {
        // Its runs end first, and so do those of which they are parts.
        if is_unnamed(&member.project) {
            Box::pin(super::close(shared, Some(&member.project.id))).await;
        }
        member.settled(project).await;
        let path = Arc::clone(&member.path);
        project.record_and_wait(|done| Command::MemberGone { path, done }).await;
    }
    let mut members = Vec::new();
    for nested in &wanted.nested.projects {
        if let Some(known) = present.iter().find(|member| *member.path == *nested.path) {
            members.push(Arc::clone(known));
            continue;
        }
        match opened(shared, project, &nested.path).await {
            Ok((inner, is_new)) => {
                let inventory = project.state.inventory.load_full();
                let files = inventory.files_within(&nested.path);
                project.record_and_wait(|done| Command::Gone { files, done }).await;
                let is_shown = nested.by_default.is_some();
                members.push(Member::new(project, &nested.path, inner, is_shown, is_new));
            }
            Err(refusal) => tracing::error!(project = nested.path, %refusal, "a nested project can't be opened"),
        }
    }
    // Requests wait until then: a collection of the root before would lose the tests of these folders.
    project.members.set(members);
    project.members.list()
}

/// Whether no client has opened a nested project by itself.
pub(super) fn is_unnamed(project: &Project) -> bool {
    project.names.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
}

/// Opens one nested project, without starting a process. Returns whether it was not open before.
async fn opened(shared: &Arc<Shared>, outer: &Arc<Project>, path: &str) -> Result<(Arc<Project>, bool), Refusal> {
    let folder = outer.state.root.join(path);
    let root = folder.canonicalize().unwrap_or(folder);
    let settings = LayeredSettings::of_root(&root);
    let given = &settings.file.given;
    let asked = given.get("executionMode").and_then(Value::as_str).filter(|_| !shared.config.terminal);
    let asked = asked.map_or(outer.pool.asked, |mode| ModeRequest::parse(Some(mode)).unwrap_or(outer.pool.asked));
    let of_file = given.get("pythonPath").and_then(Value::as_str);
    let interpreter = match (of_file, interpreter::of_nested(&root)) {
        (Some(path), _) => {
            let wanted = interpreter::find(&root, &root, Some(path), &outer.pool.launcher.activation)
                .await
                .map(|found| found.path);
            // The error at its first start names it.
            let path = wanted.unwrap_or_else(|_| root.join(path));
            Interpreter { path, source: format!("`pythonPath` in {}", settings.file.file.unwrap_or_default()) }
        }
        (None, Some(own)) => own,
        (None, None) => Interpreter::clone(&outer.interpreter.load()),
    };
    let is_pinned = of_file.is_some();
    let pytest = read_pytest(&root, &interpreter.path, &settings);
    let client = client_settings(outer, &outer.client_settings().await);
    let (clients, around) = (outer.clients(), Some(Arc::downgrade(outer)));
    let wanted = Opening { root, asked, interpreter, is_pinned, clients, settings, pytest, outer: around };
    let shared = Arc::clone(shared);
    let opening = tokio::spawn(async move { open(&shared, wanted).await });
    let ending = |_| Err(Refusal::new(pytest_lens_protocol::ErrorCode::InternalError, "the engine is ending"));
    let (project, is_new) = opening.await.unwrap_or_else(ending)?;
    if is_new && client != ClientSettings::default() {
        project.configure(|_| client).await;
        project.renew_env();
    }
    Ok((project, is_new))
}

/// The settings of a root's client as they apply to a nested project.
pub(super) fn client_settings(outer: &Project, client: &ClientSettings) -> ClientSettings {
    let inner = |settings: &PartialSettings| {
        let mut all = settings.to_json();
        if let Some(all) = all.as_object_mut() {
            // Each project has its own environment and nested projects.
            all.remove("pythonPath");
            all.remove("projects");
            if let Some(file) = all.get("envFile").and_then(Value::as_str).map(|file| outer.state.root.join(file)) {
                all.insert("envFile".into(), file.to_string_lossy().into_owned().into());
            }
        }
        PartialSettings::read(&all).0
    };
    ClientSettings { given: inner(&client.given), defaults: inner(&client.defaults) }
}

/// Looks for nested projects again if the known ones can't be right for these ids: no walk through the root, only the
/// folders on the way to their files.
pub(super) async fn check_ids(project: &Arc<Project>, ids: &[String]) {
    let pytest = project.state.pytest.load_full();
    if project.state.settings.load().projects.is_some() {
        return;
    }
    let root = &project.state.root;
    let mut folders = HashSet::new();
    let mut known = HashSet::new();
    for id in ids {
        let file = NodeId::new(id).file();
        match pytest.nested.of(file.trim_end_matches('/')) {
            Some((nested, _)) => drop(known.insert(&*nested.path)),
            None => folders.extend(file.match_indices('/').map(|(end, _)| &file[..end]).chain([file])),
        }
    }
    folders.retain(|folder| !project.members.is_plain(folder));
    let is_new = folders.into_iter().find(|folder| has_configuration(&root.join(folder)));
    let is_gone = known.into_iter().any(|path| !has_configuration(&root.join(path)));
    if is_new.is_none() && !is_gone {
        return;
    }
    project.renew_nested().await;
    if let Some(folder) = is_new.filter(|folder| project.state.pytest.load().nested.of(folder).is_none()) {
        // The configuration leaves it out: it is a folder like others.
        project.members.set_plain(folder);
    }
}

/// Follows the nested projects of a resident engine's project: their events arrive without a request.
pub(crate) fn follow(shared: &Arc<Shared>, project: &Arc<Project>) {
    let (shared, project): (Weak<Shared>, Weak<Project>) = (Arc::downgrade(shared), Arc::downgrade(project));
    tokio::spawn(async move {
        loop {
            let changed = Arc::clone(&project.upgrade()?.members.changed);
            changed.notified().await;
            let (shared, project) = (shared.upgrade()?, project.upgrade()?);
            if shared.ending.load(Ordering::Relaxed) {
                return None;
            }
            members(&shared, &project).await;
            if project.state.inventory.load().complete {
                // Tests that were collected as the root's own now belongs to others, or the other way round.
                crate::project::refresh::refresh_in_pause(&project).await;
            }
        }
        #[expect(unreachable_code, reason = "it gives the block its type")]
        None::<()>
    });
}
