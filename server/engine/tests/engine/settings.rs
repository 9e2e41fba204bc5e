//! Settings of a context: what they do to its tests, and what is refused.

use pytest_lens_protocol::{ErrorCode, Request, Response};

use crate::common::{Lab, Order, refused};

const TEXT: &str = "\
import os

def test_env():
    assert os.environ.get('WHICH') == 'settings', os.environ.get('WHICH')

def test_file():
    assert os.environ.get('ONLY_FILE') == 'a b # c', os.environ.get('ONLY_FILE')
";

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_the_settings_and_their_file_reach_the_tests() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(
            mode,
            &[("test_a.py", TEXT), ("local.env", "# local\nWHICH=file\nexport ONLY_FILE='a b # c'\n")],
        )
        .await;
        assert_eq!(lab.counts(Order::all()).await, [2, 0, 2, 0, 0], "{mode}");
        lab.configure(serde_json::json!({ "env": { "WHICH": "settings" }, "envFile": "local.env" })).await;
        assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0], "{mode}");
        lab.configure(serde_json::json!({ "envFile": "local.env" })).await;
        assert_eq!(lab.counts(Order::all()).await, [2, 1, 1, 0, 0], "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_the_settings_reach_pytest() {
    let lab = Lab::open(&[("test_a.py", "def test_1(): pass\ndef test_2(): pass")]).await;
    lab.configure(serde_json::json!({ "arguments": ["-k", "test_2"] })).await;
    assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);
    lab.configure(serde_json::json!({ "arguments": ["--no-such-option"] })).await;
    let (code, message) = lab.refusal(Order::all()).await;
    assert_eq!(code, ErrorCode::CollectionFailed);
    assert!(message.contains("--no-such-option"), "{message}");
    lab.configure(serde_json::json!({})).await;
    assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_of_a_wrong_kind_is_refused_by_its_key_and_changes_nothing() {
    let lab = Lab::open(&[("test_a.py", TEXT)]).await;
    for (settings, key) in [
        (serde_json::json!({ "workers": "two" }), "pytestLens.workers"),
        (serde_json::json!({ "workers": 0 }), "pytestLens.workers"),
        (serde_json::json!({ "env": { "WHICH": 5 } }), "pytestLens.env.WHICH"),
        (serde_json::json!({ "rerun": { "enabled": true, "maxReruns": -1 } }), "pytestLens.rerun.maxReruns"),
        (serde_json::json!({ "executionMode": "threads" }), "pytestLens.executionMode"),
        (serde_json::json!({ "envFile": "missing.env" }), "pytestLens.envFile"),
        (serde_json::json!("settings"), "settings"),
    ] {
        let request = Request::ConfigureContext { context_id: lab.context.clone(), settings };
        let (code, message) = refused(lab.call(request).await);
        assert_eq!(code, ErrorCode::InvalidRequest);
        assert!(message.contains(key), "{message}");
    }
    let asked = lab.call(Request::GetRerunConfig { context_id: lab.context.clone() }).await;
    assert!(matches!(asked, Response::RerunConfig { enabled: false, .. }), "{asked:?}");
    lab.close().await;
}
