//! Runs of suites: built, read to their end by any number of readers, and held to the documented order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pytest_lens_engine::{Call, Connect};
use pytest_lens_protocol::{
    Artifact, CaseStatus, LaunchErrorCode, Request, Response, RunEvent, RunEventPayload, SchedulingOptions, SuiteEvent,
    SuiteEventPayload, SuiteOptions, SuiteSpec, SuiteStatus,
};

use super::{Lab, in_time};

/// A suite with options.
pub(crate) fn suite(test_url: &str, set: impl FnOnce(&mut SuiteOptions)) -> SuiteSpec {
    let mut options = SuiteOptions::default();
    set(&mut options);
    SuiteSpec { test_url: test_url.to_owned(), options: Some(options) }
}

/// A suite without options.
pub(crate) fn plain(test_url: &str) -> SuiteSpec {
    SuiteSpec { test_url: test_url.to_owned(), options: None }
}

/// A run that was built, and the session that owns it.
pub(crate) struct Built {
    pub owner: Arc<dyn Call>,
    pub run: String,
    pub suites: Vec<String>,
}

/// The events of a suite that one reader has read.
pub(crate) struct Told {
    pub events: Vec<SuiteEvent>,
    pub failure: Option<(LaunchErrorCode, String)>,
    /// Keeps the run's client alive.
    owner: Option<Arc<dyn Call>>,
}

impl Lab {
    /// Builds a run on a session of its own.
    pub(crate) async fn build(&self, suites: Vec<SuiteSpec>) -> Built {
        self.build_parallel(suites, None).await
    }

    pub(crate) async fn build_parallel(&self, suites: Vec<SuiteSpec>, most: Option<u16>) -> Built {
        let owner = self.bench.engine.session();
        let scheduling_options = most.map(|most| SchedulingOptions { max_parallel_suites: Some(most) });
        let request = Request::BuildRun { context_id: self.context.clone(), suites, scheduling_options };
        match in_time("a run", owner.call(request)).await {
            Response::RunBuilt { run_id, suite_ids } => Built { owner, run: run_id, suites: suite_ids },
            other => panic!("no run: {other:?}"),
        }
    }

    /// Reads a suite to its end, on a session of its own.
    pub(crate) async fn told(&self, suite: &str) -> Told {
        read_suite(&*self.bench.engine.session(), suite).await
    }

    /// Builds a run of one suite and reads it to its end.
    pub(crate) async fn suite(&self, suite: SuiteSpec) -> Told {
        let built = self.build(vec![suite]).await;
        Told { owner: Some(built.owner), ..self.told(&built.suites[0]).await }
    }

    /// Events of a run as a whole, to the end.
    pub(crate) async fn run_told(&self, run: &str) -> Vec<RunEvent> {
        let session = self.bench.engine.session();
        let mut told: Vec<RunEvent> = Vec::new();
        loop {
            match in_time("events of a run", session.call(Request::GetRunEvents { run_id: run.to_owned() })).await {
                Response::RunEvents { events } if events.is_empty() => break,
                Response::RunEvents { events } => told.extend(events),
                other => panic!("no events of a run: {other:?}"),
            }
        }
        assert_eq!(told.first().map(|event| &event.payload), Some(&RunEventPayload::RunStarted));
        let stops = told.iter().filter(|event| event.payload == RunEventPayload::RunStopped).count();
        assert_eq!(stops, 1, "{told:?}");
        assert!(told.is_sorted_by_key(|event| event.timestamp));
        told
    }

    /// Everything that an artifact has, read to its end.
    pub(crate) async fn bytes(&self, artifact_id: &str) -> Vec<u8> {
        let session = self.bench.engine.session();
        let mut bytes = Vec::new();
        loop {
            match in_time("an artifact", session.call(Request::ReadArtifact { artifact_id: artifact_id.into() })).await
            {
                Response::ArtifactData { data, done } => {
                    bytes.extend(data.0);
                    if done {
                        return bytes;
                    }
                }
                other => panic!("no artifact: {other:?}"),
            }
        }
    }

    pub(crate) async fn text(&self, artifact_id: &str) -> String {
        String::from_utf8(self.bytes(artifact_id).await).unwrap()
    }
}

/// Reads a suite to its end.
pub(crate) async fn read_suite(session: &dyn Call, suite: &str) -> Told {
    let mut told = Told { events: Vec::new(), failure: None, owner: None };
    loop {
        match in_time("events of a suite", session.call(Request::GetSuiteEvents { suite_id: suite.into() })).await {
            Response::SuiteEvents { events } if events.is_empty() => break,
            Response::SuiteEvents { events } => told.events.extend(events),
            Response::LaunchError { code, message } => {
                told.failure = Some((code, message));
                return told;
            }
            other => panic!("no events of a suite: {other:?}"),
        }
    }
    told.check();
    told
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#?} {:?} owned: {}", self.events, self.failure, self.owner.is_some())
    }
}

impl Told {
    /// Holds the events to the documented order.
    fn check(&self) {
        #[derive(Default)]
        struct Seen {
            starts: usize,
            stops: usize,
            finished: bool,
        }
        let mut cases: HashMap<u32, Seen> = HashMap::new();
        let mut stopped = 0;
        assert!(self.events.is_sorted_by_key(|event| event.timestamp), "{self:?}");
        for event in &self.events {
            match &event.payload {
                SuiteEventPayload::CaseFound { identifier, .. } => {
                    assert!(cases.insert(*identifier, Seen::default()).is_none(), "found once: {event:?}");
                }
                SuiteEventPayload::CaseStarted { identifier }
                | SuiteEventPayload::CaseStopped { identifier, .. }
                | SuiteEventPayload::CaseFinished { identifier }
                | SuiteEventPayload::CaseArtifact { identifier, .. } => {
                    let seen = cases.get_mut(identifier).unwrap_or_else(|| panic!("not found first: {event:?}"));
                    assert!(!seen.finished && stopped == 0, "behind the end: {event:?}");
                    match &event.payload {
                        SuiteEventPayload::CaseStarted { .. } => {
                            assert_eq!(seen.stops, 0, "{event:?}");
                            seen.starts += 1;
                        }
                        SuiteEventPayload::CaseStopped { .. } => seen.stops += 1,
                        SuiteEventPayload::CaseFinished { .. } => seen.finished = true,
                        _ => {}
                    }
                }
                SuiteEventPayload::SuiteStopped { .. } => stopped += 1,
                SuiteEventPayload::SuiteStarted | SuiteEventPayload::SuiteArtifact { .. } => {}
            }
        }
        assert_eq!(stopped, 1, "one end: {self:?}");
        for (case, seen) in cases {
            assert!(seen.starts <= 1 && seen.stops == 1 && seen.finished, "case {case} of {self:?}");
        }
    }

    pub(crate) fn status(&self) -> SuiteStatus {
        let stop = |event: &SuiteEvent| match event.payload {
            SuiteEventPayload::SuiteStopped { status } => Some(status),
            _ => None,
        };
        self.events.iter().find_map(stop).unwrap_or_else(|| panic!("no end: {self:?}"))
    }

    pub(crate) fn failure(&self) -> (LaunchErrorCode, &str) {
        let (code, message) = self.failure.as_ref().unwrap_or_else(|| panic!("it was launched: {self:?}"));
        (*code, message)
    }

    fn name(&self, case: u32) -> &str {
        let found = self.events.iter().find_map(|event| match &event.payload {
            SuiteEventPayload::CaseFound { test_case_name, identifier } if *identifier == case => Some(test_case_name),
            _ => None,
        });
        found.map_or("", String::as_str)
    }

    /// Cases with their statuses, in the order in which they ended; those that never started in brackets.
    pub(crate) fn cases(&self) -> Vec<String> {
        let mut names = HashMap::new();
        let mut started = HashSet::new();
        for event in &self.events {
            match &event.payload {
                SuiteEventPayload::CaseFound { test_case_name, identifier } => {
                    names.insert(*identifier, test_case_name.as_str());
                }
                SuiteEventPayload::CaseStarted { identifier } => {
                    started.insert(*identifier);
                }
                _ => {}
            }
        }
        let stopped = self.events.iter().filter_map(|event| match event.payload {
            SuiteEventPayload::CaseStopped { identifier, status } => Some((identifier, status)),
            _ => None,
        });
        stopped
            .map(|(case, status)| {
                let word = match status {
                    CaseStatus::Passed => "passed",
                    CaseStatus::Failed => "failed",
                    CaseStatus::TimedOut => "timed_out",
                    CaseStatus::Skipped => "skipped",
                    CaseStatus::Error => "error",
                };
                let name = names.get(&case).copied().unwrap_or_default();
                if started.contains(&case) { format!("{name} {word}") } else { format!("{name} ({word})") }
            })
            .collect()
    }

    /// Artifacts of a case, by the end of its name.
    pub(crate) fn artifacts(&self, case: &str) -> Vec<Artifact> {
        let own = |event: &SuiteEvent| match &event.payload {
            SuiteEventPayload::CaseArtifact { identifier, artifact } if self.name(*identifier).ends_with(case) => {
                Some(artifact.clone())
            }
            _ => None,
        };
        self.events.iter().filter_map(own).collect()
    }

    /// Artifacts of the suite itself.
    pub(crate) fn suite_artifacts(&self) -> Vec<Artifact> {
        let own = |event: &SuiteEvent| match &event.payload {
            SuiteEventPayload::SuiteArtifact { artifact } => Some(artifact.clone()),
            _ => None,
        };
        self.events.iter().filter_map(own).collect()
    }

    /// The id of a case's stream: `stdout`, `stderr` or `log`.
    pub(crate) fn stream(&self, case: &str, stream: &str) -> Option<String> {
        self.artifacts(case).into_iter().find_map(|artifact| match (artifact, stream) {
            (Artifact::Stdout { artifact_id }, "stdout")
            | (Artifact::Stderr { artifact_id }, "stderr")
            | (Artifact::Log { artifact_id }, "log") => Some(artifact_id),
            _ => None,
        })
    }
}
