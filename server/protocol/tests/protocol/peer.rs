//! A peer that knows only the base protocol, and derives its messages, is understood and understands.

use proptest::prelude::*;
use pytest_lens_protocol::{self as ours, Shape, decode_request, decode_response, encode};

use crate::arbitrary;
use crate::peer_types::{ErrorCode, Request, Response, TestNodeInfo, TestResultInfo};

fn requests() -> Vec<Request> {
    let context_id = || "ctx-123".to_owned();
    let node_ids = || vec!["test_foo.py::test_bar".to_owned()];
    vec![
        Request::InitContext {
            protocol_version: 1,
            repo_path: "/path/to/repo".into(),
            python_path: Some("/usr/bin/python3".into()),
            execution_mode: Some("auto".into()),
        },
        Request::Collect { context_id: context_id(), force: true },
        Request::Run { context_id: context_id(), node_ids: node_ids(), workers: Some(4), maxfail: Some(1) },
        Request::List { context_id: context_id(), keyword: Some("auth".into()), marker: None },
        Request::GetInventory { context_id: context_id() },
        Request::Shutdown { context_id: Some(context_id()) },
        Request::Ping,
        Request::RunStream { context_id: context_id(), node_ids: node_ids(), workers: Some(4), maxfail: None },
        Request::GetRunProgress { context_id: context_id(), run_id: "run-123".into() },
    ]
}

fn responses() -> Vec<Response> {
    vec![
        Response::ContextReady { protocol_version: 1, context_id: "ctx-123".into(), inventory_hash: "abc123".into() },
        Response::CollectionComplete { node_count: 42, duration_ms: 150 },
        Response::TestList { node_ids: vec!["test_a".into(), "test_b".into()] },
        Response::InventoryData {
            hash: "abc123".into(),
            collected_at: 1_234_567_890,
            nodes: vec![TestNodeInfo {
                node_id: "test.py::test_func".into(),
                file_path: "test.py".into(),
                lineno: Some(10),
                name: "test_func".into(),
                class_name: None,
                markers: vec!["slow".into()],
                skip: false,
                xfail: false,
            }],
        },
        Response::RunComplete { total: 10, passed: 8, failed: 1, skipped: 1, errors: 0, duration_ms: 5_000 },
        Response::ShutdownAck,
        Response::Pong,
        Response::RunStarted { run_id: "run-123".into(), total_tests: 10 },
        Response::RunProgress {
            run_id: "run-123".into(),
            total: 10,
            completed: 5,
            running: 2,
            done: false,
            results: vec![TestResultInfo {
                node_id: "test.py::test_foo".into(),
                outcome: "passed".into(),
                duration_ms: 100,
                message: None,
            }],
        },
        Response::Error { code: ErrorCode::ContextNotFound, message: "Context not found".into() },
    ]
}

fn wire<T: serde::Serialize>(message: &T, shape: Shape) -> Vec<u8> {
    match shape {
        Shape::Named => rmp_serde::to_vec_named(message).unwrap(),
        Shape::Compact => rmp_serde::to_vec(message).unwrap(),
    }
}

/// Debug texts tell type, fields and values; only the added fields are ours alone.
fn told(message: &impl std::fmt::Debug) -> String {
    let mut text = format!("{message:?}");
    for added in [", options: None", ", session_exit: None", ", activated: None"] {
        text = text.replace(added, "");
    }
    text
}

const SHAPES: [Shape; 2] = [Shape::Compact, Shape::Named];

#[test]
fn its_requests_are_read_as_it_means_them_and_written_as_it_writes_them() {
    for message in requests() {
        for shape in SHAPES {
            let bytes = wire(&message, shape);
            let (found, read) = decode_request(&bytes);
            let read = read.unwrap();
            assert_eq!((found, told(&read)), (shape, told(&message)));
            assert_eq!(encode(&read, shape).unwrap(), bytes);
        }
    }
}

#[test]
fn its_responses_are_read_as_it_means_them_and_written_as_it_writes_them() {
    for message in responses() {
        for shape in SHAPES {
            let bytes = wire(&message, shape);
            let (found, read) = decode_response(&bytes);
            let read = read.unwrap();
            assert_eq!((found, told(&read)), (shape, told(&message)));
            assert_eq!(encode(&read, shape).unwrap(), bytes);
        }
    }
}

#[test]
fn an_execution_mode_that_it_leaves_out_is_the_default() {
    let bytes = rmp_serde::to_vec(&("init_context", 1, "/repo", None::<String>)).unwrap();
    let expected = ours::Request::InitContext {
        protocol_version: 1,
        repo_path: "/repo".into(),
        python_path: None,
        execution_mode: None,
        activated: None,
    };
    assert_eq!(decode_request(&bytes), (Shape::Compact, Ok(expected)));
}

proptest! {
    #[test]
    fn it_reads_any_request_of_the_base_protocol(message in arbitrary::request(false)) {
        for shape in SHAPES {
            let bytes = encode(&message, shape).unwrap();
            let read: Request = rmp_serde::from_slice(&bytes).unwrap();
            prop_assert_eq!(told(&read), told(&message));
            prop_assert_eq!(wire(&read, shape), bytes);
        }
    }

    #[test]
    fn it_reads_any_response_of_the_base_protocol(message in arbitrary::response(false)) {
        for shape in SHAPES {
            let bytes = encode(&message, shape).unwrap();
            let read: Response = rmp_serde::from_slice(&bytes).unwrap();
            prop_assert_eq!(told(&read), told(&message));
            prop_assert_eq!(wire(&read, shape), bytes);
        }
    }
}
