//! The answers of several projects, put together.

use std::sync::Arc;
use std::time::Instant;

use pytest_lens_protocol::{
    ErrorCode, Event, FlakinessInfo, NestedContext, Request, Response, SchedulingOptions, SuiteSpec,
};

use super::open::client_settings;
use super::parts::side_by_side_plans;
use super::run::{Leaf, leaves};
use super::split::member_of;
use super::{checked, run};
use crate::api::session::Session;
use crate::api::{Answered, alone, answer, collect, shards, status, suites};
use crate::api_error::{Refusal, invalid};
use crate::idle_projects;
use crate::model::prefix::Prefix;
use crate::model::select::own_id;
use crate::project::Project;
use crate::project::members::Member;

/// A client's root, with its nested projects.
pub(super) struct Family<'s> {
    pub session: &'s Session,
    pub project: &'s Arc<Project>,
    pub members: Arc<Vec<Arc<Member>>>,
}

/// The results of futures that run at the same time, in their order.
pub(super) async fn all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures::future::join_all(futures).await
}

impl Family<'_> {
    /// The nested projects that are a part of everything.
    fn usual(&self) -> impl Iterator<Item = &Arc<Member>> {
        let pytest = self.project.state.pytest.load_full();
        let is_usual = move |path: &str| {
            pytest.nested.projects.iter().any(|nested| nested.path == path && nested.by_default.is_some())
        };
        self.members.iter().filter(move |member| is_usual(&member.path))
    }

    /// Waits until everything that happened in the nested projects is in the log of the root.
    async fn settled(&self) {
        self.project.members.settled(self.project).await;
    }

    /// The answers of the nested projects to a request, a few at a time; refusals are left out.
    async fn of_members(&self, request: impl Fn(String) -> Request) -> Vec<(&Arc<Member>, Response)> {
        let at_a_time = tokio::sync::Semaphore::new(side_by_side_plans(&self.session.shared));
        let asking = self.members.iter().map(|member| {
            let request = request(member.project.id.clone());
            let at_a_time = &at_a_time;
            async move {
                let _turn = at_a_time.acquire().await;
                (member, Box::pin(answer(self.session, request)).await)
            }
        });
        let answers = all(asking).await.into_iter();
        answers.filter_map(|(member, answered)| Some((member, checked(&member.path, answered).ok()?))).collect()
    }

    /// Whether the root itself has a part in everything.
    async fn own_part(&self) -> Option<Leaf> {
        leaves(self.session, self.project, &[]).await.into_iter().find(|leaf| leaf.path.is_empty())
    }

    pub(super) async fn collect(&self, force: bool) -> Answered {
        let begun = Instant::now();
        let at_a_time = tokio::sync::Semaphore::new(side_by_side_plans(&self.session.shared));
        let own = self.own_part().await;
        let own = own.map(|_| async {
            let _turn = at_a_time.acquire().await;
            collect::collect(self.project, force).await
        });
        let collecting = self.usual().map(|member| {
            let request = Request::Collect { context_id: member.project.id.clone(), force };
            let at_a_time = &at_a_time;
            async move {
                let _turn = at_a_time.acquire().await;
                let answered = checked(&member.path, Box::pin(answer(self.session, request)).await);
                idle_projects::rest_now(&self.session.shared);
                answered
            }
        });
        let (own, mut answers) = tokio::join!(
            async {
                match own {
                    Some(own) => Some(own.await),
                    None => None,
                }
            },
            all(collecting)
        );
        self.settled().await;
        answers.extend(own);
        let mut node_count = 0;
        let mut refused = None;
        let mut is_any = false;
        for answered in answers {
            match answered {
                Ok(Response::CollectionComplete { node_count: count, .. }) => {
                    node_count += count;
                    is_any = true;
                }
                Ok(_) => {}
                Err(refusal) => drop(refused.get_or_insert(refusal)),
            }
        }
        match refused {
            Some(refusal) if !is_any => Err(refusal),
            _ => {
                let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                Ok(Response::CollectionComplete { node_count, duration_ms })
            }
        }
    }

    pub(super) async fn list(&self, keyword: Option<&str>, marker: Option<&str>) -> Answered {
        let mut answers = Vec::new();
        if self.own_part().await.is_some() {
            answers.push((String::new(), collect::list(self.project, keyword, marker).await));
        }
        for member in self.usual() {
            let (keyword, marker) = (keyword.map(str::to_owned), marker.map(str::to_owned));
            let request = Request::List { context_id: member.project.id.clone(), keyword, marker };
            let answered = checked(&member.path, Box::pin(answer(self.session, request)).await);
            idle_projects::rest_now(&self.session.shared);
            answers.push((member.path.to_string(), answered));
        }
        self.settled().await;
        let (mut ids, mut refused, mut is_any) = (Vec::new(), None, false);
        for (path, answered) in answers {
            match answered {
                Ok(Response::TestList { node_ids }) => {
                    is_any = true;
                    ids.extend(Prefix(&path).ids(node_ids));
                }
                // A mistake in the expressions.
                Err(refusal) if refusal.code == ErrorCode::InvalidRequest => return Err(refusal),
                Err(refusal) => drop(refused.get_or_insert(refusal)),
                Ok(_) => {}
            }
        }
        match refused {
            Some(refusal) if !is_any => Err(refusal),
            _ => Ok(Response::TestList { node_ids: ids }),
        }
    }

    pub(super) async fn inventory(&self) -> Answered {
        let own = match self.own_part().await {
            Some(_) => collect::inventory(self.project).await.ok(),
            None => None,
        };
        let inner = self.of_members(|context_id| Request::GetInventory { context_id }).await;
        self.settled().await;
        let own = own.map(|own| (String::new(), own));
        let inner = inner.into_iter().map(|(member, answer)| (member.path.to_string(), answer));
        let (mut hashes, mut last, mut all) = (String::new(), 0, Vec::new());
        for (path, answer) in own.into_iter().chain(inner) {
            if let Response::InventoryData { hash, collected_at, nodes } = answer {
                hashes.push_str(&format!("{path} {hash} "));
                last = last.max(collected_at);
                all.extend(nodes.into_iter().map(|node| Prefix(&path).info(node)));
            }
        }
        let hash = crate::processes::disk_snapshot::hex_sha256(hashes.as_bytes())[..32].to_owned();
        Ok(Response::InventoryData { hash, collected_at: last, nodes: all })
    }

    /// One request to the project that an id belongs to; the answer names the id as the client did.
    pub(super) async fn of_id(
        &self,
        id: String,
        request: impl Fn(String, String) -> Request,
        context_id: String,
    ) -> Answered {
        let own = own_id(&self.project.state.root, &id);
        let member = member_of(&self.project.state.pytest.load().nested, &own)
            .and_then(|(place, inner)| Some((self.members.get(place)?, inner)));
        let Some((member, inner)) = member else { return alone(self.session, request(context_id, id)).await };
        let request = request(member.project.id.clone(), inner);
        let mut answer = checked(&member.path, Box::pin(answer(self.session, request)).await)?;
        match &mut answer {
            Response::TestOutput { node_id, .. } | Response::TestFlakiness { node_id, .. } => *node_id = id,
            _ => {}
        }
        Ok(answer)
    }

    pub(super) async fn progress(&self, run_id: String) -> Answered {
        let Some(joint) = self.project.state.joint_runs.get(&run_id) else { return self.progress_of_one(run_id).await };
        let (mut whole, mut is_full) = (Vec::new(), false);
        let (mut total, mut completed, mut running, mut done) = (0, 0, 0, joint.ended_ns().is_some());
        for part in joint.parts() {
            if is_full {
                done = false;
                break;
            }
            let Some(project) = self.session.shared.projects.get(&part.context_id).map(|it| Arc::clone(it.value()))
            else {
                continue;
            };
            if !project.state.runs.contains_key(&part.run_id) {
                // It waits for its turn.
                (total, done) = (total + part.total, false);
                continue;
            }
            let answered = crate::api::run::progress(self.session, &project, part.run_id.clone())?;
            if let Response::RunProgress { total: of, completed: by, running: now, done: over, results, .. } = answered
            {
                (total, completed, running) = (total + of, completed + by, running + now);
                is_full = results.len() >= 10_000 || (!over && by > 0 && results.len() > 5_000);
                done &= over;
                whole.extend(results.into_iter().map(|mut result| {
                    Prefix(&part.path).change(&mut result.node_id);
                    result
                }));
            }
        }
        Ok(Response::RunProgress { run_id, total, completed, running, done, results: whole })
    }

    async fn progress_of_one(&self, run_id: String) -> Answered {
        if self.project.state.runs.contains_key(&run_id) {
            return crate::api::run::progress(self.session, self.project, run_id);
        }
        for member in self.members.iter() {
            let request = Request::GetRunProgress { context_id: member.project.id.clone(), run_id: run_id.clone() };
            if let Ok(Response::RunProgress { total, completed, running, done, mut results, .. }) =
                Box::pin(answer(self.session, request)).await
            {
                results.iter_mut().for_each(|result| result.node_id = member.prefix().id(&result.node_id));
                return Ok(Response::RunProgress { run_id, total, completed, running, done, results });
            }
        }
        Err(crate::api::run::unknown_run(&run_id))
    }

    pub(super) async fn worker_status(&self) -> Answered {
        let inner = self.of_members(|context_id| Request::GetWorkerStatus { context_id }).await;
        let mut answers: Vec<Response> = inner.into_iter().map(|(_, answer)| answer).collect();
        answers.push(status::workers(self.project));
        let (mut active, mut idle, mut executed, mut spent) = (0, 0, 0, 0);
        for answer in answers {
            if let Response::WorkerStatus { active_workers, idle_workers, tests_executed, avg_test_duration_ms } =
                answer
            {
                active += active_workers;
                idle += idle_workers;
                executed += tests_executed;
                spent += tests_executed * avg_test_duration_ms;
            }
        }
        Ok(Response::WorkerStatus {
            active_workers: active,
            idle_workers: idle,
            tests_executed: executed,
            avg_test_duration_ms: spent.checked_div(executed).unwrap_or_default(),
        })
    }

    pub(super) fn context_status(&self) -> Response {
        let mut whole = status::status(self.project);
        if let Response::ContextStatus { nested, active_runs, .. } = &mut whole {
            let projects = &mut nested.get_or_insert_default().projects;
            for member in self.members.iter() {
                let context_id = member.project.id.clone();
                projects.push(NestedContext { path: member.path.to_string(), context_id });
                let runs = member.project.state.runs.iter();
                active_runs.extend(runs.filter(|run| !run.is_over()).map(|run| run.key().clone()));
            }
            for run_id in active_runs.iter_mut() {
                if let Some(around) = self.project.state.joint_runs.around(run_id) {
                    run_id.clone_from(&around.id);
                }
            }
            active_runs.sort_unstable();
            active_runs.dedup();
        }
        whole
    }

    pub(super) async fn configure(&self, settings: serde_json::Value) -> Answered {
        let context_id = self.project.id.clone();
        let answered = alone(self.session, Request::ConfigureContext { context_id, settings }).await?;
        let client = self.project.client_settings().await;
        for member in self.members.iter() {
            let settings = client_settings(self.project, &client).to_json();
            let request = Request::ConfigureContext { context_id: member.project.id.clone(), settings };
            if let Err(refusal) = Box::pin(answer(self.session, request)).await {
                tracing::warn!(project = &*member.path, %refusal, "a nested project can't be configured");
            }
        }
        Ok(answered)
    }

    /// The same request for every project; the answer is the root's.
    pub(super) async fn each(&self, request: Request) -> Answered {
        let own = alone(self.session, request.clone()).await?;
        for member in self.members.iter() {
            let mut request = request.clone();
            if let Request::ConfigureWorkers { context_id, .. }
            | Request::ConfigureRerun { context_id, .. }
            | Request::ConfigureFixtureReuse { context_id, .. } = &mut request
            {
                context_id.clone_from(&member.project.id);
            }
            checked(&member.path, Box::pin(answer(self.session, request)).await)?;
        }
        Ok(own)
    }

    pub(super) async fn flakiness_report(&self) -> Answered {
        let mut whole = crate::api::flakiness::report(self.project).await;
        for (member, answer) in self.of_members(|context_id| Request::GetFlakinessReport { context_id }).await {
            if let (
                Response::FlakinessReport { flaky_tests, unstable_tests, stable_count, total_tracked },
                Response::FlakinessReport {
                    flaky_tests: flaky,
                    unstable_tests: unstable,
                    stable_count: stable,
                    total_tracked: tracked,
                },
            ) = (&mut whole, answer)
            {
                let named = |info: FlakinessInfo| FlakinessInfo { node_id: member.prefix().id(&info.node_id), ..info };
                flaky_tests.extend(flaky.into_iter().map(named));
                unstable_tests.extend(unstable.into_iter().map(named));
                *stable_count += stable;
                *total_tracked += tracked;
            }
        }
        Ok(whole)
    }

    pub(super) async fn last_outcomes(&self, since_cleared: bool) -> Answered {
        let mut whole = crate::api::flakiness::last_outcomes(self.project, since_cleared).await;
        let request = |context_id| Request::GetLastOutcomes { context_id, since_cleared: Some(since_cleared) };
        for (member, answer) in self.of_members(request).await {
            if let (Response::Events { events, .. }, Response::Events { events: more, .. }) = (&mut whole, answer) {
                events.extend(more.into_iter().map(|event| {
                    let payload = member.prefix().event(event.payload.clone());
                    Arc::new(Event { seq: event.seq, payload })
                }));
            }
        }
        Ok(whole)
    }

    pub(super) async fn clear_last_outcomes(&self) -> Answered {
        self.of_members(|context_id| Request::ClearLastOutcomes { context_id }).await;
        Ok(crate::api::flakiness::clear(self.project))
    }

    pub(super) async fn last_failed(&self) -> Answered {
        let mut whole = crate::api::flakiness::last_failed(self.project).await;
        for (member, answer) in self.of_members(|context_id| Request::GetLastFailed { context_id }).await {
            if let (Response::TestList { node_ids }, Response::TestList { node_ids: more }) = (&mut whole, answer) {
                node_ids.extend(member.prefix().ids(more));
            }
        }
        Ok(whole)
    }

    async fn durations(&self, node_ids: &[String], order: shards::Order) -> Result<shards::Durations, Refusal> {
        let (mut tests, mut refused) = (Vec::new(), None);
        for leaf in leaves(self.session, self.project, node_ids).await {
            match shards::selected(&leaf.project, &leaf.ids, order).await {
                Ok(own) if leaf.path.is_empty() => tests.extend(own),
                Ok(inner) => {
                    let prefix = Prefix(&leaf.path);
                    tests.extend(inner.into_iter().map(|(id, duration)| (Arc::from(prefix.id(&id)), duration)));
                }
                Err(refusal) => {
                    let refusal = run::in_words_of(&leaf.path, refusal);
                    if refusal.code == ErrorCode::InvalidRequest {
                        return Err(refusal);
                    }
                    refused.get_or_insert(refusal);
                }
            }
            idle_projects::rest_now(&self.session.shared);
        }
        match refused {
            Some(refusal) if tests.is_empty() => Err(refusal),
            _ => Ok(tests),
        }
    }

    pub(super) async fn shard(&self, node_ids: &[String], index: u32, total: u32, strategy: &str) -> Answered {
        let strategy = shards::check(index, total, strategy)?;
        let order = shards::Order { total, strategy, is_for_shard: true };
        Ok(shards::tests_of(&self.durations(node_ids, order).await?, index, total, strategy))
    }

    pub(super) async fn shard_info(&self, node_ids: &[String], total: u32, strategy: &str) -> Answered {
        let strategy = shards::parse(total, strategy)?;
        let order = shards::Order { total, strategy, is_for_shard: false };
        Ok(shards::info_of(&self.durations(node_ids, order).await?, total, strategy))
    }

    /// The one project that a suite belongs to.
    async fn leaf_of(&self, field: &str, test_url: &str) -> Result<Leaf, Refusal> {
        let mut leaves = leaves(self.session, self.project, &[test_url.to_owned()]).await;
        if leaves.len() > 1 {
            let names: Vec<&str> =
                leaves.iter().map(|leaf| leaf.path.as_str()).filter(|path| !path.is_empty()).collect();
            let names = names.join(", ");
            return Err(invalid(format!(
                "{field}: {test_url:?} has several projects ({names}); a suite is a part of one"
            )));
        }
        leaves.pop().ok_or_else(|| invalid(format!("{field}: {test_url:?} has no tests")))
    }

    pub(super) async fn enumerate(&self, test_url: &str) -> Answered {
        let leaf = self.leaf_of("field `test_url`", test_url).await?;
        suites::enumerate(self.session, &leaf.project, leaf.ids.first().map_or(".", String::as_str), &leaf.path).await
    }

    pub(super) async fn build_run(&self, suites: Vec<SuiteSpec>, scheduling: Option<SchedulingOptions>) -> Answered {
        let mut targets = Vec::new();
        for (number, suite) in suites.into_iter().enumerate() {
            let leaf = self.leaf_of(&format!("field `suites[{number}].test_url`"), &suite.test_url).await?;
            let test_url = leaf.ids.first().map_or_else(|| ".".to_owned(), Clone::clone);
            targets.push(crate::suites::Target {
                project: leaf.project,
                path: leaf.path,
                spec: SuiteSpec { test_url, ..suite },
            });
        }
        suites::build(self.session, targets, scheduling)
    }
}
