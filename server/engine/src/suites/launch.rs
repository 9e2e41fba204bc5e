//! Resolves a suite's name to its cases, or to the reason why there are none.

use std::sync::Arc;

use pytest_lens_plan::case_filter::CaseFilters;
use pytest_lens_protocol::{LaunchErrorCode, NodeId};

use crate::model::collect_error::CollectError;
use crate::model::scope::Scope;
use crate::model::select::{Filter, own_id, select};
use crate::processes::collected_session::CollectFailure;
use crate::processes::pool::{Found, SessionOverrides};
use crate::processes::worker_protocol::Purpose;
use crate::project::Project;
use crate::project::plan_run::{Chosen, told_errors};
use crate::runs::suite_log::LaunchFailure;

fn failure(code: LaunchErrorCode, message: impl Into<String>) -> LaunchFailure {
    LaunchFailure { code, message: message.into() }
}

/// Collects a suite, in a session with these differences, and selects its cases.
pub(crate) async fn prepare(
    project: &Arc<Project>,
    test_url: &str,
    arguments: &[String],
    filters: &CaseFilters,
    overrides: &SessionOverrides,
    purpose: Purpose,
) -> Result<Chosen, LaunchFailure> {
    let id = own_id(&project.state.root, test_url);
    let file = NodeId::new(&id).file();
    let checked = project.state.check_file(&format!("{test_url:?}"), file);
    checked.map_err(|message| failure(LaunchErrorCode::InstanceCannotResolve, message))?;
    let scope = Scope::of_ids([id.as_str()]);
    let overrides = &SessionOverrides { asked: vec![id.clone()], ..overrides.clone() };
    let Found { collected, exclusive, .. } = match project.session_with(&scope, arguments, overrides, purpose).await {
        Ok(found) => found,
        Err(reason) => return Err(explain(project, &scope, arguments, reason).await),
    };
    let everything = Filter::parse(None, None).map_err(|error| failure(LaunchErrorCode::InternalError, error))?;
    let ids = if collected.has_own_args() { &[][..] } else { std::slice::from_ref(&id) };
    let all = select(&collected.tests, ids, &everything)
        .map_err(|unknown| failure(LaunchErrorCode::InstanceCannotResolve, unknown))?
        .taken;
    let broken = || collected.tests.errors.iter().filter(|error| scope.holds(&error.path));
    let problems: Vec<String> = broken().map(CollectError::sentence).collect();
    if all.is_empty()
        && let Some(problem) = problems.first()
    {
        return Err(failure(LaunchErrorCode::CaseEnumeration, problem));
    }
    let total = all.len();
    let selected: Vec<usize> =
        all.into_iter().filter(|&index| filters.takes(&collected.tests.nodes[index].id)).collect();
    if selected.is_empty() && !filters.is_empty() {
        let message = format!(
            "none of the {total} cases of {test_url:?} matches the filters; a filter is a glob over a case's whole node id"
        );
        return Err(failure(LaunchErrorCode::NoMatchingCases, message));
    }
    Ok(Chosen {
        errors: told_errors(project, broken()),
        collected,
        exclusive: Arc::new(exclusive),
        selected,
        deselected: 0,
        problems,
        collect_reports: Vec::new(),
        skipped_files: Vec::new(),
        is_new: false,
        collection_failed: false,
        is_filtered: false,
        time_before: None,
    })
}

/// Classifies a failed collection.
async fn explain(project: &Arc<Project>, scope: &Scope, arguments: &[String], reason: CollectFailure) -> LaunchFailure {
    let message = reason.to_string();
    let code = match &reason {
        CollectFailure::Unreachable(reason) if reason.is_exhaustion => LaunchErrorCode::ResourceUnavailable,
        CollectFailure::Unreachable(_) => LaunchErrorCode::FailedToConnectToTestSuite,
        // Collecting without the suite's own arguments shows whether they are at fault.
        _ if !arguments.is_empty() && project.session_for(scope, &[], Purpose::List).await.is_ok() => {
            LaunchErrorCode::InvalidArgs
        }
        CollectFailure::Refused { .. } => LaunchErrorCode::InvalidManifest,
        CollectFailure::TimedOut { .. }
        | CollectFailure::Crashed { .. }
        | CollectFailure::Broken { .. }
        | CollectFailure::OnlyWhenAsked { .. } => LaunchErrorCode::CaseEnumeration,
    };
    failure(code, message)
}
