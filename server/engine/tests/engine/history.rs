//! The history of a repo, without a context: its summary, and runs from elsewhere that are recorded.

use pytest_lens_protocol::{ErrorCode, PastOutcome, Request, Response};

use crate::common::{Bench, Project, refused};

/// A failure, then a pass.
fn run_of(repo_path: String, report_hash: &str) -> Request {
    let outcome = |outcome: &str, attempt| PastOutcome {
        id: "test_a.py::test_x".into(),
        outcome: outcome.into(),
        attempt,
        duration_ms: 1.5,
    };
    Request::RecordRun {
        repo_path,
        report_hash: report_hash.into(),
        source: "ci".into(),
        started_ms: None,
        outcomes: vec![outcome("failed", 1), outcome("passed", 2)],
        code: None,
    }
}

#[tokio::test]
async fn a_run_from_elsewhere_is_recorded_once() {
    let (bench, project) = (Bench::new(), Project::new(&[]));
    let summary = async || match bench.call(Request::GetHistory { repo_path: project.mark() }).await {
        Response::History { exists, outcomes, tracked, unstable, trouble: None, .. } => {
            (exists, outcomes, tracked, unstable.into_iter().map(|hint| hint.recent_outcomes).collect::<Vec<_>>())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(summary().await, (false, 0, 0, vec![]), "a look creates no file");
    assert_eq!(summary().await, (false, 0, 0, vec![]));
    for already_recorded in [false, true] {
        let answer = bench.call(run_of(project.mark(), &"0f".repeat(32))).await;
        assert_eq!(answer, Response::RunRecorded { already_recorded });
        let recent = vec!["failed".to_owned(), "passed".into()];
        assert_eq!(summary().await, (true, 2, 1, vec![recent]));
    }
    assert_eq!(
        bench.call(run_of(project.mark(), &"0e".repeat(32))).await,
        Response::RunRecorded { already_recorded: false }
    );
    assert_eq!(summary().await.1, 4);
}

#[tokio::test]
async fn a_run_that_can_not_be_recorded_is_refused_with_the_reason() {
    let (bench, project) = (Bench::new(), Project::new(&[]));
    let hash = "0f".repeat(32);
    let changed = |change: &dyn Fn(&mut String, &mut String, &mut Vec<PastOutcome>)| {
        let mut request = run_of(project.mark(), &hash);
        if let Request::RecordRun { report_hash, source, outcomes, .. } = &mut request {
            change(report_hash, source, outcomes);
        }
        request
    };
    for (request, says) in [
        (changed(&|hash, _, _| *hash = "0f".into()), "report_hash \"0f\""),
        (changed(&|_, source, _| *source = "moon".into()), "unknown source 'moon'"),
        (changed(&|_, _, outcomes| outcomes[0].outcome = "great".into()), "unknown outcome 'great'"),
        (changed(&|_, _, outcomes| outcomes[1].attempt = 1), "attempt 1 at \"test_a.py::test_x\""),
        (changed(&|_, _, outcomes| outcomes[1].attempt = 0), "attempt 0"),
        (run_of(project.mark() + "/missing", &hash), "does not exist"),
        (Request::GetHistory { repo_path: "here".into() }, "is not absolute"),
    ] {
        let (code, message) = refused(bench.call(request).await);
        assert_eq!(code, ErrorCode::InvalidRequest);
        assert!(message.contains(says), "{message}");
    }
}
